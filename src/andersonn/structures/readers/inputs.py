"""Whatever a caller gives (files, folders, tables, SMILES, text, objects) → one stream of sources, each then read on its own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from andersonn.errors import InputError
from andersonn.io.near_names import where_it_may_be
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import (
    MAX_MEGABYTES,
    content_of,
    find_files,
    format_of,
    is_table_name,
    packing_of,
    printable,
    text_of,
    unpacked_content,
)
from andersonn.structures.readers.molecules.smiles import Smiles, from_smiles, refuse_second
from andersonn.structures.readers.molecules.smiles_lists import line_of, list_layout
from andersonn.structures.readers.objects import as_structure
from andersonn.structures.readers.sniffing import sniffed
from andersonn.structures.readers.tables.columns import (
    PATHS,
    TEXTS,
    USUAL_COLUMNS,
    Columns,
    is_missing,
    is_smiles_name,
    plain,
)
from andersonn.structures.readers.tables.delimited import Layout
from andersonn.structures.readers.tables.rows import read_text, row_sources
from andersonn.structures.readers.tables.table import (
    Table,
    table_of,
    table_of_mapping,
    table_of_object,
    table_of_text,
)
from andersonn.structures.readers.texts import read_structures
from andersonn.structures.structure import Structure


def listed(inputs: Any) -> Iterable[Any]:
    """The inputs of a call that takes one or many, as an iterable."""
    one = isinstance(inputs, (str, bytes, bytearray, os.PathLike, Structure, Mapping)) or not isinstance(
        inputs, Iterable
    )
    one = one or isinstance(inputs, Table) or _is_table(inputs) or _is_numbers(inputs)
    return [inputs] if one or hasattr(inputs, "get_positions") or hasattr(inputs, "cart_coords") else inputs


def counted(inputs: Iterable[Any], columns: Columns = USUAL_COLUMNS) -> int:
    """How many inputs :func:`sources` will give; 0 where that cannot be known before they are read: of a stream."""
    return sum(1 for _ in sources(inputs, columns)) if isinstance(inputs, Sized) else 0


def sources(inputs: Iterable[Any], columns: Columns = USUAL_COLUMNS) -> Iterator[tuple[str, Any]]:
    """(name, source) of each input, to be read by :func:`structures_of`; folders become their files, and tables their rows.

    Args:
        inputs: files, folders, SMILES, perhaps with a name behind them, text of files, tables, dicts, objects.
        columns: names of the columns of tables, if unusual.
    """
    for position, item in enumerate(inputs):
        if isinstance(item, Smiles):
            yield str(item), item
        elif isinstance(item, (bytes, bytearray)) or (isinstance(item, str) and len(lines_of(item.strip())) > 1):
            yield from _of_text(item, f"input {position + 1}", columns)
        elif isinstance(item, str) and _may_be_smiles(item):
            yield item, _Word(item)
        elif isinstance(item, (str, os.PathLike)):
            yield from _of_path(item, columns)
        elif isinstance(item, Mapping):
            label = f"input {position + 1}"
            yield from _of_table(partial(table_of_mapping, item), columns, label, partial(_row_name, label))
        elif isinstance(item, Table):
            yield from _of_table(item, columns, item.what, partial("{}:{}".format, item.what))
        elif _is_table(item):
            yield from _of_table(partial(table_of_object, item), columns, f"input {position + 1}", lambda k: f"row {k}")
        else:
            yield getattr(item, "id", "") or f"input {position + 1}", item


def from_lines(lines: Iterable[str], columns: Columns) -> Iterator[Any]:
    """The lines of stdin as inputs: each a file name or SMILES; or, if the first line holds column names, one table, read as
    a stream.
    """
    lines = iter(lines)
    first = next((line for line in lines if line.strip()), "")
    if wrong := _no_list(first):
        yield wrong
        return
    layout = Layout.of(first) if first else None
    header = layout is not None and (layout.has(columns) or _is_header(layout.names, first))
    if header and layout is not None:
        yield table_of_text(chain([first], lines), "stdin")
        return
    listed = list_layout(first)
    for line in lines if listed else chain([first], lines):
        found = line.strip()
        if found and listed:
            smiles, title = line_of(found, listed) or ("", "")
            found = f"{smiles} {title}".strip()
        if found:
            yield found


def _no_list(first: str) -> InputError | None:
    """What is wrong with stdin whose first line belongs to a packed file or to the text of one."""
    if packing_of(first.encode("utf-8", "surrogateescape")):
        cure = "unpack it, as in `gunzip -c FILE | andersonn …`, or name the file"
        return InputError("not_text", "stdin holds packed data, not lines of text", cure)
    if first.lower().startswith(("data_", "loop_", "#\\#cif")):
        return InputError("unknown_format", "stdin holds a CIF, not a list of inputs", "name the file")
    return None


def _is_header(names: Sequence[str], line: str) -> bool:
    """Whether a first line on stdin names columns, and is no input itself."""
    texts = TEXTS if len(names) > 1 else ()
    known = [name for name in names if is_smiles_name(name) or plain(name) in (*PATHS, *texts)]
    several = len(names) > 1 or len(line.split()) == 1
    return bool(known) and several and not os.path.exists(line.strip())


def _of_path(item: str | os.PathLike[str], columns: Columns) -> Iterator[tuple[str, Any]]:
    name = printable(item)
    if not os.fspath(item):  # as Path it would be the current folder
        yield "", InputError("missing_file", "the name of an input is empty", "give a file or folder")
    elif os.path.isdir(item):
        try:
            yield from ((printable(file), file) for file in find_files(Path(item)))
        except InputError as error:
            yield name, error
    elif is_table_name(Path(item)):
        path = Path(item)
        yield from _of_table(
            lambda: table_of(content_of(path), path), columns, name, lambda k: f"{name}:{k}", path.parent
        )
    else:
        yield name, Path(item)


def _of_text(item: str | bytes | bytearray, name: str, columns: Columns) -> Iterator[tuple[str, Any]]:
    """The text of a file; of a table, its rows."""
    try:
        if not isinstance(item, str):
            item = text_of(unpacked_content(bytes(item), name, MAX_MEGABYTES), Path(name))
            if len(lines_of(item.strip())) < 2:
                told = "bytes are taken for what a file holds, and these are a single line"
                raise InputError("unknown_object", told, "give the name of a file or SMILES as a string")
        first = next((line for line in lines_of(item) if line.strip()), "")
        if sniffed(item) == "table" or (columns != USUAL_COLUMNS and Layout.of(first).has(columns)):
            yield from _of_table(lambda: table_of_text(item, name), columns, name, lambda k: f"{name}:{k}", Path())
        else:
            yield name, partial(read_text, item, "text")
    except InputError as error:
        yield name, error


def _of_table(
    read: Table | Callable[[], Table],
    columns: Columns,
    name: str,
    of_row: Callable[[str], str],
    folder: Path | None = Path(),
) -> Iterator[tuple[str, Any]]:
    nothing = True
    try:
        table = read if isinstance(read, Table) else read()
        for source in row_sources(table, columns, folder, of_row):
            nothing = False
            yield source
        if nothing:
            yield name, InputError("no_atoms", f"{name!r} holds no rows", "write a row for each structure")
    except InputError as error:
        yield name, error


def _is_table(thing: Any) -> bool:
    """Whether an object is a table of pandas, polars or Arrow, recognized by its methods."""
    arrow = hasattr(thing, "to_batches") and hasattr(thing, "schema")
    return hasattr(thing, "itertuples") or hasattr(thing, "iter_rows") or arrow


def _row_name(of: str, k: str) -> str:
    return f"{of}:{k}" if k else of


def _is_numbers(thing: Any) -> bool:
    """Whether an object is an array of numbers: not a list of structures."""
    return getattr(getattr(thing, "dtype", None), "kind", "") in tuple("biufc") and hasattr(thing, "__array__")


class _Word(Smiles):
    """A string that is SMILES or the name of a file that does not exist."""

    __slots__ = ()


def _may_be_smiles(text: str) -> bool:
    named_as_file = text.startswith(("/", ".", "~")) or format_of(Path(text)) is not None or is_table_name(Path(text))
    return bool(text) and not named_as_file and text.replace("\t", " ").isprintable() and not os.path.exists(text)


def one_structure(item: Any, position: int) -> Structure:
    """The structure of one input that holds exactly one.

    Args:
        item: a file, SMILES or object.
        position: of the input in its list, from 0, for messages.

    Raises:
        InputError: it cannot be read, or holds several structures or none.
    """
    try:
        found = [s for name, source in sources([item]) for s in structures_of(name, source)]
        if len(found) != 1:
            raise InputError("several", f"it holds {len(found)} structures", "give one structure a sample")
        if isinstance(found[0], InputError):
            raise found[0]
        return found[0]
    except InputError as error:
        raise error.within(f"sample {position}") from None


def structures_of(name: str, source: Any) -> list[Structure | InputError]:
    """The structures of one source of :func:`sources`, with an error in the place of each unsound one.

    Raises:
        InputError: the source as a whole cannot be read.
    """
    if isinstance(source, InputError):
        raise source
    if inspect.isfunction(source) or isinstance(source, partial):
        return source()
    if isinstance(source, Smiles):
        refuse_second(source)
        return [_from_word(source) if isinstance(source, _Word) else from_smiles(source)]
    if isinstance(source, os.PathLike):
        return read_structures(content_of(Path(source)), Path(source))
    if is_missing(source):
        raise InputError(
            "unknown_object", "there is no structure: the value is missing", "leave it out, or complete it"
        )
    try:
        return [as_structure(source, id=name)]
    except TypeError as error:
        raise InputError("unknown_object", str(error), "or give the path of a file") from None


def _from_word(text: str) -> Structure:
    """The molecule of a string; the error for one that is not SMILES says that there is no such file either."""
    try:
        return from_smiles(text)
    except InputError as error:
        if error.kind != "bad_smiles":
            raise
        kind = "bad_smiles" if set(text) & set("()[]=#@|") else "missing_file"
        near = where_it_may_be(text)
        cure = f"{near} Else {error.hint}" if near.startswith("did you mean") else error.hint
        raise InputError(kind, f"there is no file {text!r}, and {error.message}", cure) from None
