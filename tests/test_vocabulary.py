"""Retired words are not used in docstrings, messages, help texts and pages; the list is in docs/glossary.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/andersonn"
GLOSSARY = ROOT / "docs/glossary.md"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *SOURCE.rglob("*.md")} - {GLOSSARY})
PENDING: set[str] = set()
"""Packages that are still to be rewritten. Take one out when it is clean; never add one."""
ALLOWED = {
    "docs/solver_contest.md": {"forward iteration", "judged"},  # written by a program from a measured run
    "src/andersonn/measuring/solvers.py": {"forward iteration"},  # a solver's name in reports that were written before
}
"""Retired words that a file may hold, because something outside of it pins them."""


def retired() -> dict[str, str]:
    """Retired word or phrase → what to write, from the glossary's last table."""
    table = GLOSSARY.read_text(encoding="utf-8").partition("## Retired words")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, flags=re.M)[1:]
    return {word.strip(): better for words, better in rows for word in words.split(",")}


WORDS = retired()
PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, WORDS), key=len, reverse=True)) + r")\b", re.I)


def prose_of_page(text: str) -> str:
    """Markdown without code."""
    return re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|^<!--.*?-->", " ", text, flags=re.S | re.M)


def prose_of_module(text: str) -> list[tuple[int, str]]:
    """Line and text of each string of more than one word, code in it left out."""
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [(n.lineno, re.sub(r"`[^`]*`", " ", n.value)) for n in nodes if " " in n.value.strip()]


def found(text: str, allowed: set[str] = frozenset()) -> list[str]:
    """Retired words of a text, with their replacements."""
    hits = (match[1].lower() for match in PATTERN.finditer(re.sub(r"\s+", " ", text)))
    return [f"{word!r}: write {WORDS[word]}" for word in hits if word not in allowed]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages(path):
    assert found(prose_of_page(path.read_text(encoding="utf-8")), ALLOWED.get(name_of(path), set())) == []


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=name_of)
def test_modules(path):
    if path.relative_to(SOURCE).parts[0] in PENDING:
        pytest.skip("its package is still to be rewritten")
    strings = prose_of_module(path.read_text(encoding="utf-8"))
    assert [(line, hit) for line, text in strings for hit in found(text, ALLOWED.get(name_of(path), set()))] == []


def test_the_check_can_fail():
    assert len(WORDS) > 30
    assert WORDS["told from noise"] == "distinguishable from noise"
    assert len(found("It mends what whoever\nspoilt; `judge(x)` stays.")) == 3 + 1
    assert found(prose_of_page("```py\njudge\n```\nand `judge`")) == []
    assert prose_of_module("x = 'judge'\ny = 'a judge of `judge`'\n") == [(2, "a judge of  ")]
