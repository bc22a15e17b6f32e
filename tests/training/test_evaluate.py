"""Which records a model is tested on, and what is known about those it was trained on."""

import io
import json

import numpy as np
import pytest

from andersonn import Scientist
from andersonn.cli.tables import print_metrics
from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.data.splits import split_digest
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.progress import Silent
from andersonn.training.evaluate import evaluate
from andersonn.training.folder import SPLIT_KEY

SMALL = ["epochs=1", "model.width=8", "columns=6", "radial=6", "max_rows=400"]


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def with_column(records, name, values):
    table = records.table.drop_columns([name]) if name in records.table.column_names else records.table
    return Records(table.append_column(name, [list(values)]), records.source)


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 15))


@pytest.fixture(scope="module")
def scientist(records, tmp_path_factory) -> Scientist:
    out = tmp_path_factory.mktemp("model") / "m"
    return Scientist.train("conduction", records, TrainConfig.make(overrides=SMALL), out)


def without(scientist, *keys, limit=None) -> Scientist:
    """The scientist with keys taken out of its provenance, as older versions wrote it."""
    old = scientist.bundle
    data = {name: value for name, value in old.provenance["data"].items() if name not in keys}
    config = old.config.model_copy(update={"limit": limit})
    return Scientist(
        ModelBundle(old.network, old.task, config, old.calibration, old.provenance | {"data": data}), scientist.name
    )


def side_of(scientist, records):
    metrics = evaluate(scientist, records, baselines=False)
    json.dumps(metrics, allow_nan=False)
    assert {"n", "accuracy", "balanced_accuracy", "roc_auc", "ece", "baselines"} <= metrics.keys()
    return metrics["side"], metrics["same_file_as_training"], metrics["trained_on"]


APART = ("test", True, "test side kept apart")
UNKNOWN = ("all", False, "unknown overlap")


def test_the_test_side_needs_the_same_records_in_the_same_order_on_the_same_sides(scientist, records):
    assert side_of(scientist, records) == APART
    reversed_ = records.take(np.arange(len(records))[::-1])
    moved = with_column(records, "split", np.roll(records.split_column, 1))
    regrouped = Records(with_column(records, "group", records.ids).table.drop_columns(["split"]), records.source)
    for other in (reversed_, moved, regrouped, records.take(np.arange(len(records) - 1))):
        notes = Notes()
        assert evaluate(scientist, other, "test", baselines=False, progress=notes)["trained_on"] == "unknown overlap"
        assert any("may have been trained on some" in text for text in notes.said)
        assert side_of(scientist, other) == UNKNOWN


def test_other_labels_leave_the_test_side_apart(scientist, records):
    relabelled = with_column(records, "band_gap_eV", np.maximum(records.label("band_gap_eV") - 0.5, 0.0))
    assert side_of(scientist, relabelled) == APART


def test_other_sides_of_the_training_file_overlap(scientist, records):
    notes = Notes()
    for side in ("all", "train", "validation"):
        metrics = evaluate(scientist, records, side, baselines=False, progress=notes)
        assert metrics["trained_on"] == "known overlap"
        assert metrics["same_file_as_training"]
    assert not notes.said


def test_the_card_keeps_the_digest_of_the_split(scientist, records):
    kept = scientist.bundle.provenance["data"][SPLIT_KEY]
    assert kept == split_digest(records, scientist.bundle.config.split)


def test_models_that_do_not_know_their_split(scientist, records):
    old = without(scientist, SPLIT_KEY)
    assert side_of(old, records) == APART
    assert side_of(without(scientist, SPLIT_KEY, limit=100), records) == APART
    by_hash = Records(records.table.drop_columns(["split"]), records.source)
    sides = records.split_column.copy()
    sides[sides == "test"] = "validation"
    sides[:20] = "test"
    for other in (by_hash, with_column(records, "split", sides), records.take(np.arange(len(records))[::-1])):
        assert side_of(old, other) == UNKNOWN
    assert side_of(without(scientist, *scientist.bundle.provenance["data"]), records) == UNKNOWN


def test_the_forest_is_grown_on_the_training_side_only_if_it_is_the_models(scientist, records):
    def protocol(other, side):
        return evaluate(scientist, other, side)["baselines"]["random_forest"]["protocol"]

    assert "training side" in protocol(records, "test")
    assert "cross-validated" in protocol(records.take(np.arange(len(records))[::-1]), "test")


def test_records_that_are_left_out_are_told_with_their_reasons(scientist, records):
    some = records.take(np.arange(6))
    values = [5000.0, None, 1.0, -2.0, 0.0, 0.0]
    notes = Notes()
    metrics = evaluate(scientist, with_column(some, "band_gap_eV", values), "all", baselines=False, progress=notes)
    assert (metrics["n"], metrics["records"], metrics["left_out"]) == (3, 6, 3)
    assert [entry["id"] for entry in metrics["unusable"]] == [some.ids[k] for k in (0, 1, 3)]
    assert "multiply by 0.001" in metrics["unusable"][0]["reason"]
    (told,) = [text for text in notes.said if "left out" in text]
    assert told.startswith(f"warning: 3 of 6 records left out: {some.ids[0]}: band_gap_eV is above")
    assert "band_gap_eV is null" in told
    with pytest.raises(UsageError, match="2 of 2 records left out: .*is null"):
        evaluate(scientist, with_column(some.take(np.arange(2)), "band_gap_eV", [None, -1.0]), baselines=False)
    task = scientist.task
    with pytest.MonkeyPatch.context() as patch:
        shown = io.StringIO()
        patch.setattr("sys.stdout", shown)
        print_metrics(metrics, task)
    assert "n = 3 (3 of 6 records left out)" in shown.getvalue()
