"""The races train what they say, and tell who was first."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from andersonn.config import config_of
from andersonn.scientists.conduction import CONDUCTION
from andersonn.scientists.registry import find
from andersonn.training.dataset import prepare

FOLDER = Path(__file__).parents[2] / "benchmarks"
SHORT = ("epochs=1", "model.width=12", "columns=8", "radial=8", "max_rows=400")


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def race(monkeypatch_module):
    monkeypatch_module.syspath_prepend(str(FOLDER))
    module = loaded("acceleration")
    monkeypatch_module.setitem(module.STUDY, "conduction", {"options": SHORT})
    return module


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    for name in ("readings", "acceleration"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def dataset(demo_sample):
    config = config_of(find("conduction"), overrides=SHORT)
    return prepare(demo_sample.take(np.arange(0, len(demo_sample), 15)), CONDUCTION, config)


def test_contestants_differ_in_their_options_alone(race, dataset):
    names = ["Picard", "Picard, β = 0.5", "Anderson", "Anderson, fast", "Picard, fast", "explicit, tied"]
    runs = race.race(dataset, CONDUCTION, (), names, seed=0)
    assert runs["Picard"]["config"]["model"]["solver"]["name"] == "forward"
    assert runs["Picard"]["forward"] < runs["Picard, β = 0.5"]["forward"]
    assert runs["Anderson, fast"]["forward"] < runs["Anderson"]["forward"] <= runs["Picard"]["forward"]
    assert runs["Picard, fast"]["forward"] < runs["Picard"]["forward"]  # the aids are given to every solver
    assert runs["explicit, tied"]["adjoint"] == 0 < runs["Anderson"]["adjoint"]
    assert runs["Anderson"]["accuracy"] == pytest.approx(runs["Picard"]["accuracy"], abs=0.1)
    assert all(run["unconverged"] == 0 for name, run in runs.items() if name != "explicit, tied")
    found = {"machine": "m", "torch": torch.__version__}
    table = race.tables(found | {"races": [{"task": "conduction", "network": "shipped", "seed": 0, "runs": runs}]})
    assert table.count("\n| ") >= 1 + len(names)


def test_who_is_first(race):
    plain = {"seconds": [2.0, 4.0], "evaluations": [20, 40], "accuracy": [0.7, 0.8]}
    quick = {"seconds": [1.0, 2.0], "evaluations": [5, 10], "accuracy": [0.6, 0.79]}
    never = {"seconds": [1.0, 2.0], "evaluations": [5, 10], "accuracy": [0.6, 0.6]}
    target = race.target_of({"Picard": plain})
    assert target == pytest.approx(0.78)
    assert race.to_target(plain, target) == (4.0, 40)
    assert race.to_target(quick, target) == (2.0, 10)
    assert race.to_target(never, target) == (None, None)
