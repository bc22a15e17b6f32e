"""A geometry that is made depends on the molecule, not on how it is written or on how busy the machine is."""

import io
import signal

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from andersonn.errors import InputError
from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.readers.molecules import embedding
from andersonn.structures.readers.molecules.from_rdkit import further_conformers
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure
from tests.fuzz.variants import smiles_variants
from tests.structures.test_conformers import isomer_of

MOLECULES = [
    "CC(C)C[C@H](N)C(=O)N1CCC[C@H]1C(=O)O", "CC(N)C(F)Cl", "C/C=C\\C(O)Cc1ccncc1", "C1CC2CC1CN2", "[2H]C([2H])([2H])O",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", "C[N+]1=CC=CC=C1", "[CH2]C", "C1=CC2=CC=CC2=C1", "O",
]  # fmt: skip
FULLERENE = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3c3"
    "c8c4c4c9c5c1c1c6c2c3c41"
)


def shape(structure: Structure) -> list[list[float]]:
    """Elements and positions, in an order of their own."""
    return sorted([float(z), *xyz] for z, xyz in zip(structure.Z, structure.xyz.tolist(), strict=True))


@pytest.mark.parametrize("smiles", MOLECULES)
def test_the_same_geometry_for_every_way_to_write_a_molecule(smiles):
    first = from_smiles(smiles)
    further = [shape(s) for s in further_conformers(first, 2)]
    for name, other in smiles_variants(smiles, np.random.default_rng(len(smiles))).items():
        assert shape(other) == shape(first), name
        assert [shape(s) for s in further_conformers(other, 2)] == further, name


def test_atoms_stay_in_the_order_they_are_written_in():
    found = from_smiles("OC(F)CCl")
    assert found.Z[:5].tolist() == [8, 6, 9, 6, 17]
    i, j = found.bonds.T
    assert np.linalg.norm(found.xyz[i] - found.xyz[j], axis=1).max() < 1.9
    for conformer in further_conformers(found, 2):
        assert np.linalg.norm(conformer.xyz[i] - conformer.xyz[j], axis=1).max() < 1.9


def test_names_of_atoms_do_not_matter():
    assert shape(from_smiles("[CH3:7][CH2:3][OH:1]")) == shape(from_smiles("CCO"))


