"""On any console, with any reader, the program prints to the end or stops in peace."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from andersonn.cli import streams

ROOT = Path(__file__).parents[2]
NACL = ROOT / "examples/structures/NaCl.cif"
PROGRAM = [sys.executable, "-m", "andersonn"]
UMLAUT = "Lösung…Å.cif"
CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "strict": {"PYTHONIOENCODING": "iso8859-5:strict"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
}
ENCODINGS = {"C": "ascii", "strict": "iso8859-5"}
consoles = pytest.mark.parametrize("console", CONSOLES)
posix = pytest.mark.skipif(os.name == "nt", reason="descriptors of a POSIX shell")


def run(console, *words, **given):
    """The end of a run on a console; what it printed, decoded as that console would."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHONIO"))}
    done = subprocess.run([*PROGRAM, *words], env=environment | CONSOLES[console], capture_output=True, **given)
    encoding = ENCODINGS.get(console, console)
    done.out, done.err = (text.decode(encoding).replace("\r\n", "\n") for text in (done.stdout, done.stderr))
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    return done


def spelled(console, text):
    """What such a console shows for a file's name where it must not be mistaken for another."""
    return text.encode(ENCODINGS.get(console, console), "backslashreplace").decode(ENCODINGS.get(console, console))


@pytest.fixture
def named(tmp_path):
    """A structure in a file whose name few consoles can show, and a broken one."""
    (tmp_path / UMLAUT).write_bytes(NACL.read_bytes())
    (tmp_path / "Ψ–→.cif").write_text("data_ψ\n", encoding="utf-8")
    return tmp_path


@consoles
def test_json_is_json(console, named):
    done = run(console, "predict", "conduction", str(named), "--format", "json")
    assert done.returncode == 1
    answers = {Path(row["input"]).name: row for row in map(json.loads, done.out.splitlines())}
    if console != "C":  # where names of files are bytes without meaning
        assert answers[UMLAUT]["class"] == "insulator"
        assert "error" in answers["Ψ–→.cif"]
    assert len(answers) == 2
    if not console.startswith("utf"):
        assert done.stdout.isascii()


