"""The mean of the weights of trainings that went on from the same ones."""

import numpy as np
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.models.message_cell import MessageCell
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import prepare
from andersonn.training.run import train
from andersonn.training.weight_averaging import averaged, mean_of
from tests.training.test_widening import NARROW, records  # noqa: F401  (a fixture)


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):  # noqa: F811
    """A model, and two that went on from it, the last with more room for the equilibrium."""
    folder, config = tmp_path_factory.mktemp("models"), TrainConfig.make(overrides=NARROW)
    first = train(CONDUCTION, records, config, folder / "first")
    more = [["seed=1"], ["seed=2", "model.gain=2"]]
    return [
        first,
        *(
            train(CONDUCTION, records, TrainConfig.make(overrides=[*NARROW, *words]), folder / words[0], start=first)
            for words in more
        ),
    ]


def test_the_mean_of_a_model_and_itself_is_the_model(trained, records):  # noqa: F811
    for model in trained:
        mean = averaged([model, model], [1.0, 3.0], records)
        store = prepare(records, CONDUCTION, model.config).store
        one, other = (forward(each.network, store, np.arange(30)) for each in (mean, model))
        np.testing.assert_allclose(one.scores, other.scores, atol=2e-3)  # both solved to the model's tolerance
        assert mean.provenance["metrics"]["test"]["accuracy"] == model.provenance["metrics"]["test"]["accuracy"]


def test_matrices_are_averaged_as_the_bound_leaves_them(trained, records):  # noqa: F811
    mean = averaged(trained[1:], [1.0, 3.0], records)
    assert mean.config.model.gain == 2.0
    cells = [next(m for m in each.network.modules() if isinstance(m, MessageCell)) for each in (*trained[1:], mean)]

    def bounded(cell):
        shrink = cell.gain / cell.norm().clamp_min(cell.gain)
        return shrink * cell.own, shrink.sqrt() * cell.mix

    for a, b, found in zip(*map(bounded, cells), strict=True):
        torch.testing.assert_close(found, 0.25 * a + 0.75 * b, atol=1e-6, rtol=1e-5)
    one, other, found = (each.weights()["encoder.embedding.weight"] for each in (*trained[1:], mean))
    torch.testing.assert_close(found, 0.25 * one + 0.75 * other)
    assert [part["share"] for part in mean.provenance["averaged"]] == [0.25, 0.75]
    assert len({part["sha256_of_weights"] for part in mean.provenance["averaged"]}) == 2


def test_whole_numbers_are_those_of_the_first():
    states = [{"w": torch.full((2,), float(k)), "n": torch.tensor([k])} for k in (1, 5)]
    assert mean_of(states, [3.0, 1.0]) == {"w": pytest.approx(torch.full((2,), 2.0)), "n": torch.tensor([1])}


@pytest.mark.parametrize("shares", [[1.0], [1.0, 0.0], [1.0, 1.0, 1.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_shares_that_do_not_fit_are_refused(shares, trained, records):  # noqa: F811
    with pytest.raises(UsageError, match="positive shares"):
        averaged(trained[:2], shares, records)


def test_networks_of_other_options_are_refused(trained, records, tmp_path):  # noqa: F811
    other = train(CONDUCTION, records, TrainConfig.make(overrides=[*NARROW, "model.width=14"]), tmp_path / "other")
    with pytest.raises(UsageError, match=r"differ in model.width"):
        averaged([trained[0], other], [1.0, 1.0], records)
    split = train(CONDUCTION, records, TrainConfig.make(overrides=[*NARROW, "split_seed=1"]), tmp_path / "split")
    with pytest.raises(UsageError, match=r"differ in split.split_seed"):
        averaged([trained[0], split], [1.0, 1.0], records)
    with pytest.raises(UsageError, match="two or more"):
        averaged(trained[:1], [1.0], records)
