import csv
import json
import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.inference.fitted import Calibration
from andersonn.inference.forward import forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import ImageBatch
from andersonn.scientists.conduction import CONDUCTION
from andersonn.scientists.polarity import POLARITY
from andersonn.training.calibration_fitting import fit_calibration
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint
from andersonn.training.dataset import prepare
from andersonn.training.folder import CHECKPOINT
from andersonn.training.metrics import classification_metrics, expected_calibration_error, roc_auc
from andersonn.training.rank_shard import shard_of
from andersonn.training.run import train
from andersonn.training.trainer import Trainer

SMALL = ["epochs=2", "model.width=12", "columns=8", "radial=8", "dropout=0.1", "max_rows=400"]


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 12))


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    return out, train(CONDUCTION, records, TrainConfig.make(overrides=SMALL), out)


def same_weights(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_files(trained):
    out, bundle = trained
    written = ["domain.safetensors", "history.csv", "metrics.json", "model.json", "model.safetensors"]
    assert sorted(p.name for p in out.iterdir()) == written
    card = json.loads((out / "model.json").read_text())
    assert card["task"] == "conduction"
    assert card["classes"] == ["metal", "semiconductor", "insulator"]
    assert card["thresholds"] == [0.05, 3.0]
    assert card["calibration"]["fitted"]
    assert card["data"]["train"] > card["data"]["test"] > 0
    assert card["elements"]["O"] > 10
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test"]["n"] == card["data"]["test"]
    assert {"majority", "random_forest"} == metrics["test"]["baselines"].keys()
    with (out / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    assert 0 < float(rows[1]["radius_max"]) < 1
    assert float(rows[1]["forward_unconverged"]) == 0


def test_a_saved_model_answers_as_before(trained, records):
    out, bundle = trained
    dataset = prepare(records, CONDUCTION, bundle.config)
    loaded = ModelBundle.load(out)
    assert same_weights(loaded.network, bundle.network)
    indices = dataset.sides["test"]
    assert np.array_equal(
        forward(loaded.network, dataset.store, indices).scores, forward(bundle.network, dataset.store, indices).scores
    )
    assert loaded.calibration == bundle.calibration
    assert loaded.task == bundle.task


def test_the_last_epoch_is_kept_if_asked(records, tmp_path, monkeypatch):
    worse = iter([0.1, 0.9])
    monkeypatch.setattr(Trainer, "validation_loss", lambda *_: next(worse))
    seen = []
    use_best = Trainer.use_best
    monkeypatch.setattr(Trainer, "use_best", lambda self: (seen.append(self), use_best(self))[1])
    last = train(
        CONDUCTION, records, TrainConfig.make(overrides=[*SMALL, "epochs=2", "kept_epoch=last"]), tmp_path / "last"
    )
    assert last.provenance["best_epoch"] == 2
    final = seen[0].average.module.state_dict()
    kept = last.network.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in final.items() if "initializer" not in name)
    worse = iter([0.1, 0.9])
    best = train(CONDUCTION, records, TrainConfig.make(overrides=[*SMALL, "epochs=2"]), tmp_path / "best")
    assert best.provenance["best_epoch"] == 1
    assert not same_weights(best.network, last.network)


def test_same_seed_same_model_and_resume_repeats_it(records, tmp_path):
    config = TrainConfig.make(overrides=[*SMALL, "epochs=3"])
    dataset = prepare(records, CONDUCTION, config)
    undisturbed = Trainer(dataset, CONDUCTION, config)
    for _ in range(3):
        undisturbed.run_epoch()
    first = Trainer(dataset, CONDUCTION, config)
    first.run_epoch()
    save_checkpoint(tmp_path / CHECKPOINT, first)
    torch.rand(100)  # other work between the two halves
    second = Trainer(dataset, CONDUCTION, config)
    load_checkpoint(tmp_path / CHECKPOINT, second)
    while not second.done:
        second.run_epoch()
    assert same_weights(undisturbed.network, second.network)
    assert same_weights(undisturbed.average.module, second.average.module)
    assert [r["validation_loss"] for r in undisturbed.history] == [r["validation_loss"] for r in second.history]
    assert undisturbed.best_loss == second.best_loss


@pytest.mark.parametrize("averaging", [0.0, 1.0])
def test_the_kept_weights_are_an_exponential_average(records, averaging):
    config = TrainConfig.make(overrides=[*SMALL, f"averaging={averaging}"])
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    steps = []
    update = trainer.average.update_parameters

    def watched(network):
        steps.append(network.attention.weight.detach().clone())
        update(network)

    trainer.average.update_parameters = watched
    trainer.run_epoch()
    assert len(steps) > 3
    decay = 0.0 if averaging == 0 else 1.0 - 1.0 / len(list(trainer._batches(trainer.dataset.sides["train"])))
    expected = steps[0]
    for weight in steps[1:]:
        expected = decay * expected + (1.0 - decay) * weight
    assert torch.allclose(trainer.best["attention.weight"], expected, atol=1e-6)
    assert torch.equal(trainer.best["attention.weight"], steps[-1]) == (averaging == 0)


def test_strain_swells_each_structure_as_a_whole(records):
    config = TrainConfig.make(overrides=[*SMALL, "strain=0.02"])
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    chosen = trainer.dataset.sides["train"][:200]
    batch = ImageBatch.from_store(trainer.dataset.store, chosen)
    shard = shard_of(chosen, trainer.dataset.store.n_rows, rank=0, size=1)
    torch.manual_seed(0)
    strained = trainer._strained(batch, shard)
    seen = batch.weight > 0
    factor = strained.distance / batch.distance
    of_image = torch.stack([factor[(batch.sample == b).unsqueeze(1) & seen].mean() for b in range(len(batch))])
    assert torch.allclose(factor[seen], of_image[batch.sample].unsqueeze(1).expand_as(factor)[seen], atol=1e-6)
    assert 0.016 < float(of_image.std()) < 0.024
    assert abs(float(of_image.mean()) - 1.0) < 0.006
    assert torch.equal(strained.weight, batch.weight)
    still = Trainer(trainer.dataset, CONDUCTION, TrainConfig.make(overrides=[*SMALL, "strain=0"]))
    assert still._strained(batch, shard) is batch


def test_checkpoints_of_another_run_are_refused(records, tmp_path):
    config = TrainConfig.make(overrides=SMALL)
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    save_checkpoint(tmp_path / "c.safetensors", trainer)
    other = TrainConfig.make(overrides=[*SMALL, "seed=1"])
    with pytest.raises(UsageError, match="other options seed"):
        load_checkpoint(tmp_path / "c.safetensors", Trainer(trainer.dataset, CONDUCTION, other))
    (tmp_path / "d.safetensors").write_bytes(b"broken")
    for name in ("d", "missing"):
        with pytest.raises(UsageError):
            load_checkpoint(tmp_path / f"{name}.safetensors", trainer)


def with_column(records, name, values):
    index = records.table.column_names.index(name)
    return type(records)(records.table.set_column(index, name, pa.array(values)), records.source)


def test_checkpoints_of_other_data_are_refused(records, tmp_path):
    config = TrainConfig.make(overrides=SMALL)
    save_checkpoint(tmp_path / CHECKPOINT, Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config))
    gaps = records.label("band_gap_eV")
    relabelled = with_column(records, "band_gap_eV", np.where(gaps > 0, gaps + 0.1, 0.0))
    moved = with_column(records, "split", np.roll(records.split_column, 1))
    for other in (relabelled, moved, records.take(np.arange(len(records))[::-1])):
        with pytest.raises(UsageError, match="other data: structures, labels or split"):
            load_checkpoint(tmp_path / CHECKPOINT, Trainer(prepare(other, CONDUCTION, config), CONDUCTION, config))
    same = with_column(records, "band_gap_eV", gaps)
    load_checkpoint(tmp_path / CHECKPOINT, Trainer(prepare(same, CONDUCTION, config), CONDUCTION, config))


