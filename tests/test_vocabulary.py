"""Retired words are not used in docstrings, messages and help texts; the list is in docs/glossary.md.

Pages are checked in ``test_prose.py``.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/andersonn"
spec = importlib.util.spec_from_file_location("prose", ROOT / "tools/prose.py")
prose = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prose)
ALLOWED = {
    "src/andersonn/measuring/solvers.py": {"forward iteration"},  # a solver's name in reports that were written before
}
"""Retired words that a file may hold, because something outside of it pins them."""


def prose_of_module(text: str) -> list[tuple[int, str]]:
    """Line and text of each string of more than one word, code in it left out."""
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [(n.lineno, re.sub(r"`[^`]*`", " ", n.value)) for n in nodes if " " in n.value.strip()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=name_of)
def test_modules(path):
    strings = prose_of_module(path.read_text(encoding="utf-8"))
    allowed = ALLOWED.get(name_of(path), frozenset())
    assert [(line, hit) for line, text in strings for hit in prose.retired_words(text, allowed)] == []


def test_the_check_can_fail(tmp_path):
    assert len(prose.WORDS) > 30
    assert prose.WORDS["told from noise"] == "distinguishable from noise"
    assert len(prose.retired_words("It mends what whoever\nspoilt; `judge(x)` stays.")) == 3 + 1
    page = tmp_path / "page.md"
    page.write_text("```py\njudge\n```\nand `judge`, but a judge", encoding="utf-8")
    assert len(prose.faults(page)) == 1
    assert prose_of_module("x = 'judge'\ny = 'a judge of `judge`'\n") == [(2, "a judge of  ")]
