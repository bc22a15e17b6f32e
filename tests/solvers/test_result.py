"""How results are shown: in a terminal, and as a picture."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import andersonn as an
from andersonn.solvers import Anderson, FixedPointIteration, trace_plot
from tests.solvers.problems import tanh_map


def test_results_are_shown_in_a_line():
    f, z0 = tanh_map(20, 4, 0.9)
    found = Anderson(rtol=1e-3).solve(f, z0)
    worst = float(found.residual.max())
    assert repr(found) == f"FixedPoint(4/4 converged, {found.evaluations} evaluations, residual ≤ {worst:.1e})"
    assert repr(found.trace).startswith(f"Trace({found.evaluations} evaluations, 4 samples, ")
    broken = FixedPointIteration(max_steps=3).solve(lambda z: torch.where(z0[:, :1] == 0, f(z), torch.nan), z0)
    assert "4/4 max_steps" in repr(broken)
    lost = FixedPointIteration().solve(lambda z: z * torch.nan, z0)
    assert repr(lost) == "FixedPoint(4/4 nonfinite, 1 evaluations, residual ≤ inf)"


def lines_of(ax):
    return [np.column_stack(line.get_data()) for line in ax.get_lines()]


def test_few_samples_are_a_line_each_up_to_where_they_stopped():
    rates = torch.tensor([[0.1], [0.9]], dtype=torch.float64)
    found = FixedPointIteration(rtol=1e-6, max_steps=200).solve(lambda z: rates * z + 1.0, torch.zeros_like(rates))
    ax = found.trace.plot()
    assert ax.get_yscale() == "log"
    lines = lines_of(ax)
    for b, steps in enumerate(found.steps.tolist()):
        assert lines[b][:, 0].tolist() == list(range(1, steps + 2))
        assert lines[b][:, 1] == pytest.approx(found.trace.residual[: steps + 1, b].numpy())


def test_many_samples_are_bands_around_the_median_in_given_axes():
    f, z0 = tanh_map(20, 30, 0.9)
    trace = Anderson(rtol=1e-6).solve(f, z0).trace
    mine = Figure().subplots()
    assert trace.plot(ax=mine) is mine
    (median,) = lines_of(mine)
    assert median[:, 1] == pytest.approx(trace.residual.quantile(0.5, dim=1).numpy())
    assert len(mine.collections) == 2
    assert len(lines_of(trace.plot(ax=Figure().subplots(), lines=30))) == 30


def test_residuals_of_zero_and_of_one_evaluation():
    trace = Anderson().solve(lambda z: z, torch.ones(3, 2)).trace
    trace.plot(ax=Figure().subplots()).figure.canvas.draw()
    trace.plot(ax=Figure().subplots(), lines=1).figure.canvas.draw()


def test_a_solve_loads_no_matplotlib():
    code = (
        "import sys, torch, andersonn\n"
        "print(andersonn.fixed_point(torch.cos, torch.zeros(2, 3)))\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_drawing_for_a_notebook():
    solution = an.fixed_point(torch.cos, torch.linspace(0, 1, 60).reshape(20, 3), an.Anderson(rtol=1e-8))
    for thing in (solution, solution.trace):
        page = thing._repr_html_()
        assert page.count("<svg") == page.count("</svg>") == 1
        assert f"{solution.evaluations} evaluations" in page
        (line,) = re.findall(r'<polyline points="([^"]+)"', page)
        points = np.array([[float(x) for x in point.split(",")] for point in line.split()])
        seen = (solution.trace.residual > 0).any(dim=1).sum()
        assert len(points) == seen
        assert (np.diff(points[:, 0]) > 0).all()
        assert (points[:, 1] >= 0).all()
        assert (points[:, 1] <= trace_plot.HEIGHT).all()
        assert points[0, 1] < points[-1, 1]  # residuals fall, so the line does
    assert "20 of 20 converged" in solution._repr_html_()


def test_nothing_to_draw_for_a_notebook():
    nothing = an.fixed_point(lambda z: z, torch.zeros(2, 3))
    assert "<svg" not in nothing._repr_html_()
    assert "2 of 2 converged" in nothing._repr_html_()
