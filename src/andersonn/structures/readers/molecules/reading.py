"""How molecules are read: by their bonds alone, or with so many conformers where they have no geometry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_bonds_alone: ContextVar[bool] = ContextVar("bonds_alone", default=False)
_largest_part: ContextVar[bool] = ContextVar("largest_part", default=False)
_conformers: ContextVar[int] = ContextVar("conformers", default=1)


@contextmanager
def reading(bonds: bool = False, conformers: int = 1, largest_part: bool = False) -> Iterator[None]:
    """Inside this block, readers take molecules as their answers need them.

    It is the setting of a thread, and no argument, because between those who want a molecule and the reader of its format there
    are tables, lists, archives and objects of other libraries, none of which it concerns.

    Args:
        bonds: whether molecules that have a list of bonds are read by it alone: readers give a
            :class:`~andersonn.structures.molecular_graph.MolecularGraph`, and neither make a geometry nor look at a given one.
        conformers: how many are made of a molecule without a geometry; those after the first are kept with the structure. Made
            together they take less time; they are the same as if made later.
        largest_part: whether, of several molecules or ions that are read by their bonds, the largest organic one is taken; else such
            are refused.
    """
    tokens = _bonds_alone.set(bonds), _conformers.set(conformers), _largest_part.set(largest_part)
    try:
        yield
    finally:
        _bonds_alone.reset(tokens[0])
        _conformers.reset(tokens[1])
        _largest_part.reset(tokens[2])


def is_bonds_alone() -> bool:
    """Whether molecules are now read by their bonds alone."""
    return _bonds_alone.get()


def is_largest_part() -> bool:
    """Whether of several molecules or ions the largest organic one is now taken."""
    return _largest_part.get()


def conformers_at_once() -> int:
    """How many conformers are now made of a molecule without a geometry."""
    return _conformers.get()
