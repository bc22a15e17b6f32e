from __future__ import annotations

import sys
import types

import pytest

from andersonn.measuring import energy
from andersonn.measuring.energy import (
    ESTIMATED,
    JOULES_PER_KWH,
    MEASURED,
    NOT_MEASURED,
    CodecarbonMeter,
    CounterMeter,
    Energy,
    NoMeter,
    from_watts,
    meter_for,
    readable_counters,
    total,
)


@pytest.fixture
def powercap(tmp_path):
    """Two packages, a part of one, and the platform's counter, which is no processor's."""
    for folder, name in (
        ("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"), ("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"),
    ):  # fmt: skip
        (tmp_path / folder).mkdir()
        for file, text in (("name", name), ("energy_uj", "5000000"), ("max_energy_range_uj", "100000000")):
            (tmp_path / folder / file).write_text(text + "\n")
    return tmp_path


def spend(powercap, folder, joules):
    (powercap / folder / "energy_uj").write_text(f"{int(1e6 * joules)}\n")


def test_counters_of_processors_alone_are_read(powercap):
    counters, missing = readable_counters("cpu", powercap)
    assert [counter.name for counter in counters] == ["RAPL package-0", "RAPL package-1"]
    assert missing == []

    def work():
        spend(powercap, "intel-rapl:0", 41.0)  # 36 J
        spend(powercap, "intel-rapl:1", 5.0 - 2.0)  # ran over: 98 J of its range of 100

    _, found = CounterMeter(counters).run(work)
    assert found.how == MEASURED
    assert found.kwh * JOULES_PER_KWH == pytest.approx(36.0 + 98.0)
    assert found.source == "RAPL package-0, RAPL package-1"


def test_a_counter_that_stands_still_has_measured_nothing(powercap):
    counters, _ = readable_counters("cpu", powercap)
    result, found = CounterMeter(counters).run(lambda: 7)
    assert result == 7
    assert (found.kwh, found.how) == (None, NOT_MEASURED)
    assert "too short" in found.source


def test_what_cannot_be_read_is_told(powercap, tmp_path_factory):
    assert "no RAPL counter" in readable_counters("cpu", tmp_path_factory.mktemp("empty"))[1][0]
    (powercap / "intel-rapl:1/energy_uj").unlink()
    counters, missing = readable_counters("cpu", powercap)
    assert "cannot be read: No such file" in missing[0]
    assert "no counter for device 'mps'" in readable_counters("mps", powercap)[1][-1]


def test_a_gpu_needs_its_own_counter(powercap, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if not installed
    assert "the GPU's counter cannot be read" in readable_counters("cuda", powercap)[1][0]
    readings = iter([1000, 1000, 61000])
    fake = types.SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(readings),
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    counters, missing = readable_counters("cuda:1", powercap)
    assert missing == []
    gpu = [counter for counter in counters if counter.name == "NVML GPU 1"]
    assert CounterMeter(gpu).run(lambda: None)[1].kwh * JOULES_PER_KWH == pytest.approx(60.0)


def test_without_counters_and_codecarbon_nothing_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(energy, "readable_counters", lambda device: ([], ["no counter"]))
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    meter = meter_for("cpu")
    assert isinstance(meter, NoMeter)
    result, found = meter.run(lambda: 3)
    assert result == 3
    assert (found.kwh, found.how) == (None, NOT_MEASURED)
    assert "no counter; codecarbon" in found.source
    assert found.seconds > 0


class FakeTracker:
    """What codecarbon's tracker does, as far as it is used."""

    kwh: float | None = 2e-3

    def __init__(self, **options):
        assert options["save_to_api"] is options["save_to_file"] is options["emissions_endpoint"] is False
        self.done = []

    def start(self):
        self.done.append("start")

    def stop(self):
        assert self.done == ["start"]
        if self.kwh is not None:  # it swallows its own errors, and then there is nothing
            parts = {"cpu_energy": 1.5e-3, "ram_energy": 0.5e-3, "gpu_energy": 0.0}
            self.final_emissions_data = types.SimpleNamespace(energy_consumed=self.kwh, codecarbon_version="9", **parts)


@pytest.mark.parametrize("kwh", [2e-3, 0.0, None])
def test_codecarbon_estimates(monkeypatch, kwh):
    monkeypatch.setattr(FakeTracker, "kwh", kwh)
    monkeypatch.setitem(sys.modules, "codecarbon", types.SimpleNamespace(OfflineEmissionsTracker=FakeTracker))
    monkeypatch.setattr(energy, "readable_counters", lambda device: ([], ["no counter"]))
    meter = meter_for("cpu")
    assert isinstance(meter, CodecarbonMeter)
    result, found = meter.run(lambda: 5)
    assert result == 5
    if kwh:
        assert (found.kwh, found.how) == (2e-3, ESTIMATED)
        assert "processor 1.5 Wh, memory 0.5 Wh" in found.assumption
    else:
        assert (found.kwh, found.how) == (None, NOT_MEASURED)


@pytest.mark.parametrize(
    "values",
    [
        (0.0, MEASURED, "x"),
        (-1.0, MEASURED, "x"),
        (float("nan"), MEASURED, "x"),
        (0.0, NOT_MEASURED, "x"),
        (None, MEASURED, "x"),
        (1.0, NOT_MEASURED, "x"),
        (1.0, ESTIMATED, "x"),  # without its assumption
        (1.0, "guessed", "x"),
    ],
)
def test_no_energy_can_lie(values):
    with pytest.raises(ValueError):
        Energy(*values)


def test_watts_parts_and_sums():
    found = from_watts(100.0, 36.0)
    assert (found.kwh, found.how) == (pytest.approx(1e-3), ESTIMATED)
    assert "100 W" in found.assumption
    assert found.over(4).kwh == pytest.approx(0.25e-3)
    measured = Energy(1e-3, MEASURED, "RAPL", seconds=2.0)
    assert total([measured, measured]) == Energy(2e-3, MEASURED, "RAPL", seconds=4.0)
    assert total([measured, found]).how == ESTIMATED
    gap = Energy(None, NOT_MEASURED, "why", seconds=1.0)
    assert total([measured, gap]) == Energy(None, NOT_MEASURED, "why", seconds=3.0)
    assert gap.over(2).kwh is None
    assert total([]).how == NOT_MEASURED
