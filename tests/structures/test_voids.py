"""Voids against closed forms and symmetries."""

from itertools import product

import numpy as np
import pytest

from andersonn.errors import InputError
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.pores import BY_ATOM, BY_STRUCTURE, Voids
from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.percolation import widest_ways
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.structure import Structure
from tests.conftest import random_structure, rotation
from tests.structures.test_image import moved

A = 9.0
LATTICES = {"simple": A * np.eye(3), "fcc": A / 2 * (1 - np.eye(3)), "bcc": A / 2 * (np.ones((3, 3)) - 2 * np.eye(3))}
# Largest cavity and widest way between point atoms, in units of the cubic constant a. Simple cubic: the body center is
# √3/2 a from the corners, the way leads through faces, √2/2 a from theirs. fcc: the octahedral hole is a/2 from its six
# atoms, and ways lead through triangles of side a/√2, whose circle has the radius a/√6. bcc: the tetrahedral hole is
# √5/4 a away, and ways lead through triangles of sides √3/2, √3/2 and 1 a, of circumradius 3 a/(4 √2).
CLOSED = {
    "simple": (np.sqrt(3) / 2, np.sqrt(2) / 2),
    "fcc": (1 / 2, 1 / np.sqrt(6)),
    "bcc": (np.sqrt(5) / 4, 3 / (4 * np.sqrt(2))),
}


def named(structure: Structure) -> dict[str, float]:
    return Voids.of(structure).as_dict()


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("Z", [2, 6, 30])
def test_closed_forms(lattice, Z):
    found, r = named(Structure([Z], [[0.3, 0.1, 0.2]], LATTICES[lattice])), probe_radii()[Z]
    cavity, way = CLOSED[lattice]
    assert found["lcd_A"] == pytest.approx(2 * (cavity * A - r), abs=1e-3)
    for name in ("pld_A", "pld_2d_A", "pld_3d_A", "pld_touching_A"):
        assert found[name] == pytest.approx(2 * (way * A - r), abs=1e-3)
    volume = abs(np.linalg.det(LATTICES[lattice]))
    assert found["void_fraction"] == pytest.approx(1 - 4 / 3 * np.pi * r**3 / volume, abs=0.02)
    assert found["atoms_per_nm3"] == pytest.approx(1000 / volume)


def test_density_of_diamond(structures):
    assert named(structures["Si"])["mass_g_cm3"] == pytest.approx(2.33, abs=0.01)


def channel(width: float, length: float) -> Structure:
    """A square channel along z between walls of helium atoms, ``length`` Å a period."""
    step = width / 4
    spots = [(i * step, j * step) for i, j in product(range(5), range(5)) if i in (0, 4) or j in (0, 4)]
    spots = sorted({(x % width, y % width) for x, y in spots})  # opposite walls are one wall of the next channel
    layers = int(length / step)
    xyz = [(x, y, k * length / layers) for x, y in spots for k in range(layers)]
    return Structure([2] * len(xyz), xyz, np.diag([width, width, length]))


def test_a_channel_leads_one_way():
    width = 9.6
    found = named(channel(width, 4.8))
    r = probe_radii()[2]
    assert found["pld_A"] == pytest.approx(width - 2 * r, abs=1e-3)
    assert found["lcd_A"] == pytest.approx(2 * (np.hypot(width / 2, width / 8) - r), abs=1e-3)  # between two layers
    assert found["pld_3d_A"] <= found["pld_2d_A"] < 1.0


def test_radii_differ():
    """CsCl's arrangement of helium and potassium, as unequal as radii get: no sphere is found that does not fit."""
    r, R, a = probe_radii()[2], probe_radii()[19], 8.0
    found = named(Structure([2, 19], [[0, 0, 0], [a / 2] * 3], a * np.eye(3)))
    grid = np.stack(np.meshgrid(*[np.linspace(0, a, 61)] * 3, indexing="ij"), -1).reshape(-1, 3)
    helium = np.array(list(product((0, a), repeat=3)))
    potassium = np.array(list(product((-a / 2, a / 2, 3 * a / 2), repeat=3)))
    clearance = np.minimum(
        np.linalg.norm(grid[:, None] - helium, axis=2).min(1) - r,
        np.linalg.norm(grid[:, None] - potassium, axis=2).min(1) - R,
    )
    assert found["lcd_A"] <= 2 * clearance.max() + 1e-3
    assert found["pld_A"] < found["pld_touching_A"] < 2 * clearance.max() + 0.1


@pytest.mark.parametrize("seed", range(6))
def test_they_depend_on_the_structure_alone(seed):
    rng = np.random.default_rng(seed)
    structure = random_structure(rng, 10 + 5 * seed)
    order = rng.permutation(len(structure))
    turned = Structure(structure.Z[order], (structure.xyz[order] + [0.7, 1.9, -0.4]) @ rotation(rng), None)
    turn = rotation(rng)
    turned = Structure(structure.Z[order], (structure.xyz[order] + [0.7, 1.9, -0.4]) @ turn, structure.cell @ turn)
    one, other = Voids.of(structure), Voids.of(turned)
    assert np.allclose(one.by_structure, other.by_structure, atol=2e-3)
    assert np.allclose(one.by_atom[order], other.by_atom, atol=2e-3)


