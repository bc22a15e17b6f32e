"""ASE, pymatgen and RDKit objects → Structure. They are recognized by their methods, so that no library need be imported."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.electrons import judged
from andersonn.structures.readers.charges import told_by_ase
from andersonn.structures.structure import Structure


def as_structure(thing: Any, id: str = "") -> Structure:
    """A Structure from itself, an ASE ``Atoms``, a pymatgen ``Structure`` or ``Molecule``, or an RDKit ``Mol``, which gets
    hydrogens, and a geometry if it has none.

    Raises:
        InputError: sites are partially occupied, the object is periodic in one or two directions without a vacuum
            given as a lattice vector, a valence is impossible, or the structure is unsound.
        TypeError: it is none of these.
    """
    if isinstance(thing, Structure):
        return thing
    if hasattr(thing, "get_atomic_numbers") and hasattr(thing, "get_positions"):
        return _from_ase(thing, id)
    if hasattr(thing, "cart_coords") and hasattr(thing, "species_and_occu"):
        return _from_pymatgen(thing, id)
    if hasattr(thing, "GetAtoms") and hasattr(thing, "GetNumConformers"):
        return _from_rdkit(thing, id)
    raise TypeError(
        f"cannot make a structure of {type(thing).__name__}; give a Structure, ASE Atoms, pymatgen or RDKit object"
    )


def _from_ase(atoms: Any, id: str) -> Structure:
    cell = np.asarray(atoms.cell[:], dtype=float) if np.any(atoms.pbc) else None
    occupancy = getattr(atoms, "info", {}).get(
        "occupancy"
    )  # of sites, as ASE's CIF reader has it; else of no meaning here
    sites = occupancy.values() if isinstance(occupancy, dict) else ()
    shares = [share for site in sites if isinstance(site, dict) for share in site.values()]
    if any(share < 0.999 for share in shares):
        raise _partial(min(shares))
    Z, xyz = atoms.get_atomic_numbers(), atoms.get_positions()
    if cell is not None:
        return Structure(Z, xyz, cell, id=id)
    told = told_by_ase(atoms)
    says: dict[str, Any] = {
        "charge": told.charge or 0,
        "charge_given": told.charge is not None,
        "multiplicity": told.multiplicity,
    }
    return judged(Structure(Z, xyz, id=id, warnings=told.warnings, **says))


def _from_pymatgen(thing: Any, id: str) -> Structure:
    if not thing.is_ordered:
        raise _partial(min(share for site in thing for share in site.species.values()))
    for Z, species in zip(thing.atomic_numbers, thing.species_and_occu, strict=True):
        if not 1 <= Z <= elements.MAX_Z:
            raise InputError(
                "unknown_element",
                f"a site holds {species}, no element from hydrogen to lawrencium",
                "replace placeholder or dummy atoms by real elements",
            )
    lattice = getattr(thing, "lattice", None)
    cell = None if lattice is None else np.array(lattice.matrix)
    charge = round(getattr(thing, "charge", 0) or 0)
    Z, xyz = np.array(thing.atomic_numbers), np.array(thing.cart_coords)
    if cell is not None:
        return Structure(Z, xyz, cell, id=id, charge=charge)
    says: dict[str, Any] = {
        "charge": charge,
        "charge_given": bool(charge),
        "multiplicity": getattr(thing, "spin_multiplicity", None),
    }
    return judged(Structure(Z, xyz, id=id, **says))


def _from_rdkit(mol: Any, id: str) -> Structure:
    from rdkit.Chem import Mol

    from andersonn.structures.readers.molecules.from_rdkit import to_structure

    return to_structure(Mol(mol), id)  # a copy, since it is sanitized in place


def _partial(share: float) -> InputError:
    return InputError(
        "partial_occupancy",
        f"a site is partially occupied ({share:g})",
        "order the structure first: keep one alternative, or build a supercell of whole atoms",
    )
