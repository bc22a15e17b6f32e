"""Telling structures unlike those of the training."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.inference.fitted import Domain
from andersonn.inference.forward import forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import ImageBatch
from andersonn.scientists.conduction import CONDUCTION
from andersonn.structures.image import NodeNeighborImage
from andersonn.training import domain_fitting
from andersonn.training.corruptions import corruptions
from andersonn.training.dataset import prepare
from andersonn.training.domain_fitting import _classifier, describe_domain
from andersonn.training.recalibrate import recalibrate
from andersonn.training.run import train
from tests.conftest import random_structure

STEPS = domain_fitting.STEPS
SMALL = ["epochs=1", "model.width=8", "columns=6", "radial=8", "max_rows=400"]


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 20))


@pytest.fixture(scope="module", autouse=True)
def whole_classifier():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domain_fitting, "STEPS", STEPS)
        yield


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "m"
    return out, train(CONDUCTION, records, TrainConfig.make(overrides=SMALL), out)


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the model's folder."""
    return shutil.copytree(trained[0], tmp_path / "m")


def arrays(domain):
    return vars(domain)


def test_training_saves_a_domain_and_loading_brings_it_back(trained):
    out, bundle = trained
    assert (out / "domain.safetensors").stat().st_size < 300_000
    found = ModelBundle.load(out).domain
    for name, value in arrays(bundle.domain).items():
        assert np.array_equal(getattr(found, name), value), name
    card = json.loads((out / "model.json").read_text())
    assert card["domain"]["limit"] == bundle.domain.limit
    assert card["domain"]["n"] == card["data"]["test"]
    assert len(card["domain"]["accuracy_by_fifth"]) == 5


def test_adding_it_later_gives_the_same(trained, records):
    _, bundle = trained
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    added = recalibrate(replace(bundle, domain=None), records)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, value in arrays(bundle.domain).items():
        assert np.allclose(getattr(added.domain, name), value, rtol=1e-4, atol=1e-5), name
    found, expected = added.provenance["domain"], bundle.provenance["domain"]
    assert found.pop("accuracy_by_fifth") == pytest.approx(expected["accuracy_by_fifth"])
    assert found == pytest.approx({name: value for name, value in expected.items() if name != "accuracy_by_fifth"})


def test_the_limit_is_a_quantile_of_the_validation_side(trained, records):
    _, bundle = trained
    dataset = prepare(records, CONDUCTION, bundle.config)
    side = dataset.sides["validation"]
    rows = dataset.store.n_rows[side]
    large = side[rows >= np.quantile(rows, 0.25)]  # the smallest quarter does not set it
    distance = bundle.domain.distance(forward(bundle.network, dataset.store, large).states)
    assert (distance >= 0).all()
    usual = distance * bundle.domain.relief[-1]
    assert bundle.domain.limit == pytest.approx(np.quantile(usual, 0.99), rel=1e-4)


def test_distances_of_small_structures_are_divided_by_their_relief(trained):
    domain = replace(
        trained[1].domain, sizes=np.array([2, 5], dtype=np.float32), relief=np.array([4, 2, 1], dtype=np.float32)
    )
    states = np.repeat(domain.center[None] + 1.0, 5, axis=0)
    far = domain.distance(states)
    assert domain.distance(states, np.array([1, 2, 3, 5, 6])) == pytest.approx(far / [4, 4, 2, 2, 1])


