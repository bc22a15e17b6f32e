"""``label`` and ``data`` as a user calls them."""

import csv
import importlib.util
import io
import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from ase import Atoms
from ase.io import write as ase_write

from andersonn.io.installed import how_to_install
from tests.forked import run

needs_zeo = pytest.mark.skipif(importlib.util.find_spec("pyzeo") is None, reason="needs pyzeo")
needs_xtb = pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="needs tblite")


@pytest.fixture
def crystals(tmp_path):
    folder = tmp_path / "crystals"
    folder.mkdir()
    for k, a in enumerate((5.5, 6.0)):
        ase_write(folder / f"ar{k}.cif", Atoms("Ar", cell=[a] * 3, pbc=True))
    return folder


@needs_zeo
def test_pores_resume_and_end_as_records(crystals, tmp_path):
    out = tmp_path / "pores.parquet"
    (crystals / "bad.cif").write_text("data_x\n")
    done = run("label", "pore", crystals, "--out", out, "--workers", 2, "-f", "json")
    assert done.returncode == 1, done.stderr
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["ar0"]["pld_A"] < rows["ar1"]["pld_A"] < rows["ar1"]["lcd_A"]
    assert rows["bad"]["error"]["kind"]
    assert sorted(pq.read_table(out)["id"].to_pylist()) == ["ar0", "ar1"]
    again = run("label", "pore", crystals, "--out", out, "-f", "csv")
    assert again.returncode == 1
    assert "from the earlier run" in again.stderr
    found = {row["id"]: float(row["pld_A"]) for row in csv.DictReader(io.StringIO(again.stdout)) if row["pld_A"]}
    assert found == {id: rows[id]["pld_A"] for id in ("ar0", "ar1")}
    (crystals / "bad.cif").unlink()
    table = run("label", "pore", crystals, "--out", out, "--limit", 1)
    assert len(pq.read_table(out)) == 2
    assert table.returncode == 0
    assert "pld / Å" in table.stdout
    other = run("label", "pore", crystals, "--out", out, "--accuracy", "high")
    assert other.returncode == 2
    assert "choose another --out" in other.stderr


@needs_zeo
def test_fill_writes_a_copy(crystals, tmp_path):
    records = tmp_path / "r.parquet"
    assert run("label", "pore", crystals, "--out", records).returncode == 0
    table = pq.read_table(records)
    emptied = table.set_column(table.column_names.index("pld_A"), "pld_A", [[None, 1.0]])
    pq.write_table(emptied, records)
    done = run("label", "pore", records, "--fill", tmp_path / "filled.parquet")
    assert done.returncode == 0, done.stderr
    assert "1 records filled in, 0 still without a label" in done.stderr
    filled = pq.read_table(tmp_path / "filled.parquet")["pld_A"].to_pylist()
    assert filled[1] == 1.0
    assert filled[0] == pytest.approx(table["pld_A"][0].as_py(), abs=1e-3)


@needs_xtb
def test_dipoles_of_a_file(tmp_path):
    (tmp_path / "w.xyz").write_text("3\n\nO 0 0 0.117\nH 0 0.757 -0.469\nH 0 -0.757 -0.469\n")
    done = run("label", "dipole", tmp_path / "w.xyz", "missing.xyz", "--method", "gfn2", "-f", "json")
    assert done.returncode == 1
    water, missing = map(json.loads, done.stdout.splitlines())
    assert 2.0 < water["dipole_D"] < 2.4
    assert water["multiplicity"] == 1
    assert missing["error"]["kind"] == "missing_file"


def hidden(*packages):
    """Runs the program as if packages were not installed."""
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        f"u.find_spec = lambda n, *a: None if n in {packages!r} else real(n, *a)\n"
        "from andersonn.cli.main import main; sys.argv[0] = 'andersonn'; main()"
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("pyzeo", ["label", "pore", "x.cif"]),
        ("pyscf", ["label", "dipole", "x.xyz"]),
        ("tblite", ["label", "dipole", "x.xyz", "--method", "gfn2"]),
    ],
)
def test_missing_packages_say_how_to_get_them(package, words):
    done = subprocess.run([*hidden(package), *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"needs the package {package}" in done.stderr
    assert how_to_install("label") in done.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["label", "pore", "x.cif", "--accuracy", "hihg"], "hihg"),
        (["label", "pore", "x.cif", "--worker", "2"], "--worker"),
        (["label", "dipol", "x.xyz"], "dipole"),
        (["data", "get", "qm8"], "did you mean 'qm9'"),
        (["data", "info", "core"], "core-mof"),
    ],
)
def test_wrong_calls(words, complaint):
    done = run(*words)
    assert done.returncode == 2
    assert complaint in done.stderr


@needs_zeo
@pytest.mark.parametrize("words", [["--out", "x.txt"], ["--fill", "y.parquet"]])
def test_wrong_files(words, tmp_path):
    done = run("label", "pore", "x.cif", *words)
    assert done.returncode == 2
    assert words[0] in done.stderr


NO_NETWORK = (
    "import socket, sys\n"
    "def no(*a, **k): raise SystemExit('the network was asked')\n"
    "socket.socket.connect = no; socket.getaddrinfo = no; socket.create_connection = no\n"
    "from andersonn.cli.main import main\n"
    "for words in ('data --help', 'data list', 'data get --help', 'label --help'):\n"
    "    sys.argv = ['andersonn', *words.split()]\n"
    "    try:\n        main()\n    except SystemExit as end:\n        assert not end.code, (words, end.code)\n"
)


def test_help_and_list_ask_no_network():
    done = subprocess.run([sys.executable, "-c", NO_NETWORK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage") == 3
    assert "qm9" in done.stdout


def test_data_list_and_info():
    done = run("data", "list", "-f", "json")
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows.keys() >= {"qm9", "core-mof", "qmof", "materials-project", "pereira2018", "biomolecules"}
    assert rows["qm9"]["checksum"].startswith("sha256:")
    assert rows["qmof"]["size_MB"] is None
    one = json.loads(run("data", "info", "qm9", "-f", "json").stdout)
    assert one == rows["qm9"]
    assert "unknown" in run("data", "info", "qmof").stdout


def test_data_get_offline(tmp_path):
    offline = os.environ | {"ANDERSONN_OFFLINE": "1", "ANDERSONN_CACHE": str(tmp_path)}
    done = run("data", "get", "qmof", env=offline)
    assert done.returncode == 1
    assert "network is off" in done.stderr
    copy = run("data", "get", "biomolecules", "--out", tmp_path / "sets", "-f", "json")
    assert copy.returncode == 0
    assert pq.read_table(json.loads(copy.stdout)["path"]).num_rows
