"""Generates 3-D geometries for molecules without one. The result does not depend on how the molecule is written."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.readers.molecules import hypervalent_groups, ideal_shapes, kinds, local_shapes, ring_lengths
from andersonn.structures.readers.molecules.spelling import ACCEPTORS

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CONFORMER_SEED = 7
EMBEDDING = f"RDKit ETKDGv3 (seed {CONFORMER_SEED}, canonical order)"
FORCE_FIELD = f"{EMBEDDING}, MMFF94"
UNIVERSAL = f"{EMBEDDING} and UFF, since MMFF94 does not know all its atoms; less exact"
REPAIRED = "lengths and angles where it is wrong as in computed molecules"
CONFORMER_PROTOCOL = (
    f"{FORCE_FIELD}, of two mirror images one; {REPAIRED} ({kinds.digest(local_shapes.TABLE)}, {kinds.digest(ring_lengths.TABLE)}); "
    f"{ideal_shapes.PROTOCOL}; nitrogen beside boron flat; diazenes trans"
)
"""Changed whenever other geometries would be generated, so that cached images of older ones are not read."""
FURTHER_PROTOCOL = f"{CONFORMER_PROTOCOL}; others of the same call"
"""The same for further conformers. RDKit embeds the k-th from k times the seed, so none repeats the first."""
FORCE_FIELD_STEPS = 2000
MOST_PLACED = 200
"""Atoms, hydrogens included. Larger molecules are refused: embedding takes minutes, and one conformer says little."""
WORK = 2.5e6
"""Attempts times the cube of the number of atoms, about 2 s of one core, see :func:`attempts`. Without a limit, distance
geometry can run for hours on a molecule that has no conformer. Others need few attempts: with 64, 2,996 of 3,000 small
molecules took up to 8, two took 64 and two failed; 154 peptides of up to 200 atoms took 1 or 2.
"""
FEWEST, MOST = 3, 100
NEAREST = 1.15
"""Of the sum of the covalent radii: atoms that are not bonded are farther from each other, also in small cages."""
LONGEST_SECONDS = 60
"""Time limit for all attempts at a conformer in one way; a safeguard, far above what they usually take."""


def embed(mol: Mol, count: int) -> str:
    """Replaces the conformers of a molecule by up to ``count`` generated and relaxed ones.

    They are generated in the atom order of the canonical SMILES, then mapped back: distance geometry, and the isomer that it
    picks where stereo centers are not given, depend on the order of atoms. Of two mirror images one is generated, and the other is
    its mirror image.

    Args:
        mol: sanitized, with explicit hydrogens.
        count: how many are wanted; if all succeed, the first ones are the same for every count. They are numbered from 0.

    Returns:
        How they were made, in words; empty if there is none.

    Raises:
        InputError: RDKit takes the molecule for impossible after all, or does not end.
    """
    from rdkit import Chem

    how = ideal_shapes.shaped(mol, count)
    if how:
        return how
    mirrored = _mirrored(mol)
    twin, place = canonical(mol if mirrored is None else mirrored)
    make_diazenes_trans(twin)
    mol.RemoveAllConformers()
    how = hypervalent_groups.shaped(twin, count, embed)
    if not how:
        with interruptible():
            how = relaxed(twin) if placed(twin, count) else ""
    if not how:
        return ideal_shapes.shaped(mol, count, known_too=True)
    for made in twin.GetConformers():
        positions = made.GetPositions()[place] * [1.0 if mirrored is None else -1.0, 1.0, 1.0]
        conformer = Chem.Conformer(len(place))
        conformer.SetPositions(positions)
        conformer.SetId(made.GetId())
        mol.AddConformer(conformer)
    return how


def make_diazenes_trans(mol: Mol) -> None:
    """Makes diazenes trans where nothing else is given, in place: SMILES seldom say where their hydrogen is, and the other isomer is
    21 kJ/mol higher (HN=NH).
    """
    from rdkit.Chem import BondStereo, BondType

    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        azo = bond.GetBondType() == BondType.DOUBLE and not bond.IsInRing() and all(a.GetAtomicNum() == 7 for a in ends)
        if not azo or bond.GetStereo() > BondStereo.STEREOANY:
            continue
        sides = [[n.GetIdx() for n in a.GetNeighbors() if n.GetIdx() != b.GetIdx()] for a, b in (ends, ends[::-1])]
        hydrogens = [mol.GetAtomWithIdx(k).GetAtomicNum() == 1 for side in sides for k in side]
        if [len(side) for side in sides] == [1, 1] and any(hydrogens):
            bond.SetStereoAtoms(sides[0][0], sides[1][0])
            bond.SetStereo(BondStereo.STEREOTRANS)


def _mirrored(mol: Mol) -> Mol | None:
    """The mirror image of a molecule, if its canonical SMILES comes first; None where it does not, where they are the same, and where
    an axis is chiral, whose sense SMILES do not tell.
    """
    from rdkit import Chem
    from rdkit.Chem import ChiralType

    tetrahedral = (ChiralType.CHI_TETRAHEDRAL_CW, ChiralType.CHI_TETRAHEDRAL_CCW)
    centers = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetChiralTag() in tetrahedral]
    if not centers or _has_chiral_axis(mol):
        return None
    image = Chem.Mol(mol)
    for k in centers:
        image.GetAtomWithIdx(k).InvertChirality()
    Chem.AssignStereochemistry(image, cleanIt=True, force=True)
    first, second = (Chem.MolToSmiles(_unnumbered(each)) for each in (image, mol))
    return image if first < second else None


def _unnumbered(mol: Mol) -> Mol:
    """A copy without the map numbers of atoms: they are names, and would be read as part of the molecule."""
    from rdkit import Chem

    copy = Chem.Mol(mol)
    for atom in copy.GetAtoms():
        atom.SetAtomMapNum(0)
    return copy


def _has_chiral_axis(mol: Mol) -> bool:
    """Whether rotation about a bond is hindered so that there are two mirror images."""
    from rdkit.Chem import BondStereo

    return any(bond.GetStereo() in (BondStereo.STEREOATROPCW, BondStereo.STEREOATROPCCW) for bond in mol.GetBonds())


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C end the program again after RDKit generated conformers: up to 2026.3 it leaves a handler of its own behind,
    which swallows interrupts.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGINT, handler)


def attempts(atoms: int) -> int:
    """Attempts at a conformer in each of two ways, by the number of atoms. No clock: the result must not depend on the machine."""
    return int(min(max(WORK / atoms**3, FEWEST), MOST))


def canonical(mol: Mol) -> tuple[Mol, list[int]]:
    """The molecule as read from its canonical SMILES, and the index in it of each atom of ``mol``.

    Where the SMILES reads back as another molecule or isomer (a few cages and inositols; it does not tell the sense of
    hindered axes), only the order of the atoms is taken from it.

    Args:
        mol: with explicit hydrogens.
    """
    from rdkit import Chem

    named = _unnumbered(mol)
    text = Chem.MolToSmiles(named)
    order = [int(number) for number in re.findall(r"\d+", named.GetProp("_smilesAtomOutputOrder"))]
    options = Chem.SmilesParserParams()
    options.removeHs = False  # type: ignore[assignment]  # RDKit's stubs take the class for the type of its options
    twin = Chem.MolFromSmiles(text, options)
    numbers = [named.GetAtomWithIdx(k).GetAtomicNum() for k in order]
    same = twin is not None and [atom.GetAtomicNum() for atom in twin.GetAtoms()] == numbers
    if _has_chiral_axis(named) or not same or Chem.MolToSmiles(twin) != text:
        twin = Chem.RenumberAtoms(named, order)
    place = [0] * len(order)
    for k, index in enumerate(order):
        place[index] = k
    return twin, place


def placed(mol: Mol, count: int) -> list[int]:
    """Embeds up to ``count`` conformers, in place; returns their RDKit numbers.

    Raises:
        InputError: it is impossible, or does not end.
    """
    from rdkit.Chem import rdDistGeom

    options = rdDistGeom.ETKDGv3()
    options.randomSeed = CONFORMER_SEED  # type: ignore[assignment]  # RDKit's stubs take the class for the type of its options
    options.maxIterations = attempts(mol.GetNumAtoms())  # type: ignore[assignment]  # as above
    options.timeout = LONGEST_SECONDS * count  # type: ignore[assignment]  # as above
    # Cages and crowded molecules need a start in space, not by eigenvectors.
    for options.useRandomCoords in (False, True):  # type: ignore[assignment]  # as above
        begin = time.monotonic()
        try:
            numbers = list(rdDistGeom.EmbedMultipleConfs(mol, count, options))
        except (RuntimeError, ValueError) as error:  # it takes the molecule apart anew, and may then find it impossible
            raise impossible(str(error)) from None
        made = [number for number in numbers if number >= 0]
        # Going on with fewer would let the load decide on what is made.
        if len(made) < count and time.monotonic() - begin >= options.timeout:
            raise InputError(
                "no_conformer",
                f"RDKit finds no 3-D geometry for this molecule in {options.timeout} s",
                "give a file with 3-D coordinates; on a halted machine, try again",
            )
        if made:
            return made
    return []


def relaxed(mol: Mol, steps: int = FORCE_FIELD_STEPS) -> str:
    """Relaxes all conformers by so many steps of a force field at most, in place, and then puts right what it is known to get
    wrong; says how they were made.
    """
    how = by_force_field(mol, steps)
    force_field = {FORCE_FIELD: "MMFF94", UNIVERSAL: "UFF"}.get(how)
    if force_field is None or not local_shapes.repaired(mol, force_field):
        return how
    return f"{how}; {REPAIRED}"


def by_force_field(mol: Mol, steps: int = FORCE_FIELD_STEPS) -> str:
    """Relaxes all conformers by a force field alone, in place; says how they were made."""
    from rdkit.Chem import rdForceFieldHelpers as fields

    if fields.MMFFHasAllMoleculeParams(mol):
        fields.MMFFOptimizeMoleculeConfs(mol, maxIters=steps)
        return FORCE_FIELD
    flatten_beside_boron(mol)
    with contextlib.suppress(RuntimeError):  # it knows the atoms, but perhaps not a bond
        if fields.UFFHasAllMoleculeParams(mol):
            fields.UFFOptimizeMoleculeConfs(mol, maxIters=steps)
            return UNIVERSAL
    return f"{EMBEDDING} alone, since no force field knows all its atoms; less exact"


def flatten_beside_boron(mol: Mol) -> None:
    """Makes nitrogen beside boron with three bonds planar for UFF, in place: it gives its pair of electrons to the empty orbital of boron.
    UFF takes it for an amine, which made borazine a chair with a dipole moment.
    """
    from rdkit.Chem import HybridizationType

    for atom in mol.GetAtoms():
        if atom.GetSymbol() == "N" and atom.GetDegree() == 3 and atom.GetFormalCharge() == 0:
            beside = ((other.GetSymbol(), other.GetDegree(), other.GetFormalCharge()) for other in atom.GetNeighbors())
            if ("B", 3, 0) in beside:
                atom.SetHybridization(HybridizationType.SP2)


def squeezed(mol: Mol) -> tuple[str, ...]:
    """A warning where two atoms of the first conformer that are not bonded are as near as if they were, as where no force field knows
    a hypervalent atom with three carbon neighbors.
    """
    positions = mol.GetConformer().GetPositions()
    radius = ideal_shapes.radii()[[atom.GetAtomicNum() for atom in mol.GetAtoms()]]
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near = np.triu(distances < NEAREST * (radius[:, None] + radius[None]), 1)
    for bond in mol.GetBonds():
        near[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] = near[bond.GetEndAtomIdx(), bond.GetBeginAtomIdx()] = False
    first, second = np.nonzero(near)
    if not len(first):
        return ()
    worst = distances[first, second].argmin()
    pair = (mol.GetAtomWithIdx(int(k[worst])).GetSymbol() for k in (first, second))
    told = " and ".join(pair)
    return (
        f"the generated geometry is unsound: {told}, which are not bonded, are {distances[first, second].min():.2f} Å apart; treat the answer "
        "as unreliable, or give a file with 3-D coordinates",
    )


def rough_adduct(mol: Mol) -> tuple[str, ...]:
    """A warning where boron or an element of its group shares a pair of electrons of another atom than nitrogen: no force field knows such a bond,
    which is longer than a single one (B-S 2.05 Å in borane dimethyl sulfide), and networks have seen few.
    """
    for bond in mol.GetBonds():
        ends = sorted((bond.GetBeginAtom(), bond.GetEndAtom()), key=lambda atom: atom.GetFormalCharge())
        acceptor, donor = ends
        shared = acceptor.GetAtomicNum() in ACCEPTORS and acceptor.GetFormalCharge() < 0 < donor.GetFormalCharge()
        if shared and donor.GetSymbol() != "N":
            return (
                f"the generated geometry is rough: no force field knows the bond of {acceptor.GetSymbol()} with a pair of electrons of "
                f"{donor.GetSymbol()}; treat the answer as unreliable, or give a file with 3-D coordinates",
            )
    return ()


def impossible(why: str) -> InputError:
    """The error for a molecule that breaks the rules of chemistry, or those of RDKit."""
    if re.search(r"atom # \d+ (Cl|Br|I|At|Kr|Xe), [2-8],", why):
        return InputError(
            "bad_valence",
            f"RDKit does not read such hypervalent halogens and noble gases: {why.strip()}",
            "give a file with 3-D coordinates (xyz), or correct the bonds",
        )
    return InputError(
        "bad_valence",
        f"chemically impossible: {why.strip()}",
        "correct bonds and formal charges (a four-bonded nitrogen is [N+], for example)",
    )
