"""Sentences of the pages stay short; ``tools/prose.py`` counts, and this is the same check as in ``make lint``."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("prose", ROOT / "tools/prose.py")
prose = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prose)

LONG = " ".join(["word"] * 36)


@pytest.mark.parametrize("path", prose.pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_are_short_and_no_retired_word_is_used(path):
    assert prose.faults(path) == []


def test_pages_notebooks_readme_and_changelog_are_among_them():
    names = {path.relative_to(ROOT).as_posix() for path in prose.pages()}
    assert {"README.md", "CHANGELOG.md", "docs/index.md", "docs/cards/conduction.md"} < names
    assert any(name.endswith(".ipynb") for name in names)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("One two. Three four five.", [2, 3]),
        ("See S. Al Dajani et al. for 0.4 D. Of these, e.g. water is one.", [9, 6]),
        ("Is it? Yes! `code` may begin.", [2, 1, 3]),
        ("It is **so.** And (so.) Then [linked words](a.md) end.", [3, 2, 4]),
        ("a → b — c", [3]),
        ("Rare are Li, B, Si, Sc, Ti, V.", [3]),
    ],
)
def test_sentences_and_words_are_counted_as_read(tmp_path, text, counts):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    found = [sentence for _, block in prose.blocks(page) for sentence in prose.sentences(block)]
    assert [prose.length(sentence) for sentence in found] == counts


@pytest.mark.parametrize("frame", ["{}.", "- {}.", "> {}.", "| a |\n|---|\n| {}. |", "1. x\n\n   {}."])
def test_a_long_sentence_is_found_wherever_it_stands(tmp_path, frame):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n" + frame.format(LONG) + "\n", encoding="utf-8")
    (fault,) = prose.faults(page)
    assert "36 words" in fault
    page.write_text("# Title\n\n" + frame.format(LONG.removesuffix(" word")) + "\n", encoding="utf-8")
    assert prose.faults(page) == []


def test_code_is_no_prose_and_cells_of_notebooks_are(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"```\n{LONG}\n```\n\n    {LONG}\n\n`{LONG}`\n", encoding="utf-8")
    assert prose.faults(page) == []
    book = tmp_path / "book.ipynb"
    cells = [{"cell_type": "code", "source": [LONG]}, {"cell_type": "markdown", "source": [f"{LONG}."]}]
    book.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert len(prose.faults(book)) == 1


def test_the_command_fails_where_something_is_found_and_lint_runs_it(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"{LONG}.", encoding="utf-8")
    assert prose.main([str(page)]) == 1
    assert "page.md:1: 36 words" in capsys.readouterr().out
    page.write_text("Short.", encoding="utf-8")
    assert prose.main([str(page)]) == 0
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)[1]
    assert "tools/prose.py" in lint
