import pytest

from contest.claims import claims, power, speedups
from contest.contestants import AUTO, DEFAULT, FORWARD, LARGEST_WINDOW
from contest.peers import RIVALS
from contest.report import claims_table, spell

LIMIT = 600


def row(solver, evaluations, seconds=1.0, ours=False, kind="anderson", problem="p", rtol=1e-5, **more):
    solved = evaluations is not None
    return {
        "problem": problem, "group": "g", "radius": 0.99, "dtype": "float32", "batch": 1, "rtol": rtol, "solver": solver,
        "ours": ours, "same_map": True, "kind": kind, "status": "converged" if solved else "not in 600", "evaluations": evaluations,
        "calls": evaluations or LIMIT, "seconds": seconds if solved else None, "distance": 1e-4 if solved and ours else None,
        "finite": True if ours else None, "honest": True if ours else None, "optimal_evaluations": 10,
    } | more  # fmt: skip


def ours(solver, evaluations, seconds=1.0, **more):
    return row(solver, evaluations, seconds, ours=True, **more)


def claim(rows, key, whose="best of ours", part=""):
    found = [c for c in claims(rows, LIMIT) if c["key"] == key and c["whose"] == whose and part in c["claim"]]
    assert len(found) == 1
    return found[0]


GOOD = [
    ours(DEFAULT, 12, 1.0),
    ours("Anderson m=20", 11, 1.5),
    row(RIVALS[0], 40, 4.0),
    row(RIVALS[1], None),
    row("torchdeq Broyden", 10, 3.0, kind="broyden"),
]


def test_all_met():
    for key, part in (("evaluations", ""), ("halved", RIVALS[0]), ("halved", RIVALS[1]), ("optimal", ""), ("time", "")):
        assert claim(GOOD, key, part=part)["met"] is True
    assert claim(GOOD, "evaluations")["value"] == 1  # 11 − 10
    assert claim(GOOD, "evaluations", DEFAULT)["value"] == 2
    assert claim(GOOD, "halved", part=RIVALS[0])["value"] == pytest.approx(11 / 40)
    assert claim(GOOD, "halved", part=RIVALS[1])["value"] == pytest.approx(11 / LIMIT)
    assert claim(GOOD, "optimal")["value"] == pytest.approx(1.1)
    assert claim(GOOD, "never_behind")["value"] == pytest.approx(3.0)
    assert claim(GOOD, "honest", "all of ours")["met"] is True
    assert claim(GOOD, "finite", "all of ours")["value"] == 0


def test_too_many_evaluations():
    rows = [ours(DEFAULT, 13), row("torchdeq Broyden", 10, kind="broyden"), row(RIVALS[0], 20)]
    found = claim(rows, "evaluations")
    assert (found["value"], found["met"]) == (3, False)
    assert "p, float32, batch 1, to 1e-5" in found["measured"]
    assert claim(rows, "halved", part=RIVALS[0])["met"] is False
    assert claim(rows, "optimal")["met"] is False


def test_never_arriving_is_worse_than_any_number():
    rows = [ours(DEFAULT, None), row(RIVALS[0], 500)]
    for key, part in (("evaluations", ""), ("halved", RIVALS[0]), ("time", ""), ("never_behind", "")):
        assert claim(rows, key, part=part)["met"] is False
    assert "not reached" in claim(rows, "evaluations")["measured"]
    assert claim(rows, "evaluations")["value"] is None  # JSON has no infinity


def test_cases_nobody_solves_say_nothing():
    rows = [ours(DEFAULT, None), row(RIVALS[0], None)]
    for key in ("evaluations", "time", "never_behind"):
        assert claim(rows, key)["met"] is None
        assert claim(rows, key)["measured"] == "not measured"


def test_easy_radii_and_loose_tolerances_are_not_to_be_halved():
    rows = [ours(DEFAULT, 30, rtol=1e-3), row(RIVALS[0], 31, rtol=1e-3)]
    rows += [ours(DEFAULT, 30, radius=0.9), row(RIVALS[0], 31, radius=0.9)]
    assert claim(rows, "halved", part=RIVALS[0])["met"] is None


