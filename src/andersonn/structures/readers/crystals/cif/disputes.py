"""Which symmetry operations are meant where the listed ones do not settle it: they are missing, no group, do not fit the cell,
or contradict the names, the formula or the multiplicities that the file states.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.crystals.cif.cell import Atoms, Cell, Sites, without_repetitions
from andersonn.structures.readers.crystals.cif.evidence import CORRECT, Evidence
from andersonn.structures.readers.crystals.cif.operations import (
    Operations,
    common_share,
    keys_of,
    operations_of,
    read_operations,
)
from andersonn.structures.readers.crystals.cif.stated import Stated, settings_of
from andersonn.structures.structure import Structure

SYSTEMS = frozenset(
    ("monoclinic", "orthorhombic", "tetragonal", "trigonal", "rhombohedral", "hexagonal", "cubic", "isometric")
)
"""Crystal systems that P 1 is not of."""
IDENTITY = read_operations(("x,y,z",))


@dataclass(frozen=True, eq=False)
class Candidate:
    """Operations that may be meant, and the atoms they make."""

    operations: Operations
    name: str
    atoms: Atoms
    sound: bool


def _without_symmetry(sites: Sites, said: Stated, evidence: Evidence) -> Cell:
    if said.modulated:
        raise InputError(
            "modulated_structure",
            "the structure is modulated and the file lists no symmetry of its average structure",
            "give a commensurate approximation, or add _space_group_symop_operation_xyz of the average structure",
        )
    if said.strange:
        magnetic = any("magn" in name or "parent" in name for name in said.strange)
        what = "a magnetic space group" if magnetic else "a symmetry"
        raise InputError(
            "bad_symmetry",
            f"the file states {what} in {said.strange[0]} but lists no operations that are understood",
            "list them in _space_group_symop_magn_operation.xyz" if magnetic else CORRECT,
        )
    atoms = sites.expand(IDENTITY)
    more = evidence.multiplicities is not None and evidence.multiplicities.max() > 1
    if (_lacks(atoms, evidence) and evidence.ratio(atoms)) or (more and not evidence.total(atoms)):
        raise InputError(
            "bad_symmetry",
            "the file states no symmetry, but more atoms than it lists (by its formula units or multiplicities)",
            "add the space group or its operations, or list all atoms of the cell",
        )
    note = "the file states no symmetry; its sites were taken for all atoms of the cell (P 1)"
    if said.system in SYSTEMS:
        lacks = (
            f"the file says {said.system} but states no space group: its sites may be a part of the cell's atoms only"
        )
        return Cell(atoms, (note,), (lacks,))
    return Cell(atoms, (note,))


def _lacks(atoms: Atoms, evidence: Evidence) -> bool:
    """Whether the file states several times the atoms there are."""
    if evidence.formula is None or evidence.total(atoms) is not False:
        return False
    heavy = int((atoms.Z != 1).sum())
    return heavy > 0 and min(sum(total.values()) for total in evidence.formula.totals()) > 1.5 * heavy


def _by_name(sites: Sites, said: Stated, evidence: Evidence) -> Cell:
    """By the names of the space group alone."""
    named = _fitting(sites, said)
    if not named:
        raise _misfit(sites, f"space group {said.called} does")
    if len(named) == 1:
        return Cell(sites.expand(operations_of(named[0])), _told_dispute(said, named[0]))
    candidates = _best([_candidate(sites, operations_of(name), name) for name in named], evidence)
    first = candidates[0]
    if all(_same_atoms(first.atoms, other.atoms, sites) for other in candidates[1:]):
        formula = " of the stated formula" if evidence.formula else ""
        chosen = f"of the settings of {said.called}, only {first.name} makes a sound structure{formula}"
        return Cell(first.atoms, _told_dispute(said, first.name) or ((chosen,) if len(candidates) == 1 else ()))
    if said.dispute:
        raise InputError(
            "bad_symmetry",
            f"the names of the space group contradict each other: {said.dispute}",
            f"correct one, or {CORRECT}",
        )
    raise InputError(
        "ambiguous_symmetry",
        f"space group {said.called} has two origin choices and the file names neither",
        "list the symmetry operations in _space_group_symop_operation_xyz, or append :1 or :2 to the symbol",
    )


def _told_dispute(said: Stated, name: str) -> tuple[str, ...]:
    return (
        (f"the names of the space group contradict each other ({said.dispute}); {name} was used",)
        if said.dispute
        else ()
    )


def _fitting(sites: Sites, said: Stated) -> list[str]:
    """Symbols of the named groups that the cell can have. Files that give the number alone, or a symbol without its
    setting, may mean another axis than the standard's.
    """
    named = [group.xhm() for group in said.groups if sites.fit(operations_of(group.xhm()))]
    if named:
        return named
    others = {group.xhm() for stated in said.groups for group in settings_of(stated.number)}
    fitting = sorted(name for name in others if sites.fit(operations_of(name)))
    return fitting if len(fitting) == 1 else []


def settled(sites: Sites, said: Stated, listed: Operations | None, evidence: Evidence) -> Cell:
    """The atoms of the cell by the operations that are most likely meant.

    Args:
        sites: as listed.
        said: what the file states of its symmetry.
        listed: the operations that it lists, if any.
        evidence: what it states of how many atoms there are.

    Raises:
        InputError: nothing tells which are meant, or none fit.
    """
    if listed is None:
        return _by_name(sites, said, evidence) if said.groups else _without_symmetry(sites, said, evidence)
    if listed.flaw or not sites.fit(listed):
        return _repaired(sites, said, listed, evidence)
    return _list_or_names(sites, said, listed, evidence)


def _list_or_names(sites: Sites, said: Stated, listed: Operations, evidence: Evidence) -> Cell:
    """By the listed operations, which are a group, or by the named groups, which are others: whichever makes the atoms that
    the file states.
    """
    told = (listed.repaired,) if listed.repaired else ()
    named = _closest(listed, _fitting(sites, said))
    own = _candidate(sites, listed, "the listed operations")
    if not named:
        return Cell(
            own.atoms,
            (
                *told,
                f"the listed symmetry operations were used; {said.called}, which the file names, does not fit the cell",
            ),
        )
    others = [_candidate(sites, operations_of(name), name) for name in named]
    listed_used = f"the listed symmetry operations were used; they are not those of {said.called}, which the file names"
    if own.sound and all(_same_atoms(own.atoms, other.atoms, sites) for other in others if other.sound):
        return Cell(own.atoms, (*told, listed_used))
    best = _best([own, *others], evidence)
    decided = len(best) == 1
    if own in best and (decided or not _is_part(listed, named)):
        return Cell(own.atoms, (*told, listed_used) if decided else told, () if decided else (listed_used,))
    rest = [candidate for candidate in best if candidate is not own]
    if len(rest) > 1:
        raise _contradiction(said, listed)
    meant, count = rest[0].operations, len(listed)
    lack = f"are only {count} of the {len(meant)}" if count < len(meant) else "lack translations of those"
    text = f"the listed symmetry operations {lack} of {rest[0].name}, which the file names; its own were applied"
    return Cell(rest[0].atoms, (*told, text) if decided else told, () if decided else (text,))


def _is_part(listed: Operations, named: Iterable[str]) -> bool:
    """Whether the list is what is left of a named group's: some of its operations, or all without some translations."""
    return any(_is_remainder(listed, operations_of(name)) for name in named)


