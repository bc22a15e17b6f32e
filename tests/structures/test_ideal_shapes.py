import numpy as np
import pytest
from rdkit import Chem

from andersonn.errors import InputError
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.readers.molecules.smiles import atomic_numbers, from_smiles

MEASURED = {
    # angles in degrees between the bonds, lengths in Å, by electron diffraction or microwave spectroscopy
    "O=[Se]=O": ([113.8], 1.61),
    "[O][Cl+][O-]": ([117.4], 1.47),
    "F[C]F": ([104.9], 1.30),
    "F[Si]F": ([100.8], 1.59),
    "Cl[Ge]Cl": ([100.3], 2.17),
    "O=[Se](=O)=O": ([120.0] * 3, 1.69),
    "O=[Xe](=O)=O": ([103.0] * 3, 1.76),
    "F[Xe]F": ([180.0], 1.98),
    "F[Xe](F)(F)F": ([90.0] * 4 + [180.0] * 2, 1.95),
    "FS(F)(F)F": ([87.8] * 4 + [101.6, 173.1], 1.59),
    "FI(F)(F)(F)F": ([81.9] * 4 + [88.9] * 4 + [163.8] * 2, 1.87),
    "F[As](F)(F)(F)F": ([90.0] * 6 + [120.0] * 3 + [180.0], 1.68),
    "FS(F)(F)(F)(F)F": ([90.0] * 12 + [180.0] * 3, 1.56),
    "F[Cl+3]([O-])([O-])[O-]": ([100.8] * 3 + [116.6] * 3, 1.45),
    "I[I-]I": ([180.0], 2.92),
    "FCl(F)F": ([87.5] * 2 + [175.0], 1.66),
    "FBr(F)(F)(F)F": ([84.8] * 4 + [89.5] * 4 + [169.6] * 2, 1.76),
    "FI(F)(F)(F)(F)(F)F": ([72.0] * 5 + [90.0] * 10 + [144.0] * 5 + [180.0], 1.84),
    "O=[Cl]=O": ([117.4], 1.47),
    "FCl(=O)=O": ([101.7] * 2 + [115.2], 1.52),
    "O=[Xe](=O)(=O)=O": ([109.5] * 6, 1.74),
    "N#S(F)(F)F": ([94.0] * 3 + [122.4] * 3, 1.52),
    "O=S(=O)=O": ([120.0] * 3, 1.42),
    "[O-][S+2]([O-])=O": ([120.0] * 3, 1.42),
    "Cl[Zn]Cl": ([180.0], 2.07),
    "Cl[Be]Cl": ([180.0], 1.79),
    "Br[Hg]Br": ([180.0], 2.38),
    "O=[Os](=O)(=O)=O": ([109.5] * 6, 1.71),
    "Cl[Nb](Cl)(Cl)(Cl)Cl": ([90.0] * 6 + [120.0] * 3 + [180.0], 2.28),
    "F[W](F)(F)(F)(F)F": ([90.0] * 12 + [180.0] * 3, 1.83),
    "F[U](F)(F)(F)(F)F": ([90.0] * 12 + [180.0] * 3, 2.00),
    "F[Ir](F)(F)(F)(F)F": ([90.0] * 12 + [180.0] * 3, 1.83),
    "F[Re](F)(F)(F)(F)(F)F": ([72.0] * 5 + [90.0] * 10 + [144.0] * 5 + [180.0], 1.84),
}


def angles_of(structure, center):
    arms = np.delete(structure.xyz, center, axis=0) - structure.xyz[center]
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)
    between = np.degrees(np.arccos(np.clip(arms @ arms.T, -1.0, 1.0)))
    return np.sort(between[np.triu_indices(len(arms), 1)])


@pytest.mark.parametrize("smiles", MEASURED)
def test_shapes_are_those_measured(smiles):
    angles, length = MEASURED[smiles]
    structure = from_smiles(smiles)
    center = int(np.bincount(structure.bonds.ravel()).argmax())
    np.testing.assert_allclose(angles_of(structure, center), sorted(angles), atol=16.0)
    lengths = np.linalg.norm(np.delete(structure.xyz, center, axis=0) - structure.xyz[center], axis=1)
    assert lengths.mean() == pytest.approx(length, rel=0.1)
    assert any("rule: neighbors of" in note for note in structure.notes)


