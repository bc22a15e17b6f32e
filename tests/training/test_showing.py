"""How often records are shown: none is left out, small and surprising ones come more often."""

import numpy as np
import pytest

from andersonn.config import TrainConfig
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import prepare
from andersonn.training.showing import MOST_OFTEN, shown, surprise
from andersonn.training.trainer import Trainer

SMALL = ["columns=8", "model.width=8", "radial=8"]


@pytest.fixture(scope="module")
def dataset(demo_sample):
    some = demo_sample.take(np.arange(0, len(demo_sample), 3))
    return prepare(some, CONDUCTION, TrainConfig.make(overrides=SMALL))


def counts(dataset, *options):
    found, times = np.unique(shown(dataset, TrainConfig.make(overrides=[*SMALL, *options])), return_counts=True)
    assert np.array_equal(found, np.sort(dataset.sides["train"])), "none is left out, and none of another side comes in"
    return found, times


def test_without_options_each_is_shown_once(dataset):
    assert (counts(dataset)[1] == 1).all()


def test_small_structures_are_shown_more_often(dataset):
    records, times = counts(dataset, "favor_small=0.5")
    atoms = np.array([len(dataset.records.atomic_numbers(int(i))) for i in records])
    assert {2, 4} <= set(atoms.tolist())
    assert set(times[atoms == 2].tolist()) == {3}  # (16 / 2)^0.5 = 2.83
    assert set(times[atoms == 4].tolist()) == {2}
    assert set(times[atoms >= 16].tolist()) == {1}
    one = atoms == 1
    assert not one.any() or counts(dataset, "favor_small=1")[1][one].max() == MOST_OFTEN


def test_polymorphs_of_another_class_are_shown_more_often(dataset):
    """Labels are made so that one record of many with its composition is of another class: it alone surprises."""
    train = np.sort(dataset.sides["train"])
    labels = np.zeros_like(dataset.labels)
    labels[train] = (dataset.labels[train] > 0).astype(labels.dtype)
    Z = [tuple(sorted(set(dataset.records.atomic_numbers(int(i)).tolist()))) for i in train]
    alike = next(
        np.array([k for k, other in enumerate(Z) if other == key])
        for key in sorted(set(Z), key=lambda key: -sum(other == key for other in Z))
    )
    assert len(alike) >= 3
    labels[train[alike]] = 0
    labels[train[alike[0]]] = 1
    from dataclasses import replace

    changed = replace(dataset, labels=labels)
    odd = surprise(changed, train)
    assert odd.min() >= 0
    assert odd.max() <= 1
    assert odd[alike[0]] > np.quantile(odd, 0.9)
    records, times = counts(changed, "favor_surprising=8")
    assert times[alike[0]] == np.rint(1 + 8 * odd[alike[0]]).clip(1, MOST_OFTEN)
    assert np.median(times) <= 2


def test_a_trainer_shows_them_so(dataset):
    config = TrainConfig.make(overrides=[*SMALL, "epochs=1", "favor_small=0.5"])
    trainer = Trainer(dataset, CONDUCTION, config)
    assert len(trainer.shown) > len(dataset.sides["train"])
    assert np.isfinite(trainer.run_epoch()["train_loss"])
