"""Same seed, same machine, same result, bit for bit; and within a stated tolerance on other numbers of threads. The figures on
hundreds of structures are in docs/reproducing.md.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import prepare
from andersonn.training.trainer import Trainer

EXAMPLES = Path(__file__).parent.parent / "examples"
INPUTS = {
    "conduction": sorted((EXAMPLES / "structures").iterdir()),
    "porosity": sorted((EXAMPLES / "frameworks").glob("*.cif")),
    "polarity": [EXAMPLES / "molecules/solvents.sdf", "CCO", "CC(=O)Nc1ccc(O)cc1"],
}
PROBABILITY, WEIGHT = 1e-5, 1e-4
"""Tolerances as docs/reproducing.md states them: of a probability; of a weight after a short training, beside the largest."""
THREADS = (1, 2, 4)


@contextmanager
def threads(count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("task", sorted(INPUTS))
def test_answers_on_other_numbers_of_threads(task):
    scientist, found = Scientist.load(task), {}
    for count in THREADS:
        with threads(count):
            answers = scientist.predict(INPUTS[task])
            again = scientist.predict(INPUTS[task])
        assert [a.as_dict() for a in answers] == [a.as_dict() for a in again]
        found[count] = [a for a in answers if a.ok]
    assert len(found[1]) >= 3
    for count in THREADS[1:]:
        for one, other in zip(found[1], found[count], strict=True):
            assert one.label == other.label
            apart = [abs(one.probabilities[name] - other.probabilities[name]) for name in one.probabilities]
            assert max(apart) <= PROBABILITY


@pytest.fixture(scope="module")
def dataset(demo_sample):
    records = demo_sample.take(np.arange(0, len(demo_sample), 20))
    return prepare(records, CONDUCTION, config())


def config(seed=0):
    return TrainConfig.make(overrides=["epochs=2", "model.width=32", "radial=8", "max_rows=400", f"seed={seed}"])


def weights(dataset, count, seed=0):
    with threads(count):
        trainer = Trainer(dataset, CONDUCTION, config(seed))
        while not trainer.done:
            trainer.run_epoch()
    return {name: value.numpy().copy() for name, value in trainer.network.state_dict().items()}


@pytest.mark.parametrize("count", [1, 2])
def test_the_same_seed_gives_the_same_weights(dataset, count):
    first = weights(dataset, count)
    np.random.seed(count)  # what others draw does not enter
    torch.rand(10)
    second, other = weights(dataset, count), weights(dataset, count, seed=1)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)


def test_weights_on_other_numbers_of_threads(dataset):
    one, two = weights(dataset, 1), weights(dataset, 2)
    largest = max(float(np.abs(value).max()) for value in one.values())
    assert max(float(np.abs(one[name] - two[name]).max()) for name in one) <= WEIGHT * largest
