from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from andersonn.errors import UsageError
from andersonn.measuring import budget, by_rows, report
from andersonn.measuring.budget import bisected, frontier_of, measure, probe
from andersonn.measuring.by_rows import ByRows
from andersonn.measuring.memory import NO_RESET, Plan
from andersonn.measuring.report import budget_rows
from andersonn.measuring.training_step import StepInput, steps_needed
from andersonn.measuring.tutorial_cell import tutorial_problem
from andersonn.measuring.verdict import budget_verdict
from andersonn.models import SolverConfig
from andersonn.structures.image import ImageRecipe

MEGABYTE = 10**6


def budget_plan(file, budget, **options):
    return Plan(**{"task": "conduction", "data": (file,), "budget": budget, "batch": 1} | options)


@pytest.fixture(scope="module")
def few(demo_sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(demo_sample.take(np.arange(0, 240, 8)).table, path)
    return str(path)


@pytest.fixture(scope="module")
def few_records(demo_sample):
    return demo_sample.take(np.arange(0, 240, 8))


@pytest.mark.parametrize("edge", [0, 1, 2, 7, 63, 99, 100])
def test_bisection_sees_both_sides_of_the_edge(edge):
    probes = []

    def fits(depth):
        probes.append({"depth": depth, "fits": depth <= edge, "bytes": 10 * depth})
        return depth <= edge

    bisected(fits, 100)
    found = frontier_of(probes)
    assert found["deepest"] == edge
    assert found["refused"] == (edge + 1 if edge < 100 else None)
    assert len(probes) <= 12
    assert len({each["depth"] for each in probes}) == len(probes)
    if edge:
        assert found["growth"] == edge
        assert found["bytes"][str(edge)] == 10 * edge


def allocating(posed, kind, depth):
    torch.empty(depth * 2**30, dtype=torch.uint8)


@pytest.fixture
def posed():
    cell, x = tutorial_problem(batch=1, seed=0)
    return StepInput(cell, x.requires_grad_(), None, SolverConfig(rtol=1e-2))


def test_what_is_refused_is_told_from_what_fits(posed, monkeypatch):
    monkeypatch.setattr(budget, "step", allocating)
    plan = budget_plan("x", 2**30 + 2**26)
    assert probe(posed, "stack", 4, plan) == {"depth": 4, "fits": False, "bytes": None}
    assert probe(posed, "stack", 1, plan)["fits"]  # what was refused leaves nothing behind
    allocating(posed, "stack", 4)  # nor is the process held to the budget for good


def test_another_error_is_not_taken_for_a_refusal(posed, monkeypatch):
    def broken(posed, kind, depth):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(budget, "step", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        probe(posed, "stack", 1, budget_plan("x", MEGABYTE))


def test_structures_by_rows(few_records):
    finder = ByRows(few_records, ImageRecipe())
    rows = [finder.rows(i) for i in range(len(few_records))]
    assert finder.rows(finder.largest(1)[0]) == max(rows)
    assert sorted(rows)[-3:] == sorted(map(finder.rows, finder.largest(3)))
    size = sorted(rows)[len(rows) // 2]
    for index in finder.find(size, 2):
        assert size <= finder.rows(index) <= by_rows.NEAR * size
    assert finder.find(10**6, 2) == finder.largest(2)
    assert len(set(finder.find(size, 5))) == 5


def test_the_largest_is_found_without_imaging_all(few_records):
    finder = ByRows(few_records, ImageRecipe(fold=False))  # then rows are atoms
    finder.largest(1)
    assert len(finder._rows) < 4


def test_whole_measurement_in_processes_of_their_own(few):
    plan = budget_plan(few, 2 * MEGABYTE, rows=(10**6,), deepest=20)
    result = measure(plan)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    largest = result["sizes"][-1]
    stack, layer = largest["kinds"]["stack"], largest["kinds"]["anderson"]
    if layer["why"] == NO_RESET:
        pytest.skip(NO_RESET)
    if layer["why"] and "OpenBLAS" in layer["why"]:
        pytest.skip("the linear algebra library ends processes in so small a budget")
    assert layer["why"] is None
    assert 1 <= stack["deepest"] < 20
    assert stack["refused"] == stack["deepest"] + 1
    assert stack["bytes"][str(stack["deepest"])] <= plan.budget
    assert (layer["deepest"], layer["refused"]) == (20, None)
    assert largest["needed"]["forward"] >= 1
    assert f"hold a stack of {stack['deepest']} layers, not {stack['refused']}" in result["verdict"]
    page = report.render(result)
    assert page.count("<svg") == 1
    assert not re.findall(r'(?:src|href)="?https?://', page)


def row(stack, anderson, needed=5, rows=100):
    def kind(deepest, refused):
        return {"deepest": deepest, "refused": refused, "bytes": {str(deepest): 10**6}, "growth": 1.0, "why": None}

    found = {"forward": kind(*anderson), "anderson": kind(*anderson), "stack": kind(*stack)}
    return {
        "rows": rows,
        "atoms": [rows],
        "ids": ["x"],
        "needed": {"forward": needed, "anderson": needed},
        "kinds": found,
    }


def verdict(*sizes):
    return budget_verdict({"sizes": list(sizes), "budget": 10**8})["verdict"]


def test_the_verdict():
    assert "no deeper than a stack" in verdict(row((50, None), (50, None)))
    words = verdict(row((7, 8), (50, None)), row((0, 1), (20, 21), needed=30, rows=900))
    assert "At 100 rows 100 MB hold a stack of 7 layers, not 8; the layer with Anderson takes all 50 steps" in words
    assert "not even one layer; the layer with Anderson takes 20 steps" in words
    assert (
        "30 steps to the model's own tolerance at 900 rows: a stack so deep does not fit" not in words
    )  # nor does the layer
    assert "a stack so deep does not fit there, and the layer does" in verdict(row((7, 8), (50, None), needed=12))
    assert "out of a stack's reach" in verdict(row((7, 8), (50, None)))


def test_a_process_that_fails_is_not_a_step_that_does_not_fit(few, few_records, forked_workers):
    found = budget._frontier(budget_plan(few, MEGABYTE), few_records, "no such kind")
    assert found["deepest"] is None
    assert "not measured: the process ended with status" in found["why"]
    size = row((1, 2), (1, 2))
    size["kinds"]["stack"] = found
    assert "The two cannot be compared: not measured" in verdict(size)
    assert budget_rows({"sizes": [size]})[1][0][-1] == "not measured"


def test_steps_needed(posed):
    assert 1 <= steps_needed(posed, "anderson") <= steps_needed(posed, "forward")
    hard = replace(posed, config=SolverConfig(rtol=1e-30))
    assert steps_needed(hard, "forward") is None


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"rows": ()}, "are counts"),
        ({"budget": 0}, "are counts"),
        ({"data": ()}, "give --data"),
    ],
)
def test_bad_plans(options, cause):
    with pytest.raises(UsageError, match=cause):
        Plan(**{"task": "conduction", "data": ("x",), "budget": 1} | options)


def test_too_few_structures(few):
    with pytest.raises(UsageError, match="lower --batch"):
        measure(budget_plan(few, MEGABYTE, rows=(10**6,), batch=1000))
