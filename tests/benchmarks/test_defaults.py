from dataclasses import replace

import pytest
import torch

import defaults
from andersonn.errors import UsageError
from andersonn.solvers import FixedPointIteration, Status
from contest.held_back import DRAWS, FAMILIES, draws
from contest.problems import PROBLEMS, Case

LINEAR = next(problem for problem in PROBLEMS if problem.name == "affine, 8 unknowns, 1.2")
ROUNDED = next(problem for problem in PROBLEMS if problem.least_rtol == 1e-5)


def test_every_quick_problem_is_compared_once_a_precision():
    cases = list(defaults.cases())
    assert len({str(case) for case in cases}) == len(cases)
    assert {case.problem.name for case in cases} == {problem.name for problem in PROBLEMS if problem.quick}
    assert {case.dtype for case in cases} == {"float32", "float64"}
    assert {case.problem.name for case in cases} >= defaults.SINGLE_ONLY


def test_counts_are_sums_over_seeds(monkeypatch):
    monkeypatch.setattr(defaults, "SOLVERS", {name: defaults.SOLVERS[name] for name in ("Picard", "Anderson 10")})
    case = Case(LINEAR, "float64", 4)
    cells = defaults.compared(case, [0, 1], 50)
    assert cells["Picard"].unsolved == 8  # radius 1.2
    assert cells["Picard"].evaluations == 2 * 51
    runs = [case.pose(seed).solve(replace(defaults.SOLVERS["Anderson 10"], rtol=1e-6, max_steps=50)) for seed in (0, 1)]
    assert cells["Anderson 10"].evaluations == sum(run.evaluations for run in runs)
    assert cells["Anderson 10"].worst_steps == max(int(run.steps.max()) for run in runs)
    assert str(cells["Anderson 10"]) == f"{sum(run.evaluations for run in runs)} ({cells['Anderson 10'].worst_steps})"
    assert str(cells["Picard"]).endswith("!8")


def test_a_tolerance_below_what_rounding_allows_is_raised(monkeypatch):
    monkeypatch.setattr(defaults, "SOLVERS", {"Anderson 5": defaults.SOLVERS["Anderson 5"]})
    assert defaults.compared(Case(ROUNDED, "float64", 4), [0], 400)["Anderson 5"].unsolved == 0


class Liar(FixedPointIteration):
    """Says of every sample that it is solved."""

    def solve(self, f, z0, offsets=None):
        found = super().solve(f, z0, offsets)
        return replace(found, status=torch.full_like(found.status, Status.CONVERGED))


def test_false_statuses_are_found():
    posed = LINEAR.make(torch.float64, 4, 0)
    cell = defaults.Cell()
    cell.add(posed, Liar(rtol=1e-6, max_steps=5))
    assert (cell.unsolved, cell.false) == (0, 4)
    assert str(cell).endswith("?4")


def test_the_command_prints_a_line_a_case(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["defaults.py", "--problem", LINEAR.name, "--seeds", "0", "--steps", "30"])
    threads = torch.get_num_threads()
    defaults.main()
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith(LINEAR.name)][1].count("(") == len(
        defaults.SOLVERS
    )
    assert "2 cases" in printed
    monkeypatch.setattr("sys.argv", ["defaults.py", "--problem", "nothing"])
    with pytest.raises(UsageError, match="nothing"):
        defaults.main()


def test_the_halves_of_the_maps_held_back_are_disjoint_and_the_same_each_time():
    tune, report = draws("tune"), draws("report")
    names = [case.problem.name for case in tune + report]
    assert len(set(names)) == len(FAMILIES) * DRAWS == len(names)
    assert len(tune) == len(report)
    for case, again in zip(report, draws("report"), strict=True):
        posed, same = case.pose(0), again.pose(0)
        assert posed.z0.dtype == getattr(torch, case.dtype)
        assert posed.z0.shape == same.z0.shape
        assert torch.equal(posed.f(posed.z0), same.f(same.z0))
        assert posed.f(posed.z0).isfinite().all()
        part = torch.tensor([2, 0])
        assert torch.allclose(posed.f.subset(part, part)(posed.z0[part]), posed.f(posed.z0)[part], rtol=1e-4, atol=1e-5)


def test_another_first_seed_gives_other_maps_of_the_same_families():
    for one, other in zip(draws("report"), draws("report", 9000), strict=True):
        assert str(one) == str(other)
        first, second = one.pose(0), other.pose(0)
        values = first.f(first.z0), second.f(second.z0)
        assert values[0].shape != values[1].shape or not torch.equal(*values)


def test_the_command_takes_a_half_and_a_solver(monkeypatch, capsys):
    monkeypatch.setattr(defaults, "draws", lambda half, seed: draws(half, seed)[:1])
    monkeypatch.setattr("sys.argv", ["defaults.py", "--held-back", "report", "--solver", "Picard", "--seeds", "0"])
    threads = torch.get_num_threads()
    defaults.main()
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert "not normal 1" in printed
    assert "Broyden" not in printed
    monkeypatch.setattr("sys.argv", ["defaults.py", "--held-back", "tune", "--problem", LINEAR.name])
    with pytest.raises(SystemExit):
        defaults.main()
