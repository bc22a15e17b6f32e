from __future__ import annotations

import copy
import json
import re

import pytest

from andersonn.errors import UsageError
from andersonn.measuring import report
from andersonn.measuring.carbon import account, read_report
from andersonn.measuring.energy import ESTIMATED, MEASURED, NOT_MEASURED, Energy
from andersonn.measuring.setting import setting


def row(seconds, energy=None):
    return {"seconds": seconds, "energy": energy}


@pytest.fixture
def inference():
    return {
        "measure": "inference",
        "task": "conduction",
        "n": 10,
        "pays": True,
        "speedup_time": 1.25,
        "speedup_time_quartiles": [1.0, 2.0],
        "solvers": {"anderson": row(8.0), "auto": row(9.0), "forward": row(10.0)},
        "setting": setting("cpu") | {"seed": 0, "n": 10, "repeats": 5},
    }


def test_a_run_without_a_meter_is_not_measured_and_never_0(inference):
    found = account(inference)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for each in found["run"].values():
        assert (each["kwh"], each["how"], each["co2e_g"]) == (None, NOT_MEASURED, None)
    saving = found["projection"]["assumptions"]["saving"]
    assert (saving["low"], saving["mid"], saving["high"]) == pytest.approx((0.0, 0.2, 0.5))
    assert "energies were not measured" in saving["source"]
    page = report.render(found)
    assert "not measured" in page
    assert "0 kWh" not in page
    assert page.count("<svg") == 1
    assert not re.findall(r'(?:src|href)="?https?://', page)


def test_watts_make_an_estimate_that_says_so(inference):
    found = account(inference, watts=360.0)
    ours = found["run"]["anderson"]
    assert (ours["kwh"], ours["how"]) == (pytest.approx(8.0e-4), ESTIMATED)
    assert "360 W" in ours["assumption"]
    assert ours["co2e_g"]["mid"] == pytest.approx(445 * 8.0e-4)
    assert "estimated energies say no more" in found["projection"]["assumptions"]["saving"]["source"]
    assert "assumed: the machine draws 360 W" in report.render(found)


def test_measured_energies_decide_the_saving(inference):
    for name, kwh in (("anderson", 3.0), ("auto", 3.5), ("forward", 4.0)):
        inference["solvers"][name]["energy"] = Energy(kwh, MEASURED, "RAPL package-0", seconds=1.0).as_dict()
    found = account(inference, watts=1.0)  # not needed, and not used
    assert found["run"]["forward"]["kwh"] == 4.0
    saving = found["projection"]["assumptions"]["saving"]
    assert saving["mid"] == pytest.approx(0.25)
    assert "energies measured" in saving["source"]


def test_where_anderson_costs_more_nothing_is_saved(inference):
    inference |= {"pays": False, "speedup_time": 0.8, "speedup_time_quartiles": [0.7, 0.9]}
    found = account(inference)
    assert found["projection"]["saved_mt"]["high"] < 0
    assert "use Picard iteration" in found["verdict"]
    assert "was not distinguishable from noise" in found["projection"]["assumptions"]["saving"]["source"]
    assert "nothing is saved" in report.render(found)


def test_a_training_report_counts_by_its_epochs(inference):
    training = {"speedup_epoch": 2.0, "speedup_epoch_quartiles": [2.0, 2.0], "speedup_time": None}
    found = account(copy.deepcopy(inference) | training | {"measure": "training"})
    assert found["projection"]["assumptions"]["saving"]["mid"] == pytest.approx(0.5)
    assert found["of"] == "training conduction"


def test_numbers_of_the_users(inference):
    found = account(None, given={"saving": "0.5", "share": "0.1", "fleet": "1,2,3", "intensity": "1000"})
    assert found["run"] is None
    assert found["projection"]["saved_mt"]["mid"] == pytest.approx(0.5 * 0.1 * 2 * 1000 / 1000)
    assert found["projection"]["assumptions"]["saving"]["source"] == "given by you"
    assert "The run" not in report.render(found)
    assert account(inference, given={"saving": "0.9"})["projection"]["assumptions"]["saving"]["mid"] == 0.9


@pytest.mark.parametrize(
    ("options", "cause"),
    [({}, "--from REPORT.json"), ({"watts": 0.0, "given": {"saving": "0.1"}}, "positive number")],
)
def test_wrong_calls(options, cause):
    with pytest.raises(UsageError, match=cause):
        account(None, **options)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"measure": "memory"}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UsageError, match="measure inference --out"):
        read_report(tmp_path / "report.json")
    with pytest.raises(UsageError, match="cannot read"):
        read_report(tmp_path / "none.json")
