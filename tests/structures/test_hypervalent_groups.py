"""Groups around a hypervalent atom, against measured lengths and angles."""

import numpy as np
import pytest
from rdkit import Chem

from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.readers.molecules import hypervalent_groups
from andersonn.structures.readers.molecules.from_rdkit import further_conformers
from tests.structures.test_embedding import shape

GROUPS = {
    # the central atom and its neighbors: angles in degrees, the mean length to terminal atoms in Å
    "FS(F)(F)(F)(F)c1ccccc1": (16, [90.0] * 12 + [180.0] * 3, 1.57),
    "CCCS(F)(F)(F)(F)F": (16, [90.0] * 12 + [180.0] * 3, 1.57),
    "FC(F)(F)S(F)(F)(F)(F)F": (16, [90.0] * 12 + [180.0] * 3, 1.57),
    "CN(C)S(F)(F)F": (16, [87.0] * 2 + [90.0] * 2 + [102.0, 172.0], 1.62),
    "FS(F)(F)c1ccc(C)cc1": (16, [87.0] * 2 + [90.0] * 2 + [102.0, 172.0], 1.62),
    "CS(C)(F)F": (16, [88.0] * 4 + [97.0, 176.0], 1.78),
    "ClI(Cl)c1ccccc1": (53, [87.0, 89.0, 176.0], 2.46),
    "FI(F)c1ccc(Cl)cc1": (53, [84.0, 85.0, 169.0], 2.00),
    "FI(F)(F)(F)c1ccccc1": (53, [83.0] * 4 + [88.0] * 4 + [166.0] * 2, 1.92),
    "O=I(=O)c1ccccc1": (53, [95.0] * 2 + [101.0], 1.80),
    "C[As](F)(F)(F)F": (33, [90.0] * 6 + [120.0] * 3 + [180.0], 1.68),
    "C[Hg]Cl": (80, [180.0], 2.28),
    "CCCC[Mg]Br": (12, [180.0], 2.40),
    "C[Ti](Cl)(Cl)Cl": (22, [109.5] * 6, 2.19),
}


@pytest.mark.parametrize("smiles", ["C[Zn]C", "CC[Zn]CC", "C[Hg]C", "C=C[Cd]C=C", "C[Mg]c1ccccc1"])
def test_two_arms_of_a_metal_lie_in_line(smiles):
    for found in (first := from_smiles(smiles), *further_conformers(first, 2)):
        center = int(np.flatnonzero(np.isin(found.Z, [12, 30, 48, 80]))[0])
        arms = (
            found.xyz[[k for bond in found.bonds for k in bond if center in bond and k != center]] - found.xyz[center]
        )
        assert arms.shape == (2, 3)
        cosine = arms[0] @ arms[1] / np.prod(np.linalg.norm(arms, axis=1))
        assert cosine < -0.999
    assert not first.warnings


# Mean lengths of bonds in Å, measured by electron diffraction or X-rays.
ARMS = {
    "C[Ti](C)(C)C": (22, 4, 2.04),
    "CN(C)[Ti](N(C)C)(N(C)C)N(C)C": (22, 4, 1.92),
    "CC(C)O[Ti](OC(C)C)(OC(C)C)OC(C)C": (22, 4, 1.79),
    "CC(C)(C)O[Zr](OC(C)(C)C)(OC(C)(C)C)OC(C)(C)C": (40, 4, 1.95),
    "CO[Ti](OC)(OC)Cl": (22, 4, 1.90),
    "CC(C)O[V](=O)(OC(C)C)OC(C)C": (23, 4, 1.72),
    "C[Pb](C)(C)C": (82, 4, 2.24),
    "CC[Pb](CC)(CC)CC": (82, 4, 2.24),
    "C[Pb](C)(C)Cl": (82, 4, 2.30),
}


@pytest.mark.parametrize("smiles", ARMS)
def test_metals_with_three_or_four_arms_are_tetrahedra(smiles):
    z, neighbors, length = ARMS[smiles]
    for found in (first := from_smiles(smiles), *further_conformers(first, 2)):
        center = int(np.flatnonzero(z == found.Z)[0])
        arms = (
            found.xyz[[k for bond in found.bonds for k in bond if center in bond and k != center]] - found.xyz[center]
        )
        lengths = np.linalg.norm(arms, axis=1)
        assert lengths.shape == (neighbors,)
        assert lengths.mean() == pytest.approx(length, abs=0.08)
        units = arms / lengths[:, None]
        assert np.abs(np.triu(units @ units.T, 1)[np.triu_indices(neighbors, 1)] + 1 / 3).max() < 0.25


@pytest.mark.parametrize("smiles", ["C[Sc](C)C", "CO[Y](OC)OC", "C[In](C)C", "CC[Ga](CC)CC"])
def test_metals_with_three_arms_alone_are_flat(smiles):
    found = from_smiles(smiles)
    center = int(np.flatnonzero(np.isin(found.Z, [21, 31, 39, 49]))[0])
    arms = found.xyz[[k for bond in found.bonds for k in bond if center in bond and k != center]] - found.xyz[center]
    units = arms / np.linalg.norm(arms, axis=1, keepdims=True)
    assert np.linalg.norm(units.sum(axis=0)) < 0.35


