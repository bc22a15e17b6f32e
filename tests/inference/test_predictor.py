import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io import write as ase_write

from andersonn import Failure, Prediction, Scientist
from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.scientists.conduction import CONDUCTION
from andersonn.structures.conformer_images import images_for
from andersonn.training.evaluate import evaluate

KEYS = {
    "input", "id", "formula", "task", "class", "probabilities", "calibrated", "estimate", "thresholds", "model",
    "n_atoms", "solver", "notes", "warnings", "domain",
}  # fmt: skip


@pytest.fixture(scope="module")
def scientist(demo_sample, tmp_path_factory) -> Scientist:
    """A small one, trained on a part of the demo's records."""
    records = demo_sample.take(np.arange(0, len(demo_sample), 12))
    config = TrainConfig.make(overrides=["epochs=2", "model.width=12", "columns=8", "radial=8"])
    return Scientist.train("conduction", records, config, tmp_path_factory.mktemp("model") / "m")


def assert_contract(answer: Prediction):
    content = answer.as_dict()
    assert content.keys() == KEYS
    json.dumps(content, allow_nan=False)
    assert content["class"] == max(content["probabilities"], key=content["probabilities"].get)
    assert list(content["probabilities"]) == list(CONDUCTION.classes)
    assert sum(content["probabilities"].values()) == pytest.approx(1.0)
    low, high = content["estimate"]["interval90"]
    assert 0 <= low <= high
    assert content["estimate"]["quantity"] == "band_gap_eV"
    assert content["thresholds"] == list(CONDUCTION.thresholds)
    assert content["solver"].keys() == {"name", "steps", "evaluations", "residual", "status"}
    assert content["solver"]["status"] == "converged"
    assert content["solver"]["residual"] <= 1e-3


def test_files_and_objects_get_the_same_answer(scientist, atoms, structures, tmp_path):
    path = tmp_path / "NaCl.cif"
    ase_write(path, atoms["NaCl"])
    answers = scientist.predict([str(path), path, atoms["NaCl"], structures["NaCl"]])
    assert all(a.ok for a in answers)
    for answer in answers:
        assert_contract(answer)
        assert answer.value == pytest.approx(answers[0].value, abs=1e-3)
    assert [a.input for a in answers[:2]] == [str(path)] * 2
    assert scientist.predict(atoms["NaCl"])[0].label == answers[0].label
    assert scientist.predict(path)[0].n_atoms == 2


def test_answers_do_not_depend_on_company_or_order(scientist, structures):
    names = list(structures)
    together = scientist.predict([structures[n] for n in names])
    backward = scientist.predict([structures[n] for n in names[::-1]])[::-1]
    for name, a, b in zip(names, together, backward, strict=True):
        (alone,) = scientist.predict([structures[name]])
        for other in (b, alone):
            assert a.value == pytest.approx(other.value, abs=1e-5)
            assert a.solver["steps"] == other.solver["steps"]


def test_bad_inputs_stop_nothing(scientist, atoms, structures, tmp_path):
    ase_write(tmp_path / "good.cif", atoms["Si"])
    (tmp_path / "bad.cif").write_text("data_")
    molecule = tmp_path / "water.xyz"
    molecule.write_text("3\n\nO 0 0 0\nH 0 0.76 0.59\nH 0 -0.76 0.59\n")
    (tmp_path / "empty").mkdir()
    inputs = [tmp_path / "bad.cif", tmp_path / "good.cif", tmp_path / "none.cif", molecule, tmp_path / "empty"]
    answers = scientist.predict(inputs)
    assert [type(a) for a in answers] == [Failure, Prediction, Failure, Failure, Failure]
    assert [a.error["kind"] for a in answers if not a.ok] == ["no_atoms", "missing_file", "not_periodic", "directory"]
    for failure in answers:
        if not failure.ok:
            assert failure.as_dict().keys() == {"input", "error"}
            assert failure.error["hint"]


def test_odd_objects_stop_nothing(scientist, structures, monkeypatch):
    answers = scientist.predict([42, None, "", b"x.cif", structures["Si"]])
    assert [a.error["kind"] if not a.ok else a.formula for a in answers] == [
        "unknown_object", "unknown_object", "missing_file", "unknown_object", "Si",
    ]  # fmt: skip

    def defective(structure, *others):
        if structure.id == "broken":
            raise RuntimeError("oops")
        return images_for(structure, *others)

    monkeypatch.setattr("andersonn.inference.predictor.images_for", defective)
    silicon = structures["Si"]
    broken, fine = scientist.predict([type(silicon)(silicon.Z, silicon.xyz, silicon.cell, id="broken"), silicon])
    assert broken.error["kind"] == "internal"
    assert "RuntimeError: oops" in broken.error["message"]
    assert fine.ok


