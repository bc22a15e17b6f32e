"""What a scientist is: one question, how a network learns to answer it, and what users see of it.

A scientist is declared in one Python file that makes a :class:`ScientistSpec` under the name ``SCIENTIST``. The files of
this folder are found by themselves; other packages name theirs in the entry-point group ``andersonn.scientists``; and
``andersonn train ./my_scientist.py`` takes a file that nobody registered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from andersonn.data.tasks import Task
from andersonn.errors import UsageError, unknown

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
GEOMETRIES = ("none", "one", "many")
"""How a molecule without 3-D coordinates is read. ``none``: by its bonds alone, which a model must have been trained for; ``one``: in
one generated conformer; ``many``: in as many as the model was calibrated with, its answer being their mean. What has coordinates
keeps them, but for ``none``, which leaves them aside.
"""


@dataclass(frozen=True, kw_only=True)
class GeometryVariant:
    """Weights of a scientist of their own for one of :data:`GEOMETRIES`.

    Attributes:
        preset: as :attr:`ScientistSpec.preset`, in its place.
        self_test: as :attr:`ScientistSpec.self_test`, in its place.
        weights: as :attr:`ScientistSpec.weights`, in its place.
    """

    preset: Mapping[str, Any] = field(default_factory=dict)
    self_test: Mapping[str, str] = field(default_factory=dict)
    weights: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ScientistSpec:
    """Everything that is particular to one scientist.

    Attributes:
        task: what is asked: quantity, unit, classes, thresholds, plausible values, kind of structure, words for people.
        preset: options of :class:`~andersonn.config.TrainConfig` that differ from its defaults, by dotted name, such as
            ``{"image.oxidation": True, "epochs": 10}``.
        labeler: command that computes reference values, such as ``"andersonn label dipole"``; empty: none here does.
        examples: structures to try on the web page: name → SMILES; or file name (``"NaCl.vasp"``) → its text; or, for the
            scientists of this package, any name → path of a file in the repository's ``examples/``.
        self_test: file name (``"NaCl.vasp"``) → its text, or any name → SMILES; questions for ``doctor --self-test``.
        weights: folder of trained weights, as an absolute path such as ``Path(__file__).parent / "weights"``; None while
            there are none.
        earlier_thresholds: of the task, before they were moved; unfinished trainings of then have them.
        by_geometry: task of the answers by the geometry of pores, beside which the network's are shown; None: the network
            answers. A model in a folder of its own answers by its network.
        geometries: name of :data:`GEOMETRIES` → weights of their own for molecules that are read so. Without an entry, ``one``
            and ``many`` are answered by ``weights``, and ``none`` is not.

    Raises:
        UsageError: the name cannot stand in a command, an address and a file name, or a value is of the wrong type.
    """

    task: Task
    preset: Mapping[str, Any] = field(default_factory=dict)
    labeler: str = ""
    examples: Mapping[str, str] = field(default_factory=dict)
    self_test: Mapping[str, str] = field(default_factory=dict)
    weights: Path | None = None
    earlier_thresholds: tuple[float, ...] | None = None
    by_geometry: Task | None = None
    geometries: Mapping[str, GeometryVariant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mappings = ("preset", "examples", "self_test", "geometries")
        for name, kind in (("task", Task), *((name, Mapping) for name in mappings)):
            if not isinstance(getattr(self, name), kind):
                found = type(getattr(self, name)).__name__
                raise UsageError("bad_scientist", f"{name} of a scientist is a {found}", f"give a {kind.__name__}")
        if not (self.weights is None or isinstance(self.weights, Path)):
            found = f"weights of {self.name} are {self.weights!r}"
            raise UsageError("bad_scientist", found, 'give a path, such as Path(__file__).parent / "weights", or None')
        if not NAME.fullmatch(self.name):
            raise UsageError(
                "bad_name",
                f"a scientist cannot be named {self.name!r}",
                "start with a small letter; small letters, digits and _ may follow, 40 in all",
            )

        for geometry, variant in self.geometries.items():
            if geometry not in GEOMETRIES or not isinstance(variant, GeometryVariant):
                told = f"geometries of {self.name} has {geometry!r}: {type(variant).__name__}"
                raise UsageError("bad_scientist", told, f"give a GeometryVariant under one of {', '.join(GEOMETRIES)}")

    def of_geometry(self, geometry: str | None) -> ScientistSpec:
        """The declaration for molecules that are read in one of :data:`GEOMETRIES`; this one, unless there are weights of their
        own.

        Raises:
            UsageError: there is no such way to read them, or none without a geometry.
        """
        if geometry is None:
            return self
        if geometry not in GEOMETRIES:
            raise unknown("geometry", geometry, GEOMETRIES)
        if geometry in self.geometries:
            own = self.geometries[geometry]
            return replace(self, preset=own.preset, self_test=own.self_test, weights=own.weights, geometries={})
        if geometry == "none" and self.task.periodic:
            told = f"{self.name} is about crystals, which are not read without a geometry"
            raise UsageError("other_geometry", told, "leave --geometry out")
        if geometry == "none":
            raise UsageError(
                "other_geometry",
                f"{self.name} has no weights for molecules without a geometry",
                "leave --geometry out; or train some, with image.bonds=true image.fold=false model.bonds=true",
            )
        return self

    @property
    def name(self) -> str:
        """As on the command line."""
        return self.task.name

    @property
    def trained(self) -> bool:
        """Whether there are weights."""
        return self.weights is not None and (self.weights / "model.json").is_file()
