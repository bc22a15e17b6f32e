"""The comparison of predictions gives every aid to every solver, and its tables say what was measured."""

import importlib
import sys
from pathlib import Path

import pytest

from andersonn import Scientist

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("inference")
    for name in ("readings", "acceleration", "inference"):
        sys.modules.pop(name, None)


def test_every_solver_has_the_same_aids(benchmark, demo_sample, monkeypatch):
    monkeypatch.setattr(benchmark, "FROM_FILES", 4)
    bundle = Scientist.load("conduction").bundle
    images = benchmark.drawn(demo_sample, bundle, limit=12, seed=0)
    assert {side: len(chosen) for side, chosen in images.sides.items()} == dict.fromkeys(images.sides, 12)
    result = benchmark.compare(bundle.network, images, 1, 0, benchmark.positions_of(bundle.calibration))
    aids = {}
    for row in result["rows"]:
        aids.setdefault(row["solver"], set()).add(row["aid"])
    assert set(aids) == {
        "Picard",
        *(f"Picard, β = {b:g}" for b in benchmark.DAMPING),
        *benchmark.ANDERSON,
        "explicit stack",
    }
    equilibria = [each for name, each in aids.items() if name != "explicit stack"]
    assert all(each == equilibria[0] for each in equilibria)
    assert len(equilibria[0]) >= 4
    assert all(row["unconverged"] == 0 for row in result["rows"])
    picked = {(row["aid"], row["solver"]): row for row in result["rows"]}
    damped, plain = picked["no aid", "Picard, β = 0.3"], picked["no aid", "Picard"]
    assert damped["evaluations"] > plain["evaluations"] > picked["loosest tolerance", "Picard"]["evaluations"] - 1e-9
    assert all(row["same_class"] == 1 for row in result["rows"] if row["aid"] == "no aid" and row["chosen"] == "")
    run = {
        "task": "conduction",
        "network": "shipped",
        "seed": 0,
        "besides": benchmark.seconds_besides("conduction", images),
    }
    assert run["besides"] > 0
    text = benchmark.tables({"machine": "m", "torch": "t", "runs": [run | result]})
    assert text.count("| Picard, β = 0.3 |") == len(equilibria[0])
    assert "| no aid | Picard |" in text
    assert "fewer" in text


def test_strongest_baseline_must_give_the_same_classes(benchmark):
    row = {"aid": "no aid", "evaluations": 4.0, "same_class": 1.0}
    rows = [
        row | {"solver": "Anderson", "seconds": 2.0},
        row | {"solver": "Picard", "seconds": 3.0},
        row | {"solver": "explicit stack", "seconds": 1.0, "same_class": 0.97},
    ]
    ours, other = benchmark._best(rows, "no aid")
    assert (ours["solver"], other["solver"]) == ("Anderson", "Picard")
    assert benchmark._best(rows[:1], "no aid") is None
