"""Partially occupied sites where one alternative of disordered parts is kept: which disorder groups, and which atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.alternatives import Choice, resolving
from andersonn.structures.contacts import Contacts
from andersonn.structures.damage import refuse_broken
from andersonn.structures.guests import hold_alternatives
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.occupancies import SAME_PLACE, choice_of_partial, refuse_mixed, told
from andersonn.structures.readers.crystals.cif.cell import Atoms, Sites
from andersonn.structures.readers.crystals.cif.document import Block
from andersonn.structures.readers.crystals.cif.evidence import squeezed
from andersonn.structures.readers.crystals.cif.sites import FULL_OCCUPANCY, disorder_of
from andersonn.structures.structure import Structure

MOST = 1.05
"""Sum of the occupancies of disorder groups that can be alternatives."""


@dataclass(frozen=True, eq=False)
class Resolved:
    """What stays of the atoms of a unit cell.

    Attributes:
        atoms: that stay.
        choice: which of those of the disorder groups that are kept they are.
        notes: on what was left out.
        warnings: where these were ions or parts of the framework.
    """

    atoms: Atoms
    choice: Choice
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def structure(self, make: Callable[..., Structure], told: tuple[str, ...], atoms: Atoms, sites: Sites) -> Structure:
        """The structure of what stays; where these atoms overlap or are crowded nevertheless, one alternative of them.

        Args:
            make: makes it with warnings.
            told: these.
            atoms: those that stay, perhaps without repetitions.
            sites: as listed.

        Raises:
            InputError: they make no sense.
        """
        try:
            with resolving(False):
                found = make(warnings=(*told, *squeezed(atoms, sites)))
        except InputError as error:
            if error.kind != "overlapping_atoms":
                raise
            return make(warnings=told)
        if hold_alternatives(found):
            return make(warnings=told)
        if len(found) == int(self.choice.stays.sum()):
            refuse_broken(found, self.choice)
        return found


@dataclass(frozen=True, eq=False)
class Occupancies:
    """Occupancies of n sites; some sites are partially occupied.

    Attributes:
        stated: occupancies as the file states them ``[n]``, at most 1.
        share: the same, with those of other disorder groups in the place of the one that is kept ``[n]``.
        out: sites of other disorder groups, bool ``[n]``.
        labels: of the sites.
    """

    stated: np.ndarray
    share: np.ndarray
    out: np.ndarray
    labels: tuple[str, ...]

    @classmethod
    def of(cls, block: Block, small: gemmi.SmallStructure, sites: Sites, stated: np.ndarray) -> Occupancies | None:
        """What a block says of its sites, one disorder group of each assembly kept; None if all are fully occupied.

        Raises:
            InputError: the groups put several elements in one place and have other compositions.
        """
        stated = _rounded(stated)
        if (stated == 1.0).all():
            return None
        labels = tuple(site.label for site in small.sites)
        groups, assemblies = disorder_of(block)
        found = cls(stated, stated.copy(), np.zeros(len(stated), dtype=bool), labels)
        if len(groups) == len(stated):
            for rows in _parts(sites, stated, groups, assemblies):
                found._keep_one(rows, np.array(groups)[rows], sites)
        return found

    def _keep_one(self, rows: np.ndarray, groups: np.ndarray, sites: Sites) -> None:
        """Keeps the group of some sites that is occupied most, the first of those that are equally."""
        mean = {name: float(self.stated[rows[groups == name]].mean()) for name in dict.fromkeys(groups.tolist())}
        if len(mean) < 2 or sum(mean.values()) > MOST:
            return
        best = max(mean, key=lambda name: mean[name])
        stays = groups == best
        xyz = sites.fractional[rows] @ sites.orth.T
        i, j, _, _ = pairs_within(xyz, sites.orth.T, SAME_PLACE)
        shared = np.unique(i[sites.Z[rows[i]] != sites.Z[rows[j]]])
        if len(shared):
            names = [self.labels[k] for k in rows[shared].tolist()]
            refuse_mixed(sites.Z[rows], self.stated[rows], stays, names)
        self.out[rows[~stays]] = True
        self.share[rows[stays]] = _rounded(self.stated[rows[stays]] + sum(mean.values()) - mean[best])

    def resolved(self, atoms: Atoms, sites: Sites) -> Resolved:
        """The atoms of the cell that stay.

        Args:
            atoms: all of the unit cell.
            sites: as listed.

        Raises:
            InputError: what is disordered cannot be resolved.
        """
        kept = np.flatnonzero(~self.out[atoms.site])
        Z, site = atoms.Z[kept], atoms.site[kept]
        share = self.share[site]
        names = tuple(self.labels[k] for k in site.tolist())
        xyz = atoms.fractional[kept] @ sites.orth.T
        choice, empty = choice_of_partial(Z, xyz, sites.orth.T, share, names)
        note = told(choice, self.stated[site] < 1.0, empty, tuple(self.labels[k] for k in np.flatnonzero(self.out)))
        stays = kept[choice.stays]
        return Resolved(
            Atoms(atoms.Z[stays], atoms.fractional[stays], atoms.site[stays]), choice, (note,), _ions(choice, share)
        )


def _rounded(share: np.ndarray) -> np.ndarray:
    return np.where(share >= FULL_OCCUPANCY, 1.0, share)


def _parts(sites: Sites, stated: np.ndarray, groups: list[str], assemblies: list[str]) -> list[np.ndarray]:
    """Partially occupied sites that are in disorder groups, by assembly; those of none by what touches each other. Groups with
    a minus sign are disordered about a special position, so that their own images are alternatives.
    """
    chosen = np.array([bool(name) and not name.startswith("-") for name in groups]) & (stated < 1.0)
    named = np.array([bool(name) for name in assemblies])
    parts = [np.flatnonzero(chosen & (np.array(assemblies) == name)) for name in dict.fromkeys(assemblies) if name]
    loose = chosen & ~named
    if loose.any():
        contacts = Contacts.of(sites.Z, sites.fractional @ sites.orth.T, sites.orth.T, loose)
        parts += contacts.groups(loose)
    return [part for part in parts if len(part)]


def _ions(choice: Choice, share: np.ndarray) -> tuple[str, ...]:
    """A warning of metal atoms left out for which no other atom stands: the charge of the rest is not known."""
    contacts, gone = choice.contacts, ~choice.stays & (share < 1.0)
    beside = np.zeros(len(share), dtype=bool)
    pairs = np.concatenate([contacts.rivals, contacts.rivals[:, ::-1]])
    beside[pairs[choice.stays[pairs[:, 1]], 0]] = True
    lost = np.flatnonzero(gone & contacts.metal & ~beside)
    if not len(lost):
        return ()
    formula = elements.hill_formula(contacts.Z[lost])
    return (
        f"{formula} in places filled in less than half of the cells was left out: the charge of the rest is not known",
    )
