"""Atoms that are there in a part of the cells only: which of them stand for each other, and which stay where one alternative is kept."""

from __future__ import annotations

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.alternatives import NAMED, Choice
from andersonn.structures.choosing import best_choice
from andersonn.structures.contacts import Contacts
from andersonn.structures.neighbors import pairs_within

FILLED = 0.5
"""Share of the cells from which on a place counts as filled."""
SAME_PLACE = 0.5
"""Å up to which atoms of two elements share a site. Alternatives of position are farther apart."""
ROUNDING = 0.02
"""Largest difference in the share of an element between what is kept and what the occupancies make."""


def choice_of_partial(
    Z: np.ndarray, xyz: np.ndarray, cell: np.ndarray | None, share: np.ndarray, names: tuple[str, ...]
) -> tuple[Choice, np.ndarray]:
    """Which atoms stay, and which belong to groups that are left out whole, bool ``[n]``. Fully occupied atoms stay.

    A group of them, bonded (metals aside) or excluding each other, is filled if one of its atoms is there in half of the cells at
    least, counted with those that it excludes. Of a filled group the choice that is worth most stays, of others nothing.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions ``[n, 3]`` in Å.
        cell: lattice vectors as rows, Å, or None.
        share: of the cells that each atom is in, above 0 and at most 1, ``[n]``.
        names: of the atoms, for messages.

    Raises:
        InputError: there are too many alternatives, or elements share a site so that the choice is another substance.
    """
    partial = share < 1.0
    contacts = Contacts.of(Z, xyz, cell, partial)
    groups = contacts.groups(partial)
    filled = share.astype(float)
    one, other = np.concatenate([contacts.rivals, contacts.rivals[:, ::-1]]).T
    np.add.at(filled, one, np.where(partial[other], share[other], 0.0))
    empty = np.zeros(len(Z), dtype=bool)
    for group in groups:
        heavy = group[Z[group] > 1]
        empty[group] = filled[heavy if len(heavy) else group].max() < FILLED
    stays = ~empty
    here = np.flatnonzero(stays)
    left = Contacts.of(Z[here], xyz[here], cell, partial[here])
    stays[here] = best_choice(left, partial[here], partial[here], share[here])
    i, j, _, _ = pairs_within(xyz, cell, SAME_PLACE)
    sharing = np.zeros(len(Z), dtype=bool)
    sharing[i[(Z[i] != Z[j]) & partial[i] & partial[j]]] = True
    for group in groups:
        if sharing[group].any() and stays[group].any():
            refuse_mixed(Z[group], share[group], stays[group], [names[k] for k in group[sharing[group]].tolist()])
    return Choice(contacts, stays, names), empty


def refuse_mixed(Z: np.ndarray, share: np.ndarray, stays: np.ndarray, names: list[str]) -> None:
    """Refuses a choice among atoms of several elements in one place that has another composition than all of them together.

    Args:
        Z: atomic numbers of atoms that hang together ``[m]``.
        share: of the cells that each is in ``[m]``.
        stays: which are kept, bool ``[m]``.
        names: of those that share a place with another element.

    Raises:
        InputError: it has; hydrogen, which is often not located, does not count.
    """
    heavy = Z > 1
    size = elements.MAX_Z + 1
    stated, kept = (np.bincount(Z[heavy], weights=part[heavy], minlength=size) for part in (share, stays.astype(float)))
    if np.abs(stated / max(stated.sum(), 1e-9) - kept / max(kept.sum(), 1e-9)).max() <= ROUNDING:
        return
    shared = sorted(set(names))
    listed = ", ".join(shared[:NAMED]) + (" …" if len(shared) > NAMED else "")
    raise InputError(
        "partial_occupancy",
        f"several elements share a site ({listed}): with one of them kept it would be another substance",
        "build a supercell in which each such site holds one element",
    )


def told(choice: Choice, partial: np.ndarray, empty: np.ndarray, gone: tuple[str, ...]) -> str:
    """A note of what became of partially occupied sites.

    Args:
        choice: of the atoms.
        partial: atoms that the file states to be there in a part of the cells, bool ``[n]``.
        empty: those of groups that are left out whole, bool ``[n]``.
        gone: names of sites that were left out before, as those of other disorder groups.
    """

    def names(chosen: np.ndarray) -> list[str]:
        return list(dict.fromkeys(choice.names[k] for k in np.flatnonzero(partial & chosen).tolist()))

    kept, rare = names(choice.stays), names(empty)
    others = [*gone, *(name for name in names(~choice.stays & ~empty) if name not in kept)]
    rare = [name for name in rare if name not in (*kept, *others)]
    parts = [f"kept {_named(kept)}"] if kept else []
    parts += [f"left out {_named(others)} as alternatives of what stays"] if others else []
    parts += [f"left out {_named(rare)}, which are there in less than half of the cells"] if rare else []
    total = len(kept) + len(others) + len(rare)
    return f"of {total} partially occupied {'site' if total == 1 else 'sites'}: {', '.join(parts)}"


def _named(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:NAMED])}{' …' if len(names) > NAMED else ''})"
