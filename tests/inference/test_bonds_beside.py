"""A network of bonds alone beside one that reads geometries: how both are pooled, of which molecules, and how it is kept."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from andersonn import Scientist
from andersonn.config import config_of
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.inference.answering import outputs_of
from andersonn.inference.bonds_beside import BondsBeside, masses_between, pool
from andersonn.inference.model_bundle import BESIDE, ModelBundle
from andersonn.inference.warnings import WITH_BONDS
from andersonn.scientists.registry import find
from andersonn.structures.readers import Smiles
from andersonn.training.beside_fitting import SHARES, with_bonds
from andersonn.training.dataset import prepare
from andersonn.training.forward import forward_model, forward_records
from andersonn.training.recalibrate import recalibrate

SMALL = ["epochs=1", "model.width=8", "radial=8", "device=cpu", "model.answer=distribution", "model.bins=24"]
GEOMETRY = [*SMALL, "model.directions=4", "image.columns=8", "conformers=2"]


@pytest.fixture(scope="module")
def records():
    """Molecules of many lengths with made-up dipoles."""
    ends = ("C", "C#N", "O", "N", "F", "C=O")
    smiles = ["C" * n + "C(" + "C" * m + ")" + end for end in ends for n in range(1, 5) for m in range(1, 4)]
    dipoles = [0.1 if s.endswith("C") else 1.9 if s.endswith(("O", "N")) else 3.9 for s in smiles]
    return Records(pa.table({"id": smiles, "group": smiles, "smiles": smiles, "dipole_D": dipoles}), "made-up.parquet")


@pytest.fixture(scope="module")
def models(records, tmp_path_factory):
    """One that reads geometries, and one of bonds alone."""
    folder, spec = tmp_path_factory.mktemp("models"), find("polarity")
    by_geometry = Scientist.train("polarity", records, config_of(spec, overrides=GEOMETRY), folder / "geometry")
    config = config_of(spec.of_geometry("none"), overrides=SMALL)
    return by_geometry.bundle, Scientist.train("polarity", records, config, folder / "bonds").bundle


@pytest.fixture(scope="module")
def joined(models, records):
    bundle, losses = with_bonds(*models, records)
    assert bundle.beside.share == min(losses, key=losses.__getitem__)
    assert tuple(losses) == SHARES
    return replace(bundle, beside=replace(bundle.beside, share=0.4))


def test_masses_between_other_edges_are_exact_where_edges_are_shared():
    edges, scores = np.array([0.0, 1.0, 2.0, 4.0]), np.log([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    np.testing.assert_allclose(masses_between(scores, edges, edges), np.exp(scores), atol=1e-12)
    found = masses_between(scores, edges, np.array([0.0, 0.5, 2.0, 3.0, 9.0]))
    np.testing.assert_allclose(found[0], [0.1, 0.1, 0.4, 0.2, 0.2], atol=1e-12)
    np.testing.assert_allclose(masses_between(scores, edges, np.array([0.0, 1.0, 3.0]))[0], [0.1, 0.2, 0.7], atol=1e-12)


def test_the_mean_is_of_the_chosen_rows_alone():
    generator = np.random.default_rng(0)
    scores, theirs = generator.normal(size=(3, 5)), generator.dirichlet(np.ones(5), size=1)
    for share in (0.0, 0.3, 1.0):
        found = pool(scores, np.array([1]), theirs, share)
        np.testing.assert_array_equal(found[[0, 2]], scores[[0, 2]])
        own = np.exp(scores[1]) / np.exp(scores[1]).sum()
        expected = (1 - share) * own + share * theirs[0]
        np.testing.assert_allclose(np.exp(found[1]) / np.exp(found[1]).sum(), expected / expected.sum(), atol=1e-9)


def ready_of(bundle, inputs):
    return [item for text in inputs for item in Scientist(bundle, "x").images(text, Smiles(text))]


def test_only_larger_molecules_without_a_geometry_are_answered_by_both(joined, models, tmp_path):
    water = tmp_path / "water.xyz"
    water.write_text("3\nwater\nO 0 0 0.1173\nH 0 0.7572 -0.4692\nH 0 -0.7572 -0.4692\n")
    inputs = [str(water), "CCCCCCCO", "CCCCCC(C)C#N", "CCO"]
    with_both, alone = (Scientist(bundle, "x").predict(inputs) for bundle in (joined, models[0]))
    assert all(with_both[k].probabilities == alone[k].probabilities for k in (0, 3))
    assert [WITH_BONDS in answer.notes for answer in with_both] == [False, True, True, False]
    assert all(with_both[k].value != alone[k].value for k in (1, 2))
    none = replace(joined, beside=replace(joined.beside, share=0.0))
    for one, other in zip(Scientist(none, "x").predict(inputs), alone, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-5)
    for answer in with_both:
        assert answer.interval90[0] <= answer.value <= answer.interval90[1]


def test_training_and_prediction_pool_alike(joined, records):
    dataset = prepare(records, joined.task, joined.config)
    chosen = dataset.usable[::7]
    found = forward_model(joined, dataset, chosen)
    ready = ready_of(joined, [records.table["smiles"][int(k)].as_py() for k in chosen])
    np.testing.assert_allclose(found.scores, outputs_of(joined, ready).scores, atol=1e-4)
    alone = forward_records(joined.network, dataset, chosen, joined.config.conformers)
    assert not np.allclose(found.scores, alone.scores, atol=1e-3)
    np.testing.assert_array_equal(found.states, alone.states)


def test_how_the_smiles_is_written_does_not_matter(joined):
    graphs = [
        structure for _, structure, _ in ready_of(joined, ["CC(=O)OCCCC", "O(CCCC)C(C)=O", "[H]C([H])([H])C(=O)OCCCC"])
    ]
    one, *others = (joined.beside._image(graph) for graph in graphs)
    for other in others:
        order = np.lexsort((one.of_row[:, 0], one.Z)), np.lexsort((other.of_row[:, 0], other.Z))
        assert np.array_equal(one.Z[order[0]], other.Z[order[1]])
        assert np.array_equal(one.of_whole, other.of_whole)
    edges = np.asarray(joined.calibration.edges)
    stores = [ImageStore.from_images([image], joined.beside.config.image) for image in (one, *others)]
    first, *rest = (joined.beside.masses(store, np.array([0]), edges) for store in stores)
    for found in rest:
        np.testing.assert_allclose(found, first, atol=1e-3)


def test_it_is_calibrated_saved_and_read_again(joined, records, tmp_path):
    new = recalibrate(joined, records)
    assert new.beside is joined.beside
    assert new.calibration != joined.calibration
    new.save(tmp_path)
    again = ModelBundle.load(tmp_path)
    assert again.beside.share == 0.4
    inputs = ["CCO", "CCCCCCC#N", "CCF"]
    one, other = (Scientist(bundle, "x").predict(inputs) for bundle in (new, again))
    assert [a.probabilities for a in one] == [a.probabilities for a in other]
    replace(new, beside=None).save(tmp_path)
    assert ModelBundle.load(tmp_path).beside is None


def test_bonds_that_cannot_be_read_alone_leave_the_answer_by_geometry(joined, models):
    ready = ready_of(joined, ["CCCCCCCO"])
    name, structure, images = ready[0]
    lost = (name, replace(structure, source_mol=None), images)
    assert np.array_equal(outputs_of(joined, [lost]).scores, outputs_of(models[0], ready).scores)


@pytest.mark.parametrize("damage", ["cut", "notes", "nan", "share"])
def test_a_damaged_file_is_refused(joined, tmp_path, damage):
    joined.save(tmp_path)
    path = tmp_path / BESIDE
    weights = load_file(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "notes":
        save_file(weights, path)
    elif damage == "nan":
        name = next(name for name, value in weights.items() if value.is_floating_point())
        weights[name] = torch.full_like(weights[name], torch.nan)
        replace_weights(joined.beside, weights, path)
    else:
        text = path.read_bytes().replace(b'\\"share\\": 0.4', b'\\"share\\": 1.4')
        assert text != path.read_bytes()
        path.write_bytes(text)
    with pytest.raises(UsageError, match="damaged"):
        ModelBundle.load(tmp_path)


def test_a_model_of_classes_takes_none(joined, records, tmp_path):
    words = [word for word in GEOMETRY if not word.startswith(("model.answer", "model.bins"))]
    config = config_of(find("polarity"), overrides=[*words, "model.answer=classes"])
    Scientist.train("polarity", records, config, tmp_path / "classes")
    joined.beside.save(tmp_path / "classes" / BESIDE)
    with pytest.raises(UsageError, match="one distribution"):
        ModelBundle.load(tmp_path / "classes")


def replace_weights(beside, weights, path):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        notes = file.metadata()
    save_file(weights, path, metadata=notes)


def test_other_models_are_refused(models, records):
    for pair in (models[::-1], (models[0], models[0]), (models[1], models[1])):
        with pytest.raises(UsageError, match="bonds alone"):
            with_bonds(*pair, records)
    with pytest.raises(ValueError, match="share"):
        BondsBeside(models[1].network, models[1].config, np.asarray(models[1].calibration.edges), 1.5)
    with pytest.raises(ValueError, match="distribution"):
        BondsBeside(models[1].network, models[1].config, np.arange(3.0), 0.5)
