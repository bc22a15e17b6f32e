"""Tasks: a quantity, and the thresholds that cut it into classes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from andersonn.errors import InputError, UsageError

if TYPE_CHECKING:  # help texts name the tasks, and must not wait for numpy
    import numpy as np

    from andersonn.structures.structure import Structure


@dataclass(frozen=True)
class Task:
    """A classification by thresholds on one quantity.

    Attributes:
        name: as on the command line.
        quantity: what is cut, with its unit in the name, as in the column of a Parquet file.
        unit: of the quantity.
        classes: names in rising order of the quantity, one more than there are thresholds.
        thresholds: rising cuts in ``unit``.
        zero_is_class: zero belongs to the lowest class even where ``thresholds[0]`` is 0, which is the least it may be.
        periodic: True: the task is about crystals and refuses molecules. False: the other way round. None: it takes both.
        lowest, highest: bounds of the quantity, in ``unit``; a label beyond them is an error.
        other_units: units in which the quantity is often given → the factor that makes ``unit`` of it.
        usual_largest: range of the largest label of most data sets, in ``unit``, to detect labels in another unit; None if not
            known.
        usual_median: range of the median of the labels that are not zero.
        noun: the quantity in words, without its unit, such as ``"band gap"``; default: derived from ``quantity``.
        summary: one line for lists of tasks, such as ``"crystals: metal, semiconductor or insulator"``.
        reference: where true values come from, in a word for tables, such as ``"DFT"``.
        geometric_baselines: column that :mod:`andersonn.structures.pores` computes and that estimates the quantity → its title
            in tables of results. Cut at the thresholds, it is a baseline.
        full_shells_above: a value that crystals of noble gases alone exceed, whatever a network says, since all their shells are
            full; None: nothing is known of them.
        answer: ``"class"``: class and estimate. ``"number"``: the estimate alone; one threshold divides the labels into two
            halves, which training, warnings and measures use. ``"label"``: the class alone; the quantity is the number of the
            class, counted from 0.

    Examples:
        >>> import andersonn as an
        >>> task = an.Task("stability", "hull_distance_eV", "eV", classes=("stable", "unstable"), thresholds=(0.05,))
        >>> [task.classes[k] for k in task.class_of([0.0, 0.2])]
        ['stable', 'unstable']
    """

    name: str
    quantity: str
    unit: str
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    zero_is_class: bool = False
    periodic: bool | None = True
    lowest: float = -math.inf
    highest: float = math.inf
    other_units: dict[str, float] = field(default_factory=dict, hash=False)
    usual_largest: tuple[float, float] | None = None
    usual_median: tuple[float, float] | None = None
    noun: str = ""
    summary: str = ""
    reference: str = ""
    geometric_baselines: dict[str, str] = field(default_factory=dict, hash=False)
    full_shells_above: float | None = None
    answer: Literal["class", "number", "label"] = "class"

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.thresholds, self.thresholds[1:], strict=False))
        if len(self.thresholds) != len(self.classes) - 1 or not rising:
            raise UsageError(
                "bad_thresholds",
                f"{self.name} needs {_counted(len(self.classes) - 1)} in {self.unit}, got {_listed(self.thresholds)}",
                "give one threshold fewer than there are classes, in rising order",
            )
        if self.zero_is_class and self.thresholds[0] < 0.0:
            raise UsageError(
                "bad_thresholds",
                f"the first threshold of {self.name} is at least 0 {self.unit}",
                "raise it to 0 or more",
            )

    def class_of(self, values: np.ndarray) -> np.ndarray:
        """Class index of each value, int64. A value on a threshold belongs to the class above it, except that
        exactly 0 is the lowest class where ``zero_is_class``.
        """
        import numpy as np

        values = np.asarray(values, dtype=float)
        index = np.searchsorted(np.array(self.thresholds), values, side="right")
        if self.zero_is_class:
            index = np.where(values <= 0.0, 0, index)
        return index.astype(np.int64)

    def why_impossible(self, value: float) -> str | None:
        """Why this cannot be a value of the quantity, or None if it can."""
        if not math.isfinite(value):
            return f"{self.quantity} is not finite"
        if value < self.lowest:
            return f"{self.quantity} is " + ("negative" if self.lowest == 0.0 else f"below {self.lowest} {self.unit}")
        return f"{self.quantity} is above {self.highest} {self.unit}" if value > self.highest else None

    def require_kind(self, structure: Structure) -> None:
        """Checks that a structure is of the kind the task is about.

        Raises:
            InputError: it is a molecule and the task about crystals, or the other way round.
        """
        if self.periodic and not structure.periodic:
            raise InputError(
                "not_periodic",
                f"{self.name} is about crystals, and {structure.id or structure.formula} has no unit cell",
                "give a cell: a CIF, a POSCAR, or an extended xyz with a Lattice",
            )
        if self.periodic is False and structure.periodic:
            raise InputError(
                "periodic",
                f"{self.name} is about molecules, and {structure.id or structure.formula} has a unit cell",
                "give one molecule alone: SMILES, SDF, MOL, PDB, or xyz without a Lattice",
            )

    @property
    def has_class(self) -> bool:
        """Whether answers have a class, which those with a number alone have not."""
        return self.answer != "number"

    @property
    def has_estimate(self) -> bool:
        """Whether answers have an estimate of a quantity, which those with a label alone have not."""
        return self.answer != "label"

    @property
    def quantity_words(self) -> str:
        """The quantity as words, without its unit."""
        return self.noun or self.quantity.removesuffix(f"_{self.unit}").replace("_", " ")

    def as_dict(self) -> dict[str, Any]:
        """The whole task as JSON, for the card of its model; what has no bound is None."""
        content = asdict(self) | {"classes": list(self.classes), "thresholds": list(self.thresholds)}
        return {name: None if value in (math.inf, -math.inf) else value for name, value in content.items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Task:
        """The task that :meth:`as_dict` described.

        Raises:
            TypeError, ValueError, UsageError: that is no such description.
        """
        missing = [name for name in ("name", "quantity", "unit", "classes", "thresholds") if name not in content]
        if missing:
            raise ValueError(f"the description of the task has no {missing[0]}")
        lists = {name: tuple(content[name]) for name in ("classes", "thresholds")}
        bounds = {name: content[name] for name in ("lowest", "highest") if content.get(name) is not None}
        for name in ("usual_largest", "usual_median"):
            if content.get(name):
                lists[name] = tuple(content[name])
        rest = {name: value for name, value in content.items() if name not in ("lowest", "highest")}
        return cls(**rest | lists | bounds)

    def same_but_for_thresholds(self, other: Task) -> bool:
        """Whether two tasks differ in their thresholds alone, if at all."""
        return self.as_dict() | {"thresholds": None} == other.as_dict() | {"thresholds": None}

    def with_thresholds(self, thresholds: tuple[float, ...]) -> Task:
        """The same task cut elsewhere.

        Raises:
            UsageError: there are too many or too few, they do not rise, or a class would hold no value that the quantity can have.
        """
        cut = replace(self, thresholds=tuple(float(t) for t in thresholds))
        self._require_possible(cut.thresholds)
        return cut

    def _require_possible(self, cuts: tuple[float, ...]) -> None:
        """That each cut has possible values of the quantity on both sides."""
        for cut in cuts:
            high_enough = cut >= self.lowest if self.zero_is_class else cut > self.lowest
            if not high_enough or not cut <= self.highest or math.isinf(cut):
                told = (
                    f"{self.quantity_words} of {self.lowest:g} to {self.highest:g} {self.unit} cannot be cut at {cut:g}"
                )
                hint = "give a value between, for zero and more a small one, such as 0.01"
                raise UsageError("bad_thresholds", told, hint)

    def cut_at(self, thresholds: tuple[float, ...]) -> Task:
        """As :meth:`with_thresholds`; a task about a number gets classes, as many as the cuts make, named by them.

        Raises:
            UsageError: there is no cut, or they do not rise.
        """
        if self.answer != "number" or not thresholds:
            return self.with_thresholds(thresholds)
        cuts = tuple(float(t) for t in thresholds)
        self._require_possible(cuts)
        between = (f"from_{low:g}_to_{high:g}" for low, high in itertools.pairwise(cuts))
        names = (f"below_{cuts[0]:g}", *between, f"from_{cuts[-1]:g}")
        return replace(self, thresholds=cuts, classes=names, answer="class")


def thresholds_from(text: str) -> tuple[float, ...]:
    """Thresholds of a text such as ``"0.1,2"``: numbers parted by commas, semicolons or blanks.

    Raises:
        UsageError: there is something else, or nothing.
    """
    words = text.replace(",", " ").replace(";", " ").split()
    try:
        found = tuple(float(word) for word in words)
    except ValueError:
        found = ()
    if not found:
        raise UsageError("bad_thresholds", f"thresholds {text!r} are no numbers", "write them as 0.5,2")
    return found


def cuts_of(given: Any) -> tuple[float, ...]:
    """Thresholds as callers may give them: a sequence of numbers, a single number, or a text as of :func:`thresholds_from`.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(given, str):
        return thresholds_from(given)
    try:
        return tuple(float(cut) for cut in (given if isinstance(given, Iterable) else (given,)))
    except (TypeError, ValueError):
        told = f"thresholds {str(given)[:40]!r} are no numbers"
        raise UsageError("bad_thresholds", told, "give rising numbers, such as [0.5, 2], or a single one") from None


def _listed(cuts: tuple[float, ...]) -> str:
    return ", ".join(f"{cut:g}" for cut in cuts) or "none"


def _counted(cuts: int) -> str:
    return "1 threshold" if cuts == 1 else f"{cuts} rising thresholds"
