"""What is asked of a table that a visitor sends: which column, how it is cut and divided, how long it may take; as options of the
command and as Python.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from pprint import pformat
from typing import Any

from andersonn.data.tasks import thresholds_from
from andersonn.errors import InputError
from andersonn.structures.readers.content import bare
from andersonn.web.inputs import PASTED, Item, ending_of, from_file

TABLES = (".csv", ".tsv", ".xlsx", ".parquet", ".smi", ".sdf", ".xyz", ".extxyz")
"""Endings of what may be a table."""
KINDS = "CSV, TSV, Excel, Parquet, SDF, extended xyz, or .smi with a first line of names"
NAME_OF_PASTED = "pasted.csv"


@dataclass(frozen=True)
class Question:
    """How a scientist is to be constructed; what is None is told by the table.

    Attributes:
        target: column of what is to be predicted.
        name: of the scientist.
        unit: of the numbers.
        thresholds: that cut the numbers into classes, rising.
        classes: names in rising order, or labels to keep.
        structures: column of SMILES or structures.
        split: ``"auto"``, ``"random"``, ``"scaffold"``, ``"group"`` or a column.
        seconds: that the whole work may take.
        seed: of split and draws.
    """

    target: str
    name: str | None = None
    unit: str | None = None
    thresholds: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None
    structures: str | None = None
    split: str = "auto"
    seconds: float = 600.0
    seed: int = 0

    @classmethod
    def of(cls, target: str, thresholds: str, classes: str, split: str, **given: Any) -> Question:
        """A question as a form has it: empty text where nothing is given.

        Raises:
            InputError: there is no target.
            UsageError: thresholds are no numbers.
        """
        if not target.strip():
            raise InputError("no_target", "no column is named as the target", "name the column to be predicted")
        texts: dict[str, Any] = {
            name: value.strip() or None if isinstance(value, str) else value for name, value in given.items()
        }
        names = tuple(word.strip() for word in classes.split(",") if word.strip())
        return cls(
            target.strip(),
            thresholds=thresholds_from(thresholds) if thresholds.strip() else None,
            classes=names or None,
            split=split.strip() or "auto",
            **texts,
        )

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Question:
        """From :meth:`as_dict`, as JSON keeps it."""
        lists = {name: content[name] and tuple(content[name]) for name in ("thresholds", "classes")}
        return cls(**content | lists)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def options(self) -> dict[str, Any]:
        """For :func:`andersonn.constructing.understanding.understand`."""
        names = ("name", "unit", "thresholds", "classes", "structures", "split", "seed")
        return {name: getattr(self, name) for name in names}

    def command(self, source: str, out: str) -> str:
        """The same by the command line.

        Args:
            source: file of the table.
            out: folder of the model.
        """
        words = ["andersonn", "construct", source, "--target", self.target]
        cuts = None if self.thresholds is None else ",".join(f"{cut:g}" for cut in self.thresholds)
        classes = None if self.classes is None else ",".join(self.classes)
        given = {
            "name": self.name,
            "unit": self.unit,
            "thresholds": cuts,
            "classes": classes,
            "structures": self.structures,
        }
        given |= {"split": None if self.split == "auto" else self.split, "seed": str(self.seed) if self.seed else None}
        given |= {"budget": f"{self.seconds:g}s"}
        for name, value in given.items():
            # A value that begins with a minus would be taken for an option.
            words += [] if value is None else [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
        return shlex.join([*words, "--out", out])

    def python(self, source: str, out: str) -> str:
        """The same in Python."""
        given = {name: value for name, value in self.options().items() if value not in (None, "auto", 0)}
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        options = [f"{name}={pformat(value)}" for name, value in given.items()]
        words = [repr(source), repr(self.target), repr(out), *options, f"budget={self.seconds:g}"]
        lines = "".join(f"    {word},\n" for word in words)
        return f"import andersonn as an\n\nscientist = an.construct(\n{lines})\n"


def table_of(name: str, content: bytes, text: str) -> Item:
    """The one table of a request, a file or pasted text.

    Raises:
        InputError: there is none, or both; or it is no table.
    """
    if bool(content or name) == bool(text.strip()):
        told = "a file and pasted text were sent" if text.strip() else "there is no table"
        raise InputError("no_table", told, f"send one table: {KINDS}; or pasted CSV")
    item = from_file(name, content) if name or content else Item(PASTED, text.strip().encode(errors="replace"), None)
    ending = item.ending or ending_of(item.content, item.shown)
    if ending not in TABLES:
        raise InputError(
            "bad_table", f"{item.shown!r} is a file of structures without values", f"send a table: {KINDS}"
        )
    shown = NAME_OF_PASTED if item.shown == PASTED else str(bare(PurePosixPath(item.shown)))  # a.csv of a.csv.gz
    return Item(shown, item.content, ending)
