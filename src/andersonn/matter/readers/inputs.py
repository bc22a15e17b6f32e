"""Whatever a caller may name or hold: files, folders, SMILES and objects, one stream of sources."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from andersonn.errors import InputError
from andersonn.matter.readers.files import find_files, format_of, printable, read_each
from andersonn.matter.readers.objects import as_structure
from andersonn.matter.readers.smiles import Smiles, from_smiles
from andersonn.matter.structure import Structure


def listed(inputs: Any) -> Iterable[Any]:
    """Inputs of a call that takes one or many."""
    single = isinstance(inputs, (str, os.PathLike, Structure)) or not isinstance(inputs, Iterable)
    return [inputs] if single or hasattr(inputs, "get_positions") or hasattr(inputs, "cart_coords") else inputs


def sources(inputs: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """(name, what to read) of each input; folders become their files."""
    for position, item in enumerate(inputs):
        if isinstance(item, Smiles):
            yield str(item), item
        elif isinstance(item, str) and _may_be_smiles(item):
            yield item, _Word(item)
        elif not isinstance(item, (str, os.PathLike)):
            yield getattr(item, "id", "") or f"input {position + 1}", item
        elif not os.fspath(item):  # as Path it would be the current folder
            yield "", InputError("missing_file", "the name of an input is empty", "give a file or folder")
        elif os.path.isdir(item):
            try:
                yield from ((printable(file), file) for file in find_files(Path(item)))
            except InputError as error:
                yield printable(item), error
        else:
            yield printable(item), Path(item)


class _Word(Smiles):
    """A string that is SMILES or the name of a file that does not exist."""

    __slots__ = ()


def _may_be_smiles(text: str) -> bool:
    named_as_file = text.startswith(("/", ".", "~")) or format_of(Path(text)) is not None
    return bool(text) and not named_as_file and text.isprintable() and not os.path.exists(text)


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
    """What one source holds; a function is one that gives it."""
    if isinstance(source, InputError):
        raise source
    if inspect.isfunction(source) or isinstance(source, partial):
        return source()
    if isinstance(source, Smiles):
        return [_from_word(source) if isinstance(source, _Word) else from_smiles(source)]
    if isinstance(source, os.PathLike):
        return read_each(source)
    try:
        return [as_structure(source, id=name)]
    except TypeError as error:
        raise InputError("unknown_object", str(error), "or give the path of a file") from None


def _from_word(text: str) -> Structure:
    """The molecule of a word; one that is no SMILES was perhaps meant as a file."""
    try:
        return from_smiles(text)
    except InputError as error:
        if error.kind != "bad_smiles":
            raise
        kind = "bad_smiles" if set(text) & set("()[]=#@") else "missing_file"
        raise InputError(kind, f"there is no file {text!r}, and {error.message}", error.hint) from None
