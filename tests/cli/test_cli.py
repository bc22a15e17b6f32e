import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from ase.io import write as ase_write

from tests.forked import run, start

MODEL = object()
SMALL = ["epochs=1", "model.width=12", "columns=8", "radial=8"]


@pytest.fixture(scope="module")
def data(demo_sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "records.parquet"
    pq.write_table(demo_sample.take(np.arange(0, len(demo_sample), 15)).table, path)
    return path


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "m"
    done = run("train", "conduction", "--data", data, "--out", out, "--format", "json", *SMALL)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)
    assert metrics["n"] > 0
    assert "training: 100 %" in done.stderr
    return out


@pytest.fixture
def files(atoms, tmp_path):
    for name in ("NaCl", "Si", "Cu"):
        ase_write(tmp_path / f"{name}.cif", atoms[name])
    return tmp_path


def test_predict_json(model, files):
    done = run("predict", "conduction", files / "NaCl.cif", files / "Si.cif", "--model", model, "--format", "json")
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["input"] == str(files / "NaCl.cif")
    assert first["model"] == str(model)
    assert second["n_atoms"] == 2
    assert sum(second["probabilities"].values()) == pytest.approx(1.0)


def spoil(files):
    text = (files / "NaCl.cif").read_text()
    cases = {
        "truncated.cif": text[: int(0.95 * len(text))],
        "element.cif": text.replace("Cl ", "Qq "),
        "singular.cif": text.replace("_cell_length_a", "_cell_length_a 0\n_ignored_a"),
        "empty.cif": "",
        "overlap.cif": text.replace("0.5  0.5  0.5", "0.01 0 0"),
        "occupancy.cif": text.replace("1.0000", "0.5000"),
    }
    for name, content in cases.items():
        (files / name).write_text(content)
    (files / "folder.cif").mkdir()
    with (files / "huge.cif").open("wb") as stream:
        stream.truncate(100_000_000)
    return [files / name for name in (*cases, "folder.cif", "huge.cif", "missing.cif")]


def test_bad_inputs_get_one_line_each_and_the_rest_is_answered(model, files):
    bad = spoil(files)
    done = run("predict", "conduction", *bad, files / "Si.cif", "--model", model, "-f", "json", timeout=60.0)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(bad) + 1
    kinds = [line["error"]["kind"] for line in lines[:-1]]
    assert kinds == [
        "bad_cif", "unknown_element", "singular_cell", "empty_file", "overlapping_atoms", "partial_occupancy",
        "directory", "too_large", "missing_file",
    ]  # fmt: skip
    for line in lines[:-1]:
        assert line.keys() == {"input", "error"}
        assert line["error"]["message"]
        assert line["error"]["hint"]
        assert "\n" not in line["error"]["message"] + line["error"]["hint"]
    assert lines[-1]["class"]
    assert "Traceback" not in done.stderr


def test_odd_names_are_shown_as_they_are(model, files):
    text = (files / "Si.cif").read_text()
    odd = [files / "[bold].cif", files / "ünï.cif", files / os.fsdecode(b"byte\xff.cif")]
    for path in odd:
        path.write_text(text)
    table = run("predict", "conduction", *odd, "--model", model)
    assert table.returncode == 0, table.stderr
    for shown in ("[bold].cif", "ünï.cif", "byte\\xff.cif"):
        assert shown in table.stdout
    rows = run("predict", "conduction", *odd, "--model", model, "-f", "json").stdout.splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["[bold]", "ünï", "byte\\xff"]


