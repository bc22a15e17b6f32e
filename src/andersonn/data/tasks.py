"""The tasks: which measured quantity, cut where, makes which classes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from andersonn.errors import InputError, UsageError, unknown
from andersonn.matter.structure import Structure


@dataclass(frozen=True)
class Task:
    """A classification by thresholds on one quantity.

    Attributes:
        name: as on the command line.
        quantity: what is cut, with its unit in the name, as in the column of a Parquet file.
        unit: of the quantity.
        classes: names in rising order of the quantity, one more than there are thresholds.
        thresholds: rising cuts in ``unit``.
        zero_is_class: the lowest class is the quantity being exactly zero; ``thresholds[0]`` must then be 0.
        periodic: the task is about crystals, and molecules are refused (True), or about molecules, and crystals are
            refused (False), or about both (None).
        lowest, highest: bounds of what the quantity can be, in ``unit``; a label beyond them is a mistake.
        other_units: units in which the quantity is often given → the factor that makes ``unit`` of it.
        usual_largest: between these, in ``unit``, lies the largest label of most data sets; by it another unit is told. None: not known.
        usual_median: the same of the median of the labels that are not zero.
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

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.thresholds, self.thresholds[1:], strict=False))
        if len(self.thresholds) != len(self.classes) - 1 or not rising:
            raise UsageError(
                "bad_thresholds",
                f"{self.name} needs {len(self.classes) - 1} rising thresholds in {self.unit}, got {self.thresholds}",
                f"the default is {TASKS[self.name].thresholds if self.name in TASKS else ''}",
            )
        if self.zero_is_class and self.thresholds[0] != 0.0:
            raise UsageError(
                "bad_thresholds", f"the first threshold of {self.name} is fixed at 0 {self.unit}", "change the others"
            )

    def class_of(self, values: np.ndarray) -> np.ndarray:
        """Class index of each value, int64. A value on a threshold belongs to the class above it, except that
        exactly 0 is the lowest class where ``zero_is_class``.
        """
        values = np.asarray(values, dtype=float)
        index = np.searchsorted(np.array(self.thresholds), values, side="right")
        if self.zero_is_class:
            index = np.where(values <= 0.0, 0, np.maximum(index, 1))
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

    def as_dict(self) -> dict[str, Any]:
        """For the card of a model of a task that is not one of :data:`TASKS`; what has no bound is None."""
        content = asdict(self) | {"classes": list(self.classes), "thresholds": list(self.thresholds)}
        return {name: None if value in (math.inf, -math.inf) else value for name, value in content.items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Task:
        """The task that :meth:`as_dict` described.

        Raises:
            KeyError, TypeError, UsageError: that is no such description.
        """
        lists = {name: tuple(content[name]) for name in ("classes", "thresholds")}
        bounds = {name: content[name] for name in ("lowest", "highest") if content[name] is not None}
        for name in ("usual_largest", "usual_median"):
            if content.get(name):
                lists[name] = tuple(content[name])
        rest = {name: value for name, value in content.items() if name not in ("lowest", "highest")}
        return cls(**rest | lists | bounds)

    def with_thresholds(self, thresholds: tuple[float, ...]) -> Task:
        """The same task cut elsewhere."""
        return replace(self, thresholds=tuple(float(t) for t in thresholds))


CONDUCTION = Task(
    name="conduction",
    quantity="band_gap_eV",
    unit="eV",
    classes=("metal", "semiconductor", "insulator"),
    thresholds=(0.0, 3.0),
    zero_is_class=True,
    lowest=0.0,
    highest=30.0,  # solid helium, the widest gap there is, has about 20 eV
    other_units={
        "meV": 1e-3,
        "Hartree": 27.211386,
        "Rydberg": 13.605693,
        "kJ/mol": 1 / 96.485332,
        "kcal/mol": 1 / 23.060548,
        "1/cm": 1 / 8065.544,
        "J": 1 / 1.602176634e-19,
    },
    usual_largest=(0.5, 20.0),
    usual_median=(0.3, 11.0),  # 1.6 to 2.2 in collections of crystals and MOFs
)

POLARITY = Task(
    name="polarity",
    quantity="dipole_D",
    unit="D",
    classes=("weakly_polar", "strongly_polar"),
    thresholds=(2.5,),
    periodic=False,
    lowest=0.0,
    highest=500.0,  # the largest dipoles of drugs and peptides have some tens of debye
    other_units={"e Å": 4.803205, "e bohr (atomic units)": 2.541746, "mD": 1e-3, "C m": 1 / 3.33564e-30},
    usual_largest=(1.0, 60.0),
    usual_median=(1.4, 4.5),  # 2.5 in QM9 and in collections of drug-like molecules
)

POROSITY = Task(
    name="porosity",
    quantity="pld_A",
    unit="Å",
    classes=("nonporous", "ultramicroporous", "supermicroporous"),
    thresholds=(2.4, 7.0),
    highest=200.0,  # the widest windows of crystalline frameworks have about 100 Å
    other_units={"nm": 10.0, "pm": 0.01, "bohr": 0.529177},
    usual_largest=(1.7, 120.0),
    usual_median=(0.6, 8.0),  # 1.2 in QMOF, 4 in CoRE MOF
)

TASKS = {task.name: task for task in (CONDUCTION, POLARITY, POROSITY)}


def task(name: str) -> Task:
    """The task of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]
