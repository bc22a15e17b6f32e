"""How like structures of a table are to each other, by each part of the covariance of a last layer: computed once for all fits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from andersonn.models.kernel_layer import COMPARE, LINEAR, MOST_COUNTED, in_spreads, squashed, thermometer

CONSTANT = 1e-6
"""A feature with less spread than this is left out."""
MOST_KEPT_WHOLE = 5000
"""Structures up to which comparisons of all with all stay in memory."""


@dataclass(frozen=True, eq=False)
class Features:
    """What a last layer can read of n structures.

    Attributes:
        states: of a trained network, ``[n, S]``.
        numbers: descriptors, ``[n, G]``; NaN where there is none.
        fragments: counts, ``[n, F]``.
    """

    states: np.ndarray
    numbers: np.ndarray
    fragments: np.ndarray

    def part(self, name: str) -> Tensor:
        """One of the parts of the covariance, raw."""
        return torch.from_numpy(np.ascontiguousarray(getattr(self, name), dtype=np.float32))

    def of(self, rows: np.ndarray) -> Features:
        """Those of some structures."""
        return Features(self.states[rows], self.numbers[rows], self.fragments[rows])


@dataclass(eq=False)
class Likeness:
    """The structures of a table, compared by any part of the covariance when it is first asked for.

    Attributes:
        features: of the n structures.
    """

    features: Features
    _scaled: dict[str, tuple[Tensor, dict[str, Tensor]]] = field(default_factory=dict)
    _whole: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.features.states)

    def buffers(self, part: str) -> dict[str, Tensor]:
        """What a layer must know of a part besides what is fitted: which features it reads, their centers and spreads, and those of
        the structures (``points``).
        """
        return self._read(part)[1]

    def between(self, part: str, rows: Tensor, others: Tensor) -> Tensor:
        """Squared distances or similarities of some structures with others, float32 ``[rows, others]``."""
        if len(self) > MOST_KEPT_WHOLE:
            return self._compared(part, rows, others)
        if part not in self._whole:
            everyone = torch.arange(len(self))
            self._whole[part] = self._compared(part, everyone, everyone)
        whole = self._whole[part]
        if len(rows) == len(others) == len(self) and torch.equal(rows, others) and bool((rows.diff() > 0).all()):
            return whole
        return whole.index_select(0, rows).index_select(1, others)

    def _compared(self, part: str, rows: Tensor, others: Tensor) -> Tensor:
        scaled = self._read(part)[0]
        return COMPARE[part](scaled[rows], scaled[others])

    def own(self, part: str) -> Tensor:
        """Similarity of each structure with itself, float32 ``[n]``; 1 but for contributions."""
        scaled = self._read(part)[0]
        return scaled.square().sum(dim=1) if part == "contributions" else torch.ones(len(self))

    def _read(self, part: str) -> tuple[Tensor, dict[str, Tensor]]:
        """Scaled features of all structures, and the buffers."""
        if part not in self._scaled:
            if part in LINEAR:
                raw = self.features.part("fragments")
                self._scaled[part] = _of_fragments(raw) if part == "fragments" else _of_contributions(raw)
            else:
                self._scaled[part] = _of_numbers(self.features.part(part), part)
        return self._scaled[part]


def _of_fragments(raw: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    kept = _counted(raw)
    counts = raw[:, kept].clamp(0, MOST_COUNTED)
    bits = thermometer(counts)
    buffers = {"fragments_kept": kept, "fragments_points": counts.to(torch.uint8)}
    return bits[:, bits.any(dim=0)], buffers  # a place that nobody has adds nothing


def _counted(raw: Tensor) -> Tensor:
    """Places of fragments that more than one structure has."""
    return torch.nonzero((raw > 0).sum(dim=0) > 1).ravel()


def _of_contributions(raw: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    logs = raw[:, _counted(raw)].clamp(0, MOST_COUNTED).log1p()
    center = logs.mean(dim=0)
    apart = logs - center
    spread = apart.square().sum(dim=1).mean().sqrt().clamp(min=CONSTANT)
    return apart / spread, {"contributions_center": center, "contributions_spread": spread}


def _of_numbers(raw: Tensor, part: str) -> tuple[Tensor, dict[str, Tensor]]:
    values = squashed(raw) if part == "numbers" else raw
    center, spread = _center_and_spread(values.numpy())
    kept = torch.nonzero(spread > CONSTANT).ravel()
    scaled = in_spreads(values[:, kept], center[kept], spread[kept])
    names = ("kept", "center", "spread", "points")
    buffers = zip(names, (kept, center[kept], spread[kept], scaled), strict=True)
    return scaled, {f"{part}_{name}": value for name, value in buffers}


def _center_and_spread(values: np.ndarray) -> tuple[Tensor, Tensor]:
    """Of each column, of the values that are there; 0 and 0 where none is."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    center = np.where(there, values, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(there, np.square(values - center), 0.0).sum(axis=0) / count)
    return torch.from_numpy(center.astype(np.float32)), torch.from_numpy(spread.astype(np.float32))
