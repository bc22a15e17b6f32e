"""From a measured saving to a world: energy and CO2e a year, if so much computing were fixed-point iteration.

A projection is a product of assumptions. Each is a range with a source, and each can be replaced.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from andersonn.errors import UsageError

LEVELS = ("low", "mid", "high")
PAPER_GT = 60.0
PAPER = "Al Dajani and Keyes, arXiv 2407.19724: 60 gigatons of CO2 a year by 2030"
POWER_SECTOR_GT = 13.8
POWER_SECTOR = "CO2 of all electricity generation in 2024: IEA, Electricity 2025"
OWN = "given by you"


@dataclass(frozen=True)
class Assumption:
    """A number nobody knows exactly.

    Attributes:
        name: what it is.
        unit: of the numbers; empty for shares.
        low, mid, high: rising.
        source: where they come from.
    """

    name: str
    unit: str
    low: float
    mid: float
    high: float
    source: str

    def __post_init__(self) -> None:
        values = (self.low, self.mid, self.high)
        if not all(map(math.isfinite, values)) or not self.low <= self.mid <= self.high:
            raise UsageError(
                "bad_assumption",
                f"{self.name} is {self.low:g}, {self.mid:g}, {self.high:g}",
                "give low,mid,high, rising, or one number",
            )

    @property
    def values(self) -> tuple[float, float, float]:
        """Low, mid, high."""
        return self.low, self.mid, self.high

    def given(self, text: str) -> Assumption:
        """The same with numbers of the user's: ``"0.01"`` or ``"0.001,0.01,0.05"``.

        Raises:
            UsageError: they are not one or three rising numbers.
        """
        try:
            numbers = [float(word) for word in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 3):
            raise UsageError(
                "bad_assumption", f"{self.name}: {text!r} is not one number or three", "write 0.01 or 0.001,0.01,0.05"
            )
        low, mid, high = numbers * (1 if len(numbers) == 3 else 3)
        return replace(self, low=low, mid=mid, high=high, source=OWN)


FLEET = Assumption(
    "energy of all data centers",
    "TWh a year",
    415.0,
    945.0,
    1720.0,
    "IEA, Energy and AI (2025): 415 in 2024, 945 in 2030 in the base case; the high end is its Lift-Off case for 2035",
)
INTENSITY = Assumption(
    "grid intensity",
    "g CO2 a kWh",
    400.0,
    445.0,
    473.0,
    "world averages: IEA, Electricity 2025: 445 in 2024, 400 forecast for 2027; Ember: 473 in 2024, upstream included",
)
SHARE = Assumption(
    "share of that energy spent on fixed-point iteration",
    "",
    0.001,
    0.01,
    0.05,
    "no source: nobody counts it. A guess of this program; replace it by your own",
)


def require_sound(fleet: Assumption, intensity: Assumption, share: Assumption, saving: Assumption) -> None:
    """Refuses impossible numbers.

    Raises:
        UsageError: an energy or intensity is negative, a share not between 0 and 1, a saving above 1.
    """
    for assumption, most in ((fleet, math.inf), (intensity, math.inf), (share, 1.0)):
        if assumption.low < 0 or assumption.high > most:
            limits = "at least 0" if most == math.inf else "between 0 and 1"
            raise UsageError("bad_assumption", f"{assumption.name} must be {limits}", "give other numbers")
    if saving.high > 1:
        raise UsageError("bad_assumption", f"{saving.name} cannot exceed 1", "give a share, such as 0.25")


def project(
    saving: Assumption, fleet: Assumption = FLEET, intensity: Assumption = INTENSITY, share: Assumption = SHARE
) -> dict[str, Any]:
    """Energy and CO2e saved a year; negative where it would cost more.

    Args:
        saving: share of the energy of fixed-point iteration that Anderson saves.
        fleet: energy in all, TWh a year.
        intensity: g CO2e a kWh.
        share: of the fleet's energy that is fixed-point iteration.

    Returns:
        ``assumptions``, ``saved_twh`` and ``saved_mt`` (low, mid and high; low and high are the extremes of all
        combinations), ``ceiling_mt`` (CO2e of the whole fleet), ``power_sector_gt``, ``paper_gt``, ``paper`` and
        ``paper_over_high``: how many times the high end the paper's number is, None if nothing is saved.
    """
    require_sound(fleet, intensity, share, saving)
    twh = _range(fleet, share, saving)
    mt = {level: value / 1e3 for level, value in _range(fleet, share, saving, intensity).items()}
    ceiling = {level: value / 1e3 for level, value in _range(fleet, intensity).items()}
    named = {"fleet": fleet, "share": share, "saving": saving, "intensity": intensity}
    return {
        "assumptions": {key: asdict(assumption) for key, assumption in named.items()},
        "saved_twh": twh,
        "saved_mt": mt,  # 1 TWh at 1 g a kWh is a thousand tonnes
        "ceiling_mt": ceiling,
        "power_sector_gt": POWER_SECTOR_GT,
        "power_sector": POWER_SECTOR,
        "paper_gt": PAPER_GT,
        "paper": PAPER,
        "paper_over_high": 1e3 * PAPER_GT / mt["high"] if mt["high"] > 0 else None,
        "paper_over_ceiling": 1e3 * PAPER_GT / ceiling["high"] if ceiling["high"] > 0 else None,
    }


def _range(*factors: Assumption) -> dict[str, float]:
    products = [math.prod(corner) for corner in itertools.product(*((f.low, f.high) for f in factors))]
    return {"low": min(products), "mid": math.prod(f.mid for f in factors), "high": max(products)}


def saving_of(speedup: Mapping[str, float], source: str) -> Assumption:
    """The saving that speed-ups mean: 1 − 1 / speed-up, in the order of ``low``, ``mid`` and ``high``."""
    low, mid, high = (1.0 - 1.0 / speedup[level] for level in LEVELS)
    return Assumption(SAVING_NAME, "", low, min(max(mid, low), high), high, source)


SAVING_NAME = "share of the energy of fixed-point iteration that is saved"
