"""An answer explained: the contribution of every atom or group, in numbers, sentences and pictures.

:mod:`andersonn.inference.explain` computes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from andersonn.inference import explanation_html
from andersonn.inference.dipole_parts import DipoleParts, contributes
from andersonn.inference.group_parts import GroupParts
from andersonn.inference.laws import OF_SHELLS
from andersonn.inference.prediction import Prediction
from andersonn.sanitize import harmless
from andersonn.structures import elements
from andersonn.structures.pores.bottleneck import Bottleneck
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_DIRECTION = 0.1
"""D: the direction of a dipole smaller than this is not meaningful."""
WITH_TREES = "contributions are to what the network says; boosted trees beside it, which are left out here, have a part in the answer"
"""A warning."""
DECISIVE = 0.25
"""Share of the total from which on a contribution decides an answer."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """An answer and the contribution of every atom to it.

    Attributes:
        prediction: the answer. Where the geometry of pores gives it, contributions are to the network's, which is beside it.
        structure: what was asked about.
        values: contribution of each atom, in the order of the structure, float64 ``[n]``.
        quantity: what the contributions are of, such as ``"log_odds_of_metal"`` or ``"dipole_D"``.
        total: the whole of it: the log-odds of the network's class, or |μ| in D, or the number answered.
        method: ``"deletion"``, ``"dipole"`` or ``"groups"``, see :mod:`andersonn.inference.explain`.
        warnings: of the answer, and reasons to trust the contributions less.
        dipole: parts of a dipole moment: vector, charges, bonds, groups; None of other answers.
        groups: of a molecule read by its bonds alone; None of other answers.
        bottleneck: the narrowest place of the widest way through a crystal whose pores were probed; None of other answers, and
            where there is no way.
    """

    prediction: Prediction
    structure: Structure
    values: np.ndarray
    quantity: str
    total: float
    method: str
    warnings: tuple[str, ...] = ()
    dipole: DipoleParts | None = None
    bottleneck: Bottleneck | None = None
    groups: GroupParts | None = None
    ok: ClassVar[Literal[True]] = True

    @property
    def label(self) -> str:
        """The class that contributions are about: the network's."""
        return self.prediction.network.get("class", self.prediction.label)

    @property
    def shares(self) -> np.ndarray:
        """Size of each contribution over the sum of all sizes, ``[n]``; zeros if no atom contributes."""
        sizes = np.abs(self.values)
        return sizes / max(sizes.sum(), 1e-12)

    @property
    def ranking(self) -> np.ndarray:
        """Atoms by falling size of their contribution, int64 ``[n]``."""
        return np.argsort(-np.abs(self.values), kind="stable")

    @property
    def of_elements(self) -> dict[str, tuple[int, float]]:
        """Element → number of its atoms and the mean of their contributions, by falling size of the mean."""
        found = {
            elements.symbols()[z]: (
                int((z == self.structure.Z).sum()),
                float(self.values[z == self.structure.Z].mean()),
            )
            for z in np.unique(self.structure.Z)
        }
        return dict(sorted(found.items(), key=lambda item: -abs(item[1][1])))

    @property
    def leader(self) -> tuple[str, float]:
        """Name and contribution of the part that contributes most: a group, or an atom where groups have none."""
        return next(iter(self._parts), ("", 0.0))

    @property
    def _parts(self) -> list[tuple[str, float]]:
        """Name and contribution of every group, or of every atom where groups have none, by falling size."""
        if self._of_groups is not None:
            return sorted(self._of_groups, key=lambda part: -abs(part[1]))
        return [(elements.named(self.structure.Z, atom), float(self.values[atom])) for atom in self.ranking.tolist()]

    @property
    def _of_groups(self) -> list[tuple[str, float]] | None:
        """Name and contribution of every group; None where groups have none."""
        if self.groups is not None:
            return [(part.group.name, part.value) for part in self.groups.parts]
        if self.dipole is not None:
            return [(g.name, float(v)) for g, v in zip(self.dipole.groups, self.dipole.of_groups, strict=True)]
        return None

    @property
    def decisive(self) -> bool:
        """Whether some part contributes at least :data:`DECISIVE` of the total, and there is a total; of a number alone, which may lie
        anywhere, whether it changes the estimate by more than half its 90 % interval.
        """
        if not self.prediction.has_class:
            low, high = self.prediction.interval90
            return abs(self.leader[1]) > 0.5 * (high - low)
        least = NO_DIRECTION if self.dipole is not None else 0.0
        return abs(self.total) >= least and abs(self.leader[1]) >= DECISIVE * abs(self.total)

    @property
    def summary(self) -> list[str]:
        """Sentences: which part decides the answer, or that none does, and what bounds the bottleneck, which comes first where
        the geometry of pores answers.
        """
        return _summary(self)

    @property
    def quantity_words(self) -> str:
        """What the contributions are, as people say it."""
        if self.dipole is not None:
            return f"part of the dipole moment (|μ| = {self.total:.2f} D) / D"
        without = "without the group" if self.groups is not None else "when the atom is removed"
        if not self.prediction.has_class:
            return f"decrease of {self.quantity} (now {self.total:.3g}) {without}"
        label = self.label.replace("_", " ")
        return f"decrease of the {self.whose}log-odds of {label} (now {self.total:.2f}) {without}"

    @property
    def whose(self) -> str:
        """``"network's "`` before log-odds that are not the answer's."""
        others = self.prediction.pores or WITH_TREES in self.warnings or set(OF_SHELLS) & set(self.prediction.notes)
        return "network's " if others else ""

    def plot(self, name: str = "", figure: Figure | None = None) -> Axes:
        """Draws the structure with its atoms or groups colored by their contributions, and bars of the largest ones.

        Args:
            name: of the structure, for the title; default: its own.
            figure: an empty matplotlib figure to draw in; None: a new one.

        Returns:
            The axes of the structure.
        """
        from andersonn.inference.explanation_plot import plot

        return plot(self, name, figure)

    def __repr__(self) -> str:
        found = self.prediction
        told = "; ".join([", ".join(found.in_words), *self.summary])
        return f"Explanation({harmless(found.id or found.input)!r}, {found.formula}: {told})"

    def _repr_html_(self) -> str:
        told = [*self.summary, self.quantity_words, *([] if self.groups else ["atoms counted from 1"])]
        return explanation_html.card(self.prediction, self.structure, self.values, self._parts, told, self.warnings)

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract of ``explain``: that of ``predict`` and the contributions. ``atom`` and ``atoms`` are positions
        in Python's lists, counted from 0; names, and numbers in sentences, count from 1.
        """
        Z = self.structure.Z
        contributions = [
            {
                "atom": k,
                "element": elements.symbols()[Z[k]],
                "value": float(self.values[k]),
                "share": float(self.shares[k]),
                "name": elements.named(Z, k),
            }
            for k in range(len(Z))
        ]
        answer = self.prediction.as_dict() | {
            "warnings": list(self.warnings),
            "contributions": contributions,
            "quantity": self.quantity,
            "total": self.total,
            "method": self.method,
            "decisive": self.decisive,
            "summary": self.summary,
            "elements": [
                {"element": name, "atoms": count, "mean": mean} for name, (count, mean) in self.of_elements.items()
            ],
        }
        if self.dipole is not None:
            answer |= self.dipole.as_dict(Z)
        if self.groups is not None:
            answer |= {"elements": [], **self.groups.as_dict()}
        if self.bottleneck is not None:
            answer["bottleneck"] = self.bottleneck.as_dict(self.structure)
        return answer


def _summary(found: Explanation) -> list[str]:
    """Which part decides the answer, or that none does, and what bounds the bottleneck."""
    if found.groups is not None and not found.groups.parts:
        return ["the molecule is one ring or chain, or one functional group: nothing in it can be replaced"]
    first, label = _decides(found), found.label.replace("_", " ")
    if found.groups is not None:
        part, form = found.groups.parts[0], ".3g" if not found.prediction.has_class else ".2f"
        what = "estimate is" if not found.prediction.has_class else f"log-odds of {label} are"
        return [first, f"without it, {part.without}, the {what} {found.total - part.value:{form}}"]
    narrowest = [] if found.bottleneck is None else [found.bottleneck.words(found.structure)]
    law = [note for note in found.prediction.notes if note in OF_SHELLS]
    if law:
        return [*law, f"of the network's answer, {label}: {first}"]
    if not found.prediction.pores:
        return [first, *narrowest]
    narrowest = narrowest or ["nothing gets through the crystal: there is no bottleneck"]
    return [*narrowest, f"of the network's answer, {label}: {first}"]


def _decides(found: Explanation) -> str:
    """Which group or atom contributes most, or that no single one decides."""
    (name, value), total = found.leader, found.total
    if found.dipole is not None:
        what = f"{value:+.2f} of {total:.2f} D"
    elif not found.prediction.has_class:
        what = f"{value:+.3g}, where the estimate is {total:.3g}"
    else:
        what = f"{value:+.2f}, where the {found.whose}log-odds of {found.label.replace('_', ' ')} are {total:.2f}"
    noun = "atom" if found._of_groups is None else "group"
    # Cl2 alone may be read as a molecule.
    name = name if found.dipole is not None else f"{noun} {name}"
    if not found.decisive:
        return f"no single {noun} decides: the largest contribution, of {name}, is {what}"
    if found.dipole is not None and len(found.dipole.groups) == 1:
        return found.dipole.of_one_group(found.structure.Z)
    alike = found._of_groups or list(zip(found.structure.Z.tolist(), found.values.tolist(), strict=True))
    return f"{name} {contributes(noun, alike)} {what}"
