"""Molecules that RDKit reads or draws only half: more bonds than force fields know, stereo that is none."""

import numpy as np
import pytest
from rdkit import Chem

from andersonn.errors import InputError
from andersonn.structures.point_group import forbids_dipole
from andersonn.structures.readers import from_smiles
from andersonn.structures.readers.molecules.open_stereo import open_stereo


@pytest.mark.parametrize(
    ("smiles", "angles"),
    [("FS(F)(F)(F)(F)F", {90, 180}), ("F[P-](F)(F)(F)(F)F", {90, 180}), ("F[Xe]F", {180}), ("F[Xe](F)(F)F", {90, 180})],
)
def test_six_neighbors_and_noble_gases_get_their_ideal_shape(smiles, angles):
    made = from_smiles(smiles)
    (center,) = np.flatnonzero(np.bincount(made.bonds.ravel()) > 1)
    arms = np.delete(made.xyz, center, axis=0) - made.xyz[center]
    length = np.linalg.norm(arms, axis=1)
    assert np.ptp(length) < 1e-6
    assert 1.4 < length[0] < 2.2
    cosines = np.clip(arms @ arms.T / length[0] ** 2, -1.0, 1.0)[np.triu_indices(len(arms), 1)]
    assert set(np.rint(np.degrees(np.arccos(cosines))).astype(int).tolist()) == angles
    assert any("by rule" in note for note in made.notes)


@pytest.mark.parametrize(
    ("smiles", "angles"),
    [
        ("FS(F)(F)F", {87, 88, 102, 173}),
        ("Cl[Se](Cl)(Cl)Cl", {87, 88, 102, 173}),
        ("FI(F)(F)(F)F", {82, 89, 164}),
        ("O=[Se]=O", {116}),
        ("O=[Te]=O", {116}),
    ],
)
def test_lone_pairs_leave_seesaws_pyramids_and_bent_molecules(smiles, angles):
    made = from_smiles(smiles)
    (center,) = np.flatnonzero(np.bincount(made.bonds.ravel()) > 1)
    arms = np.delete(made.xyz, center, axis=0) - made.xyz[center]
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)
    cosines = np.clip(arms @ arms.T, -1.0, 1.0)[np.triu_indices(len(arms), 1)]
    found = set(np.rint(np.degrees(np.arccos(cosines))).astype(int).tolist())
    assert all(min(abs(angle - other) for other in angles) <= 1 for angle in found)
    assert not forbids_dipole(made)


def test_electronegative_neighbors_are_axial():
    made = from_smiles("FS(F)(Cl)Cl")
    center, fluorine = (int(np.flatnonzero(made.Z == 16)[0]), np.flatnonzero(made.Z == 9))
    first, second = made.xyz[fluorine] - made.xyz[center]
    assert first @ second < -0.9 * np.linalg.norm(first) * np.linalg.norm(second)


def test_usual_molecules_are_relaxed_as_before():
    assert not any(
        "by rule" in note
        for smiles in ("CCO", "FP(F)(F)(F)F", "CS(=O)(=O)C", "O=S=O", "CSC")
        for note in from_smiles(smiles).notes
    )


@pytest.mark.parametrize("smiles", ["CCl(C)C", "OBr(O)(O)(O)O"])
def test_a_molecule_that_rdkit_does_not_read_is_not_called_impossible(smiles):
    with pytest.raises(InputError) as raised:
        from_smiles(smiles)
    assert raised.value.kind == "bad_valence"
    assert "impossible" not in raised.value.message
    assert "coordinates" in raised.value.hint


@pytest.mark.parametrize(
    "smiles",
    [
        "C1C2CC3CC1CC(C2)C3",
        "P12P3P1P23",
        "FS(F)(F)(F)(F)F",
        "N=C=O",
        "CN=[N+]=[N-]",
        "C1CN2CCN1CC2",
        "CC=C=CC",
        "CC1(C)C2CCC1(C)C(=O)C2",
        "C/C=C/C",
    ],
)
def test_no_stereo_is_open_where_one_molecule_can_be_meant(smiles):
    assert open_stereo(Chem.AddHs(Chem.MolFromSmiles(smiles))) == ()


@pytest.mark.parametrize(
    ("smiles", "told"),
    [
        ("CC(N)C(=O)O", "1 stereo center is not given"),
        ("CC=CC", "1 double bond is not given"),
        ("CC1CCC(C)CC1", "2 stereo centers are not given"),
        ("OC(C(O)C(=O)O)C(=O)O", "2 stereo centers are not given"),
        ("CC(O)C=CC", "1 stereo center and 1 double bond are not given"),
        ("OCC1OC(O)C(O)C(O)C1O", "5 stereo centers are not given"),
    ],
)
def test_open_stereo_is_told(smiles, told):
    (note,) = open_stereo(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    assert note.startswith(told)
