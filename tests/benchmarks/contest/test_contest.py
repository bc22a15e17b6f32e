import json
from functools import partial

import pytest
import torch

from andersonn.measuring.problems import poisson, tanh_map
from andersonn.solvers import FixedPoint, Status
from contest import contest
from contest.contestants import OURS, Ours
from contest.equations import value_iteration
from contest.figure import figure
from contest.peers import PEERS, TorchPeer
from contest.problems import Case, Problem
from contest.report import markdown

MAP = Problem("small map", "maps", partial(tanh_map, size=30, radius=0.9), 0.95)
EQUATION = Problem("small equation", "equations", partial(poisson, grid=7))
DECISION = Problem("small decision", "equations", partial(value_iteration, states=30))


def broken(f, z0, evaluations):
    f(z0)
    raise torch.linalg.LinAlgError("singular | matrix\nsecond line")


def exploding(f, z0, evaluations):
    z = z0 + 1.0
    for _ in range(evaluations):
        f(z)
        z = 1e300 * z


class Liar(Ours):
    """Says that everything has converged."""

    def prepare(self, posed, rtol, evaluations):
        def run():
            found = super(Liar, self).prepare(posed, 0.5, evaluations)()
            status = torch.full_like(found.status, int(Status.CONVERGED))
            return FixedPoint(found.z, status, found.residual, found.steps, found.evaluations, found.trace)

        return run


EXTRA = (
    TorchPeer("broken", "anderson", broken),
    TorchPeer("exploding", "anderson", exploding),
    TorchPeer("absent", "anderson", broken, ("no_such_package",)),
    Liar("liar", "anderson", OURS[1].solver),
)


@pytest.fixture(scope="module")
def result():
    cases = [Case(MAP, "float64", 3), Case(EQUATION, "float32", 1), Case(DECISION, "float64", 2)]
    peers = [peer for peer in PEERS if not peer.packages]
    plan = contest.Plan(cases, max_evaluations=100, repeats=2, seconds=0.5)
    return contest.run(plan, (*OURS, *peers, *EXTRA))


def rows(result, solver, rtol=1e-5):
    return [row for row in result["rows"] if row["solver"] == solver and row["rtol"] == rtol]


def test_every_pairing_is_a_row(result):
    assert len(result["rows"]) == 3 * len(result["solvers"]) * 2
    json.dumps(result, allow_nan=False)
    assert {"speedup_time", "speedup_evaluations", "agreement", "claims", "setting"} <= result.keys()
    assert result["agreement"] == 1.0


def test_ours_are_solved_timed_and_honest(result):
    for row in rows(result, "Anderson m=20"):
        assert row["status"] == "converged"
        assert row["honest"]
        assert row["finite"]
        assert row["residual"] <= 1.01e-5
        assert row["calls"] == row["timed_calls"] == row["evaluations"]
        assert row["seconds_least"] <= row["seconds"] <= row["seconds_most"]
        assert row["repeats"] == 2
        assert row["optimal_evaluations"] <= row["evaluations"] + 1


def test_failures_are_rows(result):
    assert {row["status"] for row in rows(result, "broken")} == {"error: LinAlgError: singular | matrix"}
    assert {row["status"] for row in rows(result, "exploding")} == {"overflow"}
    assert "pip install" in rows(result, "absent")[0]["status"]
    assert rows(result, "scipy Broyden")[0]["status"] == "not applicable: one sample only"
    assert all(row["seconds"] is None for name in ("broken", "exploding", "absent") for row in rows(result, name))
    slow = rows(result, "forward iteration")[1]
    assert (slow["status"], slow["evaluations"], slow["ended"]) == ("not in 100", None, "1 max_steps")
    assert slow["honest"]


def test_a_false_status_is_found_out(result):
    for row in rows(result, "liar"):
        assert row["honest"] is False
        assert row["evaluations"] is None
    claim = next(claim for claim in result["claims"] if claim["key"] == "honest")
    assert claim["met"] is False


def test_report_and_plot(result):
    page = markdown(result, "make contest", "residuals.png")
    for solver in result["solvers"]:
        assert f"| {solver} " in page
    for words in (
        "small map, float64, 3",
        "LinAlgError",
        "overflow",
        "not installed",
        "n/a",
        "not in 100",
        "make contest",
    ):
        assert words in page
    widths = {line.count("|") for line in page.splitlines() if line.startswith(("| small", "| problem"))}
    assert widths == {len(result["solvers"]) + 3}
    assert figure(result).startswith(b"\x89PNG")


def test_timing_goes_in_turn_and_survives_failures():
    calls = []

    def fail():
        raise RuntimeError

    runs = {"a": lambda: calls.append("a"), "fails": fail, "b": lambda: calls.append("b")}
    found = contest.timed(runs, 3, 10.0, lambda: None)
    assert calls == ["a", "b"] * 4
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}


def test_a_time_counts_only_if_the_run_solved_the_problem():
    posed = Case(MAP, "float64", 1).pose(0)
    good, bad = (OURS[1].prepare(posed, 1e-5, budget)() for budget in (100, 3))
    steady, unsteady = (contest.Attempt("converged", good.evaluations) for _ in range(2))
    contest._compare_runs(steady, [(1.0, good), (1.0, good)])
    contest._compare_runs(unsteady, [(1.0, good), (1.0, bad)])
    assert (steady.status, steady.timed_calls) == ("converged", good.evaluations)
    assert (unsteady.status, unsteady.evaluations) == ("not each time", None)


def test_long_runs_are_timed_once():
    found = contest.timed({"a": lambda: sum(range(1000))}, 5, 0.0, lambda: None)
    assert len(found["a"]) == 1


def test_impossible_plans():
    with pytest.raises(ValueError, match="quick_cases"):
        contest.Plan([])
    with pytest.raises(ValueError, match="repeats"):
        contest.Plan([Case(MAP, "float64", 1)], repeats=0)


def test_threads_are_the_contests_own_and_given_back(monkeypatch):
    seen = []
    monkeypatch.setattr(contest, "_run", lambda *a: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    contest.run(contest.Plan([Case(MAP, "float64", 1)], threads=1))
    assert seen == [1]
    assert torch.get_num_threads() == before
