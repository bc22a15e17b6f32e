"""The study of frameworks without a probe of pores trains and reads what it says."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from andersonn.data.records import Records
from andersonn.training.dataset import Dataset, prepare
from tests.conftest import random_structure

PATH = Path(__file__).parents[2] / "benchmarks" / "graph_alone.py"


@pytest.fixture(scope="module")
def graph_alone():
    spec = importlib.util.spec_from_file_location("graph_alone", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dataset(graph_alone) -> Dataset:
    rng = np.random.default_rng(0)
    structures = [random_structure(rng, 4) for _ in range(60)]
    table = pa.table(
        {
            "id": [f"s{k}" for k in range(60)],
            "group": [f"g{k}" for k in range(60)],
            "atomic_numbers": pa.array([s.Z.tolist() for s in structures], pa.list_(pa.uint8())),
            "positions": pa.array([s.xyz.ravel().tolist() for s in structures], pa.list_(pa.float32())),
            "cell": pa.array([s.cell.ravel().tolist() for s in structures], pa.list_(pa.float32())),
            "pld_A": np.tile([1.0, 5.0, 9.0], 20),
            "source": ["odd", "even"] * 30,
        }
    )
    config = graph_alone.configured("by_atom", ["split.validation=0.3", "split.test=0.2"])
    return prepare(Records.of(table, "random"), graph_alone.TASK, config)


def test_no_run_reads_pores(graph_alone):
    for name in graph_alone.RUNS:
        config = graph_alone.configured(name, [])
        assert not config.image.voids
        assert config.model.voids == "none"
        assert config.model.filling == {"graph": "none", "whole": "whole"}.get(name, "by_atom")


def test_a_part_is_of_the_training_side_alone_and_always_the_same(graph_alone, dataset):
    half = graph_alone.part(dataset, 0.5).sides
    assert len(half["train"]) == len(dataset.sides["train"]) // 2
    assert set(half["train"]) < set(dataset.sides["train"])
    assert np.array_equal(half["train"], graph_alone.part(dataset, 0.5).sides["train"])
    assert all(np.array_equal(half[side], dataset.sides[side]) for side in ("validation", "test"))


def test_a_run_is_read_at_each_depth_and_tested_as_it_was_kept(graph_alone, dataset, tmp_path):
    config = graph_alone.configured("by_atom", ["epochs=1", "model.width=8"])
    found = graph_alone.run(dataset, "by_atom", config, tmp_path / "by_atom.pt")
    validation = found["validation"]
    assert set(found["by_depth"]) == set(graph_alone.DEPTHS)
    assert set(validation["by_source"]) == {"odd", "even"}
    # The cell contracts, and 8 plain evaluations are nearly the equilibrium; one alone is not.
    shallow, deep = (found["by_depth"][depth] for depth in (1, 8))
    assert deep["mae"] == pytest.approx(validation["mae"], abs=0.02)
    assert shallow != deep
    tested = graph_alone.tested(dataset, "by_atom", config, tmp_path / "by_atom.pt")
    assert tested["by_atom"]["n"] == len(dataset.sides["test"])
    assert set(tested["forests"]) == {"composition and density", "what the networks read"}


def test_a_forest_reads_the_same_of_a_supercell(graph_alone, dataset):
    features = graph_alone.described(dataset, dataset.sides["train"][:3])
    doubled = replace(dataset, store=replace(dataset.store, multiplicity=2 * dataset.store.multiplicity))
    assert np.allclose(features, graph_alone.described(doubled, dataset.sides["train"][:3]))
    assert np.isfinite(features).all()
