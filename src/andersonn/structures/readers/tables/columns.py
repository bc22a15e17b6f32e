"""Which column of a table holds the molecules, the files or the atoms, and which one the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.content import format_of
from andersonn.structures.readers.molecules.inchi import KEY, is_inchi
from andersonn.structures.readers.molecules.smiles import constitution

SMILES = ("smiles", "canonicalsmiles", "cansmiles", "isomericsmiles", "isosmiles", "smilescanonical", "smilesstring",
          "rdkitsmiles", "standardizedsmiles", "molsmiles", "openeyeisosmiles", "openeyecansmiles",
          "pubchemopeneyeisosmiles", "pubchemopeneyecansmiles", "ligandsmiles")  # fmt: skip
"""Usual names of a column of SMILES, the likelier before: in small letters, without anything but letters and digits."""
PATHS = ("file", "path", "filename", "filepath", "structurefile", "structurepath", "cif", "ciffile", "cifpath", "cifname",
         "ciffilename", "xyzfile", "xyzpath", "sdffile", "pdbfile", "molfile", "poscarfile")  # fmt: skip
TEXTS = ("cifstring", "cifstr", "ciftext", "cifcontent", "cifdata", "xyz", "xyzstring", "xyztext", "extxyz", "poscar",
         "poscarstring", "contcar", "sdf", "molblock", "sdfstring", "mol2", "pdb", "pdbstring", "structuretext",
         "structurestring")  # fmt: skip
"""Usual names of columns of the text of files."""
MAYBE = (*TEXTS, "mol", "molecule", "molecules", "structure", "structures", "compound", "drug", "ligand", "atoms")
"""Names of columns that may hold SMILES, files, text, objects or mere names; their values decide."""
IDS = ("id", "name", "title", "compoundid", "moleculeid", "molid", "molname", "moleculename", "compoundname", "cid",
       "chemblid", "moleculechemblid", "zincid", "materialid", "mpid", "refcode", "identifier", "inchikey")  # fmt: skip
NAME = re.compile(r"(?:^|[\W_])(?:id|ID|Id|name|Name|NAME)$|[a-z](?:ID|Id|Name)$")
"""Ends the name of another column of names."""
ATOMS = ("atomic_numbers", "positions")


class Columns(NamedTuple):
    """Columns that a user names, where they have no usual names.

    Attributes:
        smiles: of SMILES.
        path: of files, relative to the folder of the table.
    """

    smiles: str | None = None
    path: str | None = None


USUAL_COLUMNS = Columns()
"""No column is named by the user: columns are found by their usual names."""


@dataclass(frozen=True)
class Roles:
    """Positions of the columns that make a structure, from 0; None where there is none.

    Attributes:
        smiles: of SMILES.
        path: of files, or of their text.
        thing: of whatever can be read: objects, SMILES, text of files, names of files.
        id: of names.
        atoms: of atomic numbers, positions and, perhaps, the cell.
    """

    smiles: int | None = None
    path: int | None = None
    thing: int | None = None
    id: int | None = None
    atoms: tuple[int, int, int | None] | None = None

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        asked: Columns = USUAL_COLUMNS,
        rows: Sequence[Sequence[Any]] = (),
        what: str = "the table",
    ) -> Roles:
        """The roles of the columns of a table.

        Args:
            names: of its columns.
            asked: the user's choice.
            rows: some of its rows, which decide between the meanings of ambiguous column names.
            what: the table, for messages.

        Raises:
            InputError: there is no column of structures, or several may be meant.
        """
        names = [str(name).strip() for name in names]
        id = _first(names, IDS)
        if id is None:
            others = ["" if is_smiles_name(name) or plain(name) in PATHS else name for name in names]
            id = next((k for k, name in enumerate(others) if NAME.search(name)), None)
        if asked.path is not None and asked.smiles is not None:
            raise InputError("bad_columns", "both a column of SMILES and one of files is named", "name one of them")
        if asked.path is not None:
            return cls(path=_named(names, asked.path, what), id=id)
        if asked.smiles is not None:
            return cls(smiles=_named(names, asked.smiles, what), id=id)
        atoms = None
        if all(name in names for name in ATOMS):
            cell = names.index("cell") if "cell" in names else None
            atoms = (names.index(ATOMS[0]), names.index(ATOMS[1]), cell)
        smiles, path = _smiles(names, what), _first(names, PATHS)
        if smiles is None and atoms is None and path is None:
            smiles = _inchi(names, rows)
        if smiles is not None or atoms is not None:
            others = [name if k != smiles else "" for k, name in enumerate(names)]
            id = _first(others, (*IDS, *MAYBE)) if id is None else id
            return cls(smiles=smiles, id=id, atoms=atoms)
        if path is not None:
            return cls(path=path, id=id)
        things = [k for k, name in enumerate(names) if plain(name) in MAYBE and holds_structures(k, rows)]
        if len(things) == 1:
            return cls(thing=things[0], id=id if id != things[0] else None)
        raise _no_column(names, rows, what)


def plain(name: str) -> str:
    """A column's name in small letters, without blanks, underscores and brackets."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def is_smiles_name(name: str) -> bool:
    """Whether a column of that name holds SMILES. Names of files, such as ``a.smiles``, are no column names."""
    return (
        len(name) < 60
        and "smiles" in plain(name)
        and not re.search(r"[/\\]|\.(?:smi|smiles)$", name.strip(), re.IGNORECASE)
    )


