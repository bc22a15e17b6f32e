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
from tests.cli import several
from tests.forked import run, start

ROOT = Path(__file__).parents[2]
NACL = ROOT / "examples/structures/NaCl.cif"
PROGRAM = [sys.executable, "-m", "andersonn"]
UMLAUT = "Lösung…Å.cif"
CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
}
ENCODINGS = {"C": "ascii"}
posix = pytest.mark.skipif(os.name == "nt", reason="descriptors of a POSIX shell")

NAMES = ("Ψ–→.cif", UMLAUT)
COMMANDS = {
    "json": ["predict", "conduction", "lib", "--format", "json"],
    "csv": ["predict", "conduction", "lib", "--format", "csv"],
    "table": ["predict", "conduction", "lib"],
    "help": ["--help"],
    "help of a verb": ["predict", "--help"],
    "version": ["--version"],
    "sources": ["data", "list"],
    "source": ["data", "info", "qm9"],
    "card": ["card", "polarity"],
    "card as json": ["card", "porosity", "--format", "json"],
    "doctor": ["doctor"],
    "options": ["train", "conduction", "--options"],
    "carbon": ["measure", "carbon", "--saving", "0.2,0.3,0.4"],
    "wrong task": ["predict", "größe", "x.cif"],
    "wrong verb": ["prédict"],
    "wrong option": ["predict", "conduction", "--größe"],
    "wrong file": ["predict", "conduction", "Ψ.cif"],
    "picture": ["draw", f"lib/{UMLAUT}", "--out", "Bild…é.png"],
    "explanation": ["explain", "conduction", f"lib/{UMLAUT}", "--out", "Bilder…"],
    "library": ["screen", "conduction", "lib", "--out", "out-ö"],
}
STATUS = dict.fromkeys(COMMANDS, 0) | dict.fromkeys(("json", "csv", "table", "wrong file", "library"), 1)
STATUS |= dict.fromkeys(("wrong task", "wrong verb", "wrong option"), 2)


def on(console):
    """The environment of a console."""
    others = ("LC_", "PYTHONIO") if console == "C" else "PYTHONIO"
    return {key: value for key, value in os.environ.items() if not key.startswith(others)} | CONSOLES[console]


@pytest.fixture(scope="module", params=CONSOLES)
def console(request):
    return request.param


@pytest.fixture(scope="module")
def ended(console, tmp_path_factory):
    """What the commands of :data:`COMMANDS` printed on a console, decoded as that console would, and their status."""
    folder = tmp_path_factory.mktemp("named")
    (folder / "lib").mkdir()
    (folder / "lib" / UMLAUT).write_bytes(NACL.read_bytes())
    (folder / "lib" / NAMES[0]).write_text("data_ψ\n", encoding="utf-8")
    words = json.dumps(list(COMMANDS.values()))
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        given = {"env": on(console), "cwd": folder, "stdout": out, "stderr": err}
        if console == "C":  # the names of files too are what Python takes the environment for when it starts
            subprocess.run([sys.executable, several.__file__, words], **given)
        else:
            start(words, call="tests.cli.several:without_workers", **given).wait()
    encoding = ENCODINGS.get(console, console)
    texts = ((folder / name).read_bytes().decode(encoding) for name in ("stdout", "stderr"))
    out, err = (text.replace("\r\n", "\n").split("\0") for text in texts)
    assert len(out) == 2 * len(COMMANDS) + 1, err[-1]
    found = {name: (int(out[2 * k + 1]), out[2 * k], err[2 * k]) for k, name in enumerate(COMMANDS)}
    return found | {"folder": folder}


def spelled(console, text):
    """What such a console shows where a name must not be mistaken for another."""
    encoding = ENCODINGS.get(console, console)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def test_every_verb_prints_to_its_end(ended):
    for name, wanted in STATUS.items():
        status, _, err = ended[name]
        assert status == wanted, (name, err)
        assert "Traceback" not in err
        assert "unexpected" not in err


def test_json_is_json(console, ended):
    _, out, _ = ended["json"]
    answers = {Path(row["input"]).name: row for row in map(json.loads, out.splitlines())}
    assert len(answers) == 2
    assert [row.get("class") for row in answers.values()].count("insulator") == 1
    if console != "C":  # where names of files are bytes without meaning
        assert set(answers) == set(NAMES)
    assert out.isascii() == (console != "utf-8")


def test_csv_names_every_file_so_that_it_can_be_told_from_others(console, ended):
    rows = list(csv.DictReader(io.StringIO(ended["csv"][1])))
    assert len(rows) == 2
    if console != "C":
        assert {Path(row["input"]).name for row in rows} == {spelled(console, name) for name in NAMES}


