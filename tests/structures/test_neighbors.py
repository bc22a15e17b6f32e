import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andersonn.structures import neighbors
from andersonn.structures.neighbors import pairs_to_count, pairs_within
from andersonn.structures.structure import Structure
from tests.conftest import random_structure


def brute_force(structure: Structure, radius: float) -> list[tuple[int, int, float]]:
    """All pairs by looking at every atom of every cell that could matter."""
    if structure.cell is None:
        shifts = np.zeros((1, 3))
    else:
        heights = structure.volume / np.linalg.norm(
            np.cross(np.roll(structure.cell, -1, axis=0), np.roll(structure.cell, -2, axis=0)), axis=1
        )
        spread = np.ptp(structure.xyz @ np.linalg.inv(structure.cell), axis=0)
        counts = np.ceil(radius / heights + spread).astype(int)
        ranges = [np.arange(-c, c + 1) for c in counts]
        shifts = np.array(np.meshgrid(*ranges)).reshape(3, -1).T @ structure.cell
    found = []
    for i in range(len(structure)):
        for j in range(len(structure)):
            distance = np.linalg.norm(structure.xyz[j] + shifts - structure.xyz[i], axis=1)
            found += [(i, j, d) for d in distance if 1e-9 < d <= radius]
    return sorted(found)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(0, 10_000), st.floats(2.0, 8.0), st.booleans())
def test_against_brute_force(n, seed, radius, periodic):
    structure = random_structure(np.random.default_rng(seed), n, periodic)
    i, j, distance, vector = pairs_within(structure.xyz, structure.cell, radius)
    ours = sorted(zip(i.tolist(), j.tolist(), distance.tolist(), strict=True))
    expected = brute_force(structure, radius)
    assert len(ours) == len(expected)
    assert np.allclose([d for *_, d in ours], [d for *_, d in expected])
    assert np.allclose(np.linalg.norm(vector, axis=1), distance)


@pytest.mark.parametrize("flip", [False, True])
def test_left_handed_and_flat_cells(flip):
    cell = np.array([[3.0, 0, 0], [0, 9.0, 0], [8.5, 0, 3.0]])
    cell = cell[[1, 0, 2]] if flip else cell
    structure = Structure([29], [[0.3, 0.1, 0.2]], cell)
    assert len(pairs_within(structure.xyz, structure.cell, 7.0)[0]) == len(brute_force(structure, 7.0))


def test_coordination_numbers(structures):
    for name, shells in {"Cu": (12, 6, 24), "W": (8, 6, 12), "Si": (4, 12, 12), "NaCl": (6, 12, 8)}.items():
        i, _, distance, _ = pairs_to_count(structures[name].xyz, structures[name].cell, 40, 20.0)
        first = np.sort(distance[i == 0])
        for k, count in enumerate(shells):
            start = sum(shells[:k])
            assert np.allclose(first[start : start + count], first[start])
            assert first[start + count] > first[start] + 1e-3


def test_enough_neighbors_or_all_within_reach():
    sparse = Structure([6, 6], [[0, 0, 0], [1.4, 0, 0]], 30.0 * np.eye(3))
    i, *_ = pairs_to_count(sparse.xyz, sparse.cell, 12, reach=8.0)
    assert len(i) == 2
    dense = random_structure(np.random.default_rng(0), 20)
    i, *_ = pairs_to_count(dense.xyz, dense.cell, 17, reach=8.0)
    assert np.bincount(i).min() >= 17


@pytest.mark.parametrize("radius", [1.9, 4.2, 7.5])
@pytest.mark.parametrize("cell", [None, np.diag([3.0, 5.0, 9.0]), [[4.0, 0, 0], [3.8, 2.1, 0], [-1.5, 1.0, 3.0]]])
def test_all_distances_find_the_pairs_that_cell_lists_find(cell, radius, monkeypatch):
    cell = None if cell is None else np.array(cell)
    xyz = np.random.default_rng(3).uniform(-8.0, 8.0, (7, 3))  # also far outside the cell

    def found():
        i, j, distance, vector = pairs_within(xyz, cell, radius)
        assert np.allclose(np.linalg.norm(vector, axis=1), distance)
        return sorted((a, b, *v) for a, b, v in zip(i.tolist(), j.tolist(), np.round(vector, 6).tolist(), strict=True))

    monkeypatch.setattr(neighbors, "MOST_DISTANCES", 10**6)
    by_distances = found()
    monkeypatch.setattr(neighbors, "MOST_DISTANCES", 0)
    by_lists = found()
    assert len(by_distances) == len(by_lists)
    assert cell is None or by_lists
    assert np.allclose(by_distances, by_lists, atol=1e-5)
