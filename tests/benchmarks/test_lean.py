"""The study of lean networks trains what it says, and its table tells what was found."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from andersonn.config import config_of
from andersonn.scientists.registry import find
from andersonn.training.dataset import prepare

PATH = Path(__file__).parents[2] / "benchmarks" / "lean.py"


@pytest.fixture(scope="module")
def lean():
    spec = importlib.util.spec_from_file_location("lean", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_contestant_of_every_task_is_what_its_name_says(lean):
    for task in lean.FILES:
        found = lean.contestants(task, [4], [0.9, 2.5])
        assert list(found) == ["present", "present, 4 slots", "lean, 4 slots, gain 0.9", "lean, 4 slots, gain 2.5"]
        own = config_of(find(task))
        for name, words in found.items():
            config = config_of(find(task), overrides=words)
            assert config.model.encoder == ("lean" if "lean" in name else own.model.encoder)
            assert config.image.columns == (4 if "4 slots" in name else own.image.columns)
            assert config.model.gain == (float(name.split()[-1]) if "gain" in name else own.model.gain)


def test_a_run_and_its_table(lean, demo_sample):
    words = [
        *lean.contestants("conduction", [4], [2.5])["lean, 4 slots, gain 2.5"],
        "epochs=1",
        "model.width=12",
        "model.radial=8",
    ]
    records = demo_sample.take(np.arange(0, len(demo_sample), 8))
    dataset = prepare(records, find("conduction").task, config_of(find("conduction"), overrides=words))
    run = lean.run(dataset, "conduction", [*words, "device=cpu"], ("validation",))
    assert set(run["solves"]) == {"plain", "damped 0.5", "damped 0.7", "anderson"}
    assert all(way["evaluations"] >= 2 and 0 <= way["converged"] <= 1 for way in run["solves"].values())
    assert run["solves"]["anderson"]["same_class"] == 1.0
    assert "test" not in run
    run["solves"]["plain"]["converged"] = 0.5
    table = lean.tables({"machine": "m", "torch": "t", "tasks": {"conduction": {"lean": [run, run]}}})
    assert "(50.0 %)" in table
    assert f"{run['validation']['accuracy']:.3f} ± 0.000" in table