def test_a_finished_or_unfinished_folder_is_not_overwritten(trained, records, tmp_path):
    out, _ = trained
    with pytest.raises(UsageError, match="already holds a model"):
        train(CONDUCTION, records, TrainConfig.make(overrides=SMALL), out)
    (tmp_path / CHECKPOINT).write_bytes(b"")
    with pytest.raises(UsageError, match="--resume"):
        train(CONDUCTION, records, TrainConfig.make(overrides=SMALL), tmp_path)


def test_training_learns(records):
    config = TrainConfig.make(overrides=[*SMALL, "epochs=6", "width=24"])
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    losses = [trainer.run_epoch()["train_loss"] for _ in range(6)]
    assert losses[-1] < 0.8 * losses[0]
    majority = np.bincount(trainer.dataset.labels[trainer.dataset.sides["validation"]]).max()
    assert trainer.history[-1]["validation_accuracy"] > majority / len(trainer.dataset.sides["validation"])


def test_unusable_records_are_listed(records, tmp_path):
    gaps = records.label("band_gap_eV").tolist()
    gaps[5:9] = [None, math.inf, math.nan, -1.0]
    spoiled = with_column(records, "band_gap_eV", gaps)
    train(CONDUCTION, spoiled, TrainConfig.make(overrides=[*SMALL, "epochs=1"]), tmp_path)
    rows = list(csv.reader((tmp_path / "unusable.csv").open()))
    assert rows[1] == ["5", records.ids[5], "band_gap_eV is null"]
    assert [reason for _, _, reason in rows[2:]] == [
        "band_gap_eV is not finite", "band_gap_eV is not finite", "band_gap_eV is negative"
    ]  # fmt: skip


