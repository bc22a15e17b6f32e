"""Parts of a dipole moment: they add up, and depend on no origin, numbering, sign or moment of C-H."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from andersonn import Scientist, Structure
from andersonn.inference.dipole_parts import DipoleParts, _moments, bonded_pairs, flows
from andersonn.models import members_of
from andersonn.models.heads import DEBYE_PER_E_ANGSTROM
from andersonn.structures.functional_groups import groups_of
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.readers import from_smiles
from tests.conftest import random_structure, rotation


@pytest.fixture(scope="module")
def polarity() -> Scientist:
    return Scientist.load("polarity")


def parts_of(scientist: Scientist, structure: Structure, network=None) -> DipoleParts:
    image = NodeNeighborImage.from_structure(structure, scientist.recipe)
    return DipoleParts.of(network or scientist.bundle.network, structure, [image])


def test_flows_bring_charges_where_they_are():
    rng = np.random.default_rng(0)
    structure = random_structure(rng, 9, periodic=False)
    charges = rng.normal(size=9)
    charges -= charges.mean()
    for bonded in (bonded_pairs(structure), np.zeros((9, 9), dtype=bool)):
        flow = flows(structure.Z, structure.xyz, charges, bonded)
        assert flow.sum(axis=1) == pytest.approx(charges)
        assert flow == pytest.approx(-flow.T)
        assert flows(structure.Z, structure.xyz + 50.0, charges, bonded) == pytest.approx(flow, abs=1e-8)


@pytest.mark.parametrize("smiles", ["CC(=O)Nc1ccc(O)cc1", "C[NH3+]", "O.CC#N"])
def test_parts_turn_move_and_renumber_with_the_molecule(polarity, smiles):
    rng = np.random.default_rng(0)
    molecule = from_smiles(smiles) if "." not in smiles else pair()
    order, turn = rng.permutation(len(molecule)), rotation(rng)
    charge = molecule.charge
    plain = Structure(molecule.Z, molecule.xyz, charge=charge)
    moved = Structure(molecule.Z[order], molecule.xyz[order] @ turn + 20.0, charge=charge)
    first, second = parts_of(polarity, plain), parts_of(polarity, moved)
    assert first.atoms.sum() == pytest.approx(first.total, abs=1e-3)
    assert first.of_groups.sum() == pytest.approx(first.total, abs=1e-3)
    assert second.vector == pytest.approx(first.vector @ turn, abs=0.02)
    assert second.atoms == pytest.approx(first.atoms[order], abs=0.02)
    assert second.charges == pytest.approx(first.charges[order], abs=0.005)
    found = {frozenset(order[list(g.atoms)].tolist()): v for g, v in zip(second.groups, second.of_groups, strict=True)}
    for group, value in zip(first.groups, first.of_groups, strict=True):
        assert found[frozenset(group.atoms)] == pytest.approx(value, abs=0.02)


def pair() -> Structure:
    """Water and acetonitrile, 4 Å apart."""
    one, other = from_smiles("O"), from_smiles("CC#N")
    shift = [one.xyz[:, 0].max() - other.xyz[:, 0].min() + 4.0, 0.0, 0.0]
    return Structure(np.concatenate([one.Z, other.Z]), np.concatenate([one.xyz, other.xyz + shift]))


def test_the_moment_of_carbon_and_hydrogen_does_not_matter():
    """Where angles are ideal, charge moved from hydrogen to carbon changes neither the dipole moment nor its parts."""
    a = 1.09 / 3**0.5
    xyz = np.array([[0, 0, 0], [a, a, a], [a, -a, -a], [-a, a, -a], [-0.8, -0.8, 0.8]])
    molecule = Structure([6, 1, 1, 1, 9], xyz)
    bonded = bonded_pairs(molecule)
    groups = groups_of(molecule.Z, bonded)
    found = []
    for moved in (0.0, 0.1, -0.2):
        charges = np.array([0.2 - 3 * moved, moved, moved, moved, -0.2])
        # what hydrogens bring along C-F is opposite to a moment of C-F of that size
        charges += moved * 1.09 / np.linalg.norm(xyz[4]) * np.array([-1, 0, 0, 0, 1])
        dipole = DEBYE_PER_E_ANGSTROM * charges @ xyz
        found.append(_moments(molecule.Z, xyz, charges, bonded, groups, dipole))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-9)
    assert found[0][4].sum() + found[0][:, 4].sum() - found[0][4, 4] == pytest.approx(np.linalg.norm(dipole))


def test_a_network_with_all_signs_turned_gives_the_same_arrow(polarity):
    turned = deepcopy(polarity.bundle.network)
    with torch.no_grad():
        for member in members_of(turned):
            member.dipole.to_charge.weight[0] *= -1.0
            member.dipole.to_charge.bias[0] *= -1.0
            member.dipole.to_passed.weight *= -1.0
    for smiles in ("CC#N", "CCO"):
        molecule = from_smiles(smiles)
        plain, other = parts_of(polarity, molecule), parts_of(polarity, molecule, turned)
        assert other.vector == pytest.approx(plain.vector, abs=1e-3)
        assert other.charges == pytest.approx(plain.charges, abs=1e-4)
        negative = molecule.Z.argmax()
        assert plain.charges[negative] < -0.05
        assert plain.vector @ (molecule.xyz[negative] - molecule.xyz.mean(axis=0)) < 0.0
