"""The study of readings trains what it says."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from andersonn.models import EquilibriumNetwork
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import prepare

PATH = Path(__file__).parents[2] / "benchmarks" / "readings.py"
DEPTH = {"message": 5, "convolution": 3}


@pytest.fixture(scope="module")
def readings():
    spec = importlib.util.spec_from_file_location("readings", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_reading_of_every_task_is_what_its_name_says(readings):
    for task in readings.STUDY:
        for name in readings.READINGS:
            model = readings.configured(task, name, 1, DEPTH, []).model
            cell, kind, *depth = name.split(", ")
            assert model.cell == cell
            assert model.tied == (kind != "untied")
            assert model.layers == {(): 0, ("deep",): DEPTH[cell], ("shallow",): 2}[tuple(depth)]
            EquilibriumNetwork(model, 3)


def test_a_run_and_its_table(readings, demo_sample):
    options = ["epochs=2", "model.width=12", "columns=8", "radial=8"]
    config = readings.configured("conduction", "message, untied, deep", 1, DEPTH, options)
    dataset = prepare(demo_sample.take(np.arange(0, len(demo_sample), 8)), CONDUCTION, config)
    small = readings.subset(dataset, {"train": 150, "validation": 10**6, "test": 20})
    assert {side: len(indices) for side, indices in small.sides.items()} == {
        "train": 150, "validation": len(dataset.sides["validation"]), "test": 20
    }  # fmt: skip
    assert all(set(small.sides[side]) <= set(dataset.sides[side]) for side in small.sides)
    again = readings.subset(dataset, {"train": 150, "validation": 10**6, "test": 20})
    assert np.array_equal(small.sides["train"], again.sides["train"])
    tuned = readings.run(small, CONDUCTION, config, tune=True)
    assert "test" not in tuned
    found = readings.run(small, CONDUCTION, config, tune=False)
    assert found["validation"] == tuned["validation"]
    assert found["test"]["n"] == 20
    assert found["evaluations"] == found["layers"] == 5
    assert found["training_seconds"] > 0
    entry = {"records": {"train": 150}, "runs": {"message, untied, deep": [found, found], "message, equilibrium": []}}
    text = readings.tables(json.loads(json.dumps({"machine": "x", "torch": "y", "tasks": {"conduction": entry}})))
    (row,) = [line for line in text.splitlines() if line.startswith("| message")]
    assert f"{found['test']['accuracy']:.3f} ± 0.000" in row
    assert [cell.strip() for cell in row.split("|")][1:5] == [
        "message, untied, deep", "5", "2", f"{found['parameters']:,}"
    ]  # fmt: skip
