"""Class probabilities where the model was not trained to cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from andersonn import Scientist, TrainConfig
from andersonn.inference.fitted import Calibration
from andersonn.models import EquilibriumNetwork
from andersonn.structures.conformer_images import images_for
from andersonn.structures.readers import from_smiles
from andersonn.structures.readers.molecules.reading import reading
from andersonn.web.boundary import boundary, grid

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def polarity():
    """A dipole head that gives classes, as models of before one distribution have it, with weights at random."""
    bundle = Scientist.load("polarity").bundle
    config = TrainConfig.make(
        bundle.config.model_dump(mode="json"), ["model.answer=classes", "model.initializer=false"]
    )
    torch.manual_seed(0)
    network = EquilibriumNetwork(config.model, 2).eval()
    network.set_units(1.5, (2.5,))
    bundle = replace(bundle, network=network, config=config, calibration=Calibration(1.5), domain=None)
    return Scientist(bundle, "own")


def asked(scientist, structure):
    images = images_for(structure, scientist.recipe, scientist.bundle.config.conformers)
    (answer,) = scientist.answer([("x", structure, images)])
    return answer, boundary(scientist, answer, images, structure.generated_geometry)


@pytest.mark.parametrize("smiles", ["CC(=O)Nc1ccc(O)cc1", "CCO"])
def test_the_dipole_head_is_asked_at_other_cuts_and_left_as_it_was(polarity, smiles):
    answer, found = asked(polarity, from_smiles(smiles))
    assert found["rule"] == "model"
    at_trained = np.interp(2.5, found["cuts"], found["above"])
    assert at_trained == pytest.approx(answer.probabilities["strongly_polar"], abs=2e-3)
    assert (np.diff(found["above"]) <= 1e-9).all()
    again, _ = asked(polarity, from_smiles(smiles))
    assert again.probabilities == answer.probabilities


def test_other_heads_are_judged_by_estimate_and_interval():
    scientist = Scientist.load("polarity", geometry="none")
    with reading(True, 1):
        answer, found = asked(scientist, from_smiles("CCO"))
    assert found["rule"] == "estimate"
    at = lambda cut: np.interp(cut, found["cuts"], found["above"])  # noqa: E731
    low, high = answer.interval90
    assert at(low) == pytest.approx(0.95, abs=0.01)
    assert at(answer.value) == pytest.approx(0.5, abs=0.01)
    assert at(high) == pytest.approx(0.05, abs=0.02)


def test_a_distribution_is_asked_at_every_cut(structures):
    scientist = Scientist.load("conduction")
    answer, found = asked(scientist, structures["NaCl"])
    assert found["rule"] == "distribution"
    assert (np.diff(found["above"]) <= 0).all()
    for cut in found["cuts"][5:150:40]:
        (moved,) = scientist.with_thresholds((cut / 2, cut)).predict(structures["NaCl"])
        assert np.interp(cut, found["cuts"], found["above"]) == pytest.approx(
            moved.probabilities["insulator"], abs=2e-5
        )


def test_the_grid_holds_the_trained_cuts():
    for task in (Scientist.load(name).task for name in ("conduction", "polarity", "porosity")):
        assert grid(task)[-1] >= 2 * task.thresholds[-1]
        assert all(np.abs(grid(task) - cut).min() < 1e-6 for cut in task.thresholds)
