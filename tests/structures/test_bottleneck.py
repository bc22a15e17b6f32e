"""The sphere that sets the pore-limiting diameter, and the atoms it touches."""

from pathlib import Path

import numpy as np
import pytest
from ase.spacegroup import crystal

from andersonn import Structure
from andersonn.structures.pores.bottleneck import Bottleneck, around
from andersonn.structures.pores.probe import Voids
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.readers import structures_of
from tests.conftest import rotation

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"
SITES = [(0.3684, 0.1823, 0.0), (0.5, 0.2122, 0.0), (0.2967, 0.2967, 0.0), (0.3384, 0.1103, 0.1103)]


def linde_a() -> Structure:
    """Silica in the framework type LTA."""
    atoms = crystal(["Si", "O", "O", "O"], SITES, spacegroup=221, cellpar=[11.919] * 3 + [90.0] * 3)
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array)


def least_gap(structure: Structure, found: Bottleneck) -> float:
    """Å between the sphere and the nearest surface."""
    atoms, distance = around(found.center, structure, 0.5 * found.diameter + 3.0)
    return float((distance - probe_radii()[structure.Z][atoms]).min() - 0.5 * found.diameter)


def test_the_eight_ring_of_a_zeolite():
    zeolite = linde_a()
    assert len(zeolite) == 72
    found = Bottleneck.of(zeolite)
    assert zeolite.Z[found.atoms].tolist() == [8] * 8
    assert found.diameter == pytest.approx(Voids.of(zeolite).as_dict()["pld_touching_A"], abs=1e-3)
    middle = found.center @ np.linalg.inv(zeolite.cell)
    halves = np.sort(np.abs(middle - np.round(middle)))  # the window lies in a face of the cell, at its middle
    assert halves == pytest.approx([0.0, 0.5, 0.5], abs=0.01)
    assert found.words(zeolite).startswith("the bottleneck, 3.8")


@pytest.mark.parametrize("name", ["mof-5.cif", "zinc-ultramicroporous.cif"])
def test_the_sphere_touches_and_does_not_overlap(name):
    (framework,) = structures_of(name, FRAMEWORKS / name)
    found = Bottleneck.of(framework)
    assert abs(least_gap(framework, found)) < 0.05
    assert len(found.atoms) >= 3
    assert (np.diff(found.distance - found.radius) >= 0.0).all()
    answer = found.as_dict(framework)
    assert answer["touching"][0].keys() == {"atom", "element", "distance_A", "gap_A"}


def test_it_turns_and_moves_with_the_crystal():
    rng = np.random.default_rng(0)
    (framework,) = structures_of("x", FRAMEWORKS / "zinc-ultramicroporous.cif")
    order, turn = rng.permutation(len(framework)), rotation(rng)
    skewed = framework.cell + np.outer([0, 1, 0], framework.cell[0])  # other vectors of the same lattice
    moved = Structure(framework.Z[order], framework.xyz[order] @ turn + 7.0, skewed @ turn)
    first, second = Bottleneck.of(framework), Bottleneck.of(moved)
    assert second.diameter == pytest.approx(first.diameter, abs=1e-3)
    assert abs(least_gap(moved, second)) < 1e-3
    assert sorted(framework.Z[first.atoms]) == sorted(moved.Z[second.atoms])


def test_nothing_gets_through_where_atoms_overlap(structures):
    assert Bottleneck.of(structures["NaCl"]) is None
