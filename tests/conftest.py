from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.spacegroup import crystal

from andersonn.structures.readers import as_structure
from andersonn.structures.structure import Structure
from tests import forked
from tests.constructed_models import make_models
from tests.small_fits import make_small


@pytest.fixture(autouse=True)
def interrupts_reach_python():
    """RDKit up to 2026.3 leaves a handler behind where a test generates a conformer by itself: the next interrupt is swallowed,
    and the one after it ends the process without a word.
    """
    yield
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None:
        signal.signal(signal.SIGINT, handler)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Stores made by tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDERSONN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def small_fits():
    """Small trainings stay small; :mod:`tests.forked` sees to it in the processes that it forks."""
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch.setattr)
        yield


@pytest.fixture(scope="session")
def constructed(tmp_path_factory):
    """Folders of a model that answers with a number alone, and of one that answers with a label alone."""
    return make_models(tmp_path_factory.mktemp("constructed"))


@pytest.fixture
def put(tmp_path):
    """Writes a file of that name and content (text or bytes) to the test's own folder; gives its path."""

    def written(name, content):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return written


@pytest.fixture
def forked_workers(monkeypatch):
    """Child processes are forked from one that has loaded their libraries: each start would take seconds of a core."""
    monkeypatch.setattr("andersonn.launch.start", forked.worker)
    monkeypatch.setattr("andersonn.launch.run", forked.module)


@pytest.fixture
def one_thread():
    """For small networks: threads that wait for each other would take most of the time on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _perovskite():
    return crystal(
        ["Sr", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=[3.9] * 3 + [90] * 3
    )


def _quartz():
    positions = [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.2144)]
    return crystal(["Si", "O"], positions, spacegroup=152, cellpar=[4.916, 4.916, 5.4054, 90, 90, 120])


CRYSTALS = {
    "Cu": lambda: bulk("Cu", "fcc", a=3.61),
    "Al": lambda: bulk("Al", "fcc", a=4.05),
    "W": lambda: bulk("W", "bcc", a=3.16),
    "Si": lambda: bulk("Si", "diamond", a=5.43),
    "GaAs": lambda: bulk("GaAs", "zincblende", a=5.65),
    "MgO": lambda: bulk("MgO", "rocksalt", a=4.21),
    "NaCl": lambda: bulk("NaCl", "rocksalt", a=5.64),
    "LiF": lambda: bulk("LiF", "rocksalt", a=4.03),
    "SrTiO3": _perovskite,
    "SiO2": _quartz,
}
TEXTBOOK = {
    "Cu": "metal", "Al": "metal", "W": "metal", "Si": "semiconductor", "GaAs": "semiconductor", "MgO": "insulator",
    "NaCl": "insulator", "LiF": "insulator",
}  # fmt: skip


@pytest.fixture(scope="session")
def atoms():
    """Name → ASE Atoms of well-known crystals."""
    return {name: make() for name, make in CRYSTALS.items()}


@pytest.fixture(scope="session")
def structures(atoms) -> dict[str, Structure]:
    """Name → Structure of well-known crystals."""
    return {name: as_structure(found, name) for name, found in atoms.items()}


def random_structure(rng: np.random.Generator, n: int, periodic: bool = True) -> Structure:
    """Atoms of random elements on a jittered grid in a skewed cell: no two overlap."""
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.array([[i, j, k] for i in range(side) for j in range(side) for k in range(side)], dtype=float)
    points = grid[rng.permutation(len(grid))[:n]] * 3.4 + rng.uniform(-0.25, 0.25, (n, 3))
    cell = None
    if periodic:
        skew = np.eye(3) + np.tril(rng.uniform(-0.2, 0.2, (3, 3)), -1)
        cell = side * 3.4 * skew
        points = points @ skew
    return Structure(rng.choice([1, 6, 8, 11, 14, 17, 22, 38], n), points, cell, id=f"random{n}")


def rotation(rng: np.random.Generator) -> np.ndarray:
    """A random proper rotation."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


@pytest.fixture(scope="session")
def demo_sample():
    """The demo's records."""
    from andersonn.demo.experiment import demo_records

    return demo_records()


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that solves with ``compile=True`` captured; they run without C++."""
    import weakref

    from andersonn.solvers import compiled

    found = []

    def backend(graph, inputs):
        found.append(graph)
        return graph.forward

    monkeypatch.setattr(compiled, "BACKEND", {"backend": backend})
    monkeypatch.setattr(compiled, "_programs", weakref.WeakKeyDictionary())
    return found