@pytest.mark.parametrize(
    "smiles", ["C[C@H](F)[Ti@](C)(CC)CCC", "C[C@H](F)[Pb@](C)(CC)Cl", "C[Pb@](CC)(F)Cl", "C[C@H](F)[Ti@](C)(Br)Cl"]
)
def test_both_senses_of_a_metal_are_told_apart(smiles):
    def sense(spelling):
        found = from_smiles(spelling)
        center = int(found.Z.argmax() if found.Z.max() != 35 else np.flatnonzero(found.Z == 22)[0])
        arms = sorted(k for bond in found.bonds for k in bond if center in bond and k != center)
        return np.sign(np.linalg.det(found.xyz[arms[:3]] - found.xyz[center]))

    metal = "[Pb@" if "Pb" in smiles else "[Ti@"
    assert sense(smiles) == -sense(smiles.replace(metal, f"{metal}@"))


@pytest.mark.parametrize(
    ("smiles", "degrees"), [("C[Pb-](C)C", 97.0), ("C[Pb](C)(C)Cl", 110.0), ("CO[V](=O)(OC)OC", 110.0)]
)
def test_what_pushes_three_arms_down(smiles, degrees):
    found = from_smiles(smiles)
    center = int(np.flatnonzero(np.isin(found.Z, [23, 82]))[0])
    arms = [k for bond in found.bonds for k in bond if center in bond and k != center]
    arms = [k for k in arms if found.Z[k] in (6, 8) and np.count_nonzero(found.bonds == k) > 1]
    units = found.xyz[arms] - found.xyz[center]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    angles = np.degrees(np.arccos(units @ units.T))[np.triu_indices(3, 1)]
    assert angles.mean() == pytest.approx(degrees, abs=5.0)


def around(structure, z):
    center = int(np.flatnonzero(z == structure.Z)[0])
    neighbors = sorted({int(k) for bond in structure.bonds if center in bond for k in bond} - {center})
    arms = structure.xyz[neighbors] - structure.xyz[center]
    degree = np.bincount(structure.bonds.ravel())[neighbors]
    lengths = np.linalg.norm(arms, axis=1)
    units = arms / lengths[:, None]
    angles = np.degrees(np.arccos(np.clip(units @ units.T, -1.0, 1.0)))[np.triu_indices(len(arms), 1)]
    return np.sort(angles), lengths[degree == 1].mean()


@pytest.mark.parametrize("smiles", GROUPS)
def test_shapes_are_those_measured(smiles):
    z, angles, length = GROUPS[smiles]
    first = from_smiles(smiles)
    for found in (first, *further_conformers(first, 2)):
        made, bond = around(found, z)
        np.testing.assert_allclose(made, sorted(angles), atol=12.0)
        assert bond == pytest.approx(length, rel=0.1)
    assert any("rule: neighbors of" in note for note in first.notes)


MORE = [
    "FS(F)(F)(F)(F)S(F)(F)(F)(F)F", "FS(F)(F)(F)(F)c1ccc(cc1)S(F)(F)(F)(F)F", "FS(F)(F)(F)(F)C#C", "Cc1cccc(C)c1S(F)(F)(F)(F)F",
    "FS(F)(F)(F)(F)N=C=O", "FC(F)(F)S(F)(F)(F)(F)C(F)(F)F", "CS(=O)(F)(F)F", "FS(F)(F)(F)(F)c1cc(N)cc(C(F)(F)F)c1", "COCCN(CCOC)S(F)(F)F",
    "FS(F)(F)N1CCOCC1", "CC(Cl)CS(F)(F)(F)(F)F", "F[Se](F)(F)c1ccccc1", "C=S(F)(F)(F)F", "FS(F)(F)(F)=Nc1ccccc1",
]  # fmt: skip


@pytest.mark.parametrize("smiles", [*GROUPS, *MORE])
def test_nothing_is_squeezed(smiles):
    found = from_smiles(smiles)
    assert not found.warnings
    apart = np.linalg.norm(found.xyz[:, None] - found.xyz[None], axis=2) + 9.0 * np.eye(len(found.Z))
    bonded = np.zeros_like(apart, dtype=bool)
    bonded[found.bonds[:, 0], found.bonds[:, 1]] = bonded[found.bonds[:, 1], found.bonds[:, 0]] = True
    assert apart[~bonded].min() > 1.5


@pytest.mark.parametrize(
    "smiles", ["CC(Cl)CS(F)(F)(F)(F)F", "CCN(CC)S(F)(F)F", "C[C@H](F)c1ccccc1I(Cl)Cl", "CS(C)(F)F"]
)
def test_the_same_however_the_atoms_are_ordered(smiles):
    mol, random = Chem.AddHs(Chem.MolFromSmiles(smiles)), np.random.default_rng(4)
    first = as_structure(mol)
    for _ in range(3):
        other = Chem.RenumberAtoms(mol, random.permutation(mol.GetNumAtoms()).tolist())
        assert shape(as_structure(other)) == shape(first)


def test_mirror_images_get_mirrored_geometries():
    one, other = (from_smiles(f"C[{each}H](F)S(F)(F)(F)(F)F") for each in ("C@", "C@@"))
    mirror = [[z, -x, y, w] for z, x, y, w in shape(other)]
    assert sorted(mirror) == shape(one)


@pytest.mark.parametrize(
    "smiles",
    ["CS(=O)(=O)C", "CSC", "CS(=O)C", "Ic1ccccc1", "CP(=O)(C)C", "FP(F)(F)(F)c1ccccc1", "CS(C)(C)C", "C[Si](C)(C)C", "C[I+]C",
     "CC[Fe]CC", "C[Ni]C"],
)  # fmt: skip
def test_other_atoms_are_left_to_the_force_field(smiles):
    assert not list(hypervalent_groups.groups_of(Chem.AddHs(Chem.MolFromSmiles(smiles))))
