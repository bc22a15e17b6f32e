"""Lines end at line feeds and carriage returns alone: what else ``str.splitlines`` cuts at stands within names and texts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from andersonn.sanitize import first_line, lines_of
from andersonn.structures.readers import read_file

SOURCE = Path(__file__).parents[1] / "src/andersonn"


def calls_of_splitlines(text: str) -> list[int]:
    nodes = ast.walk(ast.parse(text))
    return sorted(node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr == "splitlines")


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_split_at_odd_marks(path):
    assert calls_of_splitlines(path.read_text(encoding="utf-8")) == []


def test_the_rule_can_fail():
    assert calls_of_splitlines("x = 1\nfor line in text.splitlines():\n    pass\nf = str.splitlines\n") == [2, 4]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\r\nb\rc\nd", ["a", "b", "c", "d"]), ("\n\n", ["", ""]), ("a\n\r\nb\r", ["a", "", "b"]),
        ("a\u2028b\x0bc\x0cd\x1ce\x85f\u2029g\x1d\x1e\n", ["a\u2028b\x0bc\x0cd\x1ce\x85f\u2029g\x1d\x1e"]),
    ],
)  # fmt: skip
def test_lines(text, lines):
    assert lines_of(text) == lines


def test_the_first_line_of_an_error_that_says_nothing():
    assert first_line(ValueError("\n\n a\nb")) == "a"
    assert first_line(KeyError()) == "KeyError"
    assert first_line(ValueError("")) == first_line(ValueError(" \n ")) == "ValueError"


@pytest.mark.parametrize("mark", "\x0b\x0c\x1c\x85\u2028", ids=ascii)
def test_odd_marks_in_the_comment_of_an_xyz_file(tmp_path, mark):
    path = tmp_path / "frames.xyz"
    path.write_text(
        f"1\nx{mark}2{mark} charge=-1\nCl 0 0 0\n1\r\ncharge=1\r\nNa 0 0 0\r\n²\n\n", encoding="utf-8", newline=""
    )
    assert [(found.charge, len(found)) for found in read_file(path)] == [(-1, 1), (1, 1)]
