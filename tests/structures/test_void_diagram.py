"""The map of the voids against maps made in other ways: from all atoms, on a grid, ring by ring."""

from itertools import product

import numpy as np
import pytest
from scipy.spatial import cKDTree

from andersonn.errors import InputError
from andersonn.structures.pores import Voids, diagram
from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.faces import Faces
from andersonn.structures.pores.free_volume import _distances
from andersonn.structures.pores.percolation import widest_ways
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.pores.surroundings import Surroundings, needed, within
from andersonn.structures.pores.windows import touching_windows, widest_touching_way
from andersonn.structures.structure import Structure
from tests.conftest import random_structure


def parts(structure: Structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return structure.xyz, structure.cell, probe_radii()[structure.Z]


def shelled(rng: np.random.Generator, n: int, width: float) -> Structure:
    """n atoms of argon on a sphere in a box, so that the middle and the corners are large voids."""
    way = rng.normal(size=(8 * n, 3))
    points = rng.uniform(0.3, 0.35, (8 * n, 1)) * width * way / np.linalg.norm(way, axis=1, keepdims=True)
    kept = [points[0]]
    for point in points[1:]:
        if len(kept) < n and np.linalg.norm(np.array(kept) - point, axis=1).min() > 2.2:
            kept.append(point)
    return Structure([18] * len(kept), np.array(kept) + width / 2, width * np.eye(3))


def sheared(structure: Structure, by: list[list[int]]) -> Structure:
    return Structure(structure.Z, structure.xyz, np.array(by) @ structure.cell)


def crystals() -> dict[str, Structure]:
    rng = np.random.default_rng(4)
    random = random_structure(rng, 40)
    cubes = np.array(list(product(range(3), repeat=3))) * 3.3
    thin = random_structure(rng, 27)
    return {
        "random": random,
        "sheared": sheared(random, [[1, 0, 0], [2, 1, 0], [-1, 3, 1]]),
        "left-handed": Structure(random.Z, random.xyz, random.cell[[1, 0, 2]]),
        "as equal as can be": Structure([2] * 27, cubes, 9.9 * np.eye(3)),
        "shell": shelled(rng, 30, 18.0),
        "slab": Structure(thin.Z, thin.xyz, thin.cell * [[1], [1], [2.2]]),
        "small in large": Structure([19] * 13 + [1] * 14, cubes + rng.uniform(-0.1, 0.1, (27, 3)), 9.9 * np.eye(3)),
    }


@pytest.mark.parametrize("name", crystals())
def test_few_atoms_give_the_map_that_all_give(name, monkeypatch):
    structure = crystals()[name]
    few = Voids.of(structure)
    calls = []
    monkeypatch.setattr(diagram, "SLACKS", ())
    monkeypatch.setattr(diagram, "_of_all", lambda *of, made=diagram._of_all: calls.append(1) or made(*of))
    every = Voids.of(structure)
    assert calls
    assert few.by_structure == pytest.approx(every.by_structure, abs=1e-6)
    assert few.by_atom == pytest.approx(every.by_atom, abs=2e-6)


@pytest.mark.parametrize("name", crystals())
def test_few_atoms_suffice_and_are_few(name, monkeypatch):
    structure = crystals()[name]
    monkeypatch.setattr(diagram, "_of_all", lambda *_: pytest.fail("few atoms were not enough"))
    found = PowerDiagram.of(*parts(structure))
    power = ((found.center[:, None] - found.corners) ** 2).sum(axis=2) - probe_radii()[structure.Z][found.atoms] ** 2
    reach = np.sqrt(max(power.max(), 0) + probe_radii()[structure.Z].max() ** 2)
    count = len(needed(*parts(structure), diagram.SLACKS[0]).atom)
    assert (
        len(structure)
        < count
        <= (1.0 if name == "as equal as can be" else 0.75) * len(within(*parts(structure)[:2], reach).atom)
    )


def test_no_atom_that_a_map_needs_can_be_missing(monkeypatch):
    """Whichever atom around the cell is left out, the map is refused or the same."""
    structure = crystals()["shell"]
    around, whole = needed(*parts(structure), 0.5), PowerDiagram.of(*parts(structure))
    refused = 0
    for row in np.flatnonzero(around.image.any(axis=1)):
        rest = Surroundings(*(np.delete(values, row, axis=0) for values in around))
        monkeypatch.setattr(diagram, "needed", lambda *_, rest=rest: rest)
        found = diagram._of_few(*parts(structure), 0.5)
        refused += found is None
        if found is not None:
            assert np.sort(found.clearance) == pytest.approx(np.sort(whole.clearance), abs=1e-3)
            assert found.volume.sum() == pytest.approx(structure.volume)
    assert 10 < refused < len(around.atom) - len(structure)


def test_a_map_of_the_wrong_atoms_is_refused(monkeypatch):
    """Atoms that lack one of the crystal's own form a complete map of another crystal."""
    structure = crystals()["random"]
    xyz, cell, radius = parts(structure)
    around = needed(xyz, cell, radius, 0.5)
    rest = Surroundings(*(values[around.atom != 7] for values in around))
    monkeypatch.setattr(diagram, "needed", lambda *_: rest)
    assert diagram._of_few(xyz, cell, radius, 0.5) is None


def test_few_atoms_suffice_in_a_large_cell(monkeypatch):
    """Tens of thousands of faces find their partners."""
    structure = random_structure(np.random.default_rng(1), 27)
    shifts = np.array(list(np.ndindex(4, 4, 4)))
    xyz = (structure.xyz + (shifts @ structure.cell)[:, None]).reshape(-1, 3)
    monkeypatch.setattr(diagram, "_of_all", lambda *_: pytest.fail("few atoms were not enough"))
    found = PowerDiagram.of(xyz, 4 * structure.cell, np.tile(probe_radii()[structure.Z], 64))
    assert len(found.ends) > 20_000
    assert found.volume.sum() == pytest.approx(64 * structure.volume)


@pytest.mark.parametrize("width", [60.0, 280.0])
def test_where_the_cell_begins_does_not_decide_what_is_refused(width):
    thin = random_structure(np.random.default_rng(2), 27)
    cell = np.diag([10.2, 10.2, width])
    answers = []
    for part in (0.0, 0.2, 0.4, 0.6, 0.8):
        try:
            answers.append(Voids.of(Structure(thin.Z, thin.xyz + part * cell[2], cell)).as_dict()["lcd_A"])
        except InputError as error:
            answers.append(error.kind)
    if width < 100.0:
        assert answers == pytest.approx([answers[0]] * 5, abs=1e-5)
    else:
        assert answers == ["no_voids"] * 5


def test_faces_without_a_partner_are_noticed():
    found = PowerDiagram.of(*parts(crystals()["random"]))
    images = np.zeros((len(found.atoms), 4, 3), dtype=np.int64)
    assert Faces.of(found.atoms[:-1], images[:-1]) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_grid_finds_no_wider_void_and_no_wider_way(seed):
    """Between equal atoms: both by brute force, to the grid's spacing; the volume by counting points."""
    rng = np.random.default_rng(seed)
    structure = random_structure(rng, 24)
    structure = Structure([10] * 24, structure.xyz, structure.cell)  # 1.54 Å
    radius, steps = probe_radii()[10], 26
    fractional = np.stack(np.meshgrid(*[np.arange(steps)] * 3, indexing="ij"), -1).reshape(-1, 3) / steps
    around = within(structure.xyz, structure.cell, 8.0)
    clearance = cKDTree(around.xyz).query(fractional @ structure.cell)[0] - radius
    spacing = np.linalg.norm([structure.cell.sum(axis=0), *(structure.cell * [[1], [1], [-1]])], axis=1).max() / steps
    found = Voids.of(structure).as_dict()
    assert 2 * clearance.max() <= found["lcd_A"] + 1e-4 <= 2 * (clearance.max() + spacing / 2) + 1e-4
    ways = 2 * grid_ways(clearance.reshape((steps,) * 3))
    for name, way in zip(("pld_A", "pld_2d_A", "pld_3d_A"), ways):
        assert found[name] - 2 * spacing <= way <= found[name] + spacing
    assert found["pld_touching_A"] == pytest.approx(found["pld_A"], abs=1e-3)
    assert found["void_fraction"] == pytest.approx((clearance > 0).mean(), abs=0.02)


def grid_ways(clearance: np.ndarray) -> np.ndarray:
    """Widths at which neighboring points (26 each) first percolate in 1, 2 and 3 directions, one by one, widest first."""
    steps = clearance.shape[0]
    place = np.arange(clearance.size).reshape(clearance.shape)
    edges = []
    for way in list(product((-1, 0, 1), repeat=3))[14:]:
        other = np.roll(place, [-w for w in way], axis=(0, 1, 2)).ravel()
        wraps = np.floor_divide(np.stack(np.unravel_index(place.ravel(), clearance.shape), 1) + way, steps)
        width = np.minimum(clearance.ravel(), clearance.ravel()[other])
        edges.append(np.column_stack([width, place.ravel(), other, wraps]))
    edges = np.concatenate(edges)
    return by_unions(edges[:, 1:3].astype(int), edges[:, 3:].astype(int), edges[:, 0])


def by_unions(ends: np.ndarray, shift: np.ndarray, width: np.ndarray) -> np.ndarray:
    """What :func:`widest_ways` finds, by joining sets edge by edge, widest first, and the rank of the rings' windings."""
    parent, place = list(range(ends.max() + 1)), np.zeros((ends.max() + 1, 3), dtype=int)
    found, rings = np.full(3, -np.inf), []

    def root(node: int) -> tuple[int, np.ndarray]:
        way, total = [], np.zeros(3, dtype=int)
        while parent[node] != node:
            way.append(node)
            node = parent[node]
        for step in reversed(way):
            total = total + place[step]
            parent[step], place[step] = node, total
        return node, total

    for edge in np.argsort(-width, kind="stable"):
        (a, to_a), (b, to_b) = root(ends[edge, 0]), root(ends[edge, 1])
        ring = to_a + shift[edge] - to_b
        if a != b:
            parent[b], place[b] = a, ring
        elif ring.any() and np.linalg.matrix_rank([*rings, ring]) > len(rings):
            found[len(rings)] = width[edge]
            rings.append(ring)
            if len(rings) == 3:
                break
    return found


@pytest.mark.parametrize("seed", range(30))
def test_widest_ways_of_any_graph(seed):
    """Parallel edges, loops, parts that are not connected, equal widths, far shifts."""
    rng = np.random.default_rng(seed)
    nodes, edges = rng.integers(1, 30), rng.integers(1, 80)
    ends = rng.integers(0, nodes, (edges, 2))
    shift = rng.integers(-2, 3, (edges, 3)) * rng.integers(0, 2, (edges, 3)) * (500 if seed % 5 == 0 else 1)
    shift[:, 2] *= seed % 3 > 0
    width = rng.normal(size=edges).round(1)
    assert widest_ways(ends, shift, width).tolist() == by_unions(ends, shift, width).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_windows_left_out_would_not_be_wide_enough(seed):
    structure = random_structure(np.random.default_rng(seed), 30)
    found = PowerDiagram.of(*parts(structure))
    cell, radius = structure.cell, probe_radii()[structure.Z]
    edges, width = touching_windows(found, cell, radius)
    assert edges.tolist() == list(range(2 * len(found.atoms)))
    about = widest_ways(found.ends, found.shift, found.window)[0]
    for least in (about - 0.05, about + 0.1):
        some, wide = touching_windows(found, cell, radius, least)
        assert len(some) < 0.7 * len(edges)
        assert wide == pytest.approx(width[some], abs=1e-12)
        assert (np.delete(width, some) < least).all()
    for guess in (about, about + 1.0, about - 1.0):
        way = widest_touching_way(found, cell, radius, guess)
        assert way == pytest.approx(widest_ways(found.ends, found.shift, width)[0], abs=1e-12)


def test_squares_of_distances_in_a_tetrahedron():
    corners = np.random.default_rng(0).normal(size=(4, 3))
    steps = np.array([(i, j, k, 2 - i - j - k) for i, j, k in product(range(3), repeat=3) if i + j + k <= 2])
    centers = (steps + 0.25)[None] @ corners / 3  # of the upright ones
    squares = ((corners[[0, 0, 0, 1, 1, 2]] - corners[[1, 2, 3, 2, 3, 3]]) ** 2).sum(axis=1)
    matrix, share = _distances(3)
    distances = np.sqrt(squares @ matrix).reshape(4, -1)
    assert share.sum() == pytest.approx(1.0)
    expected = np.linalg.norm(corners[:, None] - centers, axis=2)
    assert {tuple(d.round(9)) for d in expected.T} <= {tuple(d.round(9)) for d in distances.T}


@pytest.mark.parametrize("by", [[[1, 0, 0], [9, 1, 0], [-7, 12, 1]], [[1, 0, 0], [0, 1, 0], [40, 0, 1]]])
@pytest.mark.parametrize("n", [3, 30])
def test_a_skewed_cell_costs_no_more_atoms(by, n, monkeypatch):
    structure = random_structure(np.random.default_rng(n), n)
    counts = []
    of = diagram._Period.of
    monkeypatch.setattr(
        diagram._Period, "of", lambda around, *rest: counts.append(len(around.atom)) or of(around, *rest)
    )
    one, other = Voids.of(structure), Voids.of(sheared(structure, by))
    assert one.by_structure == pytest.approx(other.by_structure, abs=1e-5)
    assert one.by_atom == pytest.approx(other.by_atom, abs=1e-5)
    assert len(counts) == 2
    assert counts[1] < 1.3 * counts[0]
