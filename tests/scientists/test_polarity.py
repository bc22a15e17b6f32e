"""The polarity scientist end to end: trained on a handful of molecules, asked in every way."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from andersonn import Scientist
from andersonn.config import TrainConfig, config_of
from andersonn.errors import UsageError
from andersonn.scientists.registry import find, registered
from andersonn.structures.readers import Smiles
from tests.forked import run
from tests.inference.test_predictor import KEYS

SMALL = ["epochs=1", "model.width=8", "model.directions=4", "radial=8", "image.columns=8"]
EXAMPLES = "examples/molecules"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of alkanes, alcohols, nitriles and fluorides of many lengths, with made-up dipoles."""
    folder = tmp_path_factory.mktemp("molecules")
    paths = []
    for k, ends in enumerate((("C", "C#N", "O"), ("N", "F", "C=O"))):
        smiles = ["C" * n + "C(" + "C" * m + ")" + end for end in ends for n in range(1, 5) for m in range(1, 4)]
        table = {"id": smiles, "group": smiles, "smiles": smiles}
        table["dipole_D"] = [0.1 if s.endswith("C") else 1.9 if s.endswith("O") else 3.9 for s in smiles]
        paths.append(folder / f"{k}.parquet")
        pq.write_table(pa.table(table), paths[-1])
    return paths


@pytest.fixture(scope="module")
def scientist(files, tmp_path_factory):
    config = config_of(find("polarity"), overrides=SMALL)
    return Scientist.train("polarity", files, config, tmp_path_factory.mktemp("model") / "m")


def test_contract(scientist):
    smiles, forced, path, *_, bad = scientist.predict(["CCO", Smiles("CCO"), f"{EXAMPLES}/drugs.smi", "C1C("])
    assert smiles.as_dict().keys() == KEYS
    assert smiles.value == pytest.approx(forced.value, abs=1e-5)
    assert smiles.input == smiles.id == "CCO"
    assert smiles.task == "polarity"
    assert smiles.quantity == "dipole_D"
    assert smiles.thresholds == (2.5,)
    assert list(smiles.probabilities) == ["weakly_polar", "strongly_polar"]
    assert sum(smiles.probabilities.values()) == pytest.approx(1.0)
    assert any("ETKDGv3" in note for note in smiles.notes)
    assert path.id == "drugs:aspirin"
    assert bad.error["kind"] == "bad_smiles"
    json.dumps(smiles.as_dict(), allow_nan=False)


def test_words_that_are_neither(scientist, atoms):
    answers = scientist.predict(["nowhere", "nowhere.sdf", "/tmp/nothing/here", "CC.O", "C*", atoms["NaCl"], "F/C=C/F"])
    kinds = [None if a.ok else a.error["kind"] for a in answers]
    assert kinds == [
        "missing_file", "missing_file", "missing_file", "several_molecules", "unknown_element", "periodic", None,
    ]  # fmt: skip
    assert all(a.ok or a.error["hint"] for a in answers)
    assert "unit cell" in answers[5].error["message"]


def test_warnings(scientist):
    charged, strange, large = scientist.predict(["CC[NH3+]", "C[Se]C", "C" * 16])
    assert any("charge is +1" in w for w in charged.warnings)
    assert any("Se occurs in no training structure" in w for w in strange.warnings)
    assert any("atoms; the largest training structure" in w for w in large.warnings)


def test_metrics_of_each_file(scientist):
    test = scientist.bundle.provenance["metrics"]["test"]
    assert test["by_file"].keys() == {"0.parquet", "1.parquet"}
    assert sum(part["n"] for part in test["by_file"].values()) == test["n"]
    for part in test["by_file"].values():
        assert part["baselines"].keys() == {"majority", "random_forest"}
        assert part["mae"] >= 0
    assert scientist.bundle.provenance["data"]["file"] == "0.parquet + 1.parquet"


def test_saved_models_answer_the_same(scientist, tmp_path):
    scientist.bundle.save(tmp_path)
    again = Scientist.load(tmp_path)
    assert again.predict("CC(=O)N")[0].value == scientist.predict("CC(=O)N")[0].value


def test_recipes(tmp_path):
    for scientist in registered().values():
        assert config_of(scientist) != TrainConfig()
    path = tmp_path / "c.toml"
    path.write_text("epochs = 7\n[model]\nwidth = 32\n")
    config = config_of(find("polarity"), path, ["radial=12"])
    assert (config.epochs, config.model.width, config.model.radial) == (7, 32, 12)
    assert config.model.head == "dipole"
    path.write_text("model = 3\n")
    with pytest.raises(UsageError):
        config_of(find("polarity"), path)


def test_command_line(files, tmp_path):
    data = ["--data", files[0], "--data", files[1]]
    done = run("train", "polarity", *data, "--out", tmp_path / "m", "-f", "json", *SMALL)
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout)
    done = run("evaluate", "polarity", *data, "--model", tmp_path / "m", "-f", "json")
    assert done.returncode == 0, done.stderr
    tested = json.loads(done.stdout)
    assert tested["trained_on"] == "test side kept apart"
    assert tested["accuracy"] == trained["accuracy"]
    assert tested["by_file"].keys() == {"0.parquet", "1.parquet"}
    words = ["predict", "polarity", "--model", tmp_path / "m", "-f", "json"]
    done = run(*words, "--smiles", "CCO", "--smiles", "C1C", EXAMPLES, "-", stdin="CC#N\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [a["input"] for a in answers[-3:]] == ["CC#N", "CCO", "C1C"]
    assert "error" in answers[-1]
    assert sum("class" in a for a in answers) == len(answers) - 1 == 13
    assert run(*words).returncode == 2