def test_notes_of_the_reader_are_no_warnings(scientist, structures):
    silicon = structures["Si"]
    told = replace(silicon, notes=("read leniently",), warnings=("no hydrogens",))
    (answer,) = scientist.predict([told])
    assert "read leniently" in answer.notes
    assert "no hydrogens" in answer.warnings
    assert "read leniently" not in answer.warnings
    assert "no hydrogens" not in answer.notes
    assert (answer.as_dict()["notes"], answer.as_dict()["warnings"]) == (list(answer.notes), list(answer.warnings))


def test_a_path_is_a_folder_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"model\.json"):
        Scientist.load(Path("conduction"))


def test_folders_and_files_of_many(scientist, atoms, tmp_path):
    for name in ("Cu", "Si"):
        ase_write(tmp_path / f"{name}.cif", atoms[name])
    ase_write(tmp_path / "run.extxyz", [atoms["NaCl"], atoms["MgO"], atoms["W"]])
    answers = scientist.predict([tmp_path])
    assert [a.formula for a in answers] == ["Cu", "Si", "NaCl", "MgO", "W"]
    assert answers[2].id == "run:1"


def test_many_inputs_stream(scientist, structures):
    served = []

    def endless():
        while True:
            served.append(1)
            yield structures["Si"]

    stream = scientist.answers(endless())
    for _ in range(300):
        assert next(stream).ok
    assert len(served) <= 512


def test_warnings(scientist, structures):
    (strange,) = scientist.predict([type(structures["Si"])([94, 94], [[0, 0, 0], [2.5, 2.5, 2.5]], 5 * np.eye(3))])
    assert any("Pu occurs in" in w for w in strange.warnings)


def test_lengths_in_another_unit_are_told(scientist, structures):
    def far(structure, factor):
        return type(structure)(structure.Z, structure.xyz * factor, structure.cell * factor)

    sound = [structures[name] for name in ("Cu", "Si", "NaCl", "W")]
    answers = scientist.predict([*sound, *(far(structure, 1 / 0.529177) for structure in sound)])
    told = [any("in bohr?" in warning for warning in answer.warnings) for answer in answers]
    assert told == [False] * 4 + [True] * 4
    (argon,) = scientist.predict([type(sound[0])([18], [[0, 0, 0]], 3.75 * np.eye(3))])
    assert not any("bond" in warning for warning in argon.warnings)


def test_unconverged_answers_say_so(scientist, structures):
    layer = scientist.bundle.network.equilibrium
    usual, layer.solver = layer.solver, type(layer.solver)(rtol=1e-12, max_steps=1)
    try:
        (answer,) = scientist.predict([structures["SiO2"]])
    finally:
        layer.solver = usual
    assert answer.solver["status"] == "max_steps"
    assert any("fixed point was not found" in w for w in answer.warnings)


def test_evaluation(scientist, demo_sample):
    records = demo_sample.take(np.arange(0, len(demo_sample), 12))
    metrics = evaluate(scientist, records)
    assert metrics["side"] == "test"
    assert metrics["same_file_as_training"]
    trained = scientist.bundle.provenance["metrics"]["test"]
    assert metrics["n"] == trained["n"]
    assert metrics["accuracy"] == pytest.approx(trained["accuracy"])
    assert metrics["baselines"]["random_forest"]["accuracy"] == trained["baselines"]["random_forest"]["accuracy"]
    assert metrics["baselines"]["majority"]["accuracy"] == trained["baselines"]["majority"]["accuracy"]
    everything = evaluate(scientist, records, side="all", baselines=False)
    assert everything["n"] == len(records)
    assert metrics["solver"]["converged"] == 1.0


def test_evaluation_on_another_file(scientist, demo_sample):
    other = demo_sample.take(np.arange(1, len(demo_sample), 30))
    metrics = evaluate(scientist, other)
    assert metrics["side"] == "all"
    assert not metrics["same_file_as_training"]
    assert "cross-validated" in metrics["baselines"]["random_forest"]["protocol"]
    json.dumps(metrics, allow_nan=False)


def test_unknown_models(tmp_path):
    with pytest.raises(UsageError, match="model.json"):
        Scientist.load(tmp_path / "none")


def test_same_answers_on_any_number_of_threads(scientist, structures):
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append([a.value for a in scientist.predict(list(structures.values()))])
    torch.set_num_threads(before)
    assert np.allclose(found[0], found[1], atol=1e-5)