def test_impossible_data(records, tmp_path):
    config = TrainConfig.make(overrides=[*SMALL, "thresholds=[0, 25]"])
    with pytest.raises(UsageError, match="no training record of class insulator"):
        train(CONDUCTION, records, config, tmp_path / "a")
    with pytest.raises(UsageError, match="cannot write"):
        train(CONDUCTION, records, TrainConfig(), __import__("pathlib").Path("/proc/x"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epoch=3"], "did you mean 'epochs'"),
        (["model.widht=3"], "there is no option"),
        (["epochs"], "key=value"),
        (["epochs=-1"], "epochs"),
        (["model.solver.name=newton"], "newton"),
        (["name=forward", "epochs=x"], "epochs"),
        (["image=3"], "no option"),
        (["seed=-1"], "seed"),
        (["seed=99999999999999999999999"], "seed"),
        (["learning_rate=inf"], "learning_rate"),
        (["learning_rate=1e400"], "finite"),
        (["learning_rate=NaN"], "finite"),
        (["learning_rate=1e300"], "less than"),  # beyond single precision
        (["rtol=1e999"], "finite"),
        (["thresholds=0,2"], r"write \[0,2\]; andersonn train --options"),
        (["thresholds=[0,1e999]"], "finite"),
        (["epochs=x"], "train --options"),
    ],
)
def test_bad_options(words, message):
    with pytest.raises(UsageError, match=message):
        TrainConfig.make(overrides=words)


