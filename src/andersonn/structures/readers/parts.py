"""Files of several structures: one unsound part leaves the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from andersonn.errors import InputError
from andersonn.structures.structure import Structure

MOST_PARTS = 100_000
"""Structures that are read of one file: each takes about 2 KB, however small it is."""
LONGEST_NAME = 200


def read_parts(what: str, parts: Mapping[str, Callable[[str], Structure]], name: str) -> list[Structure | InputError]:
    """The structures of a file's parts, or what is wrong with a part.

    Args:
        what: a part is called in messages, such as ``"frame"``.
        parts: a part's name → what makes its structure, given the structure's id.
        name: of the file; the id of a structure that is alone. Several add the names of their parts.

    Raises:
        InputError: the only part is unsound.
    """
    refuse_more_parts(len(parts))
    if len(parts) == 1:
        return [make(name) for make in parts.values()]
    found: list[Structure | InputError] = []
    for part, make in parts.items():
        try:
            found.append(make(f"{name}:{_short(part)}"))
        except InputError as error:
            found.append(error.within(f"{what} {_short(part)}"))
    return found


def refuse_more_parts(count: int) -> None:
    """Readers ask while they take a file apart.

    Raises:
        InputError: there are more than :data:`MOST_PARTS`.
    """
    if count > MOST_PARTS:
        raise InputError(
            "too_large",
            f"the file holds more than {MOST_PARTS:,} structures, which is what is read at once",
            "split it, or use `andersonn screen`, which reads a file piece by piece",
        )


def _short(part: str) -> str:
    """A part's name, not endless; where it is shown, controls are written out, see :func:`andersonn.sanitize.visible`."""
    return part if len(part) <= LONGEST_NAME else f"{part[: LONGEST_NAME - 1]}…"
