"""Names from files reach terminals, spreadsheets and pages as text that does nothing."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from andersonn.cli.console import Bars, print_csv
from andersonn.cli.main import app
from andersonn.errors import InputError
from andersonn.measuring.report import templates
from andersonn.sanitize import UNSEEN, cell, visible
from andersonn.web.pages import as_html

ROOT = Path(__file__).parents[2]
WATER = "{title}\n  made\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n" + "".join(
    f"{x:10.4f}{y:10.4f}    0.0000 {s}   0  0\n" for s, x, y in (("O", 0, 0), ("H", 0.96, 0), ("H", -0.24, 0.93))
) + "  1  2  1  0\n  1  3  1  0\nM  END\n$$$$\n"  # fmt: skip
NAMES = [
    "\x1b[31mred\x1b]0;title\x07", "\x9b2J", "\u202egnp.exe", "[red]x[/blue]", "[/]", "[link=http://x]y", "=HYPERLINK(\"http://x\")",
    "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "a,b\"c",
]  # fmt: skip


@pytest.fixture
def hostile(tmp_path):
    path = tmp_path / "m.sdf"
    path.write_text("".join(WATER.format(title=name) for name in NAMES) + "=bad\n\n\n  0  0\nM  END\n$$$$\n")
    return path


def run(*words):
    found = CliRunner().invoke(app, [str(word) for word in words], color=True)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def controls(text):
    return [mark for mark in UNSEEN.findall(text) if mark != "\n"]


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_predictions_of_hostile_names(format, hostile):
    found = run("predict", "polarity", hostile, "--format", format)
    assert controls(found.output) == []
    if format == "json":  # exact, for programs
        ids = [json.loads(line)["id"] for line in found.stdout.splitlines() if "error" not in json.loads(line)]
        assert [id.partition(":")[2] for id in ids] == NAMES
    if format == "table":
        assert "[/]" in found.stdout


@pytest.mark.filterwarnings("ignore:Glyph")
def test_hostile_names_of_files(tmp_path):
    names = ["[bold]x[red].cif", "\x1b[2Jx.cif", "=1+1.cif", "-1.cif", "$\\nope{$.cif"]
    for name in names:
        shutil.copy(ROOT / "examples/structures/Cu.cif", tmp_path / name)
    (tmp_path / "\x1b[31mbad.cif").write_text("no")
    for format in ("table", "json", "csv"):
        found = run("predict", "conduction", tmp_path, "--format", format)
        assert controls(found.output) == []
    for name in names:
        assert controls(run("draw", tmp_path / name, "--out", tmp_path / "x.png").output) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"), ("+x", "'+x"), ("-x", "'-x"), ("@x", "'@x"), ("\tx", "'\\tx"), ("-1.5", "-1.5"), ("+3e5", "+3e5"), ("CCO", "CCO"),
        (-1.5, -1.5), (None, None), ("", ""), ("-", "'-"), ("a\x1bb", "a\\x1bb"), ("[Na+]", "[Na+]"), ("-inf", "-inf"),
    ],
)  # fmt: skip
def test_fields_of_csv(value, expected):
    assert cell(value) == expected


def test_rows_of_csv_are_read_back(capsys):
    rows = [{"id": name, "n": -1} for name in NAMES]
    print_csv(rows, ["id", "n"])
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["id"].removeprefix("'") for row in found] == [visible(name) for name in NAMES]
    assert not any(row["id"].startswith(("=", "+", "-", "@")) for row in found)


def test_progress_takes_names_as_text():
    for terminal in (True, False):
        bars = Bars()
        bars.console = Console(file=io.StringIO(), force_terminal=terminal, width=300)
        for name in NAMES:
            bars.start(f"screening {name}", 2)
            bars.update(1, f"at {name}")
            bars.say(f"said {name}")
            bars.finish()
        if terminal:
            text = bars.console.file.getvalue()
            assert "[/]" in text
            assert "\x1b[31mred" not in text
            assert "\x9b" not in text
            assert "\x07" not in text


def test_errors_are_one_line_without_controls():
    for name in [*NAMES, "a\nb", "\ud800"]:
        error = InputError("x", f"cannot read {name!s}", name)
        assert controls(str(error) + error.hint) == []
        assert "\n" not in str(error)


def test_pages_have_names_as_text():
    source = (
        '{% extends "base.html" %}{% import "parts.html" as parts with context %}{% block title %}{{ name }}{% endblock %}'
        "{% block body %}{{ parts.table([name], [[name]]) }}{{ parts.items([name]) }}{{ parts.cards([(name, name)]) }}"
        "{% endblock %}"
    )
    page = templates().from_string(source)
    for name in NAMES:
        for found in (page.render(name=name), as_html(name)):
            assert "<script" not in found
            assert "<img" not in found
    assert "javascript:" not in as_html("[x](javascript:alert(1))").replace("](javascript:", "")
    assert "onerror" not in as_html("<img src=x onerror=alert(1)>").replace("&lt;img src=x onerror", "")


def test_the_card_of_a_hostile_model_is_text(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "src/andersonn/scientists/weights/polarity", folder)
    (folder / "notes.md").write_text("# Notes\n\n<script>alert(1)</script> \x1b[31mred [x](javascript:alert(1))\n")
    shown = run("card", "polarity", "--model", folder)
    assert shown.exit_code == 0
    assert controls(shown.stdout) == []
    from andersonn.training.card import page_of

    html = as_html(page_of(folder))
    assert "<script" not in html
    assert 'href="javascript' not in html
