"""One measured number with the aim it is held against."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A number of a model, and what it is to be.

    Attributes:
        name: what is measured.
        value: measured; NaN if it could not be.
        least, most: bounds of the aim; None: open.
        n: of how many answers.
        needed: whether weights that miss it are not shipped. The other aims are told, and may be missed.
        note: what else belongs to the number.
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None
    n: int = 0
    needed: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the number lies within the aim."""
        low = -math.inf if self.least is None else self.least
        high = math.inf if self.most is None else self.most
        return low <= self.value <= high

    @property
    def aim(self) -> str:
        """The aim in signs."""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    def line(self) -> str:
        """One row of a Markdown table."""
        verdict = "met" if self.met else "**missed, needed**" if self.needed else "missed"
        return f"| {self.name} | {self.n} | {self.value:.3f} | {self.aim} | {verdict} | {self.note} |"


HEAD = "| check | n | value | aim | | |\n|---|---|---|---|---|---|"
