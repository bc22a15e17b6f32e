"""The program's start and its last words, also where packages are missing or somebody's files look like Python's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from andersonn import __version__
from andersonn.cli import entry
from andersonn.cli.system_errors import of_machine

ROOT = Path(__file__).parents[2]
BLOCK = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nothing())
sys.argv[0] = "andersonn"
"""
OTHERS = BLOCK.format(blocked='top != "andersonn" and top not in sys.stdlib_module_names')


def run(code, *words, **given):
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, **given)


def test_without_any_other_package_the_program_says_so():
    done = run(OTHERS + "from andersonn.cli.entry import main; main()", "predict", "conduction", "x.cif")
    assert done.returncode == 1
    assert done.stderr == (
        "error: the package typer is missing or broken: No module named 'typer' (pip install --upgrade typer)\n"
    )


def test_a_package_that_is_missing_is_named():
    code = BLOCK.format(blocked='top == "numpy"') + "from andersonn.cli.entry import main; main()"
    assert run(code, "predict", "--help").returncode == 0  # help needs none of them
    done = run(code, "predict", "polarity", "--smiles", "CCO")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pip install --upgrade numpy" in done.stderr


def test_packages_have_other_names_than_their_modules():
    assert "pip install --upgrade scikit-learn" in of_machine(ImportError("x", name="sklearn.utils")).hint
    for ours in ("andersonn.structures", "json", None):
        assert of_machine(ImportError("x", name=ours)) is None


@pytest.mark.parametrize("error", ["ValueError('odd – 1…')", "KeyError()", "ImportError('broken', name='json')"])
def test_the_last_words_need_no_other_package(error, tmp_path):
    """The log is written, and the line is printed."""
    code = OTHERS + f"from andersonn.cli import entry\ndef odd(): raise {error}\nentry._verbs = odd\nentry.main()"
    environment = os.environ | {"ANDERSONN_CACHE": str(tmp_path)}
    done = run(code, env=environment)
    assert done.returncode == 1
    assert "unexpected; please report it with" in done.stderr
    (log,) = (tmp_path / "logs").iterdir()
    assert "Traceback" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("MemoryError()", "the memory of this machine does not suffice"),
        ("OSError(28, 'No space left on device', 'x')", "free some space"),
        ("OSError(30, 'Read-only', 'x')", "read-only"),
        ("type('BrokenProcessPool', (RuntimeError,), {})()", "a worker process was killed"),
    ],
)
def test_what_the_machine_lacks_is_told_without_other_packages(error, words):
    code = OTHERS + f"from andersonn.cli import entry\ndef odd(): raise {error}\nentry._verbs = odd\nentry.main()"
    done = run(code)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="folders of a POSIX system")
def test_the_last_words_come_though_no_log_can_be_written():
    code = (
        "import tempfile; tempfile.gettempdir = lambda: (_ for _ in ()).throw(FileNotFoundError(2, 'none'))\n"
        "from andersonn.cli import entry\ndef odd(): raise ValueError('odd')\nentry._verbs = odd\nentry.main()"
    )
    gone = ("ANDERSONN_CACHE", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in gone} | {"HOME": "/dev/null"}
    done = run(code, env=environment)
    assert done.returncode == 1
    assert "no log file could be written" in done.stderr
    assert "ValueError: odd" in done.stderr


def test_a_worker_that_breaks_is_no_reader_that_went_away(monkeypatch, capsys):
    """The system says the same of both."""
    import typer

    from andersonn.cli import verbs

    def broken():
        raise BrokenPipeError(32, "Broken pipe")

    app = typer.Typer(cls=verbs.Program)
    app.command("x")(broken)
    app.callback()(lambda: None)
    monkeypatch.setattr(verbs, "app", app)
    monkeypatch.setattr(sys, "argv", ["andersonn", "x"])
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 1
    assert "ended too early: [Errno 32] Broken pipe" in capsys.readouterr().err


HOSTILE = ("json", "re", "typing", "random", "difflib", "errno", "tempfile", "pathlib", "dataclasses", "__future__",
           "numpy", "torch", "typer", "rich", "gemmi", "ase", "rdkit", "sitecustomize_", "encodings_", "csv", "signal")  # fmt: skip


@pytest.fixture
def hostile(tmp_path):
    """A folder as it may come with somebody's structures. (What ``-m`` itself imports, such as ``contextlib``, Python takes
    from it before any line of ours: only the program ``andersonn`` and ``python -P -m`` are free of that.)
    """
    for name in HOSTILE:
        (tmp_path / f"{name}.py").write_text(f"import sys; sys.stderr.write('ran {name}\\n'); sys.exit(66)\n")
    (tmp_path / "NaCl.cif").write_bytes((ROOT / "examples/structures/NaCl.cif").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("andersonn", ["--version"]),
        ("andersonn", ["predict", "conduction", "NaCl.cif", "-f", "csv"]),
        ("andersonn.cli.main", ["nothing"]),
    ],
)
def test_python_m_runs_nothing_of_the_current_folder(hostile, module, words):
    done = subprocess.run([sys.executable, "-m", module, *words], cwd=hostile, capture_output=True, text=True)
    assert "ran " not in done.stderr
    assert done.returncode == {"nothing": 2}.get(words[0], 0), done.stderr
    if words == ["--version"]:
        assert done.stdout == f"andersonn {__version__}\n"


def test_python_p_m_keeps_its_path(tmp_path):
    """Where Python itself left the current folder out, nothing else is taken away."""
    code = "import sys; before = list(sys.path); import andersonn; print(before == sys.path)"
    for options in ([], ["-P"], ["-I"]):
        done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout == "True\n" or "-I" in options, done.stderr
    done = subprocess.run([sys.executable, "-P", "-m", "andersonn", "--version"], capture_output=True, text=True)
    assert done.stdout == f"andersonn {__version__}\n"
