import numpy as np
import pytest
from rdkit import Chem

from andersonn.structures.readers.molecules.bonds_alone import MolecularGraph
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.readers.molecules.smiles import constitution, from_smiles, scaffold
from andersonn.structures.readers.molecules.spelling import is_spelled, spell

SAME = [
    ("C[S+](C)[O-]", "CS(C)=O"),
    ("C[S+2]([O-])([O-])C", "CS(C)(=O)=O"),
    ("[O-][S+]=O", "O=S=O"),
    ("O=[S+2]([O-])[O-]", "O=S(=O)=O"),
    ("C[P+](C)(C)[O-]", "CP(C)(C)=O"),
    ("C[P+](C)(C)[CH2-]", "CP(C)(C)=C"),
    ("C[P+](C)(C)[S-]", "CP(C)(C)=S"),
    ("C[As+](C)(C)[O-]", "C[As](C)(C)=O"),
    ("C[Se+](C)[O-]", "C[Se](C)=O"),
    ("C[N-][N+]#N", "CN=[N+]=[N-]"),
    ("[CH2-][N+]#N", "C=[N+]=[N-]"),
    ("[O-][N+]#N", "O=[N+]=[N-]"),
    ("[C]=O", "[C-]#[O+]"),
    ("[12C]=O", "[12C-]#[O+]"),
    ("[CH0]=O", "[C-]#[O+]"),
    ("C[Sb+](C)(C)[O-]", "C[Sb](C)(C)=O"),
    ("O=[Cl](=O)(=O)F", "[O-][Cl+3]([O-])([O-])F"),
    ("CCl(=O)=O", "C[Cl+2]([O-])[O-]"),
    ("O=Cl=O", "[O-][Cl+2][O-]"),
    ("O=Ic1ccccc1", "[O-][I+]c1ccccc1"),
    ("OCl(=O)(=O)=O", "O[Cl+3]([O-])([O-])[O-]"),
    ("[C]=S", "[C-]#[S+]"),
    ("CN=[C]", "C[N+]#[C-]"),
    ("[O-][n+]1ccccc1", "O=n1ccccc1"),  # RDKit's own
    ("CN(=O)=O", "C[N+](=O)[O-]"),
]


@pytest.mark.parametrize(("charged", "double"), SAME)
def test_two_spellings_are_one_molecule(charged, double):
    one, other = from_smiles(charged), from_smiles(double)
    order = [np.lexsort((*np.round(s.xyz, 3).T, s.Z)) for s in (one, other)]
    assert (one.Z[order[0]] == other.Z[order[1]]).all()
    np.testing.assert_allclose(one.xyz[order[0]], other.xyz[order[1]], atol=1e-3)
    assert one.charge == other.charge == 0
    assert constitution(charged) == constitution(double)
    assert scaffold(charged) == scaffold(double)


@pytest.mark.parametrize(("charged", "double"), SAME)
def test_bonds_alone_are_the_same_too(charged, double):
    with reading(True):
        one, other = from_smiles(charged), from_smiles(double)
    assert isinstance(one, MolecularGraph)
    assert sorted(map(tuple, one.by_atom)) == sorted(map(tuple, other.by_atom))
    assert np.allclose(np.sort(one.length, axis=None), np.sort(other.length, axis=None))


KEPT = [
    "C[N+](C)(C)[O-]",
    "C[S+](C)C",
    "C[N+]#[C-]",
    "[C-]#[O+]",
    "F[B-](F)(F)F",
    "[NH3+]CC([O-])=O",
    "C#[N+][O-]",
    "C=[C]",
    "[CH2]",
    "F[C]F",
    "[C]#N",
    "[CH]=O",
    "C[S+](C)[BH3-]",
    "C[P+](C)(C)[BH3-]",
    "[BH3-][SeH2+]",
    "C[As+](C)(C)[AlH3-]",
    "C[S+](C)[B-](F)(F)F",
]


@pytest.mark.parametrize("smiles", KEPT)
def test_other_charges_are_kept(smiles):
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    before = Chem.MolToSmiles(mol)
    spell(mol)
    assert Chem.MolToSmiles(mol) == before


@pytest.mark.parametrize(
    "smiles", ["C[S+](C)[BH3-]", "[BH3-][PH3+]", "c1ccccc1[P+](c1ccccc1)(c1ccccc1)[BH3-]", "C[P+](C)(C)[Ga-](C)(C)C"]
)
def test_adducts_of_boron_and_its_group_are_read(smiles):
    mol = Chem.MolFromSmiles(smiles)
    assert len(from_smiles(smiles).Z) == Chem.AddHs(mol).GetNumAtoms()


DATIVE = [
    ("CS(C)->[BH3]", "C[S+](C)[BH3-]"),
    ("[BH3]<-S(C)C", "C[S+](C)[BH3-]"),
    ("CS(C)->B", "C[S+](C)[BH3-]"),
    ("FB(F)(F)<-N", "[NH3+][B-](F)(F)F"),
    ("C1CCO(C1)->[BH3]", "[BH3-][O+]1CCCC1"),
    ("CP(C)(C)->[AlH3]", "C[P+](C)(C)[AlH3-]"),
    ("c1ccn(->B(Cl)(Cl)Cl)cc1", "Cl[B-](Cl)(Cl)[n+]1ccccc1"),
]


@pytest.mark.parametrize(("dative", "charged"), DATIVE)
def test_dative_bonds_to_boron_are_those_between_charges(dative, charged):
    one, other = from_smiles(dative), from_smiles(charged)
    assert one.charge == other.charge == 0
    assert not is_spelled(dative)
    assert constitution(dative) == constitution(charged)
    pairs = [np.sort(np.linalg.norm(s.xyz[:, None] - s.xyz, axis=-1).ravel()) for s in (one, other)]
    np.testing.assert_allclose(*pairs, atol=1e-6)


def test_dative_bonds_to_metals_stay():
    mol = Chem.MolFromSmiles("Cl[Pt](Cl)(<-N)<-N", sanitize=False)
    before = Chem.MolToSmiles(mol)
    spell(mol)
    assert Chem.MolToSmiles(mol) == before


def test_a_charge_that_is_left_stays():
    mol = Chem.MolFromSmiles("C[S+2]([O-])C", sanitize=False)  # a cation
    spell(mol)
    assert Chem.MolToSmiles(mol) == "C[S+](C)=O"


def test_a_molfile_is_spelled_as_smiles_are():
    from andersonn.structures.readers.molecules.from_rdkit import to_structure

    flat = Chem.MolFromMolBlock(Chem.MolToMolBlock(Chem.MolFromSmiles("C[S+](C)[O-]")), sanitize=False, removeHs=False)
    np.testing.assert_allclose(
        to_structure(flat).xyz, from_smiles("CS(=O)C").xyz[[0, 1, 3, 2, *range(4, 10)]], atol=2e-2
    )
