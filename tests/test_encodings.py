"""Files are UTF-8 on every machine: each place that opens text says so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src/andersonn"
FILES = sorted(SOURCE.rglob("*.py"))
NOT_OF_TEXT = {"os", "archive", "tarfile", "zipfile"}
"""Whose ``open`` gives bytes or a descriptor."""


def called(node):
    """The name of what is called, and the name it is called on."""
    if isinstance(node.func, ast.Name):
        return node.func.id, None
    if isinstance(node.func, ast.Attribute):
        return node.func.attr, node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    return "", None


def modes(node, place):
    """Every mode that a call may open with."""
    given = [key.value for key in node.keywords if key.arg == "mode"] + node.args[place : place + 1]
    parts = [given[0].body, given[0].orelse] if given and isinstance(given[0], ast.IfExp) else given[:1]
    return [getattr(part, "value", None) for part in parts] or ["r"]


def careless(tree):
    """Lines on which text is read or written in whatever encoding the machine has."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(key.arg in ("encoding", None) for key in node.keywords):
            continue
        name, on = called(node)
        if name in ("open", "fdopen") and (name == "fdopen" or on not in NOT_OF_TEXT):
            text = any(
                mode is None or "b" not in mode for mode in modes(node, 1 if on is None or name == "fdopen" else 0)
            )
        elif name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"):
            text = any("b" not in (mode or "") for mode in modes(node, 0)) and bool(node.args or node.keywords)
            text = text and any(key.arg == "mode" for key in node.keywords) | bool(node.args)
        elif name in ("read_text", "write_text") and on is not None:
            text = len(node.args) == (name == "write_text")
        elif name in ("run", "Popen", "check_output"):
            text = any(key.arg in ("text", "universal_newlines") for key in node.keywords)
        else:
            text = name in ("TextIOWrapper", "FileHandler")
        if text:
            yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_text_is_opened_as_utf8(path):
    assert list(careless(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_the_rule_can_fail():
    wrong = """
open(name)
open(name, "w")
path.open()
path.open("w" if new else "rb")
path.read_text()
(folder / "x").write_text(text)
subprocess.run(command, text=True)
os.fdopen(handle, "w")
tempfile.NamedTemporaryFile("w")
io.TextIOWrapper(stream)
"""
    right = """
open(name, "rb")
open(name, encoding="utf-8")
os.open(name, os.O_RDWR)
path.open("ab" if more else "wb")
path.read_text(encoding="utf-8")
write_text(path, text)
subprocess.run(command)
tempfile.TemporaryFile(dir=folder)
tempfile.NamedTemporaryFile()
os.fdopen(handle, "rb")
"""
    assert list(careless(ast.parse(wrong))) == list(range(2, 12))
    assert list(careless(ast.parse(right))) == []