def test_reliefs_are_quantiles_of_groups_of_enough_structures():
    few = domain_fitting.FEWEST
    rows = np.repeat([2, 3, 7, 9], [few // 2, few // 2, few, few])
    excess = np.where(rows < 5, 3.0, np.where(rows == 7, 0.5, 2.0))
    groups = np.arange(len(rows))
    sizes, relief = domain_fitting.reliefs(excess, rows, groups)
    assert sizes.tolist() == [3, 7]
    assert relief.tolist() == [3.0, 2.0, 2.0]  # never stricter with fewer atoms
    once = domain_fitting.reliefs(excess, rows, np.where(rows < 9, 0, groups))
    assert [array.tolist() for array in once] == [[], [3.0]]  # one structure many times is one
    assert domain_fitting.reliefs(excess * 0.1, rows, groups)[1].tolist() == [1.0, 1.0, 1.0]


def test_folders_without_reliefs_load(folder):
    path = folder / "domain.safetensors"
    save_file({name: value for name, value in load_file(path).items() if name not in ("sizes", "relief")}, path)
    domain = ModelBundle.load(folder).domain
    states = domain.center[None] + 1.0
    assert domain.distance(states, np.array([1])) == domain.distance(states)


def test_corrupted_structures_come_in_turn(trained, records):
    bundle = trained[1]
    dataset = prepare(records, CONDUCTION, bundle.config)
    chosen = dataset.sides["train"][:7]
    states, rows = domain_fitting.corrupted_states(bundle.network, dataset, chosen, 0)
    assert len(states) == 7
    assert domain_fitting.in_turn(np.arange(7)).tolist() == [0, 4, 1, 5, 2, 6, 3]
    assert rows.tolist() == dataset.store.n_rows[chosen[[0, 4, 1, 5, 2, 6, 3]]].tolist()
    assert len(domain_fitting.corrupted_states(bundle.network, dataset, chosen[:2], 0)[0]) == 2


def test_spoiled_states_are_told_from_sound_ones():
    rng = np.random.default_rng(0)
    direction = np.eye(6)[2]

    def states(n, spoiled):
        return rng.normal(size=(n, 6)) + np.sign(rng.normal(size=(n, 1))) * direction * (6.0 if spoiled else 0.0)

    shown = states(600, False), states(600, True)
    first, bias, odds, odds_bias = told = _classifier(*shown, 0)
    assert all(np.array_equal(one, other) for one, other in zip(told, _classifier(*shown, 0), strict=True))
    zero = np.zeros((1, 6))
    domain = Domain(zero[0], np.eye(6), zero, np.full(1, 1e9), first, bias, odds, odds_bias, np.ones(2), np.ones(1))
    assert (domain.distance(states(200, True)) > np.log(2)).mean() > 0.9  # even odds
    assert (domain.distance(states(200, False)) > np.log(2)).mean() < 0.1


def test_far_states_are_far_in_every_direction(trained):
    _, bundle = trained
    domain = bundle.domain
    away = domain.center + 1e3 * np.random.default_rng(0).normal(size=(50, len(domain.center))) * artifact_spread(
        domain
    )
    assert (domain.distance(away) > domain.limit).all()


def artifact_spread(domain):
    """About the spread of training states by channel: what one whitened unit is."""
    return np.linalg.norm(np.linalg.pinv(domain.axes), axis=0)


def test_answers_carry_it_and_cost_one_pass(trained, structures):
    bundle = ModelBundle.load(trained[0])
    usual = [answer.domain.distance for answer in Scientist(bundle, "m").predict(list(structures.values()))]
    middle = np.array([np.median(usual)], dtype=np.float32)
    scientist = Scientist(replace(bundle, domain=replace(bundle.domain, bound=middle)), "m")
    calls = []
    bundle.network.register_forward_hook(lambda *_: calls.append(1))
    answers = scientist.predict(list(structures.values()))
    assert len(calls) == 1
    assert [answer.domain.distance for answer in answers] == pytest.approx(usual)
    for answer in answers:
        place = answer.as_dict()["domain"]
        assert place == {
            "distance": answer.domain.distance, "limit": float(middle[0]), "inside": answer.domain.inside,
        }  # fmt: skip
        assert place["inside"] == (place["distance"] <= place["limit"])
        assert any("less like the training structures" in w for w in answer.warnings) == (not place["inside"])
    assert 4 <= sum(answer.domain.inside for answer in answers) <= 6


def test_models_without_one_load_and_say_nothing(folder, structures):
    (folder / "domain.safetensors").unlink()
    card = json.loads((folder / "model.json").read_text())
    del card["domain"]
    (folder / "model.json").write_text(json.dumps(card))
    (answer,) = Scientist.load(folder).predict(structures["Si"])
    assert answer.domain is None
    assert answer.as_dict()["domain"] is None
    assert not any("unlike" in w for w in answer.warnings)


def test_saving_without_one_leaves_no_old_one_behind(folder, trained):
    bare = {name: value for name, value in trained[1].provenance.items() if name != "domain"}
    replace(trained[1], domain=None, provenance=bare).save(folder)
    assert not (folder / "domain.safetensors").exists()
    assert ModelBundle.load(folder).domain is None


def broken(folder) -> str:
    with pytest.raises(UsageError) as caught:
        ModelBundle.load(folder)
    return caught.value.message


def test_damaged_domains_are_refused(folder):
    path = folder / "domain.safetensors"
    sound = load_file(path)
    save_file({name: value for name, value in sound.items() if name != "axes"}, path)
    assert "does not hold" in broken(folder)
    save_file(sound | {"axes": sound["axes"][:-1]}, path)
    assert "impossible numbers" in broken(folder)
    save_file(sound | {"units": np.array([1.0, np.nan], dtype=np.float32)}, path)
    assert "impossible numbers" in broken(folder)
    path.write_bytes(b"broken")
    broken(folder)
    path.unlink()
    assert "has no domain.safetensors" in broken(folder)


def test_a_domain_of_other_weights_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: 1.01 * value if name == "attention.bias" else value for name, value in weights.items()},
        folder / "model.safetensors",
    )
    assert "belongs to other weights" in broken(folder)


