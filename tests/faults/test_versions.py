"""What every released version wrote is read by this one; what it does not read is told apart by age."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from andersonn import __version__
from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.scientists.registry import find
from andersonn.training.folder import CHECKPOINT
from andersonn.training.run import train
from andersonn.training.self_test import failures_of

KEPT = Path(__file__).parents[1] / "fixtures/versions"
VERSIONS = sorted(path.name for path in KEPT.iterdir())
TASKS = ("conduction", "polarity", "porosity")
each = pytest.mark.parametrize(("version", "task"), [(v, t) for v in VERSIONS for t in TASKS])


def notes_of(path: Path) -> dict:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["notes"])


def resumed(folder: Path, out: Path, notes: dict) -> ModelBundle:
    """The run that a kept checkpoint is of, gone on with from a copy."""
    task = find(notes["task"]).task
    records = Records.read(str(folder / "records.parquet"), (task.quantity,))
    options = notes["config"]
    if options["thresholds"] is None:  # those of today may have moved
        options = options | {"thresholds": find(notes["task"]).earlier_thresholds}
    return train(task, records, TrainConfig.make(options), out, resume=True)


def test_this_version_is_kept():
    assert __version__ in VERSIONS, "run python tools/make_version_fixture.py"
    for version in VERSIONS:
        assert {path.name for path in (KEPT / version).iterdir()} == set(TASKS)


@each
def test_a_model_of_an_earlier_version_answers_as_then(version, task):
    count, wrong = failures_of(KEPT / version / task / "model")
    assert count > 1
    assert not wrong


@each
def test_a_checkpoint_of_an_earlier_version_is_finished(version, task, tmp_path):
    folder, out = KEPT / version / task, tmp_path / "out"
    shutil.copytree(folder / "unfinished", out)
    notes = notes_of(out / CHECKPOINT)
    assert notes["epoch"] == 1
    resumed(folder, out, notes)
    weights, expected = load_file(out / "model.safetensors"), load_file(folder / "model/model.safetensors")
    assert weights.keys() == expected.keys()
    for name, value in weights.items():
        assert torch.allclose(value, expected[name], atol=1e-3), name
    assert not (out / CHECKPOINT).exists()


def test_a_run_with_the_thresholds_of_then_is_not_gone_on_with_at_those_of_now(tmp_path):
    folder, out = KEPT / "0.1.0/conduction", tmp_path / "out"
    shutil.copytree(folder / "unfinished", out)
    records, config = (
        Records.read(str(folder / "records.parquet"), ("band_gap_eV",)),
        notes_of(out / CHECKPOINT)["config"],
    )
    with pytest.raises(UsageError, match=r"other thresholds: add thresholds=\[0.0, 3.0\]"):
        train(find("conduction").task, records, TrainConfig.make(config), out, resume=True)


@pytest.mark.parametrize(
    ("format", "kind", "message"),
    [
        (99, "newer_version", "made by a newer version.*upgrade andersonn"),
        (1, "older_version", "too old to be read.*use the version that made it"),
        (None, "bad_format", "does not tell its format"),
    ],
)
def test_checkpoints_that_this_version_does_not_read(tmp_path, format, kind, message):
    folder = KEPT / __version__ / "conduction"
    path = tmp_path / CHECKPOINT
    notes = notes_of(folder / "unfinished" / CHECKPOINT)
    tensors = load_file(folder / "unfinished" / CHECKPOINT)
    save_file(tensors, path, metadata={"notes": json.dumps(notes | {"format": format})})
    with pytest.raises(UsageError, match=message) as caught:
        resumed(folder, tmp_path, notes)
    assert caught.value.kind == kind
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]


@pytest.mark.parametrize(
    ("format", "kind"), [(2, "newer_version"), (0, "older_version"), ("1", "bad_format"), (True, "bad_format")]
)
def test_models_that_this_version_does_not_read(tmp_path, format, kind):
    shutil.copytree(KEPT / __version__ / "conduction/model", tmp_path / "m")
    card = json.loads((tmp_path / "m/model.json").read_text())
    (tmp_path / "m/model.json").write_text(json.dumps(card | {"format": format}))
    with pytest.raises(UsageError) as caught:
        ModelBundle.load(tmp_path / "m")
    assert caught.value.kind == kind


def test_options_that_this_version_does_not_know(tmp_path):
    folder = KEPT / __version__ / "conduction"
    notes = notes_of(folder / "unfinished" / CHECKPOINT)
    changed = notes | {"config": notes["config"] | {"quantum": 1}, "andersonn": "9.9"}
    tensors = load_file(folder / "unfinished" / CHECKPOINT)
    save_file(tensors, tmp_path / CHECKPOINT, metadata={"notes": json.dumps(changed)})
    with pytest.raises(UsageError, match=r"program version \(9.9, this is .*\): there is no option 'quantum'"):
        resumed(folder, tmp_path, notes)
