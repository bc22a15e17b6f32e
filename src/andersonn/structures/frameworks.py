"""Reading frameworks: of alternatives of disorder one is kept, and guests are removed, where that is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from andersonn.errors import InputError
from andersonn.structures.alternatives import resolving
from andersonn.structures.guests import hold_alternatives, without_guests
from andersonn.structures.structure import Structure

CLEANED = frozenset(("overlapping_atoms", "disordered", "partial_occupancy"))
"""Kinds of errors that keeping one alternative can cure."""
Found = Structure | InputError


def read_frameworks(reader: Callable[[], Iterable[Found]], strip_guests: bool, clean: bool) -> list[Found]:
    """The structures of one input, cleaned and stripped as asked.

    Args:
        reader: reads it; called again if it is to be cleaned.
        strip_guests: remove groups that do not belong to the framework.
        clean: where a structure would be refused because atoms overlap or are partially occupied, or has atoms with more partners
            than they can have or nearer than any bond, keep one alternative. Others are left as they are.

    Raises:
        InputError: it cannot be read.
    """
    try:
        found = list(reader())
    except InputError as error:
        if not clean or error.kind not in CLEANED:
            raise
        found = []
    if clean and (not found or any(map(_is_crowded, found))):
        with resolving():
            cleaned = list(reader())
        same = len(cleaned) == len(found)
        found = [new if _is_crowded(old) else old for old, new in zip(found, cleaned, strict=True)] if same else cleaned
    return [_stripped(item) for item in found] if strip_guests else found


def _is_crowded(item: Found) -> bool:
    """Whether alternatives of disorder seem to be there together."""
    if isinstance(item, InputError):
        return item.kind in CLEANED
    return item.periodic and hold_alternatives(item)


def _stripped(item: Found) -> Found:
    return item if isinstance(item, InputError) or not item.periodic else without_guests(item)
