from __future__ import annotations

import json
from functools import partial

import torch

from andersonn.measuring import solvers
from andersonn.measuring.problems import poisson, tanh_map
from andersonn.measuring.solvers import FORWARD, SOLVERS, Case, measure, standard_cases
from andersonn.solvers import FixedPoint, Status

SMALL = [
    Case("small map", "float64", 3, partial(tanh_map, torch.float64, 3, 0, size=30)),
    Case("small equation", "float32", 1, partial(poisson, torch.float32, 1, 0, grid=15)),
]


def test_every_pairing_is_a_row():
    found = measure(SMALL, max_evaluations=100, repeats=2)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len(found["rows"]) == len(SMALL) * len(SOLVERS) * 2
    assert found["agreement"] == 1.0
    assert found["speedup_evaluations"] > 1.0
    for row in found["rows"]:
        if row["status"] == "converged":
            assert row["residual"] <= 1.01 * row["rtol"]
            assert row["seconds_least"] <= row["seconds"] <= row["seconds_most"]
    plain = [row for row in found["rows"] if row["solver"] == FORWARD and row["problem"] == "small equation"]
    assert [(row["status"], row["evaluations"]) for row in plain] == [("1 max_steps", None)] * 2
    assert "3 are solved by others and not by Picard iteration" in found["verdict"]


def test_a_false_status_is_found_out(monkeypatch):
    class Liar(type(SOLVERS[FORWARD])):
        def solve(self, f, z0, offsets=None):
            found = super().solve(f, z0, offsets)
            status = torch.full_like(found.status, int(Status.CONVERGED))
            return FixedPoint(found.z, status, found.residual, found.steps, found.evaluations, found.trace)

    monkeypatch.setitem(solvers.SOLVERS, FORWARD, Liar())
    found = measure(SMALL[1:], max_evaluations=5, repeats=1)
    assert {row["status"] for row in found["rows"] if row["solver"] == FORWARD} == {"not as it says"}


def test_sets_hold_every_problem():
    quick, full = standard_cases("quick"), standard_cases("full")
    assert {case.problem for case in quick} == {case.problem for case in full}
    assert {case.dtype for case in full} == {"float32", "float64"}
    assert [str(case) for case in standard_cases("quick", ["tanh 0.99"])] == ["tanh 0.99, float32, batch 4"]
    assert quick[0].make().samples == 4
