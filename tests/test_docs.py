"""Every Python block of the README and the docs runs; every link inside the repository leads somewhere."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import andersonn

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=lambda p: p.name)
def test_python_blocks_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, str(page), "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_there_is_something_to_run():
    assert sum(len(BLOCK.findall(p.read_text())) for p in PAGES) >= 5


def test_commands_named_in_the_readme_exist():
    from typer.main import get_command

    from andersonn.cli.main import app

    verbs = set(re.findall(r"(?:^|`|\$ )andersonn ([a-z]+)", (ROOT / "README.md").read_text(), flags=re.M))
    assert verbs
    assert verbs <= set(get_command(app).commands)


API = (ROOT / "docs/framework_api.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", API, flags=re.M | re.S))
ROW = re.compile(r"^\| `(\w+)` \| (?:`([^|]*)`)? *\|", re.M)
ROOMS = [importlib.import_module(room) for room in ("andersonn.solvers", "andersonn.implicit")]
NAMES = [(room, name) for room in ROOMS for name in room.__all__]


def documented(name):
    """The arguments of a public name that the reference must show, with the repr of their defaults (None: required)."""
    subject = next(getattr(room, name) for room, known in NAMES if known == name)
    if dataclasses.is_dataclass(subject):
        inherited = {
            field.name for base in subject.__mro__[1:] if dataclasses.is_dataclass(base) for field in fields(base)
        }
        given = {field.name: field.default for field in fields(subject) if field.name not in inherited}
        return {key: None if value is dataclasses.MISSING else repr(value) for key, value in given.items()}
    if isinstance(subject, type) and issubclass(subject, enum.Enum | Warning):
        return {}
    given = inspect.signature(subject).parameters
    return {key: None if p.default is p.empty else repr(p.default) for key, p in given.items()}


@pytest.mark.parametrize("name", [name for _, name in NAMES])
def test_the_reference_shows_every_name_and_option(name):
    assert name in SECTIONS, f"docs/framework_api.md has no section {name}"
    expected, text = documented(name), SECTIONS[name]
    rows = dict(ROW.findall(text))
    if rows and name not in ("FixedPoint", "Trace", "Status"):
        assert rows == {key: value or "" for key, value in expected.items()}
    for key in expected:
        assert f"`{key}`" in text or re.search(rf"`{name}\([^`]*\b{key}\b", text), f"{name} does not show {key}"


def test_the_reference_shows_every_status():
    from andersonn import Status

    for status in Status:
        assert f"| `{status.name}` = {status.value} |" in SECTIONS["Status"]


def test_the_reference_knows_no_name_that_is_not_there():
    assert SECTIONS.keys() - {name for _, name in NAMES} == {"hold_weights"}
    assert andersonn.hold_weights
