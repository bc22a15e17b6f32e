from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from andersonn.errors import UsageError
from andersonn.measuring import memory, report
from andersonn.measuring.memory import NO_RESET, Plan, measure, step_peak
from andersonn.measuring.report import memory_rows
from andersonn.measuring.training_step import LAYERS, VARIANTS, step
from andersonn.measuring.verdict import memory_verdict

MEGABYTE = 10**6


def fake_point(plan, kind, depth):
    """A layer of 30 MB, a stack of 4 MB a layer."""
    if kind == "stack":
        return {"bytes": 4 * MEGABYTE * depth}
    return {"bytes": 30 * MEGABYTE, "forward_evaluations": depth + 1, "adjoint_evaluations": depth + 1}


@pytest.fixture
def result(monkeypatch):
    monkeypatch.setattr(memory, "_point", fake_point)
    monkeypatch.setattr(memory, "_free_bytes", lambda device: 400 * MEGABYTE)
    return measure(Plan(batch=1, depths=(100, 1, 5, 10, 10)))


def test_rows_and_break_even(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["depths"] == [1, 5, 10, 100]
    assert [row["depth"] for row in result["rows"] if row["kind"] == "stack"] == [1, 5, 10, 100]
    assert result["break_even"] == 10
    assert "From a depth of 10 on" in result["verdict"]
    assert result["growth"] == {"forward": 1.0, "anderson": 1.0, "stack": 10.0}
    head, body = memory_rows(result)
    assert head[-1] == "most, in units of 1"
    assert [row[-1] for row in body] == ["10.00×", "1.00×", "1.00×"]


def test_a_stack_that_would_not_fit_is_not_tried_and_not_zero(result):
    deepest = [row for row in result["rows"] if row["kind"] == "stack"][-1]
    assert deepest["bytes"] is None
    assert deepest["why"] == "not measured: it would take about 0.4 GB, and 0.4 GB are free"
    page = report.render(result)
    assert "not measured" in page
    assert page.count("<svg") == 1
    assert not re.findall(r'(?:src|href)="?https?://', page)


def test_the_verdict_says_where_a_stack_needs_less():
    rows = [
        {"kind": kind, "depth": depth, "bytes": size * MEGABYTE, "why": None}
        for kind, size in (("anderson", 30), ("stack", 10))
        for depth in (1, 2)
    ]
    found = memory_verdict({"rows": rows, "break_even": None})
    assert "a stack needs less memory" in found["verdict"]
    assert "At every depth measured the layer needs less" in memory_verdict({"rows": rows, "break_even": 1})["verdict"]
    for row in rows:
        row |= {"bytes": None, "why": NO_RESET}
    assert NO_RESET in memory_verdict({"rows": rows, "break_even": None})["verdict"]


@pytest.mark.parametrize("task", [None, "conduction"])
def test_the_solver_runs_for_exactly_so_many_steps_in_both_passes(task):
    plan = Plan(task=task, batch=1)
    for kind in (*LAYERS, *VARIANTS):
        found = step_peak(plan, kind, 3)
        assert (found["forward_evaluations"], found["adjoint_evaluations"]) == (4, 4)
        assert found["bytes"] is not None or found["why"] == NO_RESET
    assert "forward_evaluations" not in step_peak(plan, "stack", 3)


def test_smaller_forms_are_measured_when_asked_for(monkeypatch):
    monkeypatch.setattr(memory, "_point", fake_point)
    result = measure(Plan(batch=1, depths=(1, 2), variants=True))
    assert {row["kind"] for row in result["rows"]} == {*LAYERS, *VARIANTS, "stack"}
    page = report.render(result)
    assert all(f"layer, Anderson, {name}" in page for name in VARIANTS)


def test_a_window_in_bfloat16_takes_half_and_none_in_the_backward_pass_less():
    """Whole points: what a window of 5 costs beyond the layer's own one-step cost, on the tutorial's cell."""
    kinds = (
        "anderson",
        "bfloat16",
        "plain adjoint",
    )  # one after the other in one process, which takes seconds to start
    code = (
        "import json; from andersonn.measuring.memory import Plan, step_peak\n"
        f"print(json.dumps({{kind: step_peak(Plan(batch=4), kind, 12)['bytes'] for kind in {kinds}}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | memory.EXACT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    if None in found.values():
        pytest.skip(NO_RESET)
    state = 4 * 48 * 32 * 32 * 4
    assert found["anderson"] - found["bfloat16"] > 3 * state  # of the 5 that half a window of 10 states saves
    assert found["anderson"] - found["plain adjoint"] > 3 * state


def test_an_unknown_kind():
    with pytest.raises(UsageError, match="name one of"):
        step(memory._posed(Plan(batch=1)), "andersen", 1)


def test_gradients_go_where_they_go_in_training():
    x = memory._posed(Plan(task="conduction", batch=2)).x
    assert all(part.requires_grad and part.is_leaf for part in (x.injection, x.filters, x.own, x.mix))
    assert not x.neighbors.index.requires_grad


def test_a_point_in_a_fresh_process():
    found = memory._point(Plan(batch=2), "stack", 2)
    if found["bytes"] is None:
        pytest.skip(found["why"])
    state = 2 * 48 * 32 * 32 * 4
    assert 10 * state < found["bytes"] < 100 * state


def test_a_process_that_fails_is_not_measured(forked_workers):
    found = memory._point(Plan(batch=2), "no such kind", 2)
    assert "bytes" not in found
    assert "not measured: the process ended with status" in found["why"]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"depths": ()}, "write --depths"),
        ({"depths": (0, 1)}, "write --depths"),
        ({"data": ("x.parquet",)}, "name one"),
    ],
)
def test_bad_plans(options, cause):
    with pytest.raises(UsageError, match=cause):
        Plan(**options)


def test_a_task_without_structures():
    with pytest.raises(UsageError, match="give --data"):
        measure(Plan(task="polarity"))


def test_too_few_structures():
    with pytest.raises(UsageError, match="lower --batch"):
        memory._posed(Plan(task="conduction", batch=10**6))


def test_code_that_is_loaded_when_first_needed_is_not_the_layers():
    """About 40 MB of it, a hundred times this state."""
    found = memory._point(Plan(batch=2), "anderson", 2)
    if found["bytes"] is None:
        pytest.skip(found["why"])
    assert found["bytes"] < 20 * MEGABYTE


def test_the_uncounted_step_leaves_no_gradients():
    posed = memory._posed(Plan(task="conduction", batch=2))
    step(posed, "anderson", 1)
    assert posed.x.filters.grad is not None
    fresh = posed.without_gradients()
    assert fresh.x.filters.grad is None
    assert fresh.x.filters.requires_grad
    assert all(weight.grad is None for weight in fresh.cell.parameters())