@pytest.mark.parametrize("n", [12, 27])
def test_supercells(n):
    structure = random_structure(np.random.default_rng(8), n)
    repeats = np.array(list(product(range(2), range(1), range(3))))
    large = Structure(
        np.tile(structure.Z, 6),
        (structure.xyz + (repeats @ structure.cell)[:, None]).reshape(-1, 3),
        structure.cell * [[2], [1], [3]],
    )
    one, other = Voids.of(structure), Voids.of(large)
    assert np.allclose(one.by_structure, other.by_structure, atol=2e-3)
    assert np.allclose(np.tile(one.by_atom, (6, 1)), other.by_atom, atol=2e-3)
    skewed = Structure(structure.Z, structure.xyz, np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]]) @ structure.cell)
    assert np.allclose(one.by_structure, Voids.of(skewed).by_structure, atol=2e-3)


def test_the_diagram_fills_space():
    """Tetrahedra of one period fill the cell once, and each face is crossed both ways by the same edge."""
    structure = random_structure(np.random.default_rng(5), 20)
    found = PowerDiagram.of(structure.xyz, structure.cell, probe_radii()[structure.Z])
    edges = found.corners[:, 1:] - found.corners[:, :1]
    assert (np.abs(np.linalg.det(edges)) / 6).sum() == pytest.approx(structure.volume, rel=1e-6)
    assert found.volume == pytest.approx(np.abs(np.linalg.det(edges)) / 6)
    first, second = found.ends.T
    across = found.center[second] + found.shift @ structure.cell
    assert np.allclose(np.linalg.norm(across - found.center[first], axis=1), found.apart, atol=1e-6)
    assert (np.bincount(found.ends.ravel(), minlength=len(found.atoms)) == 4).all()
    rims = found.corners.reshape(-1, 3)[found.rim]
    power = ((rims - across[:, None]) ** 2).sum(-1) - probe_radii()[structure.Z][found.atoms.ravel()[found.rim]] ** 2
    assert np.allclose(power, power[:, :1], atol=1e-6)  # both ends of an edge are as far from its three atoms


def test_widest_ways_of_a_ring():
    # Two nodes; a wide edge within the cell, a narrow one to the next cell along x, none along y and z.
    ends, shift = np.array([[0, 1], [0, 1]]), np.array([[0, 0, 0], [-1, 0, 0]])
    assert widest_ways(ends, shift, np.array([5.0, 2.0])).tolist() == [2.0, -np.inf, -np.inf]
    assert widest_ways(np.array([[0, 0]]), np.array([[0, 1, 0]]), np.array([3.0]))[0] == 3.0


def test_molecules_are_refused():
    with pytest.raises(InputError, match="no unit cell"):
        Voids.of(Structure([2], [[0, 0, 0]]))


def test_channels_of_the_image(structures):
    plain, probed = ImageRecipe(columns=12), ImageRecipe(columns=12, voids=True)
    assert plain.key == "6003ce6f6f65a705"
    assert probed.key != plain.key
    image = NodeNeighborImage.from_structure(structures["SiO2"], probed)
    channels = image.channels()
    assert {f"atom_{name}" for name in BY_ATOM} | {f"whole_{name}" for name in BY_STRUCTURE} < set(channels)
    voids = Voids.of(structures["SiO2"])
    # Free volumes are sampled; which of equal tetrahedra an atom gets is a matter of chance.
    assert np.allclose(image.of_row[image.atom_row], voids.by_atom, atol=0.2)
    assert np.allclose(image.of_whole, voids.by_structure)
    other = NodeNeighborImage.from_structure(moved(structures["SiO2"], np.random.default_rng(0)), probed)
    assert np.allclose(image.of_row, other.of_row, atol=0.2)
    assert NodeNeighborImage.from_structure(structures["SiO2"], plain).of_row is None


@pytest.mark.parametrize(
    "cell", [(3905.0, 3.9, 3.9), (2.5, 5000.0, 5000.0), (3.9, 3.9, 9000.0)], ids=["slab", "rod", "far"]
)
def test_empty_space_too_wide_to_map_is_refused_at_once(cell, monkeypatch):
    monkeypatch.setattr("scipy.spatial.ConvexHull", lambda points: pytest.fail("it was triangulated"))
    with pytest.raises(InputError, match="around the cell") as caught:
        named(Structure([14], [[0.0, 0.0, 0.0]], np.diag(cell)))
    assert caught.value.kind == "no_voids"
    assert "empty space" in caught.value.hint


def test_wide_space_among_few_atoms_is_mapped():
    found = named(Structure([14], [[0.0, 0.0, 0.0]], 100.0 * np.eye(3)))
    assert found["lcd_A"] == pytest.approx(np.sqrt(3) * 100.0 - 2 * probe_radii()[14], abs=1e-3)


@pytest.mark.parametrize("Z", [2, 30])
def test_one_atom_on_the_corners_of_a_cube_is_as_a_crystal_of_many(Z):
    cell = 3.36 * np.eye(3)
    few = Voids.of(Structure([Z], [[0.1, 0.2, 0.3]], cell))
    places = np.array(list(product(range(3), repeat=3))) @ cell
    many = Voids.of(Structure([Z] * 27, places + np.array([0.1, 0.2, 0.3]), 3 * cell))
    assert few.by_structure == pytest.approx(many.by_structure, abs=5e-3)
    room = [
        BY_ATOM.index("void_A"),
        BY_ATOM.index("free_volume_A3"),
    ]  # which windows an atom stands at is not unique here
    assert few.by_atom[0, room] == pytest.approx(many.by_atom.mean(axis=0)[room], rel=0.02)
