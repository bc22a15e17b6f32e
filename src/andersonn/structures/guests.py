"""What stands in the pores of a framework without belonging to it, and what a framework seems to lack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from andersonn.structures import elements
from andersonn.structures.contacts import MOST, NONMETALS, nearer_than_bonds
from andersonn.structures.distance_bonds import METALLOIDS, Bonds
from andersonn.structures.missing_parts import MissingPart
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.networks import connected_parts
from andersonn.structures.open_carbon import NEAR_METAL, open_carbon
from andersonn.structures.structure import Structure, without
from andersonn.structures.vacancies import Lacking
from andersonn.structures.vacuum import LEAST, widest_gap

H, B, C, O = 1, 5, 6, 8  # noqa: E741
BONDED = 3.2
"""Å from an atom to the nearest one that it is bonded to, at most."""
LONG_CONTACT = 0.8
"""Å by which contacts of heavy metals, such as Hg-I, are longer than bonds where they alone hold a framework together."""
SALT_BRIDGE = 1.85
"""Å from the oxygen of a carboxylate to a hydrogen atom that holds it."""
NAMED = 4
"""Kinds of groups that a warning names."""
NEVER_ALONE = frozenset((1, 5, 6, 7, 8, 14, 15, 16))
"""Elements whose atoms are never alone in a crystal: hydrogens, or the metals that they were bonded to, are missing."""

TOGETHER = "alternatives of disorder may be there together; --clean keeps one"
NEARER = "nearer than any bond"
SHARING = (7, 8, 9, 17, 35)
"""Elements between which hydrogen can stand."""
FEW_BONDS = (3, 11, 19, 37, 55, 87, 4, 12, 20, 38, 56, 88, 50, 81, 82, 83)
"""Alkali metals and alkaline earths, which stand in pores with few close neighbors, and metals with a lone pair, whose bonds are
long on one side.
"""


@dataclass(frozen=True, eq=False)
class Groups:
    """The connected parts of a crystal.

    Attributes:
        structure: of n atoms.
        part: which part each atom is in, int ``[n]``.
        endless: of each part, whether it goes on from cell to cell, bool ``[P]``.
        bonds: that connect them.
    """

    structure: Structure
    part: np.ndarray
    endless: np.ndarray
    bonds: Bonds

    @classmethod
    def of(cls, structure: Structure, more_to_metals: float = 0.0) -> Groups:
        """The parts of a periodic structure, by its bonds; those of metals may be longer by some Å."""
        bonds = Bonds.of(structure, more_to_metals)
        part, endless = connected_parts(structure.xyz, bonds.i, bonds.j, bonds.vector)
        return cls(structure, part, endless, bonds)

    @property
    def guests(self) -> np.ndarray:
        """Atoms of finite groups beside an endless framework, int ``[m]``; none where nothing is endless."""
        loose = ~self.endless[self.part]
        return np.flatnonzero(loose) if self.endless.any() else np.zeros(0, dtype=np.int64)

    @property
    def ions(self) -> np.ndarray:
        """Guests with an odd number of electrons, so that they must be ions, int ``[m]``: Na, NO3, NH4. Those with carbon that lacks
        a neighbor, or with an atom that is never alone, lack atoms instead.
        """
        Z, guests = self.structure.Z.astype(np.int64), self.guests
        lacks = open_carbon(self.bonds, Bonds.of(self.structure, NEAR_METAL))
        alone = np.flatnonzero((self.bonds.count == 0) & np.isin(Z, list(NEVER_ALONE)))
        broken = self.part[np.concatenate([lacks, alone])]
        odd = np.bincount(self.part, weights=Z) % 2 == 1
        odd[broken] = False
        return guests[odd[self.part[guests]]]

    def told(self, atoms: np.ndarray) -> str:
        """The groups that some atoms form, most frequent first, such as ``"3 × H2O, C3H7NO"``."""
        parts = np.unique(self.part[atoms])
        kinds = Counter(elements.hill_formula(self.structure.Z[self.part == part]) for part in parts)
        words = [formula if count == 1 else f"{count} × {formula}" for formula, count in kinds.most_common(NAMED)]
        more = len(kinds) - NAMED
        return ", ".join(words) + (f" and {more} other kinds" if more > 0 else "")


def doubts_of_framework(structure: Structure) -> tuple[str, ...]:
    """Warnings of guests in the pores, of vacuum beside it, and of what a framework seems to lack: metals, linkers, itself."""
    groups = Groups.of(structure)
    told = []
    if len(groups.guests):
        share = f"{len(groups.guests)} of {len(structure)} atoms"
        told.append(
            f"guests in the pores count as walls: {groups.told(groups.guests)} ({share}); --strip-guests removes them"
        )
    if not groups.endless.any() and not Groups.of(structure, LONG_CONTACT).endless.any():
        whole = groups.told(np.arange(len(structure)))
        told.append(
            f"no atoms form a connected framework, but {whole}: a molecular crystal, or metals or bonds are missing"
        )
    gap = 0.0 if structure.cell is None else widest_gap(structure.xyz, structure.cell)
    if gap >= LEAST:
        told.append(
            f"a gap of {gap:.1f} Å goes through the whole crystal, as the vacuum between slabs or layers: its width is no pore's"
        )
    return (*told, *_dangling(groups), *_incomplete(groups), *_lacking(structure), *_crowded(groups))


def _dangling(groups: Groups) -> tuple[str, ...]:
    """Warnings of carboxylates that bind nothing, and of atoms that cannot stand alone."""
    bonds = groups.bonds
    Z, i, j, degree = bonds.Z, bonds.i, bonds.j, bonds.count
    held = _near_hydrogen(groups.structure)
    bare = np.bincount(i[(Z[j] == O) & (degree[j] == 1) & ~held[j]], minlength=len(Z))
    open_ends = np.flatnonzero((Z == C) & (degree == 3) & (bare == 2))
    told = []
    if len(open_ends):
        many = "carboxylates bind" if len(open_ends) > 1 else "carboxylate binds"
        told.append(f"{len(open_ends)} {many} neither metal nor hydrogen: metals, protons or ions may be missing")
    alone = Z[(degree == 0) & np.isin(Z, list(NEVER_ALONE))]
    if len(alone):
        kinds = ", ".join(elements.symbols()[z] for z in sorted(set(alone.tolist())))
        told.append(f"{kinds} alone, bonded to nothing: hydrogens or metals may be missing")
    loose = Z[(degree == 1) & ~np.isin(Z, list(METALLOIDS)) & ~np.isin(Z, FEW_BONDS)]
    if len(loose):
        kinds = ", ".join(elements.symbols()[z] for z in sorted(set(loose.tolist())))
        told.append(f"{kinds} bonded to one atom alone: linkers may be missing")
    return tuple(told)


def _incomplete(groups: Groups) -> tuple[str, ...]:
    """Warnings of carbon atoms that lack hydrogen or the rest of a linker, and of a linker that symmetry tells to be missing."""
    structure, told = groups.structure, []
    atoms = open_carbon(groups.bonds, Bonds.of(structure, NEAR_METAL))
    if len(atoms):
        names = ", ".join(f"C{atom + 1}" for atom in atoms[:2]) + (" …" if len(atoms) > 2 else "")
        many = "1 carbon atom lacks" if len(atoms) == 1 else f"{len(atoms)} carbon atoms lack"
        told.append(f"{many} a neighbor ({names}): hydrogens are missing, or a linker is broken")
    stays = np.flatnonzero(groups.endless[groups.part])
    if structure.cell is not None and len(stays):
        full = (structure.Z == C) & ~np.isin(np.arange(len(structure)), atoms)
        missing = MissingPart.of(structure.Z[stays], structure.xyz[stays], structure.cell, full[stays])
        if missing is not None:
            names = ", ".join(elements.named(structure.Z, k) for k in stays[missing.anchors[:4]])
            told.append(
                f"the place of {missing.formula} at {names} is empty, where by the symmetry of the others it should be: "
                "a linker may be missing"
            )
    return tuple(told)


def crowded_atoms(bonds: Bonds) -> np.ndarray:
    """Carbon and hydrogen atoms with more partners than they can have, int ``[m]``. Boron is no partner of carbon here, since
    carboranes have cages of both; nor is hydrogen crowded that oxygen, nitrogen or halogens share.
    """
    Z, i, j = bonds.Z, bonds.i, bonds.j
    counts = np.isin(Z[j], NONMETALS) & ~((Z[i] == C) & (Z[j] == B))
    sharing = (Z[i] == H) & np.isin(Z[j], SHARING)
    partners = np.bincount(i[counts], minlength=len(Z))
    partners -= np.maximum(np.bincount(i[sharing], minlength=len(Z)) - 1, 0)
    most = np.where(Z == H, MOST[H], MOST[C])
    return np.flatnonzero((partners > most) & np.isin(Z, (H, C)))


def _near_hydrogen(structure: Structure) -> np.ndarray:
    """Which atoms have hydrogen within :data:`SALT_BRIDGE`, bool ``[n]``."""
    i, j, _, _ = pairs_within(structure.xyz, structure.cell, SALT_BRIDGE)
    return np.bincount(i[structure.Z[j] == H], minlength=len(structure)) > 0


def hold_alternatives(structure: Structure) -> bool:
    """Whether alternatives of disorder seem to be there together: atoms that are crowded, or nearer than any bond."""
    near = nearer_than_bonds(structure.Z, structure.xyz, structure.cell)
    return len(near) > 0 or len(crowded_atoms(Bonds.of(structure))) > 0


def _crowded(groups: Groups) -> tuple[str, ...]:
    """Warnings of atoms with more partners than they can have, and of atoms nearer than any bond, as where alternatives of disorder
    are all there. Carbon of carboranes has more, and hydrogen between two oxygens two.
    """
    crowded, structure, told = crowded_atoms(groups.bonds), groups.structure, []
    if len(crowded):
        many = "1 atom has" if len(crowded) == 1 else f"{len(crowded)} atoms have"
        told.append(f"{many} more bonds than carbon or hydrogen can: {TOGETHER}")
    near = nearer_than_bonds(structure.Z, structure.xyz, structure.cell)
    if len(near) and not any(NEARER in warning for warning in structure.warnings):
        names = " and ".join(elements.named(structure.Z, k) for k in near[0])
        many = f" ({len(near)} such pairs)" if len(near) > 1 else ""
        told.append(f"{names} are {NEARER}{many}: {TOGETHER}")
    return tuple(told)


def _lacking(structure: Structure) -> tuple[str, ...]:
    """A warning of atoms that lack a neighbor which like atoms have: one that lacks a metal, or two that lack anything. The
    nearest of them must be as near to the place as atoms that are bonded.
    """
    found = Lacking.of(structure.Z, structure.xyz, structure.cell)
    metals = ~np.isin(found.missing, list(METALLOIDS))
    if found.distance.min(initial=np.inf) > BONDED or (not metals.any() and len(found.atoms) < 2):
        return ()
    missing = "metals" if metals.any() else "atoms"
    return (f"{found.told(structure.Z)}: {missing} may be missing",)


def without_guests(structure: Structure) -> Structure:
    """The framework alone, with a note of what was removed and a warning of ions among it; the structure itself if nothing was."""
    groups = Groups.of(structure)
    if not len(groups.guests):
        return structure
    note, warnings = f"guests were removed from the pores: {groups.told(groups.guests)}", structure.warnings
    if len(ions := groups.ions):
        told = groups.told(ions)
        warnings += (f"ions were removed with the guests: {told}; a framework that keeps them has narrower pores",)
    return replace(without(structure, groups.guests), notes=(*structure.notes, note), warnings=warnings)