def is_missing(value: Any) -> bool:
    """Whether a value of a table stands for none: empty, null or NaN."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _named(names: Sequence[str], wanted: str, what: str) -> int:
    for matches in ([k for k, name in enumerate(names) if name == wanted.strip()],
                    [k for k, name in enumerate(names) if plain(name) == plain(wanted)]):  # fmt: skip
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise InputError("bad_columns", f"{what} has {len(matches)} columns {wanted!r}", "rename all but one")
    raise InputError("missing_column", f"{what} has no column {wanted!r}", f"it has {_listed(names)}")


def _first(names: Sequence[str], usual: Sequence[str]) -> int | None:
    shown = [plain(name) for name in names]
    return next((shown.index(name) for name in usual if name in shown), None)


def _smiles(names: Sequence[str], what: str) -> int | None:
    found = [k for k, name in enumerate(names) if is_smiles_name(name)]
    if len(found) <= 1:
        return found[0] if found else None
    for usual in SMILES:
        same = [k for k in found if plain(names[k]) == usual]
        if len(same) == 1:
            return same[0]
        if same:
            break
    raise InputError(
        "bad_columns",
        f"{what} has several columns of SMILES: {_listed([names[k] for k in found])}",
        "name the one that counts: --smiles-column NAME",
    )


def _inchi(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> int | None:
    """The one column of InChI, by its name, or by what its rows hold."""
    named = [k for k, name in enumerate(names) if "inchi" in plain(name) and "key" not in plain(name)]
    found = named or [k for k in range(len(names)) if any(len(row) > k and is_inchi(str(row[k])) for row in rows)]
    exact = [k for k in found if plain(names[k]) == "inchi"]
    return found[0] if len(found) == 1 else exact[0] if len(exact) == 1 else None


def holds_structures(column: int, rows: Sequence[Sequence[Any]]) -> bool:
    """Whether most of some values of a column can be structures."""
    values = [row[column] for row in rows if len(row) > column and not is_missing(row[column])]
    good = sum(
        not isinstance(value, str) or is_content(value) or _is_file(value) or _is_smiles(value) for value in values
    )
    numbers = sum(isinstance(value, (int, float)) for value in values)
    return bool(values) and 2 * (good - numbers) > len(values)


def is_content(text: str) -> bool:
    """Whether a value is the text of a file and no file's name: it has several lines."""
    return any(end in text.strip() for end in ("\n", "\r"))


def _is_file(text: str) -> bool:
    return len(text) < 1000 and format_of(PurePath(text.strip())) is not None


def _is_smiles(text: str) -> bool:
    return len(text) < 1000 and bool(text.strip()) and constitution(text.strip()) is not None


def _no_column(names: Sequence[str], rows: Sequence[Sequence[Any]], what: str) -> InputError:
    if any(map(_is_smiles, map(str, names))) and not any(plain(name) in IDS for name in names):
        hint = "if its first line is a molecule already, put a line with the names of the columns before it"
        return InputError("missing_column", f"{what} has no column of SMILES or files: it has {_listed(names)}", hint)
    if any(KEY.fullmatch(str(value).strip()) for row in rows for value in row):
        hint = "no molecule can be made of an InChIKey: add a column of SMILES or InChI"
        return InputError("missing_column", f"{what} has no column of SMILES or files: it has {_listed(names)}", hint)
    like = [
        names[k]
        for k in range(len(names))
        if any(isinstance(row[k], str) for row in rows if len(row) > k) and holds_structures(k, rows)
    ]
    hint = f"column {like[0]!r} seems to hold SMILES: --smiles-column {like[0]!r}" if len(like) == 1 else (
        "name it: --smiles-column NAME or --path-column NAME (in Python smiles_column=, path_column=)"
    )  # fmt: skip
    return InputError("missing_column", f"{what} has no column of SMILES or files: it has {_listed(names)}", hint)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown or "no columns"
