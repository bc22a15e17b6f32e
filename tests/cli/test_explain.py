import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from tests.forked import run
from tests.pictures import colors

STRUCTURES = Path(__file__).parents[2] / "examples/structures"


def colors_of(path: Path) -> int:
    image = imread(path)
    assert image.shape[0] > 400
    assert image.shape[1] > 800
    return colors(image)


def test_numbers_and_pictures_of_crystals(tmp_path):
    words = [STRUCTURES / "NaCl.cif", tmp_path / "none.cif", STRUCTURES / "quartz.cif", "--out", tmp_path / "pictures"]
    done = run("explain", "conduction", *words, "--format", "json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    salt, missing, quartz = (json.loads(line) for line in done.stdout.splitlines())
    assert missing.keys() == {"input", "error"}
    assert missing["error"].keys() == {"kind", "message", "hint"}
    assert [part["element"] for part in salt["contributions"]] == ["Na", "Cl"]
    assert (salt["quantity"], salt["method"]) == ("log_odds_of_insulator", "deletion")
    assert {"class", "probabilities", "estimate", "solver", "thresholds", "model"} <= salt.keys()
    assert sum(part["share"] for part in quartz["contributions"]) == pytest.approx(1.0)
    for answer in (salt, quartz):
        assert colors_of(Path(answer["picture"])) > 30
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["NaCl.png", "quartz.png"]


def test_molecules_into_one_file(tmp_path):
    out = tmp_path / "x.png"
    done = run("explain", "polarity", "--smiles", "CCO", "--smiles", "C/C=C/C#N", "--out", out, "-f", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["element"] for row in rows[:9]] == ["C", "C", "O", *"HHHHHH"]
    assert sum(float(row["value"]) for row in rows[:9]) == pytest.approx(float(rows[0]["total"]), abs=1e-2)
    assert sum(float(row["charge_e"]) for row in rows[:9]) == pytest.approx(0.0, abs=1e-2)
    assert float(rows[2]["charge_e"]) < 0.0
    assert {row["picture"] for row in rows} == {str(out), str(tmp_path / "x-2.png")}
    assert colors_of(out) > 30
    assert colors_of(tmp_path / "x-2.png") > 30


def test_equal_atoms_are_told():
    done = run("explain", "conduction", STRUCTURES / "Si.cif", "--no-picture")
    assert "atom Si1 and 1 equal atom contribute most: each +" in done.stdout
    assert (
        "atom Cl2 contributes most: +" in run("explain", "conduction", STRUCTURES / "NaCl.cif", "--no-picture").stdout
    )


def test_table_without_picture(tmp_path):
    out = tmp_path / "pictures"
    done = run("explain", "porosity", STRUCTURES / "Cu.cif", "none.cif", "--no-picture", "--out", out)
    assert done.returncode == 1
    assert "100.0 %" in done.stdout
    assert "of the network's answer, nonporous: atom Cu1 contributes most" in done.stdout
    assert "the bottleneck, 0.15 Å wide, is bounded by Cu1" in done.stdout
    assert "none.cif" in done.stderr
    assert not out.exists()


def test_stop_at_the_first_error(tmp_path):
    words = ["none.cif", STRUCTURES / "Cu.cif", "--on-error", "stop", "--out", tmp_path, "-f", "json"]
    done = run("explain", "conduction", *words)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conductoin", "x.cif"], "did you mean 'conduction'"),
        (["conduction"], "nothing to explain"),
        (["conduction", "x.cif", "--out", "x.jpg"], "no PNG, SVG or PDF file"),
        (["conduction", "x.cif", "--model", "/nowhere"], "model.json"),
        (["conduction", STRUCTURES / "Cu.cif", "--out", "/proc/none"], "cannot write"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(words, message):
    done = run("explain", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_misspelt_option_is_no_input():
    done = run("explain", "conduction", "x.cif", "--formt", "json")
    assert done.returncode == 2
    assert "--format" in done.stderr


ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow  # six programs with pictures; names alone are tested in tests/io/test_file_names.py
@pytest.mark.parametrize("name", ["quärtz Å→.cif", "日本語.cif", "𠀀" * 55 + ".cif"])
def test_names_that_the_system_cannot_write(tmp_path, name):
    """Where the file system is told to be ASCII, or a name would be too long."""
    path, out = tmp_path / name[-80:], tmp_path / "out"
    path.write_bytes((STRUCTURES / "NaCl.cif").read_bytes())
    command = [
        sys.executable,
        "-m",
        "andersonn.cli.main",
        "explain",
        "conduction",
        path,
        "--out",
        out,
        "--format",
        "json",
    ]
    for environment in ({}, ASCII_ONLY):
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert Path(json.loads(done.stdout)["picture"]).suffix == ".png"
    names = [os.fsencode(each.name) for each in out.iterdir()]
    assert len(names) == 2
    assert any(each.isascii() for each in names)