KNOWN = [
    "O",
    "N",
    "C",
    "P",
    "O=S=O",
    "O=C=O",
    "FB(F)F",
    "FP(F)(F)(F)F",
    "O=S(O)O",
    "Cl[Fe]Cl",
    "O=[U](Cl)(Cl)=O",
    "Cl[Co](Cl)Cl",
    "[NH4+]",
    "C=O",
    "F[Al](F)F",
    "ClC(Cl)(Cl)Cl",
]


@pytest.mark.parametrize("smiles", KNOWN)
def test_what_force_fields_know_is_left_to_them(smiles):
    assert not any("rule: neighbors of" in note for note in from_smiles(smiles).notes)


@pytest.mark.parametrize("smiles", ["C(C)(C)(C)(C)C", "FCl(F)(F)F", "ClF(Cl)Cl", "CCl(C)C1CC1", "O=[Ar]"])
def test_too_many_bonds_are_still_refused(smiles):
    with pytest.raises(InputError) as refused:
        from_smiles(smiles)
    assert refused.value.kind == "bad_valence"


@pytest.mark.parametrize("smiles", ["FCl(F)F", "O=[Cl]=O", "O=[Xe](=O)(=O)=O"])
def test_hypervalent_atoms_are_read_by_their_bonds_alone(smiles):
    with reading(True):
        graph = from_smiles(smiles)
    assert len(graph.bonds) == len(graph.Z) - 1
    assert (atomic_numbers(smiles) == from_smiles(smiles).Z).all()


@pytest.mark.parametrize("smiles", ["FC(F)(F)C(F)(F)F", "O[Cl+][O-]", "CS(C)=O", "FP(F)F"])
def test_molecules_of_two_centers_are_left_alone(smiles):
    assert not any("rule: neighbors of" in note for note in from_smiles(smiles).notes)


def test_electronegative_neighbors_are_axial():
    structure = from_smiles("O=S(F)(F)(F)F")
    mol = Chem.MolFromSmiles("O=S(F)(F)(F)F")
    z = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    arms = structure.xyz - structure.xyz[z == 16]
    oxygen = arms[z == 8][0]
    cosines = arms[z == 9] @ oxygen / (np.linalg.norm(arms[z == 9], axis=1) * np.linalg.norm(oxygen))
    np.testing.assert_allclose(np.sort(np.degrees(np.arccos(cosines))), [90.0, 90.0, 120.0, 120.0], atol=1.0)


@pytest.mark.parametrize(
    ("inchi", "smiles"),
    [
        ("InChI=1S/ClF3/c2-1(3)4", "FCl(F)F"),
        ("InChI=1S/F7I/c1-8(2,3,4,5,6)7", "FI(F)(F)(F)(F)(F)F"),
        ("InChI=1S/ClFO3/c2-1(3,4)5", "FCl(=O)(=O)=O"),
    ],
)
def test_hypervalent_atoms_are_read_from_inchi_too(inchi, smiles):
    one, other = from_smiles(inchi), from_smiles(smiles)
    assert sorted(one.Z) == sorted(other.Z)
    apart = [np.sort(np.linalg.norm(s.xyz[:, None] - s.xyz[None], axis=2), axis=None) for s in (one, other)]
    np.testing.assert_allclose(*apart, atol=1e-6)


def test_hypervalent_molecules_are_answered_explained_and_drawn():
    import andersonn as an

    scientist = an.Scientist.load("polarity")
    for answer in scientist.predict(["FCl(F)F", "O=[Cl]=O", "FI(F)(F)(F)(F)(F)F", "F[Kr]F"]):
        assert answer.ok, answer
    (explained,) = scientist.explain(["FCl(F)F"])
    assert np.isfinite(explained.prediction.value)
    assert from_smiles("FCl(F)F")._repr_html_()