def test_the_optimum_counts_where_the_window_holds_it():
    beyond = LARGEST_WINDOW + 2
    rows = [ours(DEFAULT, 3 * beyond, optimal_evaluations=beyond, problem="long"), ours(DEFAULT, 11, problem="short")]
    found = claim(rows, "optimal")
    assert found["met"] is True
    assert "over all 2 cases median 2.05" in found["measured"]


def test_time_on_three_quarters_of_the_cases():
    fast = [[ours(DEFAULT, 9, 1.0, problem=p), row(RIVALS[0], 9, 2.0, problem=p)] for p in "abc"]
    slow = [ours(DEFAULT, 9, 1.0, problem="d"), row(RIVALS[0], 9, 1.5, problem="d")]
    behind = [ours(DEFAULT, 9, 1.0, problem="e"), row(RIVALS[0], 9, 0.5, problem="e")]
    rows = [r for pair in fast for r in pair] + slow
    assert claim(rows, "time")["value"] == 0.75
    assert claim(rows, "time")["met"] is True
    assert claim(rows, "never_behind")["met"] is True
    assert claim(rows + behind, "time")["met"] is False
    found = claim(rows + behind, "never_behind")
    assert (found["met"], found["value"]) == (False, 0.5)


def test_a_compiled_twin_counts_apart():
    rows = [ours(DEFAULT, 9, 1.0), row(RIVALS[0], 9, 3.0), row("jaxopt", 9, 0.5, same_map=False)]
    assert claim(rows, "time")["met"] is True
    assert claim(rows, "time_compiled")["met"] is False
    assert claim(rows, "never_behind")["value"] == pytest.approx(3.0)
    assert claim(rows, "never_behind_compiled")["value"] == pytest.approx(0.5)


def test_peers_forward_iteration_is_no_rival_in_time():
    rows = [ours(DEFAULT, 9, 2.0), row("torchdeq forward", 9, 1.0, kind="forward")]
    assert "no peer arrives" in claim(rows, "time")["measured"]
    assert claim(rows, "never_behind")["met"] is True


@pytest.mark.parametrize(("seconds", "met"), [(1.04, True), (1.06, False)])
def test_the_automatic_choice_against_forward_iteration(seconds, met):
    rows = [ours(FORWARD, 50, 1.0), ours(AUTO, 20, seconds)]
    found = claim(rows, "auto", AUTO)
    assert found["met"] is met
    assert found["value"] == pytest.approx(seconds - 1)
    assert claim([ours(FORWARD, 50, 1.0)], "auto", AUTO)["met"] is None
    assert claim([ours(FORWARD, 50, 1.0), ours(AUTO, None)], "auto", AUTO)["met"] is False
    assert claim([ours(FORWARD, None), ours(AUTO, 20)], "auto", AUTO)["met"] is None


def test_dishonest_and_spoilt_runs_are_counted():
    rows = [ours(DEFAULT, 9), ours(DEFAULT, None, honest=False, finite=False, problem="q")]
    assert claim(rows, "honest", "all of ours")["value"] == 0.5
    assert claim(rows, "honest", "all of ours")["met"] is False
    assert claim(rows, "finite", "all of ours")["met"] is False


def test_speedups():
    found = speedups(GOOD)
    assert found["speedup_evaluations"] == pytest.approx(10 / 11)
    assert found["speedup_time"] == pytest.approx(3.0)
    assert found["agreement"] == 1.0
    assert speedups([*GOOD, ours("far", 11, distance=0.5)])["agreement"] == pytest.approx(2 / 3)
    twin = row("jaxopt", 20, 1.5, same_map=False)
    assert speedups([*GOOD, twin])["speedup_time"] == pytest.approx(3.0)
    assert speedups([*GOOD, twin])["speedup_time_compiled"] == pytest.approx(1.5)
    assert set(speedups([]).values()) == {None}


def test_words():
    assert power(1e-5) == "1e-5"
    assert spell(0.01234) == "12.3 ms"
    assert spell(2.5) == "2.5 s"
    table = claims_table(claims([ours(DEFAULT, 13), row("torchdeq Broyden", 10, kind="broyden")], LIMIT))
    assert "**not met**" in table
    assert "not measured" in table