def _is_remainder(part: Operations, whole: Operations) -> bool:
    """Whether a list holds some operations of a group, or all of them, some without their translation."""
    known = np.isin(keys_of(part.matrices), keys_of(whole.matrices))
    if known.all():
        return len(part) < len(whole)
    bare = ~part.matrices[~known, :, 3].any(axis=1)
    return bool(bare.all()) and len(part) <= len(whole) and common_share(part, whole)[1] == 1.0


def _closest(listed: Operations, named: list[str]) -> list[str]:
    """The groups that have most of the listed operations."""
    shares = [common_share(listed, operations_of(name)) for name in named]
    return [name for name, share in zip(named, shares, strict=True) if share == max(shares)]


def _repaired(sites: Sites, said: Stated, listed: Operations, evidence: Evidence) -> Cell:
    """The named group instead of a list that is none, or not one of the cell."""
    flaw = listed.flaw or "they do not fit the cell"
    named = _closest(listed, _fitting(sites, said))
    best = _best([_candidate(sites, operations_of(name), name) for name in named], evidence)
    if len(best) == 1 and best[0].sound and common_share(listed, best[0].operations)[1] >= 0.5:
        candidate = best[0]
        if evidence.total(candidate.atoms) is not False or evidence.multiplicity(candidate.atoms):
            return Cell(
                candidate.atoms,
                (
                    f"the listed symmetry operations are not a group ({flaw}); those of {candidate.name}, which the file names, were applied",
                ),
            )
        flaw += f", and {candidate.name}, which the file names, does not make the atoms that it states"
    if not listed.flaw and not said.groups:
        raise _misfit(sites, "the listed symmetry operations do")
    raise InputError("bad_symmetry", f"the list of {len(listed)} symmetry operations is not a group: {flaw}", CORRECT)


def _contradiction(said: Stated, listed: Operations) -> InputError:
    return InputError(
        "bad_symmetry",
        f"the list of {len(listed)} symmetry operations contradicts {said.called}, which the file names",
        f"correct one of them: {CORRECT}",
    )


def _candidate(sites: Sites, operations: Operations, name: str) -> Candidate:
    atoms = without_repetitions(sites.expand(operations), sites)
    try:
        Structure(atoms.Z, atoms.fractional @ sites.orth.T, sites.orth.T)
    except InputError as error:
        return Candidate(operations, name, atoms, error.kind not in ("overlapping_atoms", "too_crowded"))
    return Candidate(operations, name, atoms, True)


def _best(candidates: list[Candidate], evidence: Evidence) -> list[Candidate]:
    """Those that what else is stated leaves over: atoms do not overlap, and make the formula, its units, multiplicities."""
    for holds in (
        lambda c: c.sound,
        lambda c: evidence.ratio(c.atoms),
        lambda c: evidence.total(c.atoms),
        lambda c: evidence.multiplicity(c.atoms),
    ):
        passing = [candidate for candidate in candidates if holds(candidate)]
        candidates = passing or candidates
    return candidates


def _same_atoms(a: Atoms, b: Atoms, sites: Sites) -> bool:
    """Whether two lists hold the same atoms."""
    if len(a) != len(b):
        return False
    both = Atoms(
        np.concatenate([a.Z, b.Z]),
        np.concatenate([a.fractional, b.fractional]),
        np.concatenate([a.site, b.site + len(sites.Z)]),
    )
    return len(without_repetitions(both, sites)) == len(a)


def _misfit(sites: Sites, what: str) -> InputError:
    parameters = ", ".join(f"{value:g}" for value in sites.cell.parameters)
    return InputError("bad_symmetry", f"{what} not fit the cell {parameters}", f"correct the cell, or {CORRECT}")
