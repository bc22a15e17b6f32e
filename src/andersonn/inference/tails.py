"""How much is cut off at each end of an interval, by kind of structure: its size, its family, and how surely the answer is zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference.fitted import is_number
from andersonn.structures import elements

SIZES = (4, 8, 16, 40)
"""Rows of an image (atoms that differ) up to which a structure belongs to a size; larger ones make the last."""
FAMILIES = ("F", "O", "Cl", "N", "S", "Br", "I", "Se", "P")
"""A structure belongs to the family of the first of these elements that it holds; without one, to the others."""
AT_ZERO = (0.01, 0.1, 0.5)
"""Probabilities of the lowest value, below which answers belong together."""
SURE = 0.9
"""Probability of the lowest value from which on it may be the whole interval."""
LEAST = 1e-4
"""Of a tail."""
ALL, GENERATED = "all", "generated geometry"
NAMES = (
    ALL,
    *(f"up to {size} rows" for size in SIZES),
    "more rows",
    *(f"with {symbol}" for symbol in FAMILIES),
    "other elements",
    *(f"zero below {p:g}" for p in AT_ZERO),
    "zero likely",
    GENERATED,
)
"""Kinds of structures; each structure is of several."""
LARGE, MOST_GIVEN = "given geometry of more than 9 heavy atoms", 9
"""A kind by itself, of no other kind but :data:`ALL`, and the atoms besides hydrogen that it begins beyond: no molecule of QM9 has more, on which the effects above are fitted
for given geometries.
"""
UNUSUAL, USUAL = "given geometry with other elements than H, C, N, O and F", ("H", "C", "N", "O", "F")
"""One more for the same reason, and the elements of QM9."""
FEW, MOST_OF_FEW = "given geometry of up to 6 heavy atoms", 6
"""And one of molecules of QM9's elements that are smaller than nearly all of QM9."""
GIVEN = (FEW, UNUSUAL, LARGE)
"""Kinds by themselves whose geometry was given."""
MADE_FEW = "generated geometry of up to 6 heavy atoms"
"""One of molecules whose geometry was generated. They have few conformers, so their geometry misleads less often than that of others."""
ALONE = (*GIVEN, MADE_FEW)
"""Kinds by themselves; a structure of several counts as the last."""
FORMER = frozenset({"molecule of the training"})
"""Kinds that saved models may have an effect of, which is not used any more."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """What is known of n structures before they are answered.

    Attributes:
        rows: of their images, int ``[n]``.
        family: position in :data:`FAMILIES`, or their number, int ``[n]``.
        heavy: rows of other atoms than hydrogen, int ``[n]``; None: not counted.
        unusual: which have rows of other elements than :data:`USUAL`, bool ``[n]``; None: none.
    """

    rows: np.ndarray
    family: np.ndarray
    heavy: np.ndarray | None = None
    unusual: np.ndarray | None = None

    @classmethod
    def of(cls, Zs: Sequence[np.ndarray]) -> Self:
        """Of images with these atomic numbers of rows."""
        rank = np.full(elements.MAX_Z + 1, len(FAMILIES))
        rank[[elements.atomic_number()[symbol] for symbol in FAMILIES]] = np.arange(len(FAMILIES))
        usual = [elements.atomic_number()[symbol] for symbol in USUAL]
        return cls(
            np.array([len(Z) for Z in Zs]),
            np.array([rank[Z].min() for Z in Zs]),
            heavy=np.array([np.count_nonzero(Z > 1) for Z in Zs]),
            unusual=np.array([bool(set(Z.tolist()).difference(usual)) for Z in Zs]),
        )

    @classmethod
    def of_store(cls, store: ImageStore, chosen: np.ndarray) -> Self:
        """Of some images of a store, none of them empty."""
        return cls.of([store.Z[store.offsets[k] : store.offsets[k + 1]] for k in chosen])

    def part(self, positions: np.ndarray) -> Kinds:
        """Of some of the structures."""
        masks = (None if mask is None else mask[positions] for mask in (self.heavy, self.unusual))
        return Kinds(self.rows[positions], self.family[positions], *masks)

    def given(self, made: np.ndarray | None) -> dict[str, np.ndarray]:
        """Which structures are of each kind of :data:`GIVEN`, bool ``[n]``; ``made`` as of :meth:`members`."""
        if self.heavy is None or self.unusual is None:
            return {}
        masks = {
            FEW: (self.heavy <= MOST_OF_FEW) & ~self.unusual,
            UNUSUAL: self.unusual,
            LARGE: self.heavy > MOST_GIVEN,
        }
        return {name: mask if made is None else mask & ~made for name, mask in masks.items()}

    def few_made(self, made: np.ndarray | None) -> np.ndarray:
        """Which structures are of the kind :data:`MADE_FEW`, bool ``[n]``; ``made`` as of :meth:`members`."""
        if made is None or self.heavy is None:
            return np.zeros(len(self.rows), dtype=bool)
        return made & (self.heavy <= MOST_OF_FEW)

    def members(self, at_zero: np.ndarray, made: np.ndarray | None) -> np.ndarray:
        """Which kinds each structure is of, bool ``[n, len(NAMES)]``.

        Args:
            at_zero: probability of the lowest value, ``[n]``.
            made: whose geometry was generated, bool ``[n]``; None: nobody's.
        """
        n = len(self.rows)
        parts = [np.ones((n, 1), dtype=bool)]
        sorts = (
            (np.searchsorted(SIZES, self.rows), len(SIZES)),
            (self.family, len(FAMILIES)),
            (np.searchsorted(AT_ZERO, at_zero, side="right"), len(AT_ZERO)),
        )
        parts += [np.arange(last + 1) == sort[:, None] for sort, last in sorts]
        return np.hstack([*parts, np.zeros((n, 1), dtype=bool) if made is None else made[:, None]])


@dataclass(frozen=True)
class Tails:
    """The tail of a structure, whose logarithm is the sum of the effects of its kinds.

    Attributes:
        effects: of :data:`NAMES` and :data:`ALONE`, as pairs; of a kind that is not named, 0.
        widest: that a tail may be.
    """

    effects: tuple[tuple[str, float], ...]
    widest: float

    def of(self, kinds: Kinds, at_zero: np.ndarray, made: np.ndarray | None) -> np.ndarray:
        """Tails, ``[n]``; arguments as of :meth:`Kinds.members`."""
        known = dict(self.effects)
        effects = np.array([known.get(name, 0.0) for name in NAMES])
        logs = kinds.members(at_zero, made) @ effects
        alone = kinds.given(made) | {MADE_FEW: kinds.few_made(made)}
        for name, members in alone.items():
            if name in known:
                logs = np.where(members, known.get(ALL, 0.0) + known[name], logs)
        return np.clip(np.exp(logs), LEAST, self.widest)

    def with_effect(self, name: str, effect: float) -> Tails:
        """The same with this effect of one of :data:`ALONE`."""
        return replace(self, effects=(*(pair for pair in self.effects if pair[0] != name), (name, effect)))

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """As :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        sound = isinstance(values, dict) and {"widest", ALL} <= set(values) <= {"widest", *NAMES, *ALONE, *FORMER}
        if not (sound and all(map(is_number, values.values())) and LEAST < values["widest"] < 1.0 / 3.0):
            raise ValueError(f"its calibration has tails {values!r}")
        return cls(
            tuple((name, float(values[name])) for name in (*NAMES, *ALONE) if name in values),
            float(values["widest"]),
        )

    @classmethod
    def by_size(cls, pairs: Any) -> Self:
        """From what older models hold: pairs of a largest number of rows and a tail.

        Raises:
            ValueError: they are impossible.
        """
        sizes = [*SIZES, 100_000]
        if not (isinstance(pairs, list | tuple) and [pair[0] for pair in pairs] == sizes):
            raise ValueError(f"its calibration has tail_by_size {pairs!r}")
        tails = [tail for _, tail in pairs]
        if not all(is_number(tail) and 0.0 < tail < 0.5 for tail in tails):
            raise ValueError(f"its calibration has tail_by_size {pairs!r}")
        names = NAMES[1 : len(SIZES) + 2]
        return cls(((ALL, 0.0), *((n, float(np.log(tail))) for n, tail in zip(names, tails, strict=True))), 0.3)

    def as_dict(self) -> dict[str, float]:
        """For the model card."""
        return {"widest": self.widest, **dict(self.effects)}
