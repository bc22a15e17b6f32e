"""Answers about pores by their computed geometry. The network's answer stands beside it.

One distribution gives class, probabilities, estimate and interval: the computed diameter plus what published diameters are
larger by, as measured (:data:`LEFT`). For IUPAC's classes the quantity is the pore width: the diameter of the largest
cavity, or 0 where no window lets a sphere in that is as wide as the first threshold, with the mass that the pore-limiting
diameter gives that. A sphere that gets in also fits in, so no width lies between 0 and the first threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np

from andersonn.data.tasks import Task
from andersonn.errors import InputError, UsageError, unknown
from andersonn.inference.explanation import Explanation
from andersonn.inference.prediction import Failure, Prediction
from andersonn.inference.warnings import doubts_about
from andersonn.scientists.base import ScientistSpec
from andersonn.structures.frameworks import read_frameworks
from andersonn.structures.guests import doubts_of_framework
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.plausibility.model import WORDS
from andersonn.structures.pores.bottleneck import Bottleneck
from andersonn.structures.pores.geometry import CONVENTIONS, SPHERES, PoreGeometry, PoreOptions
from andersonn.structures.pores.radii import radii_from
from andersonn.structures.structure import Structure

CLASSES = ("iupac", "pld")
"""By pore width, or by pore-limiting diameter as the network was trained."""
CLOSED = 3.6
"""Å: cavities that hold nitrogen are told of, also where no window leads to them."""
TOLD_CLOSED = "closed cavities: "
"""Begins the note on these."""
LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
LEFT = {
    "zeo++-default": {
        "pld_A": (-0.0073, -0.0025, -0.0001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0001, 0.0004, 0.0076),
        "lcd_A": (-0.3647, -0.1174, -0.0108, -0.0023, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0001),
    },
    "zeo++-high": {
        "pld_A": (-0.0073, -0.0032, 0.0, 0.0, 0.0079, 0.019, 0.0306, 0.0411, 0.0548, 0.07, 0.0732),
        "lcd_A": (-0.0048, -0.0034, 0.0, 0.0024, 0.0106, 0.0241, 0.0366, 0.048, 0.0503, 0.0682, 0.0695),
    },
}
"""Quantiles at :data:`LEVELS` of published minus computed diameters in Å, by the labels' own convention: 300 of QMOF (Zeo++ at
default accuracy) and 61 of CoRE MOF 2019 (at high accuracy), training and validation sides; as ``benchmarks/pores.py`` prints
them.
"""


@dataclass(frozen=True)
class PoreQuestion:
    """What is asked of the pores.

    Attributes:
        task: its classes and thresholds; its quantity is ``pore_width_A`` or ``pld_A``.
        options: how pores are measured. Of the pore width, the sphere that must get in is as wide as the first threshold.
        strip_guests: whether groups that do not belong to the framework are removed first.
        clean: whether of alternatives of disorder one is kept, where atoms overlap or have too many partners.
    """

    task: Task
    options: PoreOptions = field(default_factory=PoreOptions)
    strip_guests: bool = False
    clean: bool = False

    def __post_init__(self) -> None:
        if self.task.zero_is_class and self.options.access_A != self.task.thresholds[0]:
            object.__setattr__(self, "options", replace(self.options, access_A=self.task.thresholds[0]))

    @classmethod
    def of(
        cls,
        spec: ScientistSpec,
        classes: str = "iupac",
        convention: str = CONVENTIONS[1],
        radii: Mapping[str, float] | None = None,
        strip_guests: bool = False,
        clean: bool = False,
    ) -> Self:
        """The question that a user's words make.

        Args:
            spec: a scientist that answers by the geometry of pores.
            classes: one of :data:`CLASSES`.
            convention: as :attr:`PoreOptions.convention`.
            radii: as :attr:`PoreOptions.radii`.
            strip_guests: as the attribute.
            clean: as the attribute.

        Raises:
            UsageError: the scientist does not answer so, or a word or number is none of those.
        """
        if classes not in CLASSES:
            raise unknown("classes", classes, CLASSES)
        if spec.by_geometry is None:
            told = f"{spec.name} is not answered by the geometry of pores"
            raise UsageError(
                "bad_option", told, "leave out --convention, --radii, --classes, --strip-guests and --clean"
            )
        task = spec.by_geometry if classes == "iupac" else spec.task
        return cls(task, PoreOptions(convention, radii=dict(radii or {})), strip_guests, clean)

    def cut(self, cuts: tuple[float, ...]) -> Self:
        """The same question with its classes cut elsewhere.

        Args:
            cuts: rising, in Å; of the pore width: the sphere that must get in, then those between the widths; of the
                pore-limiting diameter: those between classes.

        Raises:
            UsageError: there are too many or too few, or they do not rise.
        """
        usual = self.task.thresholds
        rise = all(low < high for low, high in pairwise((0.0, *cuts)))
        if len(cuts) != len(usual) or not rise or (self.task.zero_is_class and not SPHERES[0] <= cuts[0] <= SPHERES[1]):
            told = ", ".join(f"{cut:g}" for cut in cuts) or "nothing"
            hint = f"give {len(usual)} rising lengths in Å, such as {','.join(f'{cut:g}' for cut in usual)}"
            if self.task.zero_is_class:
                hint += f"; the first is the sphere that must get in, {SPHERES[0]:g} to {SPHERES[1]:g} Å"
            raise UsageError("bad_thresholds", f"classes by {self.task.quantity_words} cannot be cut at {told}", hint)
        return replace(self, task=self.task.with_thresholds(cuts))

    def in_brief(self) -> dict[str, Any]:
        """What was asked, by the names of the options."""
        width = {"access_A": self.options.access_A} if self.task.zero_is_class else {}
        return {
            "quantity": self.task.quantity,
            "cuts": list(self.task.thresholds),
            **width,
            "convention": self.options.convention,
            "radii": dict(self.options.radii),
            "strip_guests": self.strip_guests,
            "clean": self.clean,
        }

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"task": self.task.as_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The question that :meth:`as_dict` described."""
        made = {"task": Task.from_dict(content["task"]), "options": PoreOptions(**content["options"])}
        return cls(**content | made)

    def read(self, reader: Callable[[], Iterable[Structure | InputError]]) -> list[Structure | InputError]:
        """The structures of one input, cleaned and stripped as asked.

        Args:
            reader: reads it; called again if it is to be cleaned.

        Raises:
            InputError: it cannot be read.
        """
        return read_frameworks(reader, self.strip_guests, self.clean)

    def answered(
        self, network: Prediction | Failure, item: tuple[str, Structure, list[NodeNeighborImage]] | Failure
    ) -> Prediction | Failure:
        """The answer by geometry, with the network's beside it.

        Args:
            network: what it answers.
            item: name, structure and images that it was asked about.
        """
        if isinstance(network, Failure) or isinstance(item, Failure):
            return network
        try:
            return self._answered(network, item[1], doubts_about(item[1], item[2][0]))
        except InputError as error:
            return Failure(network.input, error.as_dict())
        except Exception as error:
            return Failure.of_defect(network.input, error)

    def explained(self, network: Explanation, answer: Prediction) -> Explanation:
        """The explanation of an answer by geometry: the atoms at the bottleneck, by the radii in use, and the contributions of
        atoms to the network's answer.

        Args:
            network: explanation of the network's answer.
            answer: by geometry.
        """
        structure = network.structure
        narrowest = Bottleneck.of(structure, self.options.of_atoms(structure.Z))
        return replace(network, prediction=answer, warnings=answer.warnings, bottleneck=narrowest)

    def published(self, diameters: np.ndarray) -> np.ndarray:
        """The quantity ``[n]`` of published windows and cavities ``[n, 2]``, Å; NaN where a diameter that it needs is."""
        windows, cavities = np.asarray(diameters, float).reshape(-1, 2).T
        if not self.task.zero_is_class:
            return windows
        width = np.where(windows < self.options.access_A, 0.0, cavities)
        return np.where(np.isfinite(windows), width, np.nan)

    def above(self, pores: dict[str, Any], cuts: np.ndarray, of: str | None = None) -> np.ndarray:
        """Probability of reaching each cut in Å, ``[G]``.

        Args:
            pores: as in an answer.
            cuts: ``[G]``.
            of: what reaches it: the window (``"pld_A"``) or the cavity (``"lcd_A"``), whatever the other; None: the quantity.
        """
        if of is not None:
            return 1.0 - _below(cuts - pores[of], self._left[of])
        if not self.task.zero_is_class:
            return self.above(pores, cuts, "pld_A")
        access = self.options.access_A
        open_ = self.above(pores, np.array(access), "pld_A")
        return open_ * np.where(cuts <= access, 1.0, self.above(pores, cuts, "lcd_A"))

    def knots(self, pores: dict[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """:meth:`above` of the ``window`` and, for classes by width, of the ``cavity`` as lines: cuts in Å and probabilities, both ``[K]``.
        Of equal cuts the first has the probability of reaching it, the last that of exceeding it. Pores as in an answer.
        """
        names = {"window": "pld_A", "cavity": "lcd_A"} if self.task.zero_is_class else {"window": "pld_A"}
        return {name: (pores[of] + self._left[of], 1.0 - np.array(LEVELS)) for name, of in names.items()}

    @property
    def _left(self) -> dict[str, np.ndarray]:
        """Quantiles of what published diameters are larger by, at :data:`LEVELS`, Å."""
        return {name: np.array(values) for name, values in LEFT[self.options.convention].items()}

    def _answered(self, network: Prediction, structure: Structure, doubts: tuple[str, ...]) -> Prediction:
        corrupted = tuple(each for each in network.warnings if each.startswith(tuple(WORDS.values())))
        own = tuple(each for each in network.warnings if each not in (*doubts, *corrupted))
        notes = network.notes
        if self.options.radii:
            notes += ("intervals and probabilities were measured with Zeo++'s own radii, not with those chosen",)
        told = (*doubts, *corrupted, *doubts_of_framework(structure))
        beside = replace(network, notes=notes, warnings=told, network=_beside(network, own), distribution=None)
        return self.measured(beside, structure)

    def measured(self, answer: Prediction, structure: Structure) -> Prediction:
        """An answer with class, probabilities, estimate and interval by the geometry of the structure's pores, and a note on closed
        cavities.

        Args:
            answer: what else is said of the structure.
            structure: whose pores are measured.
        """
        pores = PoreGeometry.of(structure, self.options)
        p, value, interval = self.distribution(pores.pld_A, pores.lcd_A)
        notes = tuple(note for note in answer.notes if not note.startswith(TOLD_CLOSED))
        if pores.pld_A < self.options.access_A and pores.lcd_A >= CLOSED:
            notes += (
                f"{TOLD_CLOSED}the largest holds a sphere of {pores.lcd_A:.2f} Å, and none wider than "
                f"{max(pores.pld_A, 0.0):.2f} Å gets from one to the next; linkers that turn can open windows",
            )
        return replace(
            answer,
            label=self.task.classes[int(p.argmax())],
            probabilities=dict(zip(self.task.classes, p.tolist(), strict=True)),
            calibrated=True,
            quantity=self.task.quantity,
            value=value,
            interval90=interval,
            thresholds=self.task.thresholds,
            pores=pores.as_dict(),
            notes=notes,
        )

    def distribution(self, pld: float, lcd: float) -> tuple[np.ndarray, float, tuple[float, float]]:
        """Class probabilities ``[C]``, estimate and 90 % interval.

        Args:
            pld: computed pore-limiting diameter, Å.
            lcd: computed diameter of the largest cavity, Å.
        """
        by_width, access = self.task.zero_is_class, self.options.access_A
        shut = float(_below(access - pld, self._left["pld_A"])) if by_width else 0.0
        diameter, rest = (lcd, self._left["lcd_A"]) if by_width else (pld, self._left["pld_A"])
        least = access if by_width else -np.inf
        above = self.above({"pld_A": pld, "lcd_A": lcd}, np.array(self.task.thresholds))
        p = np.concatenate([[1.0], above]) - np.concatenate([above, [0.0]])

        def at(share: float) -> float:
            if by_width and share <= shut:
                return 0.0
            return max(diameter + float(np.interp((share - shut) / (1.0 - shut), LEVELS, rest)), least)

        return p, at(0.5), (at(0.05), at(0.95))


def pore_question(
    spec: ScientistSpec,
    convention: str | None = None,
    radii: str | None = None,
    classes: str | None = None,
    strip_guests: bool = False,
    clean: bool = False,
) -> PoreQuestion | None:
    """The question that options in words make; None if none of them is given.

    Args:
        spec: a scientist.
        convention: as of :meth:`PoreQuestion.of`, or None.
        radii: such as ``"O=1.35,Si=1.1"``, Å, or None.
        classes: as of :meth:`PoreQuestion.of`, or None.
        strip_guests: as the attribute of :class:`PoreQuestion`.
        clean: as the attribute of :class:`PoreQuestion`.

    Raises:
        UsageError: the scientist is not answered by the geometry of pores, or an option cannot be read.
    """
    if convention is radii is classes is None and not (strip_guests or clean):
        return None
    sizes = None if radii is None else radii_from(radii)
    return PoreQuestion.of(spec, classes or CLASSES[0], convention or CONVENTIONS[1], sizes, strip_guests, clean)


def _below(limit: np.ndarray | float, left: np.ndarray) -> np.ndarray:
    """Probability of what is left being below limits in Å, of its quantiles. Of a value that many share, none lies below it."""
    at_least = np.interp(-np.asarray(limit), -left[::-1], 1.0 - np.array(LEVELS)[::-1], left=0.0, right=1.0)
    return np.asarray(1.0 - at_least)


def _beside(network: Prediction, warnings: tuple[str, ...]) -> dict[str, Any]:
    """The network's answer, as in the JSON contract."""
    whole = network.as_dict()
    kept = ("class", "probabilities", "calibrated", "estimate", "thresholds", "domain")
    return {name: whole[name] for name in kept} | {"warnings": list(warnings)}
