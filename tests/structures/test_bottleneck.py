"""The sphere that sets the pore-limiting diameter, and the atoms it touches."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import crystal as ase_crystal
from scipy.ndimage import label
from scipy.spatial import cKDTree

from andersonn import Structure
from andersonn.structures.pores.bottleneck import Bottleneck, around
from andersonn.structures.pores.geometry import PoreGeometry, PoreOptions
from andersonn.structures.pores.probe import Voids
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.readers import structures_of
from tests.conftest import rotation
from tests.structures.known_frameworks import framework

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"
SITES = [(0.3684, 0.1823, 0.0), (0.5, 0.2122, 0.0), (0.2967, 0.2967, 0.0), (0.3384, 0.1103, 0.1103)]


def linde_a() -> Structure:
    """Silica in the framework type LTA."""
    atoms = ase_crystal(["Si", "O", "O", "O"], SITES, spacegroup=221, cellpar=[11.919] * 3 + [90.0] * 3)
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
    assert abs(least_gap(framework, found)) < 1e-3
    assert len(found.atoms) >= 3
    assert (np.diff(found.distance - found.radius) >= 0.0).all()
    answer = found.as_dict(framework)
    assert answer["touching"][0].keys() == {"atom", "element", "distance_A", "gap_A", "name"}


@pytest.mark.parametrize("convention", ["zeo++-high", "zeo++-default"])
@pytest.mark.parametrize("name", ["LTA", "CHA", "MIL-47", "mof-5.cif"])
def test_the_sphere_is_as_wide_as_the_pore_limiting_diameter(name, convention):
    """One number: the bottleneck is that against surfaces, as the diameter of zeo++-high is."""
    if name.endswith(".cif"):
        (crystal,) = structures_of(name, FRAMEWORKS / name)
    else:
        crystal = as_structure(framework(name))
    options = PoreOptions(convention, radii={"O": 1.35, "Si": 1.35})
    found, radius = Bottleneck.of(crystal, options.of_atoms(crystal.Z)), options.of_atoms(crystal.Z)
    pld = PoreGeometry.of(crystal, PoreOptions("zeo++-high", radii=options.radii)).pld_A
    assert found.diameter == pytest.approx(pld, abs=2e-3)
    atoms, distance = around(found.center, crystal, 0.5 * found.diameter + 3.0)
    assert (distance - radius[atoms]).min() == pytest.approx(0.5 * found.diameter, abs=1e-3)


def test_no_larger_sphere_gets_through_by_a_grid():
    """Points on a grid, of which those count that a sphere fits at: another way to find what gets through sodalite."""
    crystal = as_structure(framework("SOD"))
    narrowest = Bottleneck.of(crystal, radii(crystal))
    half, count = 0.5 * narrowest.diameter, 72
    step = grid_step(crystal, count)
    assert step < 0.11
    assert percolates(crystal, count, half - step)
    assert not percolates(crystal, count, half + step)


def radii(crystal: Structure) -> np.ndarray:
    """Of atoms so small that something gets through dense silica too, and of two sizes."""
    return np.where(crystal.Z == 8, 1.2, 0.5)


def as_structure(atoms: Atoms) -> Structure:
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array)


def grid_step(crystal: Structure, count: int) -> float:
    """Half of the longest diagonal between points that are next to each other, Å: how far the way between them can be narrower."""
    corners = np.array(list(np.ndindex(2, 2, 2))) / count @ crystal.cell
    return 0.5 * max(np.linalg.norm(a - b) for a in corners for b in corners)


def percolates(crystal: Structure, count: int, half: float) -> bool:
    """Whether points of a grid, joined with the 26 around them, lead along the first lattice vector where a sphere of this radius fits."""
    edges = [np.arange(count) / count] * 3
    points = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1).reshape(-1, 3) @ crystal.cell
    images = np.array(list(np.ndindex(3, 3, 3))) - 1
    xyz = (crystal.xyz + (images @ crystal.cell)[:, None]).reshape(-1, 3)
    radius, fits = np.tile(radii(crystal), len(images)), np.ones(len(points), dtype=bool)
    for size in np.unique(radius):
        near = cKDTree(xyz[radius == size]).query(points, distance_upper_bound=half + size)[0]
        fits &= near >= half + size
    open_ = fits.reshape(count, count, count)
    part = label(np.tile(open_, (2, 1, 1)), np.ones((3, 3, 3)))[0]  # two cells along one vector, open at its ends
    return bool(((part[0] == part[count]) & (part[0] > 0)).any())


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
