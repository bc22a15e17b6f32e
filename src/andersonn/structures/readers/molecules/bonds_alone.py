"""RDKit molecules → :class:`~andersonn.structures.molecular_graph.MolecularGraph`: by their bonds alone, without a geometry."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.electrons import unpaired_told
from andersonn.structures.molecular_graph import (
    AROMATIC,
    BY_ATOM,
    CONJUGATED,
    DOUBLE,
    FARTHER,
    OTHER,
    SINGLE,
    TRIPLE,
    MolecularGraph,
)
from andersonn.structures.readers.molecules.largest_part import largest_part
from andersonn.structures.readers.molecules.reading import is_largest_part

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MOST_NODES = 1000
"""Atoms besides hydrogens. The numbers of bonds between all pairs of more would take too much memory."""
APART = 1e6
"""RDKit's number of bonds between atoms of separate molecules is larger."""
HOW = "read by its bonds alone, without a geometry"
ISOMERS = "stereochemistry is not read: isomers that differ in it get one answer"
FIRST_RING = BY_ATOM.index("ring_of_3")
SMALLEST_RING, LARGER_RING = 3, 7
_FARTHER = np.array((0.0, 0.0, *FARTHER), dtype=np.float32)


def graph_of(mol: Mol, id: str = "", notes: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> MolecularGraph:
    """The graph of a sanitized RDKit molecule whose atoms are elements. Hydrogens bonded to another atom are counted, and are no
    nodes.

    Raises:
        InputError: it has too many atoms, or is several molecules; but see :func:`~andersonn.structures.readers.molecules.reading.reading`.
    """
    from rdkit import Chem

    if mol.GetNumHeavyAtoms() > MOST_NODES:
        told = f"the molecule has {mol.GetNumHeavyAtoms()} atoms besides hydrogen; at most {MOST_NODES} are read"
        raise InputError("too_large", told, "give a smaller one")
    atoms = _atoms(mol)
    if (atoms[:, 0] == 1).any() and len(atoms) > 1:
        mol = _without_hydrogens(mol)
        atoms = _atoms(mol)
    between = Chem.GetDistanceMatrix(mol)
    if between.max(initial=0.0) > APART:
        part = largest_part(mol) if is_largest_part() else None
        if part is not None:
            return graph_of(part.mol, id, (*notes, part.told), warnings)
        raise InputError(
            "several_molecules",
            "separate molecules or ions: how they lie to each other is not given",
            "give the one molecule meant, without counter-ions and solvent",
        )
    bonds, rings = _bonds(mol), mol.GetRingInfo().AtomRings()
    Z, hydrogens, total = atoms[:, 0], atoms[:, 1], int(atoms[:, 1].sum())
    by_atom = np.zeros((len(Z), len(BY_ATOM)), dtype=np.float32)
    by_atom[:, :FIRST_RING] = atoms[:, 1:-1]
    for ring in rings:
        by_atom[list(ring), FIRST_RING + min(len(ring), LARGER_RING) - SMALLEST_RING] = 1.0
    between = between.astype(np.int32)
    length = _FARTHER[np.minimum(between, len(_FARTHER) - 1)]
    i, j = bonds[:, 0].astype(np.int64), bonds[:, 1].astype(np.int64)
    length[i, j] = length[j, i] = bonds[:, 2]
    nodes = np.arange(len(Z), dtype=np.int32)
    has_stereo = bool(atoms[:, -1].any() or bonds[:, 3].any())
    return MolecularGraph(
        Z=np.concatenate([Z, np.ones(total, dtype=np.int32)]).astype(np.uint8),
        xyz=np.full((len(Z) + total, 3), np.nan),
        id=id,
        charge=int(atoms[:, 2].sum()),
        notes=(*notes, HOW, ISOMERS) if has_stereo else (*notes, HOW),
        bonds=np.stack([i, j], axis=1),
        warnings=(*warnings, *unpaired_told(Z, atoms[:, 3])),
        charge_given=True,
        source_mol=mol.ToBinary(),
        by_atom=by_atom,
        by_molecule=np.array([len(Z), len(rings)], dtype=np.float32),
        bonds_between=between,
        length=length,
        node_of_atom=np.concatenate([nodes, np.repeat(nodes, hydrogens)]),
    )


def _without_hydrogens(mol: Mol) -> Mol:
    """The molecule without the hydrogens that are bonded to another atom, isotopes included."""
    from rdkit import Chem

    options = Chem.RemoveHsParameters()
    for name in ("removeIsotopes", "removeMapped", "removeHydrides", "removeNonimplicit", "removeDefiningBondStereo"):
        setattr(options, name, True)
    options.showWarnings = False  # type: ignore[assignment]  # RDKit's stubs take the class for the type of its options
    return Chem.RemoveHs(mol, options)


def _atoms(mol: Mol) -> np.ndarray:
    """Of each atom its atomic number, the first of :data:`~andersonn.structures.molecular_graph.BY_ATOM`, and whether it is a
    stereo center, int32 ``[n, 8]``.
    """
    hybrids, no_center = _hybrids()
    told = []
    for k in range(mol.GetNumAtoms()):  # RDKit's own iterator takes as long as all that is asked
        atom = mol.GetAtomWithIdx(k)
        told.append(
            (
                atom.GetAtomicNum(),
                atom.GetTotalNumHs(),
                atom.GetFormalCharge(),
                atom.GetNumRadicalElectrons(),
                *hybrids[atom.GetHybridization()],
                atom.GetIsAromatic(),
                atom.GetChiralTag() != no_center,
            )
        )
    return np.array(told, dtype=np.int32)


def _bonds(mol: Mol) -> np.ndarray:
    """Of each bond both atoms, the length that stands for its type, and whether its sides are told, float ``[m, 4]``."""
    lengths, sides = _lengths()
    told = []
    for k in range(mol.GetNumBonds()):
        bond = mol.GetBondWithIdx(k)
        length = lengths[bond.GetBondType()]
        if length == SINGLE and bond.GetIsConjugated():
            length = CONJUGATED
        told.append((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), length, bond.GetStereo() in sides))
    return np.array(told, dtype=np.float64).reshape(-1, 4)


@cache
def _hybrids() -> tuple[defaultdict[Any, tuple[bool, bool]], Any]:
    """Whether a hybridization is sp, and whether it is sp2; and RDKit's name of an atom that is no stereo center."""
    from rdkit.Chem import ChiralType
    from rdkit.Chem import HybridizationType as Kind

    kinds = defaultdict(lambda: (False, False), {Kind.SP: (True, False), Kind.SP2: (False, True)})
    return kinds, ChiralType.CHI_UNSPECIFIED


@cache
def _lengths() -> tuple[defaultdict[Any, float], frozenset[Any]]:
    """The length that stands for a type of bond; and RDKit's names of told sides of a bond."""
    from rdkit.Chem import BondStereo as Sides
    from rdkit.Chem import BondType as Kind

    known = {Kind.SINGLE: SINGLE, Kind.DOUBLE: DOUBLE, Kind.TRIPLE: TRIPLE, Kind.AROMATIC: AROMATIC}
    told = frozenset((Sides.STEREOZ, Sides.STEREOE, Sides.STEREOCIS, Sides.STEREOTRANS))
    return defaultdict(lambda: OTHER, known), told