def test_a_full_disk_is_one_line(model, files):
    with open("/dev/full", "w") as full:
        done = run("predict", "conduction", files / "Si.cif", "--model", model, "-f", "json", stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_interruption_loses_nothing(model, files):
    process = start(
        "predict", "conduction", "-", "--model", model, "-f", "csv", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdin.write(f"{files / 'Si.cif'}\n{files / 'Cu.cif'}\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith("input,")
    time.sleep(5)  # it now waits for a third path
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert len(process.stdout.read().splitlines()) == 2
    process.stdin.close()
    process.stdout.close()


def test_stop_at_the_first_error(model, files):
    done = run(
        "predict",
        "conduction",
        files / "none.cif",
        files / "Si.cif",
        "--model",
        model,
        "-f",
        "json",
        "--on-error",
        "stop",
    )
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1


def test_predict_folder_stdin_csv_and_table(model, files):
    done = run("predict", "conduction", "-", "--model", model, "-f", "csv", stdin=f"{files}\n{files / 'none.cif'}\n")
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["formula"] for row in rows] == ["Cu", "NaCl", "Si", ""]
    assert "missing_file" in rows[3]["error"]
    table = run("predict", "conduction", files, files / "none.cif", "--model", model)
    assert table.returncode == 1
    assert "NaCl" in table.stdout
    assert "90 % interval" in table.stdout
    assert "none.cif" in table.stderr


def test_evaluate(model, data):
    done = run("evaluate", "conduction", "--data", data, "--model", model, "--format", "json")
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout.splitlines()[-1])
    assert {"n", "accuracy", "balanced_accuracy", "roc_auc", "ece", "baselines"} <= metrics.keys()
    assert {"majority", "random_forest"} == metrics["baselines"].keys()
    table = run("evaluate", "conduction", "--data", data, "--model", model, "--side", "all", "--no-baselines")
    assert "majority class" in table.stdout


def test_draw(files):
    done = run("draw", files / "NaCl.cif", "--out", files / "x.png")
    assert done.returncode == 0, done.stderr
    assert (files / "x.png").read_bytes().startswith(b"\x89PNG")
    for name, begin in (("x.svg", b"<?xml"), ("x.PDF", b"%PDF")):
        assert run("draw", files / "NaCl.cif", "--out", files / name).returncode == 0
        assert (files / name).read_bytes().startswith(begin)
    for words in (["x.jpg"], ["x.png", "--frame", 9]):
        bad = run("draw", files / "NaCl.cif", "--out", *words)
        assert bad.returncode == 2
        assert bad.stderr.startswith("error:")
    odd = files / "a$b_{$.cif"
    odd.write_text((files / "Si.cif").read_text())
    assert run("draw", odd, "--out", files / "y.png").returncode == 0
    missing = run("draw", files / "none.cif", "--out", files / "z.png")
    assert missing.returncode == 1
    assert "no file" in missing.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "conductoin", "x.cif"], "did you mean 'conduction'"),
        (["predict", "conduction", "x.cif", "--model", "/nowhere"], "model.json"),
        (["train", "conduction", "--data", "/nowhere.parquet", "--out", "/tmp/x-andersonn"], "no file"),
        (["train", "conduction", "--data", "x", "--out", "y", "epoch=3"], "did you mean 'epochs'"),
        (["evaluate", "conduction", "--data", "/nowhere.parquet", "--model", MODEL], "no file"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(model, words, message):
    done = run(*(model if word is MODEL else word for word in words))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unknown_verbs_and_options():
    for words in (["predcit"], ["predict", "conduction", "x.cif", "--modle", "y"]):
        done = run(*words)
        assert done.returncode == 2
        assert "No such" in done.stderr


def test_help_imports_nothing_heavy():
    verbs = ("", "demo", "train", "construct", "predict", "evaluate", "explain", "draw")
    code = (
        "import sys\nfrom andersonn.cli import main\n"
        f"for verb in {verbs!r}:\n"
        "    sys.argv = ['andersonn', *verb.split(), '--help']\n"
        "    try:\n        main.main()\n    except SystemExit as e:\n        assert not e.code, e.code\n"
        "    heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'sklearn', 'pyarrow', 'ase', 'gemmi'} & set(sys.modules)\n"
        "    assert not heavy, (verb, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage") == len(verbs)


EXAMPLES = Path(__file__).parents[2] / "examples"
NEVER_NEEDED = {
    "scipy", "sympy", "pyarrow", "filelock", "pandas", "matplotlib", "sklearn", "joblib", "ase.io", "ase.build", "jinja2", "tomllib",
    "torch._dynamo", "torch._inductor", "andersonn.training", "andersonn.screening", "andersonn.data.tables",
}  # fmt: skip
"""Modules that a first answer does without: most of what loading them takes is more than the answer itself."""


@pytest.mark.parametrize(
    ("answer", "neither"),
    [
        ("sys.argv = ['andersonn', 'predict', 'conduction', CIF]; main()", {"rdkit"}),
        ("sys.argv = ['andersonn', 'predict', 'polarity', 'CCO']; main()", {"gemmi"}),
        ("assert andersonn.Scientist.load('conduction').predict(CIF)[0].ok", {"rdkit", "typer", "rich"}),
    ],
    ids=["program, CIF", "program, SMILES", "Python, CIF"],
)
def test_a_first_answer_loads_only_what_it_needs(answer, neither):
    given = "" if answer.startswith("assert") else "from andersonn.cli.entry import main\n"
    code = (
        f"import sys, andersonn\n{given}CIF = {str(EXAMPLES / 'structures/NaCl.cif')!r}\n"
        f"try:\n    {answer}\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"needless = {NEVER_NEEDED | neither!r} & set(sys.modules)\n"
        "assert not needless, needless\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_options_are_listed():
    done = run("train", "--options")
    assert done.returncode == 0
    assert "learning_rate" in done.stdout


def test_version():
    assert run("--version").stdout.startswith("andersonn 0.")
