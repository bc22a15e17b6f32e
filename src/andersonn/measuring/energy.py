"""Electrical energy of a piece of work: measured where counters can be read, else estimated and called so, else not given.

Counters are the processor's (RAPL, in /sys/class/powercap on Linux; often readable by root alone) and, for work on an
NVIDIA GPU, its driver's (NVML). Where they cannot be read, codecarbon estimates if it is installed. What nobody measured is
None, never 0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from andersonn.io.installed import how_to_install

T = TypeVar("T")
MEASURED, ESTIMATED, NOT_MEASURED = "measured", "estimated", "not measured"
JOULES_PER_KWH = 3.6e6
POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """Energy of some work.

    Attributes:
        kwh: kilowatt-hours, above 0; None exactly if ``how`` is ``"not measured"``.
        how: ``"measured"``, ``"estimated"`` or ``"not measured"``.
        source: of the number, or why there is none.
        assumption: what an estimate rests on; None for others.
        seconds: how long the work took.
    """

    kwh: float | None
    how: str
    source: str
    assumption: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.how not in (MEASURED, ESTIMATED, NOT_MEASURED):
            raise ValueError(f"how is {self.how!r}")
        if (self.kwh is None) != (self.how == NOT_MEASURED):
            raise ValueError(f"an energy that is {self.how} cannot be {self.kwh}")
        if self.kwh is not None and not (math.isfinite(self.kwh) and self.kwh > 0):
            raise ValueError(f"an energy of {self.kwh} kWh is no measurement; say that it is not measured")
        if (self.assumption is not None) != (self.how == ESTIMATED):
            raise ValueError("estimates, and they alone, name what they assume")

    def over(self, parts: int) -> Energy:
        """Of one of so many equal parts."""
        seconds = None if self.seconds is None else self.seconds / parts
        kwh = None if self.kwh is None else self.kwh / parts
        return Energy(kwh, self.how, self.source, self.assumption, seconds)

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self)


class Meter(Protocol):
    """Runs work and says what energy it took."""

    def run(self, work: Callable[[], T]) -> tuple[T, Energy]:
        """What the work returned, and its energy."""


def meter_for(device: str = "cpu") -> Meter:
    """The best meter here for work on a device: counters, else codecarbon, else one that says why there is none."""
    counters, missing = readable_counters(device)
    if not missing:
        return CounterMeter(counters)
    try:
        import codecarbon  # noqa: F401
    except ImportError:
        why = f"{'; '.join(missing)}; codecarbon, which would estimate, is not installed ({how_to_install('energy')})"
        return NoMeter(why)
    return CodecarbonMeter()


def from_watts(watts: float, seconds: float) -> Energy:
    """An estimate from an assumed power."""
    assumption = f"the machine draws {watts:g} W all the time"
    return Energy(watts * seconds / JOULES_PER_KWH, ESTIMATED, "watts × seconds", assumption, seconds)


def total(energies: Iterable[Energy]) -> Energy:
    """The sum of parts of one kind; not measured if one of them is not."""
    parts = list(energies)
    gaps = [part for part in parts if part.kwh is None]
    known = [part.kwh for part in parts if part.kwh is not None]
    seconds = sum(part.seconds or 0.0 for part in parts)
    if gaps or not parts:
        return Energy(None, NOT_MEASURED, gaps[0].source if gaps else "nothing ran", seconds=seconds)
    weakest = next((part for part in parts if part.how == ESTIMATED), parts[0])
    return Energy(sum(known), weakest.how, weakest.source, weakest.assumption, seconds)


class Counter(Protocol):
    """An energy counter."""

    name: str

    def joules(self) -> float:
        """Its reading."""

    def used(self, before: float, after: float) -> float:
        """Joules between two readings."""


class RaplCounter:
    """A processor package's counter, which runs over at some value.

    Args:
        folder: of the package under /sys/class/powercap.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"RAPL {(folder / 'name').read_text(encoding='utf-8').strip()}"
        self.file = folder / "energy_uj"
        self.range = float((folder / "max_energy_range_uj").read_text(encoding="utf-8")) / 1e6
        self.joules()

    def joules(self) -> float:
        """Its reading."""
        return float(self.file.read_text(encoding="utf-8")) / 1e6

    def used(self, before: float, after: float) -> float:
        """Joules between two readings, fewer than its range apart."""
        return after - before if after >= before else after - before + self.range


