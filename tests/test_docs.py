"""Every Python block of the README and the docs runs; every link inside the repository leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
