"""The race of iterations on an input's own map, scaled about its fixed point."""

from __future__ import annotations

import pytest

from andersonn.web.race import DAMPING, RATES, WINDOWS
from tests.web.conftest import EXAMPLES


def evaluations(residual, rtol=1e-3):
    return next((k for k, r in enumerate(residual, 1) if r is not None and r <= rtol), len(residual) + 1)


def test_the_plain_iteration_slows_down_and_diverges_where_anderson_does_not(server):
    found = server.ask("race", "conduction", EXAMPLES / "structures/quartz.cif").json()
    assert 0.0 < found["own_rate"] < 1.0
    assert found["damping"] == DAMPING
    assert [each["rate"] for each in found["rates"]] == list(RATES)
    assert all(each["anderson"].keys() == {str(m) for m in WINDOWS} for each in found["rates"])
    plain = [evaluations(each["plain"]) for each in found["rates"]]
    anderson = [evaluations(each["anderson"]["5"]) for each in found["rates"]]
    assert plain == sorted(plain)
    assert all(a <= p for a, p in zip(anderson, plain, strict=True))
    for each, count in zip(found["rates"], anderson, strict=True):
        assert count < 40
        if each["rate"] > 1.0:
            assert each["plain"][-1] is None or each["plain"][-1] > 1e-2


def test_the_own_map_is_among_them(server):
    """Scaled by one, it takes as many plain evaluations as it is, to within one."""
    looked = server.ask("inspect", "conduction", EXAMPLES / "structures/quartz.cif").json()["convergence"]
    own = evaluations(looked["curves"]["forward"]["residual"])
    found = server.ask("race", "conduction", EXAMPLES / "structures/quartz.cif").json()
    below = [each for each in found["rates"] if each["rate"] <= found["own_rate"]][-1]
    above = next(each for each in found["rates"] if each["rate"] >= found["own_rate"])
    assert evaluations(below["plain"]) - 1 <= own <= evaluations(above["plain"]) + 1


@pytest.mark.parametrize(
    ("task", "smiles", "kind"), [("conduction", "CCO", "not_periodic"), ("polarity", "C1CC", "bad_smiles")]
)
def test_what_cannot_race_is_told(server, task, smiles, kind):
    answer = server.ask("race", task, smiles=smiles)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (422, kind)
