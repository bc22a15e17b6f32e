"""Files of every kind that is loaded, each replaced by one that would run code or exhaust the machine: a named error, and
nothing else happens.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.data.fetch import cached, folder_of
from andersonn.data.records import Records
from andersonn.data.sources import source
from andersonn.data.store import cache_folder, kept
from andersonn.errors import AndersonnError, InputError, UsageError
from andersonn.estimators import EquilibriumClassifier
from andersonn.implicit import load_weights
from andersonn.measuring.carbon import read_report
from andersonn.scientists.registry import find
from andersonn.screening.library import Library
from andersonn.screening.parsing import Reader
from andersonn.screening.run import _read
from andersonn.structures.readers import read_each
from andersonn.structures.readers.content import SUFFIXES
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint
from andersonn.training.dataset import prepare
from andersonn.training.self_test import failures_of
from andersonn.training.trainer import Trainer
from tests.security.payloads import JSONS, TENSORS, pickles, safetensors

SHIPPED = Path(__file__).parents[2] / "src/andersonn/scientists/weights/porosity"
NAMED = (AndersonnError,)


@pytest.fixture(scope="module")
def trainer(demo_sample):
    config = TrainConfig.make(overrides=["model.width=8", "radial=8", "epochs=1"])
    return Trainer(
        prepare(demo_sample.take(np.arange(40)), find("conduction").task, config), find("conduction").task, config
    )


@pytest.fixture
def model(tmp_path):
    """A copy of a shipped model, which may be spoiled."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "model"))


@pytest.fixture
def loads(model, tmp_path, trainer):
    """Name → (the file that is replaced, what loads it, the errors it may end in)."""
    bare = tmp_path / "file"
    parquet = tmp_path / "lib" / "table.parquet"
    manifest = folder_of(source("qm9")) / "manifest.json"
    for folder in (parquet.parent, manifest.parent):
        folder.mkdir(parents=True, exist_ok=True)
    cif = tmp_path / "one.cif"
    found = {
        "weights": (model / "model.safetensors", lambda: Scientist.load(model), NAMED),
        "card": (model / "model.json", lambda: Scientist.load(model), NAMED),
        "domain": (model / "domain.safetensors", lambda: Scientist.load(model), NAMED),
        "self test": (model / "self_test.json", lambda: failures_of(model), NAMED),
        "estimator": (model / "estimator.json", lambda: EquilibriumClassifier.load(model), NAMED),
        "layer": (bare, lambda: load_weights(trainer.network, bare), (ValueError,)),
        "checkpoint": (bare, lambda: load_checkpoint(bare, trainer), NAMED),
        "records": (parquet, lambda: Records.read(parquet), NAMED),
        "configuration": (bare, lambda: TrainConfig.read(bare), NAMED),
        "JSON configuration": (cif.with_suffix(".json"), lambda: TrainConfig.read(cif.with_suffix(".json")), NAMED),
        "report": (bare, lambda: read_report(bare), NAMED),
        "manifest": (bare, lambda: _read(bare), NAMED),
    }
    return found


def spoiled(loads, name, content):
    """Replaces a file and loads it; the error it ends in."""
    path, load, errors = loads[name]
    path.write_bytes(content)
    with pytest.raises(errors) as caught:
        load()
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 2000
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "weights", "card", "domain", "self test", "estimator", "layer", "checkpoint", "records", "configuration", "JSON configuration",
        "report", "manifest",
    ],
)  # fmt: skip
def test_no_pickle_is_run(loads, name, tmp_path):
    marker = tmp_path / "marker"
    for content in pickles(str(marker)).values():
        spoiled(loads, name, content)
        assert not marker.exists()


def test_the_payload_would_run(tmp_path):
    import pickle

    marker = tmp_path / "marker"
    pickle.loads(pickles(str(marker))["protocol 5"]).close()
    assert marker.exists()


@pytest.mark.parametrize("name", ["weights", "domain", "layer", "checkpoint"])
def test_hostile_tensors(loads, name):
    for content in TENSORS.values():
        spoiled(loads, name, content)


@pytest.mark.parametrize("name", ["card", "self test", "estimator", "JSON configuration", "report"])
def test_hostile_json(loads, name):
    for content in JSONS.values():
        spoiled(loads, name, content)


def test_hostile_notes_of_a_checkpoint(loads):
    for notes in ("[" * 100_000, "9" * 10_000, "null", "[]", '{"format": 2}', '{"format": 2, "config": {"epochs": 1}}'):
        header = {"__metadata__": {"notes": notes}}
        spoiled(loads, "checkpoint", safetensors(header))