@consoles
def test_csv_names_every_file_so_that_it_can_be_told_from_others(console, named):
    done = run(console, "predict", "conduction", str(named), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == 2
    if console != "C":
        assert {Path(row["input"]).name for row in rows} == {spelled(console, UMLAUT), spelled(console, "Ψ–→.cif")}


@consoles
def test_tables_pages_and_errors(console, named, tmp_path):
    done = run(console, "predict", "conduction", str(named))
    assert done.returncode == 1
    assert "insulator" in done.out
    if console != "C":
        assert spelled(console, "Ψ") in done.err
    assert ("…" if console in ("utf-8", "cp1252") else "...") in done.out  # of the interval


@consoles
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--help"], 0),
        (["predict", "--help"], 0),
        (["--version"], 0),
        (["data", "list"], 0),
        (["data", "info", "qm9"], 0),
        (["card", "polarity"], 0),
        (["card", "porosity", "--format", "json"], 0),
        (["doctor"], 0),
        (["train", "conduction", "--options"], 0),
        (["measure", "carbon", "--saving", "0.2,0.3,0.4"], 0),
        (["predict", "größe", "x.cif"], 2),
        (["prédict"], 2),
        (["predict", "conduction", "--größe"], 2),
        (["predict", "conduction", "Ψ.cif"], 1),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_every_word_of_the_program_can_be_printed(console, words, status):
    assert run(console, *words).returncode == status


@pytest.mark.parametrize("console", ["ascii", "cp437"])
def test_verbs_that_make_files(console, named):
    picture = named / "Bild…é.png"
    assert run(console, "draw", str(named / UMLAUT), "--out", str(picture)).returncode == 0
    assert picture.stat().st_size > 0
    done = run(console, "explain", "conduction", str(named / UMLAUT), "--out", str(named / "Bilder…"))
    assert done.returncode == 0
    done = run(console, "screen", "conduction", str(named), "--out", str(named / "ö"))
    assert done.returncode in (0, 1)
    assert "Ψ–→.cif" in (named / "ö/rejects.jsonl").read_text(encoding="utf-8")


@posix
def test_names_in_any_bytes_on_stdin(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xe9.cif"
    Path(os.fsdecode(name)).write_bytes(NACL.read_bytes())
    for console in ("utf-8", "ascii"):
        done = run(console, "predict", "conduction", "-", "--format", "json", input=name + b"\n")
        assert json.loads(done.out)["class"] == "insulator"


def test_marks_of_our_texts_stay_legible():
    codecs.register_error(streams.LEGIBLE, streams.legible)
    assert "2 … 3 Å → é".encode("ascii", streams.LEGIBLE) == rb"2 ... 3 A -> \xe9"
    assert "2 … 3 Å → é".encode("cp437", streams.LEGIBLE).decode("cp437") == "2 ... 3 Å -> é"
    assert "\udcff".encode("utf-8", streams.LEGIBLE) == rb"\udcff"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", streams.LEGIBLE)


def test_who_asks_for_another_handler_gets_it():
    environment = os.environ | {"PYTHONIOENCODING": "ascii:replace"}
    done = subprocess.run([*PROGRAM, "predict", "conduction", str(NACL)], env=environment, capture_output=True)
    assert b" ? " in done.stdout


READERS = {
    "csv": ["predict", "polarity", "--smiles", "CCO", "--smiles", "CCC", "--format", "csv"],
    "json": ["predict", "polarity", "--smiles", "CCO", "--smiles", "CCC", "--format", "json"],
    "table": ["predict", "polarity", "--smiles", "CCO", "--smiles", "CCC"],
    "a failure": ["predict", "polarity", "--smiles", "C(", "--smiles", "CCC", "--format", "csv"],
    "card": ["card", "porosity"],
    "doctor": ["doctor"],
    "help": ["--help"],
    "help of a verb": ["measure", "inference", "--help"],
    "version": ["--version"],
    "data": ["data", "list", "-f", "csv"],
    "explain": ["explain", "polarity", "--smiles", "CCO", "--format", "csv"],
    "options": ["train", "conduction", "--options"],
}


@pytest.mark.parametrize("case", READERS)
def test_a_reader_that_goes_away_is_no_failure(case, tmp_path):
    """As in ``andersonn … | head -1``, at the worst moment: before the first line."""
    process = subprocess.Popen(
        [*PROGRAM, *READERS[case]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait() == 0, said
    assert "Traceback" not in said
    assert "Broken" not in said
    assert "Exception ignored" not in said


@posix
def test_head():
    script = 'set -o pipefail; "$@" | head -1'
    done = subprocess.run(["bash", "-c", script, "-", *PROGRAM, *READERS["csv"]], capture_output=True, text=True)
    assert (done.returncode, done.stdout[:9], done.stderr) == (0, "input,id,", "")


@posix
def test_wrong_calls_stay_wrong_though_nobody_reads():
    for words, status in ((["predict", "nothing", "x"], 2), (["nothing"], 2), (["predict", "polarity", "no.sdf"], 1)):
        process = subprocess.Popen([*PROGRAM, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        process.stderr.close()
        assert process.wait() == status


@posix
def test_work_is_done_though_nobody_follows_its_progress(demo_sample, tmp_path):
    import numpy as np
    import pyarrow.parquet as pq

    data = tmp_path / "records.parquet"
    pq.write_table(demo_sample.take(np.arange(0, len(demo_sample), 30)).table, data)
    small = ["epochs=1", "model.width=12", "columns=8", "radial=8"]
    process = subprocess.Popen(
        [*PROGRAM, "train", "conduction", "--data", data, "--out", tmp_path / "m", *small],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    process.stderr.close()
    assert process.wait() == 0
    assert (tmp_path / "m/model.safetensors").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["card", "porosity"], ["--help"], ["predict", "conduction", NACL], ["--version"]])
def test_a_full_disk_is_told(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@posix
@pytest.mark.parametrize(
    ("closed", "words", "status"),
    [
        (">&-", ["predict", "conduction", str(NACL)], 0),
        ("2>&-", ["predict", "conduction", "nowhere.cif", str(NACL)], 1),
        ("<&- >&- 2>&-", ["predict", "conduction", "-", "-f", "csv"], 0),
        ("<&- >&- 2>&-", ["nothing"], 2),
    ],
)
def test_streams_that_were_closed(closed, words, status, tmp_path):
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "-", *PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    if closed == "2>&-":
        assert "nowhere" not in done.stdout  # what belongs on stderr