ISOMERS = [
    "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "C/C=C/C", "C/C=C\\C", "C[C@H]1CC[C@@H](O)CC1", "C[C@H]1CC[C@H](O)CC1", "C[S@](=O)CC",
    "[2H][C@H](C)O", "CC=[C@]=CC", "O[C@H]1[C@@H](O)[C@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "O[C@H]1[C@H](O)[C@H](O)[C@@H](O)[C@H](O)[C@H]1O", "O[C@@H]1[C@@H](O)[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
]  # fmt: skip
"""The last two are such whose canonical SMILES reads back as another isomer."""


@pytest.mark.parametrize("smiles", ISOMERS)
def test_the_isomer_that_is_asked_for_is_the_one_that_is_made(smiles):
    asked = Chem.MolToInchi(Chem.MolFromSmiles(smiles))
    rng = np.random.default_rng(0)
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    for order in [np.arange(mol.GetNumAtoms()), *(rng.permutation(mol.GetNumAtoms()) for _ in range(3))]:
        made = as_structure(Chem.RenumberAtoms(mol, order.tolist()))
        assert [Chem.MolToInchi(isomer_of(s)) for s in (made, *further_conformers(made, 2))] == [asked] * 3


def test_hindered_axes_keep_their_sense():
    mol = Chem.AddHs(Chem.MolFromSmiles("Cc1cccc(I)c1-c1c(C)cccc1Br"))
    _, before, begin, end, after, _ = mol.GetSubstructMatch(Chem.MolFromSmarts("Ic:c-c:cBr"))
    axis = mol.GetBondBetweenAtoms(begin, end)
    angles = []
    for sense in (Chem.BondStereo.STEREOATROPCW, Chem.BondStereo.STEREOATROPCCW):
        axis.SetStereoAtoms(before, after)
        axis.SetStereo(sense)
        for order in (np.arange(len(mol.GetAtoms())), np.random.default_rng(1).permutation(len(mol.GetAtoms()))):
            made = as_structure(Chem.RenumberAtoms(mol, order.tolist()))
            angles.append(dihedral(made.xyz[np.argsort(order)[[before, begin, end, after]]]))
    assert angles[0] == pytest.approx(angles[1], abs=1.0)
    assert angles[2] == pytest.approx(angles[3], abs=1.0)
    assert angles[0] * angles[2] < 0
    assert min(map(abs, angles)) > 60


def dihedral(xyz: np.ndarray) -> float:
    one, axis, other = np.diff(xyz, axis=0)
    return np.degrees(
        np.arctan2(np.linalg.norm(axis) * one @ np.cross(axis, other), np.cross(one, axis) @ np.cross(axis, other))
    )


@pytest.mark.parametrize("wrong", ["not SMILES", "[H]OC(=O)[C@]([H])(N([H])[H])C([H])([H])[H]"])
def test_a_molecule_whose_smiles_reads_back_as_another_keeps_its_own(monkeypatch, wrong):
    real = Chem.MolFromSmiles
    mol = Chem.AddHs(Chem.MolFromSmiles("C[C@H](N)C(=O)O"))
    monkeypatch.setattr(Chem, "MolFromSmiles", lambda text, options: real(wrong, options))
    made = as_structure(mol)
    assert Chem.MolToInchi(isomer_of(made)) == Chem.MolToInchi(mol)


def test_properties_of_a_molecule_are_not_read():
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")).encode() + b"> <n\xe9>\n\xe9\n\n$$$$\n"
    (mol,) = Chem.ForwardSDMolSupplier(io.BytesIO(block))
    assert as_structure(mol).generated_geometry


def test_embedding_is_bounded_by_attempts():
    with pytest.raises(InputError, match="attempts") as caught:
        from_smiles(FULLERENE)
    assert caught.value.kind == "no_conformer"
    mol = Chem.AddHs(Chem.MolFromSmiles(FULLERENE))
    structure = Structure([6], np.zeros((1, 3)), source_mol=mol.ToBinary())
    assert further_conformers(structure, 1) == []


@pytest.mark.parametrize("made", [[], [0, -1]])
def test_what_a_halted_machine_could_not_make_is_told(monkeypatch, made):
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    clock = iter([0.0, 1e6])
    monkeypatch.setattr(embedding.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", lambda mol, count, options: made)
    with pytest.raises(InputError, match="try again") as caught:
        embedding.embed(mol, 2)
    assert caught.value.kind == "no_conformer"


def test_what_it_made_all_the_same_is_kept(monkeypatch):
    expected = from_smiles("CCO").xyz
    clock = iter([0.0, 1e6])
    monkeypatch.setattr(embedding.time, "monotonic", lambda: next(clock))
    assert np.array_equal(from_smiles("CCO").xyz, expected)


def test_what_rdkit_takes_for_impossible_while_embedding_is_named(monkeypatch):
    def failing(mol, count, options):
        raise ValueError("bad")

    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", failing)
    with pytest.raises(InputError, match="impossible: bad"):
        from_smiles("CCO")


def test_interrupts_are_heard_after_a_conformer_was_generated():
    """RDKit up to 2026.3 leaves a handler behind that swallows the first Ctrl-C."""
    assert embedding.embed(Chem.AddHs(Chem.MolFromSmiles("CCO")), 1)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("OC[C@H](O)C=O", "OC[C@@H](O)C=O"),
        ("CC[S@](C)=O", "CC[S@@](C)=O"),
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("C[C@H](F)[C@@H](Cl)Br", "C[C@@H](F)[C@H](Cl)Br"),
        ("C/C=C/[C@H](C)O", "C/C=C/[C@@H](C)O"),
    ],
)
def test_mirror_images_have_mirrored_geometries(left, right):
    with reading(conformers=3):
        one, other = from_smiles(left), from_smiles(right)
    for first, second in ((one.xyz, other.xyz), *zip(one.further_xyz, other.further_xyz, strict=True)):
        apart = [np.sort(np.linalg.norm(xyz[:, None] - xyz[None], axis=2), axis=None) for xyz in (first, second)]
        np.testing.assert_allclose(apart[0], apart[1], atol=1e-6)
    for structure, smiles in ((one, left), (other, right)):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.SetPositions(np.array(structure.xyz, dtype=float))
        mol.AddConformer(conformer)
        Chem.AssignStereochemistryFrom3D(mol)
        assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize("smiles", ["CS(C)(C)(F)(F)F", "C[As](C)(C)(F)F"])
