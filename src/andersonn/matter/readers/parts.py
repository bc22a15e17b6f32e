"""Files of several structures: one unsound part leaves the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from andersonn.errors import InputError
from andersonn.matter.structure import Structure


def read_parts(what: str, parts: Mapping[str, Callable[[str], Structure]], name: str) -> list[Structure | InputError]:
    """The structures of a file's parts, or what is wrong with a part.

    Args:
        what: a part is called in messages, such as ``"frame"``.
        parts: a part's name → what makes its structure, given the structure's id.
        name: of the file; the id of a structure that is alone. Several add the names of their parts.

    Raises:
        InputError: the only part is unsound.
    """
    if len(parts) == 1:
        return [make(name) for make in parts.values()]
    found: list[Structure | InputError] = []
    for part, make in parts.items():
        try:
            found.append(make(f"{name}:{part}"))
        except InputError as error:
            found.append(error.within(f"{what} {part}"))
    return found
