from __future__ import annotations

import pytest

from andersonn.errors import UsageError
from andersonn.measuring.scenario import FLEET, INTENSITY, LEVELS, SHARE, Assumption, project, saving_of


def saving(low, mid, high) -> Assumption:
    return Assumption("saving", "", low, mid, high, "test")


def test_the_product_and_its_units():
    """1000 TWh at 500 g a kWh are 500 Mt."""
    found = project(saving(0.2, 0.2, 0.2), FLEET.given("1000"), INTENSITY.given("500"), SHARE.given("0.1"))
    assert found["ceiling_mt"] == dict.fromkeys(LEVELS, pytest.approx(500.0))
    assert found["saved_twh"] == dict.fromkeys(LEVELS, pytest.approx(20.0))
    assert found["saved_mt"] == dict.fromkeys(LEVELS, pytest.approx(10.0))
    assert found["paper_over_high"] == pytest.approx(6000.0)


def test_every_assumption_has_a_source_and_rises():
    found = project(saving(0.1, 0.2, 0.3))
    for each in found["assumptions"].values():
        assert each["source"]
        assert each["low"] <= each["mid"] <= each["high"]
    assert (
        found["saved_mt"]["low"] <= found["saved_mt"]["mid"] <= found["saved_mt"]["high"] < found["ceiling_mt"]["high"]
    )
    assert "no source" in found["assumptions"]["share"]["source"]
    assert "arXiv 2407.19724" in found["paper"]
    assert FLEET.given("500").source == "given by you"


def test_more_saving_is_never_less():
    ends = [project(saving(x, x, x))["saved_mt"]["mid"] for x in (-0.5, 0.0, 0.1, 0.9)]
    assert ends == sorted(ends)


def test_a_loss_is_a_loss():
    found = project(saving(-0.2, -0.1, 0.1))
    assert found["saved_mt"]["low"] == pytest.approx(-0.2 * 1720 * 0.05 * 473 / 1000)
    assert found["saved_mt"]["high"] == pytest.approx(0.1 * 1720 * 0.05 * 473 / 1000)
    lost = project(saving(-0.2, -0.1, 0.0))
    assert lost["saved_mt"]["high"] == 0.0
    assert lost["paper_over_high"] is None


def test_saving_of_speed_ups():
    found = saving_of({"low": 0.8, "mid": 1.25, "high": 2.0}, "test")
    assert found.values == pytest.approx((-0.25, 0.2, 0.5))


@pytest.mark.parametrize("text", ["", "a", "1,2", "1,2,3,4", "3,2,1", "nan", "inf", "1;2;3"])
def test_bad_numbers(text):
    with pytest.raises(UsageError, match="write 0.01 or|rising"):
        FLEET.given(text)


@pytest.mark.parametrize(
    ("fleet", "intensity", "share", "saved"),
    [("-1", "1", "0.1", 0.1), ("1", "-1", "0.1", 0.1), ("1", "1", "1.5", 0.1), ("1", "1", "-0.1", 0.1), ("1", "1", "0.1", 1.5)],
)  # fmt: skip
def test_impossible_numbers(fleet, intensity, share, saved):
    with pytest.raises(UsageError):
        project(saving(saved, saved, saved), FLEET.given(fleet), INTENSITY.given(intensity), SHARE.given(share))
