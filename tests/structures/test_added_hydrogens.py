"""Hydrogens that a file lacks: where they are put, and what is said about it."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.structures.readers.molecules import added_hydrogens
from andersonn.structures.readers.molecules.from_rdkit import to_structure


def less(smiles, symbol, count):
    """A relaxed molecule without some hydrogens of an element, their number; and what it was."""
    whole = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(whole, randomSeed=7)
    AllChem.MMFFOptimizeMolecule(whole)
    Chem.Kekulize(whole, clearAromaticFlags=True)
    bound = [a.GetIdx() for a in whole.GetAtoms() if a.GetAtomicNum() == 1]
    bound = [k for k in bound if whole.GetAtomWithIdx(k).GetNeighbors()[0].GetSymbol() in symbol]
    part = Chem.RWMol(whole)
    for k in sorted(bound[:count], reverse=True):
        part.RemoveAtom(k)
    return part.GetMol(), whole


def pyramid(structure):
    """Sum of the angles at the one nitrogen with three bonds, degrees."""
    (n,) = np.flatnonzero(structure.Z == 7)
    near = structure.bonds[(structure.bonds == n).any(axis=1)].sum(axis=1) - n
    unit = structure.xyz[near] - structure.xyz[n]
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    return sum(np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("count", [1, 2])
def test_an_amine_stays_pyramidal_and_given_atoms_stay(count):
    part, whole = less("Nc1ccccc1", "N", count)
    found, full = to_structure(part), to_structure(whole)
    assert pyramid(full) < 350
    assert pyramid(found) == pytest.approx(pyramid(full), abs=1.0)  # 360 as RDKit places them
    kept = part.GetNumAtoms()
    assert np.array_equal(found.xyz[:kept], part.GetConformer().GetPositions())
    plural = "s were missing and have" if count > 1 else " was missing and has"
    assert found.notes == (f"{count} hydrogen atom{plural} been added and relaxed by MMFF94",)
    assert not found.warnings


FREE = [("OC=CC#N", "O", 1), ("CC(=O)O", "O", 1), ("CCS", "S", 1), ("CCCN", "N", 2), ("CC=N", "N", 1), ("CCO", "CO", 6)]
FIXED = [("CO", "O", 1), ("CN", "N", 2), ("CC(N)=O", "N", 2), ("Cc1ccccc1", "C", 8), ("C[NH3+]", "N", 3), ("O", "O", 2)]
FIXED += [("CCO", "C", 5), ("c1cc[nH]c1", "N", 1)]


@pytest.mark.parametrize(("case", "free"), [(c, True) for c in FREE] + [(c, False) for c in FIXED])
def test_places_that_are_not_certain_are_told(case, free):
    found = to_structure(less(*case)[0])
    assert any("points is not given: it was placed by MMFF94" in text for text in found.warnings) == free


def test_what_no_force_field_knows_is_told(monkeypatch):
    part, _ = less("CCO", "C", 1)
    monkeypatch.setattr(added_hydrogens, "MOST_RELAXED", 8)
    assert "not relaxed: the molecule has more than 8 atoms" in to_structure(part).warnings[0]
    monkeypatch.undo()
    monkeypatch.setattr(added_hydrogens, "_relaxed", lambda *_: "")
    assert "no force field knows all atoms" in to_structure(part).warnings[0]
