"""Reading the files of structures and tables that a user names."""

from __future__ import annotations

import os
from pathlib import Path

from andersonn.errors import InputError
from andersonn.structures.readers.content import MAX_MEGABYTES, bare, content_of, is_table_name, printable
from andersonn.structures.readers.tables.rows import structures_of_table
from andersonn.structures.readers.tables.table import table_of
from andersonn.structures.readers.texts import read_structures
from andersonn.structures.structure import Structure


def read_file(path: str | os.PathLike[str], max_megabytes: float = MAX_MEGABYTES) -> list[Structure]:
    """All structures of a file, in its order.

    Args:
        path: of a file, also packed by gzip, bzip2 or xz. A CIF has one structure for each data block with atoms; xyz and
            extended xyz one a frame, .smi one a line, SDF, MOL and MOL2 one a record, PDB and mmCIF one a model. A table with a
            column of SMILES has one a row, a POSCAR one alone.
        max_megabytes: files larger than this are refused unread.

    Raises:
        InputError: the file is missing, empty, too large, not text, in no known format, or a structure in it is unsound.
    """
    found: list[Structure] = []
    for item in read_each(path, max_megabytes):
        if isinstance(item, InputError):
            raise item
        found.append(item)
    return found


def read_each(path: str | os.PathLike[str], max_megabytes: float = MAX_MEGABYTES) -> list[Structure | InputError]:
    """As :func:`read_file`, but of several structures, an unsound one is replaced by its error.

    Raises:
        InputError: the file as a whole cannot be read, or its only structure is unsound.
    """
    path = Path(path)
    return read_content(content_of(path, max_megabytes), path)


def read_content(content: bytes, path: Path) -> list[Structure | InputError]:
    """As :func:`read_each`, for the content of a file of that name; nothing is read from disk.

    Raises:
        InputError: the content as a whole cannot be read, or its only structure is unsound.
    """
    if is_table_name(path):
        return structures_of_table(table_of(content, path), printable(Path(bare(path)).stem))
    return read_structures(content, path)
