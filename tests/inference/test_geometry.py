"""Molecules without 3-D coordinates: by their bonds alone, in one conformer, in many; in Python and on the command line."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from andersonn import Records, Scientist, ScientistSpec
from andersonn.cli.main import app
from andersonn.config import TrainConfig, config_of
from andersonn.errors import UsageError
from andersonn.inference.loading import load_for
from andersonn.scientists.base import GEOMETRIES, GeometryVariant
from andersonn.scientists.registry import find, shipped
from andersonn.structures.readers.molecules import embedding
from andersonn.structures.readers.molecules.bonds_alone import HOW
from andersonn.training.evaluate import evaluate

SMALL = ["epochs=2", "model.width=8", "radial=8", "image.columns=4", "device=cpu"]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Amines, alcohols and nitriles of many lengths with made-up dipoles; half of them have positions, which are not to be read."""
    path = tmp_path_factory.mktemp("molecules") / "m.parquet"
    ends = ("O", "C#N", "F")
    smiles = ["C" * n + "C(" + "C" * m + "N)" + end for end in ends for n in range(1, 5) for m in range(1, 4)]
    numbers = [[1, 1] if k % 2 else None for k in range(len(smiles))]
    positions = [[0.0, 0.0, 0.0, 0.0, 0.0, 0.74] if k % 2 else None for k in range(len(smiles))]
    table = {"id": smiles, "group": smiles, "smiles": smiles, "atomic_numbers": numbers, "positions": positions}
    table["dipole_D"] = [1.9 if s.endswith("O") else 3.9 if s.endswith("N") else 2.2 for s in smiles]
    pq.write_table(pa.table(table).append_column("cell", pa.nulls(len(smiles), pa.list_(pa.float64()))), path)
    return path


@pytest.fixture(scope="module")
def folder(file, tmp_path_factory) -> Path:
    """A small model of bonds alone."""
    out = tmp_path_factory.mktemp("model") / "m"
    done = run("train", "polarity", "--geometry", "none", "--data", file, "--out", out, *SMALL)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def _no_geometry(monkeypatch):
    def made(*given):
        raise AssertionError("a geometry was made")

    monkeypatch.setattr(embedding, "placed", made)


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)


@pytest.mark.usefixtures("_no_geometry")
def test_a_model_of_bonds_is_trained_tested_and_asked(folder, file):
    scientist = Scientist.load(folder)
    assert scientist.recipe.bonds
    card = scientist.bundle.provenance
    assert card["elements"]["H"] == card["data"]["train"] == card["elements"]["C"]
    assert card["charged_or_open_shell"] == 0
    assert scientist.bundle.calibration.made_temperature is None
    words = ["NCCCO", "OCCCN", "no such", "C.C", "CCO ethanol"]
    answers = scientist.predict(words)
    assert [a.ok for a in answers] == [True, True, False, False, True]
    first, written_otherwise, *_, ethanol = answers
    assert first.value == pytest.approx(written_otherwise.value, abs=1e-5)
    assert (ethanol.formula, ethanol.n_atoms, ethanol.id) == ("C2H6O", 9, "ethanol")
    assert ethanol.notes == (HOW,)
    assert not any("no training structure" in warning for warning in first.warnings)
    again = scientist.predict(words[:2])
    assert [a.as_dict() for a in scientist.predict(words[:2])] == [a.as_dict() for a in again]
    assert again[0].value == pytest.approx(first.value, abs=1e-5)


@pytest.mark.usefixtures("_no_geometry")
def test_evaluate_and_predict_agree(folder, file):
    scientist, records = Scientist.load(folder), Records.read(file, ("dipole_D",))
    metrics = evaluate(scientist, records, "all", baselines=False)
    values = records.label("dipole_D")
    answers = scientist.predict(list(records.ids))
    assert metrics["n"] == len(records)
    assert metrics["same_file_as_training"]
    assert metrics["mae"] == pytest.approx(
        np.mean([abs(a.value - v) for a, v in zip(answers, values, strict=True)]), abs=1e-5
    )
    assert "made" not in json.dumps(scientist.bundle.calibration.as_dict())


def test_records_without_smiles_are_told(folder, tmp_path):
    columns = {
        "id": ["a", "b"],
        "group": ["a", "b"],
        "atomic_numbers": [[1, 1]] * 2,
        "positions": [[0.0] * 5 + [0.74]] * 2,
    }
    table = pa.table({**columns, "cell": pa.nulls(2, pa.list_(pa.float64())), "dipole_D": [0.0, 0.0]})
    with pytest.raises(UsageError, match="no list of bonds"):
        evaluate(Scientist.load(folder), Records(table, "t"), "all", baselines=False)