def test_a_geometry_whose_atoms_fall_together_is_told(smiles):
    assert any("is unsound: F and F, which are not bonded" in warning for warning in from_smiles(smiles).warnings)


@pytest.mark.parametrize(
    "smiles", ["C12C3C4C1C5C2C3C45", "C1C2CC1C2", "C12(C3C1)CC23", "FC(F)(F)C(F)(F)F", "FS(F)(F)(F)(F)F", "B1NBNBN1",
     "CC(C)O[Ti](OC(C)C)(OC(C)C)OC(C)C", "CC[Zn]CC", "CC(C)(C)[Mg]Cl", "F[U](F)(F)(F)(F)F", "Cl[Nb](Cl)(Cl)(Cl)Cl"]
)  # fmt: skip
def test_cages_and_crowded_molecules_are_sound(smiles):
    assert not any("unsound" in warning for warning in from_smiles(smiles).warnings)


@pytest.mark.parametrize(
    "smiles", ["B1NBNBN1", "BN", "CN(C)B(N(C)C)N(C)C", "CB1N(C)B(C)N(C)B(C)N1C", "FB(F)N", "OB(O)N"]
)
def test_nitrogen_beside_boron_is_flat(smiles):
    """Borazine is planar (Harshbarger, Lee, Porter and Bauer, Inorg. Chem. 8, 1683, 1969), and so is aminoborane (Sugie, Takeo and Matsumura,
    Chem. Phys. Lett. 64, 573, 1979).
    """
    structure = from_smiles(smiles)
    distances = np.linalg.norm(structure.xyz[:, None] - structure.xyz[None], axis=2)
    for k in np.flatnonzero(structure.Z == 7):
        near = np.argsort(distances[k])[1:4]
        arms = (structure.xyz[near] - structure.xyz[k]) / distances[k][near, None]
        angles = [np.degrees(np.arccos(arms[i] @ arms[j])) for i, j in ((0, 1), (0, 2), (1, 2))]
        assert sum(angles) > 355.0


def test_amines_and_adducts_of_boron_keep_their_nitrogen():
    for smiles in ("CN", "C[N+](C)(C)[B-](F)(F)F", "NCB(O)O"):
        structure = from_smiles(smiles)
        (k,) = np.flatnonzero(structure.Z == 7)
        distances = np.linalg.norm(structure.xyz - structure.xyz[k], axis=1)
        near = np.argsort(distances)[1:4]
        arms = (structure.xyz[near] - structure.xyz[k]) / distances[near, None]
        assert sum(np.degrees(np.arccos(arms[i] @ arms[j])) for i, j in ((0, 1), (0, 2), (1, 2))) < 345.0


@pytest.mark.parametrize(
    ("smiles", "trans"),
    [("N=N", True), ("CN=N", True), ("[H]/N=N/C", True), ("[H]/N=N\\C", False), ("[H]/N=N\\[H]", False)],
)
def test_diazenes_are_trans_unless_the_other_is_given(smiles, trans):
    found = from_smiles(smiles)
    first, second = np.flatnonzero(found.Z == 7)
    axis = found.xyz[second] - found.xyz[first]
    sides = []
    for own, other in ((first, second), (second, first)):
        (end,) = {int(k) for bond in found.bonds if own in bond for k in bond} - {int(own), int(other)}
        arm = found.xyz[end] - found.xyz[own]
        sides.append(arm - arm @ axis / (axis @ axis) * axis)
    assert (sides[0] @ sides[1] < 0) == trans


@pytest.mark.parametrize(
    ("smiles", "pair"),
    [
        ("C[S+](C)[BH3-]", "B with a pair of electrons of S"),
        ("CP(C)(C)->[AlH3]", "Al with a pair of electrons of P"),
        ("[BH3-][O+]1CCCC1", "B with a pair of electrons of O"),
    ],
)
def test_adducts_that_no_force_field_knows_are_told(smiles, pair):
    (warning,) = from_smiles(smiles).warnings
    assert pair in warning
    assert "unreliable" in warning


@pytest.mark.parametrize(
    "smiles",
    ["[BH3-][NH3+]", "F[B-](F)(F)[N+](C)(C)C", "OB(O)c1ccccc1", "B1OB(C)OB(C)O1", "CS(C)=O", "CP(C)(C)=O", "CSB(C)C"],
)
def test_other_bonds_of_boron_are_not(smiles):
    assert not from_smiles(smiles).warnings
