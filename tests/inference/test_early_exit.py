"""A class that a loose solve settles is the class of the full solve."""

from dataclasses import replace

import numpy as np
import pytest

from andersonn import Scientist
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.inference.early_exit import EarlyExit, class_scores, forward_early_exit, lead_of
from andersonn.inference.forward import forward
from andersonn.solvers import Status
from andersonn.structures.image import NodeNeighborImage
from andersonn.training.early_exit_fitting import fit_early_exit


@pytest.fixture(scope="module")
def asked(demo_sample):
    scientist = Scientist.load("conduction")
    chosen = demo_sample.take(np.arange(0, len(demo_sample), 10))
    images = [NodeNeighborImage.from_structure(structure, scientist.recipe) for structure in chosen]
    store = ImageStore.from_images(images, scientist.recipe)
    return scientist, store, np.arange(len(images))


def halves(indices):
    return indices[::2], indices[1::2]


def test_fewer_evaluations_and_the_same_classes_on_structures_not_learned_from(asked):
    scientist, store, indices = asked
    network = scientist.bundle.network
    learned, fresh = halves(indices)
    positions = scientist.bundle.calibration.class_positions()
    rule = fit_early_exit(network, store, learned, forward(network, store, learned), positions)
    assert rule.rtol > 10 * network.config.solver.rtol
    assert 0.3 < rule.settled < 1
    full, early = forward(network, store, fresh), forward_early_exit(network, store, fresh, rule)
    classes = [class_scores(each.scores, positions).argmax(axis=1) for each in (full, early)]
    assert (classes[0] == classes[1]).mean() >= 0.99
    assert early.steps.mean() < 0.8 * full.steps.mean()
    settled = early.residual > network.config.solver.rtol
    assert (early.status == Status.CONVERGED).all()
    assert np.isclose(settled.mean(), rule.settled, atol=0.15)
    assert (lead_of(early.scores[settled], positions) > rule.margin).all()
    np.testing.assert_allclose(early.scores[~settled], full.scores[~settled], atol=1e-4)
    assert (early.steps[~settled] > full.steps[~settled]).all()  # the first look is counted


def test_a_margin_beyond_all_leads_gives_the_full_answers(asked):
    scientist, store, indices = asked
    network = scientist.bundle.network
    full = forward(network, store, indices)
    early = forward_early_exit(network, store, indices, EarlyExit(0.1, 1e9, 100, 0.0))
    np.testing.assert_array_equal(early.scores, full.scores)
    assert network.equilibrium.solver.rtol == network.config.solver.rtol


def test_no_rule_from_too_few_structures(asked):
    scientist, store, indices = asked
    network, few = scientist.bundle.network, indices[:20]
    assert fit_early_exit(network, store, few, forward(network, store, few)) is None


def test_a_scientist_answers_early_only_if_asked_to(asked, demo_sample):
    scientist, store, indices = asked
    network, structures = scientist.bundle.network, list(demo_sample.take(np.arange(0, 200, 10)))
    full = forward(network, store, indices)
    rule = fit_early_exit(network, store, indices, full, scientist.bundle.calibration.class_positions())
    bundle = replace(scientist.bundle, provenance=scientist.bundle.provenance | {"anytime": rule.as_dict()})
    full = Scientist(bundle, "own").predict(structures)
    early = Scientist(bundle, "own", anytime=True).predict(structures)
    assert {answer.solver["status"] for answer in full} == {"converged"}
    settled = [k for k, answer in enumerate(early) if answer.solver["status"] == "settled"]
    assert len(settled) > 10
    for k in settled:
        assert early[k].label == full[k].label
        assert early[k].solver["residual"] > 1e-3
        told = [[text for text in answer[k].warnings if "less like" not in text] for answer in (early, full)]
        assert told[0] == told[1]  # a distance at the limit may pass it
    bare = replace(bundle, provenance=bundle.provenance | {"anytime": None})
    with pytest.raises(UsageError, match="no rule"):
        Scientist(bare, "own", anytime=True)


@pytest.mark.parametrize("change", [{"rtol": 0.0}, {"margin": -1.0}, {"n": "many"}, {"more": 1}])
def test_a_damaged_rule_is_refused(change):
    with pytest.raises(ValueError, match="anytime"):
        EarlyExit.from_dict(EarlyExit(0.1, 0.5, 100, 0.9).as_dict() | change)


def test_further_conformers_exit_early_too(monkeypatch):
    counts = []

    def counted(network, store, indices, **options):
        counts.append(len(indices))
        return forward_early_exit(network, store, indices, **options)

    monkeypatch.setattr("andersonn.inference.answering.forward_early_exit", counted)
    (found,) = Scientist.load("polarity", anytime=True).predict(["CCO"])
    assert found.ok
    assert counts == [1, 2]  # its first conformer, then the two others
