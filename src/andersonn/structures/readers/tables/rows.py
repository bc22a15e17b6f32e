"""A row of a table → its structures: from SMILES, a file, text, atoms or an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.content import FORMATS, LONGEST_NAME, format_of, is_table_name, refuse_more_parts
from andersonn.structures.readers.molecules.smiles import from_smiles
from andersonn.structures.readers.objects import as_structure
from andersonn.structures.readers.sniffing import sniffed
from andersonn.structures.readers.tables.columns import USUAL_COLUMNS, Columns, Roles, is_content, is_missing
from andersonn.structures.readers.tables.table import Table, table_of_text
from andersonn.structures.readers.texts import parser, read_one_file
from andersonn.structures.structure import Structure

Made = list[Structure | InputError]
PATH_HINT = "name files of structures on this machine, relative to the folder of the table"


def row_sources(
    table: Table, asked: Columns, folder: Path | None, name: Callable[[str], str]
) -> Iterator[tuple[str, Callable[[], Made] | InputError]]:
    """(name, function that reads its structures) of each row; an error in the place of a row that cannot be read.

    Args:
        table: read as it is asked for.
        asked: columns the user named.
        folder: where files that the table names are looked for; None reads none.
        name: of a row, from what the table calls it.

    Raises:
        InputError: no column holds structures.
    """
    roles = Roles.of(table.names, asked, table.sample(), table.what)
    for number, values in table.rows:
        yield (
            name(number),
            values
            if isinstance(values, InputError)
            else partial(structures_of_row, roles, values, folder, name(number)),
        )


def structures_of_table(table: Table, name: str) -> Made:
    """The structures of all rows, or what is wrong with a row; files that the table names are not read.

    Args:
        table: it is used up.
        name: for the structures whose rows tell none.

    Raises:
        InputError: no column holds structures, or the only row is unsound.
    """
    found: Made = []
    for row, source in row_sources(table, USUAL_COLUMNS, None, str):
        try:
            if isinstance(source, InputError):
                raise source
            found += source()
        except InputError as error:
            found.append(error.within(f"row {row}"))
        refuse_more_parts(len(found))
    if not found:
        raise InputError("no_atoms", f"{table.what} holds no rows", "write a row for each structure")
    if len(found) == 1 and isinstance(found[0], InputError):
        raise found[0]
    return found


def structures_of_row(roles: Roles, values: Sequence[Any], folder: Path | None, called: str = "") -> Made:
    """The structures of a row.

    Args:
        roles: of its columns.
        values: of it.
        folder: where files that it names are looked for; None reads none.
        called: name of atoms and objects in a row that gives none.

    Raises:
        InputError: it holds none, or an unsound one.
    """
    id = name_of(roles, values)
    if roles.atoms is not None and not is_missing(values[roles.atoms[0]]) and not is_missing(values[roles.atoms[1]]):
        return [_of_atoms(roles.atoms, values, id or called)]
    if roles.smiles is not None:
        return [from_smiles(required(values[roles.smiles], "SMILES"), id)]
    if roles.path is not None:
        return _named(_of_named(required(values[roles.path], "file"), id or called, folder), id)
    if roles.thing is None:
        raise InputError(
            "bad_row", "the row holds no structure", "give SMILES, a file, or atomic_numbers and positions"
        )
    return _of_thing(values[roles.thing], id, folder, called)


def name_of(roles: Roles, values: Sequence[Any]) -> str:
    """The name that a row gives; empty if it gives none."""
    value = None if roles.id is None else values[roles.id]
    if is_missing(value) or not isinstance(value, (str, int, float, np.number)):
        return ""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return " ".join(text[:LONGEST_NAME].split())


def required(value: Any, what: str) -> str:
    """A value that must be text.

    Raises:
        InputError: it is missing or of another type.
    """
    if is_missing(value):
        raise InputError("bad_row", f"the row has no {what}", f"give its {what}, or leave the row out")
    if not isinstance(value, str):
        raise InputError("bad_row", f"the {what} of the row is a {type(value).__name__}", f"write the {what} as text")
    return value.strip()


def _of_atoms(atoms: tuple[int, int, int | None], values: Sequence[Any], id: str) -> Structure:
    Z, positions = np.asarray(values[atoms[0]]), values[atoms[1]]
    cell = None if atoms[2] is None or values[atoms[2]] is None else values[atoms[2]]
    try:
        xyz = np.array(positions, dtype=np.float64).reshape(-1, 3)
        cell = None if cell is None or np.size(cell) == 0 else np.array(cell, dtype=np.float64).reshape(3, 3)
    except (TypeError, ValueError) as error:
        raise InputError(
            "bad_row", f"positions or cell are no numbers of the right shape: {error}", "see docs/data.md"
        ) from None
    if Z.dtype.kind == "f" and np.all(np.rint(Z) == Z):
        Z = Z.astype(np.int64)
    return Structure(Z, xyz, cell, id=id)


def _of_file(name: str, folder: Path | None) -> Made:
    if folder is None:
        raise InputError(
            "missing_file", f"the row names the file {name[:80]!r}, which is not read here", "send the file itself"
        )
    if "://" in name or name.startswith(("//", "\\\\")):
        raise InputError("missing_file", f"{name[:80]!r} is no file of this machine", PATH_HINT)
    if is_table_name(PurePath(name)):
        raise InputError("unknown_format", f"the row names a table, {name[:80]!r}", PATH_HINT)
    return read_one_file(folder / name)


def _of_thing(value: Any, id: str, folder: Path | None, called: str) -> Made:
    if is_missing(value):
        raise InputError("bad_row", "the row has no structure", "give its structure, or leave the row out")
    if not isinstance(value, str):
        try:
            return _named([as_structure(value, id or called)], id)
        except TypeError as error:
            raise InputError("unknown_object", str(error), "or give the path of a file") from None
    if is_content(value) or format_of(PurePath(value.strip())) is not None:
        return _named(_of_named(value.strip(), id or called, folder), id)
    return [from_smiles(value, id)]


def _of_named(value: str, name: str, folder: Path | None) -> Made:
    """The structures of a file's name, or of the text of a file."""
    return read_text(value, name or "text") if is_content(value) else _of_file(value, folder)


def read_text(text: str, name: str) -> Made:
    """The structures of the text of a file or a table, or of SMILES, one a line; the format is told by what it holds.

    Args:
        text: of several lines.
        name: for the structures.

    Raises:
        InputError: the format is not known, or the text cannot be read.
    """
    kind = sniffed(text)
    if kind is None:
        shown = " ".join(text[:200].split())[:60]
        raise InputError("unknown_format", f"the text {shown!r} is in no known format", f"give the text of {FORMATS}")
    if kind == "table":
        return structures_of_table(table_of_text(text, f"the table {name!r}"), name)
    return parser(kind, text)(text, name)


def _named(found: Made, id: str) -> Made:
    """A structure that is alone under the name of its row; several keep their own behind it."""
    if not id:
        return found
    alone = len(found) == 1
    return [
        replace(item, id=id if alone else f"{id}:{item.id}") if isinstance(item, Structure) and item.id != id else item
        for item in found
    ]