@pytest.mark.usefixtures("_no_geometry")
def test_on_the_command_line(folder, file, tmp_path):
    done = run("predict", "polarity", "NCCCO", "CC(", "--model", folder, "--geometry", "none", "-f", "json")
    good, bad = map(json.loads, done.stdout.splitlines())
    assert (done.exit_code, good["notes"], bad["error"]["kind"]) == (1, [HOW], "bad_smiles")
    done = run(
        "evaluate", "polarity", "--data", file, "--model", folder, "--geometry", "none", "--side", "all", "-f", "json"
    )
    assert json.loads(done.stdout)["n"] == 36
    library = tmp_path / "l.smi"
    library.write_text("NCCCO one\nC.C two\nOCCCN three\n")
    words = ("screen", "polarity", library, "--model", folder, "--geometry", "none", "--workers", "1", "-f", "json")
    done = run(*words, "--out", tmp_path / "run")
    manifest = json.loads(done.stdout)
    assert (manifest["counts"]["answered"], manifest["rejects"]) == (2, {"several_molecules": 1})
    shard = pq.read_table(next((tmp_path / "run/shards").glob("*.parquet")))
    assert shard["id"].to_pylist() == ["one", "three"]
    assert shard["dipole_D"].to_pylist()[0] == pytest.approx(good["estimate"]["value"], abs=1e-4)


def test_one_is_a_single_conformer_of_the_same_weights():
    one, many = Scientist.load("polarity", geometry="one"), Scientist.load("polarity", geometry="many")
    default = Scientist.load("polarity")
    assert one.bundle.config.conformers == 1 < many.bundle.config.conformers == default.bundle.config.conformers
    assert one.folder == many.folder == default.folder
    assert one.name == many.name == "andersonn/polarity"
    (answer,) = one.predict("NCCCO")
    assert answer.value == default.over_conformers(1).predict("NCCCO")[0].value != many.predict("NCCCO")[0].value


def test_what_cannot_be_asked_is_told(folder):
    def refused(kind: str, words: str, **options):
        with pytest.raises(UsageError, match=words) as caught:
            load_for(**options)
        assert caught.value.kind == kind

    refused("other_geometry", "on bonds alone", task="polarity", model=folder, geometry="many")
    refused("other_geometry", "on geometries", task="polarity", model=find("polarity").weights, geometry="none")
    refused("other_geometry", "about crystals", task="conduction", geometry="none")
    refused("bad_option", "about crystals", task="conduction", geometry="one")
    refused("unknown_geometry", "flat", task="polarity", geometry="flat")
    refused("unknown_geometry", "flat", task="polarity", model=folder, geometry="flat")
    with pytest.raises(UsageError, match="bonds alone, no conformers"):
        Scientist.load(folder).over_conformers(3)
    done = CliRunner().invoke(
        app, ["screen", "polarity", "x.smi", "--out", "x", "--geometry", "one", "--conformers", "3"]
    )
    assert isinstance(done.exception, UsageError)


def test_a_scientist_declares_weights_for_a_geometry(tmp_path):
    polarity = find("polarity")
    own = GeometryVariant(preset={"epochs": 7}, self_test={"water": "O"}, weights=tmp_path)
    spec = ScientistSpec(task=polarity.task, geometries={"one": own})
    chosen = spec.of_geometry("one")
    assert (chosen.preset, chosen.self_test, chosen.weights, chosen.task) == (
        {"epochs": 7},
        {"water": "O"},
        tmp_path,
        spec.task,
    )
    assert config_of(chosen).epochs == 7
    assert spec.of_geometry(None) is spec.of_geometry("many") is spec
    for wrong in ({"flat": own}, {"one": "weights"}):
        with pytest.raises(UsageError, match="GeometryVariant"):
            ScientistSpec(task=polarity.task, geometries=wrong)
    assert set(GEOMETRIES) == {"none", "one", "many"}


def test_options_that_contradict_bonds_alone_are_refused():
    base = ["image.bonds=true", "image.fold=false", "model.bonds=true", "strain=0"]
    assert TrainConfig.make(overrides=base).image.bonds
    for words in (base[:2], base[2:3], [*base, "conformers=2"], [*base[:3], "strain=0.1"], [*base, "image.fold=true"]):
        with pytest.raises(UsageError):
            TrainConfig.make(overrides=words)


@pytest.mark.parametrize("name", [name for name, spec in shipped().items() if "none" in spec.geometries])
def test_presets_are_options(name):
    config = config_of(shipped()[name].of_geometry("none"))
    assert config.image.bonds
    assert config.conformers == 1
