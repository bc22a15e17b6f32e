"""Alternatives of disordered parts: atoms that are nearer to each other than any bond. One alternative is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from andersonn.structures import elements
from andersonn.structures.choosing import best_choice
from andersonn.structures.contacts import Contacts

NAMED = 6
"""Atoms that a note names."""
_resolving: ContextVar[bool] = ContextVar("resolving_alternatives", default=False)


@contextmanager
def resolving(on: bool = True) -> Iterator[None]:
    """Inside this block, structures whose atoms overlap keep one alternative instead of being refused; or not, if it is off.

    It is the setting of a thread for the reason that :func:`andersonn.structures.readers.molecules.reading.reading` gives.
    """
    token = _resolving.set(on)
    try:
        yield
    finally:
        _resolving.reset(token)


def is_resolving() -> bool:
    """Whether one of several alternatives is kept now."""
    return _resolving.get()


@dataclass(frozen=True, eq=False)
class Choice:
    """One alternative of the disordered parts of a structure of n atoms.

    Attributes:
        contacts: of all atoms.
        stays: which atoms it has, bool ``[n]``.
        names: of the atoms in the file; empty if it does not name them.
    """

    contacts: Contacts
    stays: np.ndarray
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray | None) -> Choice | None:
        """The best one; None where no atom's place is disputed, or all can stay.

        Args:
            Z: atomic numbers ``[n]``.
            xyz: positions ``[n, 3]`` in Å.
            cell: lattice vectors as rows, Å, or None.
        """
        contacts = Contacts.of(Z, xyz, cell)
        core = contacts.disputed
        if not core.any():
            return None
        stays = best_choice(contacts, contacts.whole(core), core)
        return None if stays.all() else cls(contacts, stays)

    @property
    def beside(self) -> np.ndarray:
        """Atoms that stay and may have been bonded to one that was left out, bool ``[n]``."""
        return self.stays & np.array([not self.stays[own].all() for own in self.contacts.bonded])

    @property
    def told(self) -> str:
        """A note of what was left out, and why."""
        Z, gone = self.contacts.Z, np.flatnonzero(~self.stays)
        near = np.zeros(len(Z), dtype=bool)
        pairs = self.contacts.rivals
        near[pairs[self.stays[pairs[:, ::-1]]]] = True
        count = int(near[gone].sum())
        why = [f"{count} too near to atoms that stay"] if count else []
        if count < len(gone):
            why.append(f"{len(gone) - count} that hang on others left out, or one partner too many")
        names = ", ".join(self.name(k) for k in gone[:NAMED].tolist()) + (" …" if len(gone) > NAMED else "")
        left = f"{len(gone)} of {len(Z)} atoms were left out: {elements.hill_formula(Z[gone])} ({names})"
        return f"of overlapping alternatives one was kept: {left}, {' and '.join(why)}"

    def name(self, atom: int) -> str:
        """An atom as the file names or counts it, such as ``"C12"``."""
        return self.names[atom] if self.names else elements.named(self.contacts.Z, atom)