def test_options(tmp_path):
    config = TrainConfig.make(overrides=["epochs=3", "window=7", "model.solver.mixing=0.5", "thresholds=[0,2]"])
    assert (config.epochs, config.model.solver.window, config.model.solver.mixing) == (3, 7, 0.5)
    assert config.thresholds == (0.0, 2.0)
    (tmp_path / "c.toml").write_text("epochs = 9\n[model]\nwidth = 32\n[model.solver]\nname = 'forward'\n")
    read = TrainConfig.read(tmp_path / "c.toml", ["width=48"])
    assert (read.epochs, read.model.width, read.model.solver.name) == (9, 48, "forward")
    assert TrainConfig.make(config.model_dump(mode="json")) == config
    (tmp_path / "bad.toml").write_text("epochs = ")
    with pytest.raises(UsageError, match="not valid"):
        TrainConfig.read(tmp_path / "bad.toml")
    (tmp_path / "odd.toml").write_text("[model]\nwidht = 3\n")
    with pytest.raises(UsageError, match="did you mean 'width'"):
        TrainConfig.read(tmp_path / "odd.toml")
    assert len({name for name, *_ in TrainConfig.describe()}) > 20


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1, 2]", "not names with values"),
        ("a.json", "5", "not names with values"),
        ("a.json", "[]", "not names with values"),
        ("a.toml", "epochs = 2020-01-01", "impossible value.*date"),
        ("a.toml", "model = 5", "model is a group of options, not 5"),
        ("a.toml", "model = {solver = 'newton'}", "impossible|Solver"),
        ("a.toml", "seed = nan", "seed"),
    ],
)
def test_bad_option_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        TrainConfig.read(tmp_path / name, ["model.width=8"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_an_absent_gpu_is_refused_before_any_work(records, tmp_path):
    with pytest.raises(UsageError, match="no CUDA"):
        train(CONDUCTION, records, TrainConfig.make(overrides=["device=cuda"]), tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("cell", ["message", "convolution"])
def test_divergence_is_told(records, cell):
    config = TrainConfig.make(
        overrides=[*SMALL, "learning_rate=1e9", f"model.cell={cell}", "limit=60", "max_rows=100", "warmup=0"]
    )
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    with pytest.raises(UsageError, match="lower learning_rate") as caught:
        trainer.run_epoch()
    assert caught.value.kind == "diverged"


def test_weights_gone_bad_are_told(records):
    config = TrainConfig.make(overrides=[*SMALL, "limit=60"])
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    with torch.no_grad():
        trainer.network.equilibrium.cell.mix[0, 0] = math.nan  # its norm cannot be taken
    with pytest.raises(UsageError, match="diverged in epoch 1"):
        trainer.run_epoch()


def random_answers(n=500, seed=0, sharpness=2.0):
    rng = np.random.default_rng(seed)
    scores = sharpness * rng.normal(size=(n, 3))
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in p])
    return scores, p, labels


def test_metrics_against_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

    _, p, labels = random_answers()
    metrics = classification_metrics(labels, p, CONDUCTION.classes)
    predicted = p.argmax(axis=1)
    assert metrics["accuracy"] == np.mean(predicted == labels)
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(labels, p, multi_class="ovr"))
    assert metrics["confusion"] == confusion_matrix(labels, predicted).tolist()
    assert metrics["above"]["metal"] == pytest.approx(balanced_accuracy_score(labels > 0, predicted > 0))


def test_metrics_of_one_class():
    metrics = classification_metrics(np.zeros(5, dtype=int), np.eye(3)[[0, 0, 1, 0, 0]], CONDUCTION.classes)
    assert metrics["roc_auc"] is None
    assert metrics["balanced_accuracy"] == 0.8
    assert metrics["recall"]["insulator"] is None
    assert roc_auc(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])) == 1.0


def test_calibration_error():
    labels = np.array([0] * 80 + [1] * 20)
    honest = np.tile([0.8, 0.2, 0.0], (100, 1))
    assert expected_calibration_error(labels, honest) == pytest.approx(0.0)
    assert expected_calibration_error(labels, np.tile([1.0, 0.0, 0.0], (100, 1))) == pytest.approx(0.2)


def test_calibration_undoes_overconfidence():
    scores, _, labels = random_answers(4000)
    values = np.array([0.0, 1.5, 5.0])[labels]
    calibration = fit_calibration(3.0 * scores, np.zeros((4000, 3)), values, CONDUCTION, scale=1.0)
    assert calibration.temperature == pytest.approx(3.0, rel=0.1)
    assert expected_calibration_error(labels, calibration.probabilities(3.0 * scores)) < 0.03