def batch_of(structures, recipe):
    images = [NodeNeighborImage.from_structure(structure, recipe) for structure in structures]
    return ImageBatch.from_store(ImageStore.from_images(images, recipe), np.arange(len(images)))


@pytest.mark.parametrize("periodic", [True, False])
def test_corruptions_change_what_they_say(periodic, trained):
    rng = np.random.default_rng(0)
    recipe = replace(trained[1].config.image, fold=periodic, positions=not periodic)
    batch = batch_of([random_structure(rng, n, periodic) for n in (5, 9, 14)], recipe)
    ways = corruptions(torch.tensor([3, 26]), torch.Generator().manual_seed(0))
    spoiled = {name: way(batch) for name, way in ways.items()}
    factor = spoiled["rescaled"].distance / batch.distance
    for k in range(3):
        part = factor[batch.sample == k][batch.weight[batch.sample == k] > 0]
        assert part.std() < 1e-5
        assert abs(np.log(part.mean())) > 0.07
    assert not torch.equal(spoiled["shaken"].distance, batch.distance)
    assert set(spoiled["replaced"].Z.tolist()) <= {3, 26}
    exchanged = spoiled["exchanged"].Z
    assert not torch.equal(exchanged, batch.Z)
    for k in range(3):
        assert sorted(exchanged[batch.sample == k].tolist()) == sorted(batch.Z[batch.sample == k].tolist())
    if not periodic:
        for name in ("rescaled", "shaken"):
            changed = spoiled[name]
            near = changed.neighbor_vectors().norm(dim=2)
            held = changed.weight > 0
            assert torch.allclose(near[held], changed.distance[held], atol=1e-4)


def test_the_card_says_what_the_domain_is_worth(trained):
    _, bundle = trained
    domain = bundle.domain
    states = np.repeat(domain.center[None], 10, axis=0).astype(np.float32)
    states[9] += 1e4
    outputs = type("Asked", (), {"states": states})
    found = describe_domain(domain, outputs, np.array([True] * 8 + [False] * 2))
    assert found["outside"] == pytest.approx(0.1)
    assert found["accuracy_inside"] == pytest.approx(8 / 9)
    assert found["accuracy_outside"] == 0.0
    assert found["accuracy_by_fifth"] == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_far_and_spoiled_are_what_the_docstring_says():
    one = {
        "center": [1.0, 0.0], "axes": [[1.0], [0.0]], "centers": [[0.0], [10.0]], "radii": [1.0, 2.0],
        "hidden": [[0.0], [0.0]], "hidden_bias": [0.0], "odds": [1.0], "odds_bias": [0.0], "units": [2.0, 1.0],
        "bound": [1.0],
    }  # fmt: skip
    domain = Domain(**{name: np.array(value, dtype=np.float32) for name, value in one.items()})
    parts = domain.parts(np.array([[1.0, 5.0], [4.0, 0.0], [15.0, 0.0]]))
    assert parts[:, 0] == pytest.approx([0.0, 3.0, 2.0])
    assert parts[:, 1] == pytest.approx(np.log(2.0))
    assert domain.distance(np.array([[5.0, 0.0]])) == pytest.approx([1.5])
