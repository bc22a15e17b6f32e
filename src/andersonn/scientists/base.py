"""What a scientist is: one question, how a network learns to answer it, and what users see of it.

A scientist is declared in one Python file that makes a :class:`ScientistSpec` under the name ``SCIENTIST``. The files of
this folder are found by themselves; other packages name theirs in the entry-point group ``andersonn.scientists``; and
``andersonn train ./my_scientist.py`` takes a file that nobody registered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andersonn.data.tasks import Task
from andersonn.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


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

    Raises:
        UsageError: the name cannot stand in a command, an address and a file name, or a value is of the wrong type.
    """

    task: Task
    preset: Mapping[str, Any] = field(default_factory=dict)
    labeler: str = ""
    examples: Mapping[str, str] = field(default_factory=dict)
    self_test: Mapping[str, str] = field(default_factory=dict)
    weights: Path | None = None

    def __post_init__(self) -> None:
        for name, kind in (("task", Task), ("preset", Mapping), ("examples", Mapping), ("self_test", Mapping)):
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

    @property
    def name(self) -> str:
        """As on the command line."""
        return self.task.name

    @property
    def trained(self) -> bool:
        """Whether there are weights."""
        return self.weights is not None and (self.weights / "model.json").is_file()