def test_tables_stay_legible(console, ended):
    _, out, err = ended["table"]
    assert "insulator" in out
    assert ("…" if console in ("utf-8", "cp1252") else "...") in out  # of the interval
    if console != "C":
        assert spelled(console, "Ψ") in err


def test_files_are_utf8_whatever_the_console_is(console, ended):
    if console == "C":
        return  # there, names of files given as words are bytes without meaning
    assert (ended["folder"] / "Bild…é.png").stat().st_size > 0
    rejects = (ended["folder"] / "out-ö/rejects.jsonl").read_text(encoding="utf-8").strip().split("\n")
    assert [NAMES[0] in str(json.loads(line)) for line in rejects] == [True]


@posix
def test_names_in_any_bytes_on_stdin(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xe9.cif"
    Path(os.fsdecode(name)).write_bytes(NACL.read_bytes())
    for console in ("utf-8", "ascii"):
        words = ["predict", "conduction", "-", "--format", "json"]
        done = run(*words, env=on(console), stdin=os.fsdecode(name) + "\n")
        assert json.loads(done.stdout)["class"] == "insulator"


def test_marks_of_our_texts_stay_legible():
    codecs.register_error(streams.LEGIBLE, streams.legible)
    assert "2 … 3 Å → é".encode("ascii", streams.LEGIBLE) == rb"2 ... 3 A -> \xe9"
    assert "2 … 3 Å → é".encode("cp437", streams.LEGIBLE).decode("cp437") == "2 ... 3 Å -> é"
    assert "\udcff".encode("utf-8", streams.LEGIBLE) == rb"\udcff"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", streams.LEGIBLE)


def test_who_asks_for_another_handler_gets_it():
    environment = os.environ | {"PYTHONIOENCODING": "ascii:replace"}
    assert " ? " in run("predict", "conduction", NACL, env=environment).stdout


READERS = {
    "csv": ["predict", "polarity", "--smiles", "CCO", "--smiles", "CCC", "--format", "csv"],
    "json": ["predict", "polarity", "--smiles", "CCO", "--smiles", "CCC", "--format", "json"],
    "table": ["predict", "polarity", "--smiles", "CCO", "--smiles", "CCC"],
    "card": ["card", "porosity"],
    "doctor": ["doctor"],
    "help": ["--help"],
    "version": ["--version"],
    "options": ["train", "conduction", "--options"],
}


@pytest.mark.parametrize("case", READERS)
def test_a_reader_that_goes_away_is_no_failure(case, tmp_path):
    """As in ``andersonn … | head -1``, at the worst moment: before the first line."""
    unread, out = os.pipe()
    os.close(unread)
    done = run(*READERS[case], stdout=out, cwd=tmp_path)
    os.close(out)
    said = done.stderr
    assert done.returncode == 0, said
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
        process = start(*words, stderr=subprocess.PIPE)
        process.stderr.close()
        assert process.wait() == status


@posix
def test_work_is_done_though_nobody_follows_its_progress(demo_sample, tmp_path):
    import numpy as np
    import pyarrow.parquet as pq

    data = tmp_path / "records.parquet"
    pq.write_table(demo_sample.take(np.arange(0, len(demo_sample), 30)).table, data)
    small = ["epochs=1", "model.width=12", "columns=8", "radial=8"]
    process = start("train", "conduction", "--data", data, "--out", tmp_path / "m", *small, stderr=subprocess.PIPE)
    process.stderr.close()
    assert process.wait() == 0
    assert (tmp_path / "m/model.safetensors").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["card", "porosity"], ["--help"], ["predict", "conduction", NACL], ["--version"]])
def test_a_full_disk_is_told(words):
    with open("/dev/full", "w") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@posix
@pytest.mark.parametrize(
    ("closed", "words", "status"),
    [
        (["stdout"], ["predict", "conduction", NACL], 0),
        (["stderr"], ["predict", "conduction", "nowhere.cif", NACL], 1),
        (["stdin", "stdout", "stderr"], ["predict", "conduction", "-", "-f", "csv"], 0),
    ],
)
def test_streams_that_were_closed(closed, words, status, tmp_path):
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = start(*words, **{"stdout": out, "stderr": err} | dict.fromkeys(closed))
        assert process.wait() == status
    assert "Traceback" not in (tmp_path / "err").read_text()
    if closed == ["stderr"]:
        assert "nowhere" not in (tmp_path / "out").read_text()  # what belongs on stderr


@posix
@pytest.mark.parametrize(("closed", "words", "status"), [(">&-", "--version", 0), ("<&- >&- 2>&-", "nothing", 2)])
def test_streams_that_a_shell_closed(closed, words, status):
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "-", *PROGRAM, words], capture_output=True, text=True)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
