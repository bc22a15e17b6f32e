"""Lists of SMILES (.smi): a molecule a line, perhaps with a name, perhaps below a line of column names."""

from __future__ import annotations

from collections import Counter
from functools import partial

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import read_parts, refuse_more_parts
from andersonn.structures.readers.molecules.smiles import from_smiles, named_smiles
from andersonn.structures.readers.tables.columns import Roles
from andersonn.structures.readers.tables.delimited import Layout
from andersonn.structures.structure import Structure


def list_layout(first: str) -> Layout | None:
    """The layout of a list of SMILES whose first line names columns; None if each line is SMILES, optionally with a name."""
    return None if first.lstrip().startswith("#") else Layout.of_list(first)


def line_of(line: str, layout: Layout | None) -> tuple[str, str] | None:
    """SMILES and name of a line of a list; the name is empty where there is none. None of an empty line and a comment.

    Raises:
        InputError: the line does not fit the layout.
    """
    if not line.strip() or line.startswith("#"):
        return None
    if layout is None:
        return named_smiles(line)
    roles, fields = Roles.of(layout.names), layout.fields(line)
    if fields is None:
        return None
    assert roles.smiles is not None
    return named_smiles(fields[roles.smiles])[0], _title(layout, roles, fields)


def _title(layout: Layout, roles: Roles, fields: list[str]) -> str:
    """The name in a line: in the column of names, else in the one beside the SMILES."""
    beside = 1 if roles.smiles == 0 else 0
    at = roles.id if roles.id is not None else beside if len(layout.names) > 1 else None
    return "" if at is None else fields[at]


def titled_smiles(text: str) -> dict[str, str]:
    """Name → SMILES of the content of a .smi file, one a line, see :func:`line_of`. Empty lines, lines that begin with ``#``
    and a first line of column names are left out; a line that cannot be taken apart is given whole.

    Raises:
        InputError: there are none, or too many to read at once.
    """
    return {title: smiles for title, (smiles, _) in titled_lines(text).items()}


def titled_lines(text: str) -> dict[str, tuple[str, str]]:
    """As :func:`titled_smiles`, with the line beside the SMILES; where a first line names columns, the SMILES again.

    Raises:
        InputError: as :func:`titled_smiles`.
    """
    rows = [line for line in lines_of(text) if line.strip() and not line.startswith("#")]
    refuse_more_parts(len(rows))
    layout = list_layout(rows[0]) if rows else None
    found = []
    for row in rows[layout is not None :]:
        try:
            smiles, title = line_of(row, layout) or ("", "")
        except InputError:
            smiles, title = row, ""
        if smiles:
            found.append((title or smiles, (smiles, row if layout is None else smiles)))
    if not found:
        raise InputError("no_atoms", "the file holds no SMILES", "write one a line, perhaps with a name after it")
    often = Counter(title for title, _ in found)
    return {(title if often[title] == 1 else f"{title} ({k})"): both for k, (title, both) in enumerate(found, start=1)}


def parse_smi(text: str, name: str) -> list[Structure | InputError]:
    """The molecules of a .smi file, see :func:`titled_smiles`, or what is wrong with one."""
    parts = {title: partial(from_smiles, line) for title, (_, line) in titled_lines(text).items()}
    return read_parts("molecule", parts, name)