class NvmlCounter:
    """A GPU's counter, since its driver was loaded.

    Args:
        index: of the GPU.
    """

    def __init__(self, index: int) -> None:
        import pynvml

        self.nvml = pynvml
        pynvml.nvmlInit()
        self.handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        self.name = f"NVML GPU {index}"
        self.joules()

    def joules(self) -> float:
        """Its reading."""
        return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3

    def used(self, before: float, after: float) -> float:
        """Joules between two readings."""
        return after - before


def readable_counters(device: str, powercap: Path = POWERCAP) -> tuple[list[Counter], list[str]]:
    """Counters that work on a device is seen by, and why others that it needs cannot be read."""
    counters: list[Counter] = []
    missing: list[str] = []
    folders = [f for f in sorted(powercap.glob("intel-rapl:*")) if f.name.count(":") == 1]  # its parts have two
    try:
        packages = [f for f in folders if (f / "name").read_text(encoding="utf-8").startswith("package")]
        counters += [RaplCounter(folder) for folder in packages]
        if not packages:
            missing.append(f"no RAPL counter of a processor in {powercap}")
    except (OSError, ValueError) as error:
        missing.append(f"the RAPL counter cannot be read: {getattr(error, 'strerror', None) or error}")
    kind, _, number = device.partition(":")
    if kind == "cuda":
        try:
            counters.append(NvmlCounter(int(number or 0)))
        except Exception as error:  # pynvml is missing, or has no driver, or the GPU no counter
            missing.append(f"the GPU's counter cannot be read: {type(error).__name__}: {error}")
    elif kind != "cpu":
        missing.append(f"no counter for device {device!r} is known")
    return counters, missing


class CounterMeter:
    """Reads counters before and after. Everything that these processors do meanwhile is in it.

    Args:
        counters: at least one.
        clock: seconds.
    """

    def __init__(self, counters: list[Counter], clock: Callable[[], float] = time.perf_counter) -> None:
        self.counters, self.clock = counters, clock

    def run(self, work: Callable[[], T]) -> tuple[T, Energy]:
        """As :meth:`Meter.run`."""
        begin, before = self.clock(), [counter.joules() for counter in self.counters]
        result = work()
        used = [c.used(first, c.joules()) for c, first in zip(self.counters, before, strict=True)]
        seconds, source = self.clock() - begin, ", ".join(counter.name for counter in self.counters)
        if min(used) <= 0:
            return result, Energy(None, NOT_MEASURED, f"a counter stood still ({source}): too short", seconds=seconds)
        return result, Energy(sum(used) / JOULES_PER_KWH, MEASURED, source, seconds=seconds)


class CodecarbonMeter:
    """Lets codecarbon estimate; nothing leaves this machine and no file is written."""

    def run(self, work: Callable[[], T]) -> tuple[T, Energy]:
        """As :meth:`Meter.run`."""
        from codecarbon import OfflineEmissionsTracker

        silent = {"save_to_file": False, "save_to_api": False, "save_to_prometheus": False, "save_to_logger": False}
        tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # for its CO2, which is not taken from it
            measure_power_secs=1,
            log_level="critical",
            emissions_endpoint=False,
            pue=1.0,
            **silent,
        )
        begin = time.perf_counter()
        tracker.start()
        result = work()
        tracker.stop()
        seconds = time.perf_counter() - begin
        found = getattr(tracker, "final_emissions_data", None)
        kwh = None if found is None else found.energy_consumed
        if found is None or not kwh or not math.isfinite(kwh) or kwh < 0:
            return result, Energy(None, NOT_MEASURED, "codecarbon gave no energy", seconds=seconds)
        parts = (("processor", found.cpu_energy), ("memory", found.ram_energy), ("GPU", found.gpu_energy))
        shares = ", ".join(f"{name} {1e3 * part:.3g} Wh" for name, part in parts if part)
        assumption = f"codecarbon's model of this hardware's power ({shares})"
        return result, Energy(kwh, ESTIMATED, f"codecarbon {found.codecarbon_version}", assumption, seconds)


class NoMeter:
    """Runs work and measures nothing.

    Args:
        why: not.
    """

    def __init__(self, why: str) -> None:
        self.why = why

    def run(self, work: Callable[[], T]) -> tuple[T, Energy]:
        """As :meth:`Meter.run`."""
        begin = time.perf_counter()
        result = work()
        return result, Energy(None, NOT_MEASURED, self.why, seconds=time.perf_counter() - begin)