def test_intervals_are_widened_to_ninety_percent():
    rng = np.random.default_rng(0)
    values = rng.uniform(20.0, 30.0, 4000)  # far from zero, where intervals are cut off
    quantiles = np.stack([values - 0.01, values, values + 0.01], axis=1) + rng.normal(size=(4000, 1))
    calibration = fit_calibration(np.zeros((4000, 3)), quantiles / 2.0, values, CONDUCTION, scale=2.0)
    _, intervals = calibration.estimates(quantiles[:, :0], quantiles / 2.0)
    inside = (values >= intervals[:, 0]) & (values <= intervals[:, 1])
    assert inside.mean() == pytest.approx(0.9, abs=0.005)
    assert calibration.margin == pytest.approx(1.645, abs=0.1)


def test_estimates_are_never_negative_nor_upside_down():
    values, intervals = Calibration(2.0, 1.0, -5.0, True).estimates(
        np.zeros((2, 3)), np.array([[-1.0, -0.5, 0.1], [1.0, 2.0, 3.0]])
    )
    assert (values >= 0).all()
    assert (intervals[:, 0] <= intervals[:, 1]).all()
    assert values[1] == 4.0


def test_learning_rate_warms_up_and_cools_down(records):
    config = TrainConfig.make(overrides=[*SMALL, "epochs=10"])
    trainer = Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)
    rates = []
    for epoch in range(10):
        trainer.epoch = epoch
        rates.append(trainer._rate(0.0))
    assert rates[0] < rates[1] == max(rates)
    assert rates[-1] < 0.1 * rates[1]
    assert math.isclose(max(rates), config.learning_rate)


def test_made_geometries_get_a_calibration_of_their_own():
    rng = np.random.default_rng(0)
    values = rng.uniform(0.0, 5.0, 4000)
    made = np.arange(4000) % 4 == 0
    guess = values + rng.normal(size=4000) * np.where(made, 1.0, 0.1)
    scores = 4.0 * np.stack([2.5 - guess, guess - 2.5], axis=1)
    quantiles = guess[:, None] + np.array([-0.1, 0.0, 0.1])
    calibration = fit_calibration(scores, quantiles, values, POLARITY, 1.0, made)
    assert calibration.made_temperature > 2 * calibration.temperature
    _, intervals = calibration.estimates(scores, quantiles, made)
    inside = (values >= intervals[:, 0]) & (values <= intervals[:, 1])
    for kind in (made, ~made):
        assert inside[kind].mean() == pytest.approx(0.9, abs=0.01)
    p = calibration.probabilities(scores, made)
    labels = POLARITY.class_of(values)
    assert expected_calibration_error(labels[made], p[made]) < 0.05
    assert Calibration.from_dict(calibration.as_dict()) == calibration
    alone = fit_calibration(scores, quantiles, values, POLARITY, 1.0, np.arange(4000) < 9)
    assert alone.made_margin is None
    assert "made_margin" not in alone.as_dict()


def test_doubt_about_made_geometries():
    """Where a fifth of the answers are sure and random, no temperature is right, and doubt is."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 8000)
    seen = np.where(rng.random(8000) < 0.2, rng.integers(0, 2, 8000), labels)
    scores = np.log(np.where(np.eye(2)[seen] > 0, 0.999, 0.001))
    made = np.arange(8000) % 2 == 0
    values = np.where(labels == 1, 3.0, 2.0)
    calibration = fit_calibration(scores, np.zeros((8000, 3)), values, POLARITY, 1.0, made)
    assert calibration.made_doubt == pytest.approx(0.2, abs=0.03)
    p = calibration.probabilities(scores, made)
    assert p.sum(axis=1) == pytest.approx(np.ones(8000))
    assert expected_calibration_error(labels[made], p[made]) < 0.01
