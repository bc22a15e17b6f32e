"""A scientist that averages over conformers: asked, tested and explained."""

import json
import runpy
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import softmax

from andersonn import Scientist
from andersonn.config import config_of
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.inference.explain import of_one_conformer
from andersonn.inference.forward import forward
from andersonn.scientists.registry import find
from andersonn.structures import conformer_images
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.readers import from_smiles
from andersonn.structures.readers.molecules import embedding
from andersonn.structures.readers.molecules.from_rdkit import further_conformers
from andersonn.structures.structure import without
from andersonn.training.evaluate import evaluate

SMALL = ["epochs=1", "model.width=8", "model.directions=4", "radial=8", "image.columns=8", "device=cpu", "conformers=4"]
MADE = "geometry made by"
TOOL = Path(__file__).parent.parent.parent / "tools/recalibrate.py"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Amines and nitriles of many lengths with made-up dipoles."""
    path = tmp_path_factory.mktemp("molecules") / "m.parquet"
    smiles = [
        "C" * n + "C(" + "C" * m + "N)" + end for end in ("O", "C#N", "F") for n in range(1, 5) for m in range(1, 4)
    ]
    table = {"id": smiles, "group": smiles, "smiles": smiles}
    table["dipole_D"] = [1.9 if s.endswith("O") else 3.9 if s.endswith("N") else 2.2 for s in smiles]
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module")
def scientist(file, tmp_path_factory) -> Scientist:
    config = config_of(find("polarity"), overrides=SMALL)
    return Scientist.train("polarity", file, config, tmp_path_factory.mktemp("model") / "m")


def over(scientist: Scientist, conformers: int) -> Scientist:
    """The scientist with another number of conformers."""
    config = scientist.bundle.config.model_copy(update={"conformers": conformers})
    return Scientist(replace(scientist.bundle, config=config), scientist.name)


def asked(scientist: Scientist, structure) -> np.ndarray:
    """Scores of one conformer, ``[1, E]``."""
    store = ImageStore.from_images([NodeNeighborImage.from_structure(structure, scientist.recipe)], scientist.recipe)
    return forward(scientist.bundle.network, store, np.array([0])).scores


def told(answer) -> list[str]:
    return [note for note in answer.notes if "conformer" in note]


def test_the_answer_is_the_mean_over_conformers(scientist):
    (answer,) = scientist.predict("NCCCO")
    first = from_smiles("NCCCO")
    alone = over(scientist, 1).predict([first, *further_conformers(first, 3)])
    outputs = [asked(scientist, structure) for structure in (first, *further_conformers(first, 3))]
    masses = np.mean([softmax(each, axis=1) for each in outputs], axis=0)
    p = scientist.bundle.calibration.probabilities(np.log(masses), np.array([True]), answer.domain.distance)[0]
    assert list(answer.probabilities.values()) == pytest.approx(p, abs=1e-5)
    assert np.ptp([softmax(each, axis=1).max() for each in outputs]) > 1e-5
    assert answer.solver["residual"] == pytest.approx(max(a.solver["residual"] for a in alone), rel=1e-2)
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert told(answer) == ["the answer is the mean over 4 conformers"]
    assert any(MADE in note for note in answer.notes)
    assert told(alone[0]) == []


def test_one_conformer_is_answered_as_without_the_option(scientist, monkeypatch):
    one = over(scientist, 1).predict(["NCCCO", "CCO"])
    monkeypatch.setattr(conformer_images, "further_images", lambda *a: [])
    plain = over(scientist, 1).predict(["NCCCO", "CCO"])
    assert [a.as_dict() for a in one] == [a.as_dict() for a in plain]


def test_given_geometries_are_answered_as_ever(scientist, tmp_path):
    made = from_smiles("NCCCO")
    given = replace(made, generated_geometry=False, source_mol=None)
    several, one = scientist.predict(given)[0], over(scientist, 1).predict(given)[0]
    assert several.as_dict() == one.as_dict()
    assert told(several) == []


def test_answers_do_not_depend_on_call_or_order(scientist):
    words = ["NCCCO", "CCO", "OCCCCN", "no such", "C#N"]
    there, back = scientist.predict(words), scientist.predict(words[::-1])[::-1]
    for word, a, b in zip(words, there, back, strict=True):
        (single,) = scientist.predict(word)
        assert a.ok == b.ok == single.ok == (word != "no such")
        if a.ok:
            assert a.value == pytest.approx(b.value, abs=1e-5) == pytest.approx(single.value, abs=1e-5)
            assert a.warnings == b.warnings == single.warnings
            assert a.notes == b.notes == single.notes


@pytest.mark.parametrize(
    ("spared", "said"), [(1, "the mean over 2 conformers; 2 more"), (0, "of one conformer; 3 more")]
)
def test_conformers_that_fail_are_done_without(scientist, monkeypatch, spared, said):
    whole = scientist.predict("NCCCO")[0]
    real = embedding.placed

    def placed(mol, count):
        made = real(mol, count)
        for number in made[1 + spared :]:
            mol.RemoveConformer(number)
        return made[: 1 + spared]

    monkeypatch.setattr(embedding, "placed", placed)
    (answer,) = scientist.predict("NCCCO")
    assert told(answer) == [f"the answer is {said} could not be made"]
    first = from_smiles("NCCCO")
    assert answer.value != whole.value
    expected = over(scientist, 1).predict([first, *further_conformers(first, 3)])
    assert len(expected) == 1 + spared
    assert answer.value == pytest.approx(np.mean([a.value for a in expected]), abs=1e-5)


def test_evaluate_and_predict_agree(scientist, file):
    records = Records.read(file, ("dipole_D",))
    metrics = evaluate(scientist, records, "test", baselines=False)
    values = records.label("dipole_D")
    rule = scientist.bundle.config.split
    test = [i for i, group in enumerate(records.groups) if rule.side(group) == "test"]
    answers = scientist.predict([records.ids[i] for i in test])
    assert metrics["n"] == len(test) > 1
    assert metrics["mae"] == pytest.approx(
        np.mean([abs(a.value - values[i]) for a, i in zip(answers, test, strict=True)])
    )
    inside = [a.interval90[0] <= values[i] <= a.interval90[1] for a, i in zip(answers, test, strict=True)]
    assert metrics["interval90_coverage"] == pytest.approx(np.mean(inside))
    assert metrics["mae"] == pytest.approx(scientist.bundle.provenance["metrics"]["test"]["mae"])
    assert metrics["mae"] != pytest.approx(evaluate(over(scientist, 1), records, "test", baselines=False)["mae"])


def test_explanations_are_means_over_conformers(scientist):
    (found,), (answer,) = scientist.explain("NCCCO"), scientist.predict("NCCCO")
    assert found.prediction.value == pytest.approx(answer.value, abs=1e-5)
    first = from_smiles("NCCCO")
    alone = over(scientist, 1).explain([first, *further_conformers(first, 3)])
    assert found.values == pytest.approx(np.mean([a.values for a in alone], axis=0), abs=1e-4)
    assert found.dipole.lengths == pytest.approx([a.total for a in alone], abs=1e-4)
    assert found.dipole.vector == pytest.approx(alone[0].dipole.vector, abs=1e-4)
    assert found.dipole.of_groups.sum() == pytest.approx(found.total, abs=1e-4)
    assert found.warnings == answer.warnings


def test_explanations_do_not_contradict_the_answer_in_silence(scientist):
    (answer,) = scientist.predict("CCO")
    other = next(name for name in answer.probabilities if name != answer.label)
    assert "answered" not in of_one_conformer(answer, answer)
    said = of_one_conformer(answer, replace(answer, label=other))
    assert said.endswith(f"by itself would be answered {other}: they do not explain {answer.label}")


def test_a_molecule_without_some_atoms_has_no_other_conformers(scientist):
    left = without(from_smiles("NCCCO"), [0])
    assert left.generated_geometry
    assert further_conformers(left, 3) == []


def test_older_models_answer_as_before(scientist, tmp_path):
    scientist.bundle.save(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["config"].pop("conformers") == 4
    (tmp_path / "model.json").write_text(json.dumps(card))
    old = Scientist.load(tmp_path)
    assert old.bundle.config.conformers == 1
    assert old.predict("NCCCO")[0].value == over(scientist, 1).predict("NCCCO")[0].value


def test_the_tool_rewrites_a_model(scientist, file, tmp_path, monkeypatch, capsys):
    scientist.bundle.save(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    shutil.copy(Path(scientist.name) / "metrics.json", tmp_path)
    monkeypatch.setattr(sys, "argv", [str(TOOL), str(tmp_path), "--data", str(file), "conformers=2"])
    runpy.run_path(str(TOOL), run_name="__main__")
    assert "mae" in capsys.readouterr().out
    again = Scientist.load(tmp_path)
    assert again.bundle.config == over(scientist, 2).bundle.config
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == again.bundle.provenance["metrics"] != scientist.bundle.provenance["metrics"]
    assert metrics["test"]["mae"] == pytest.approx(
        evaluate(again, Records.read(file, ("dipole_D",)), "test", baselines=False)["mae"]
    )
    monkeypatch.setattr(sys, "argv", [str(TOOL), str(tmp_path), "--data", str(file), "epochs=2"])
    with pytest.raises(SystemExit, match="need a new training"):
        runpy.run_path(str(TOOL), run_name="__main__")
