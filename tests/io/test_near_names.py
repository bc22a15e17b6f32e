"""A missing file's neighbor of almost that name is named, whatever asks for the file."""

import json

import pytest
from typer.testing import CliRunner

from andersonn.cli.main import app
from andersonn.data.records import Records
from andersonn.errors import AndersonnError
from andersonn.io import near_names
from andersonn.io.near_names import where_it_may_be
from andersonn.scientists.registry import find
from andersonn.structures.readers import read_each


@pytest.fixture
def folder(tmp_path):
    for name in (
        "quartz.cif",
        "NaCl.cif",
        "NaCl.xyz",
        "POSCAR",
        "mof-5.cif",
        "data.parquet",
        "own.py",
        ".hidden.cif",
        "structures/Si.cif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("quarz.cif", "quartz.cif"), ("Quartz.CIF", "quartz.cif"), ("quartz", "quartz.cif"), ("quartz.cif.gz", "quartz.cif"),
     ("quartz.xyz", "quartz.cif"), ("NaCl.vasp", "NaCl.cif"), ("NaC1.xyz", "NaCl.xyz"), ("nacl.xyz", "NaCl.xyz"),
     ("POSCA", "POSCAR"), ("mof5.cif", "mof-5.cif")],
)  # fmt: skip
def test_a_neighbor_is_named(folder, asked, meant):
    assert where_it_may_be(folder / asked) == f"did you mean {str(folder / meant)!r}?"


@pytest.mark.parametrize("asked", ["KCl.cif", "x", "hidden.cif", "a" * 300, "zero\0", "\udcff.cif"])
def test_no_neighbor_is_made_up(folder, asked):
    assert where_it_may_be(folder / asked) == "check the path"


def test_a_missing_folder_is_named(folder, monkeypatch):
    near = where_it_may_be(folder / "structure/deeper/Si.cif")
    assert near == f"there is no folder {str(folder / 'structure')!r}; did you mean {str(folder / 'structures')!r}?"
    assert where_it_may_be(folder / "elsewhere/Si.cif") == f"there is no folder {str(folder / 'elsewhere')!r}"
    monkeypatch.chdir(folder)
    assert where_it_may_be("quarz.cif") == "did you mean 'quartz.cif'?"
    monkeypatch.setattr(near_names, "MOST_LOOKED_AT", 0)
    assert where_it_may_be("quarz.cif") == "check the path"


@pytest.mark.parametrize(
    ("ask", "name"),
    [(lambda path: read_each(path), "quarz.cif"), (lambda path: Records.read(path, ("x",)), "date.parquet"), (lambda path: find(str(path)), "oown.py")],
)  # fmt: skip
def test_readers_say_it(folder, ask, name):
    with pytest.raises(AndersonnError) as caught:
        ask(folder / name)
    assert caught.value.kind == "missing_file"
    assert "did you mean" in caught.value.hint


@pytest.mark.parametrize("name", ["quarz.cif", "quarz", "NaC1"])
def test_the_command_line_says_it(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, ["predict", "conduction", name, "-f", "json"])
    error = json.loads(done.stdout)["error"]
    assert done.exit_code == 1
    assert error["kind"] == "missing_file"
    assert error["hint"].startswith("did you mean '")