def test_a_checkpoint_of_this_run_with_other_content_is_damaged(loads, trainer):
    path = loads["checkpoint"][0]
    save_checkpoint(path, trainer)
    with safe_open(path, "np") as file:
        notes = json.loads(file.metadata()["notes"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"notes": json.dumps(notes)})
    load_checkpoint(path, trainer)
    without = {name: value for name, value in tensors.items() if name != "network/attention.bias"}
    wrong = tensors | {"network/attention.bias": np.zeros((7, 7), dtype=np.float32)}
    renamed = tensors | {"optimizer/x/exp_avg": np.zeros(1, dtype=np.float32)}
    for changed in (without, wrong, renamed):
        save_file(changed, path, {"notes": json.dumps(notes)})
        with pytest.raises(UsageError, match="damaged"):
            load_checkpoint(path, trainer)
    del notes["history"]
    save_file(tensors, path, {"notes": json.dumps(notes)})
    with pytest.raises(UsageError, match="lack history"):
        load_checkpoint(path, trainer)


def test_a_manifest_of_the_cache_that_cannot_be_read_is_as_none():
    folder = folder_of(source("qm9"))
    folder.mkdir(parents=True, exist_ok=True)
    for content in JSONS.values():
        (folder / "manifest.json").write_bytes(content)
        assert cached(source("qm9")) is None
    outside = {"files": {"../../../../etc/hostname": {"size": 1, "sha256": "0"}}, "location": source("qm9").location}
    (folder / "manifest.json").write_text(json.dumps(outside))
    assert cached(source("qm9")) is None
    shutil.rmtree(folder)


def test_stored_images_that_were_exchanged_are_made_again(tmp_path, trainer, caplog):
    marker, store = tmp_path / "marker", trainer.dataset.store
    path = cache_folder() / "images" / "exchanged.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    nested = safetensors({"__metadata__": {"notes": "[" * 100_000}})
    for content in [*pickles(str(marker)).values(), *TENSORS.values(), nested]:
        path.write_bytes(content)
        assert kept("exchanged", lambda: store) is store
        assert not marker.exists()
    assert "made again" in caplog.text


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_no_reader_of_structures_runs_a_pickle(suffix, tmp_path):
    marker, path = tmp_path / "marker", tmp_path / f"x{suffix}"
    for content in pickles(str(marker)).values():
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            assert all(isinstance(item, InputError) for item in read_each(path))
        assert not marker.exists()


def test_a_table_whose_types_carry_pickles_runs_none(tmp_path):
    """Arrow's old way to store Python types: what was pickled ran when the file was read."""
    marker, path = tmp_path / "marker", tmp_path / "table.parquet"
    lists = pa.list_(pa.float32())
    told = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickles(str(marker))["protocol 2"],
    }
    schema = pa.schema(
        [pa.field("id", pa.string(), metadata=told), ("group", pa.string()), ("atomic_numbers", pa.list_(pa.uint8())),
         ("positions", lists), ("cell", lists)]
    )  # fmt: skip
    row = {"id": "a", "group": "a", "atomic_numbers": [29], "positions": [0, 0, 0], "cell": [3, 0, 0, 0, 3, 0, 0, 0, 3]}
    pq.write_table(pa.Table.from_pylist([row], schema=schema), path)
    for read in (lambda: list(Records.read(path)), lambda: list(Reader(list(Library(str(path), 9).chunks())).units())):
        with contextlib.suppress(AndersonnError):
            read()
        assert not marker.exists()


def test_a_card_cannot_ask_for_all_memory(model):
    for change in (
        {"width": 10**6}, {"radial": 10**12}, {"directions": 10**12}, {"layers": 10**9, "tied": False}, {"width": 10**30},
        {"rounds": 10**9, "directions": 4},
    ):  # fmt: skip
        card = json.loads((SHIPPED / "model.json").read_text())
        card["config"]["model"] |= change
        (model / "model.json").write_text(json.dumps(card))
        with pytest.raises(UsageError, match="damaged"):
            Scientist.load(model)


def test_cases_of_a_self_test_are_no_paths(model, tmp_path):
    content = json.loads((SHIPPED / "self_test.json").read_text())
    for name in (
        "../../outside.cif",
        str(tmp_path / "outside.cif"),
        "..",
        "a/b.cif",
        "a\\b.cif",
        ".hidden",
        "a\0.cif",
        "a\n.cif",
        "",
    ):
        content["cases"][0]["name"] = name
        (model / "self_test.json").write_text(json.dumps(content))
        with pytest.raises(UsageError, match="a case named"):
            failures_of(model)
    assert not list(tmp_path.rglob("outside*"))
