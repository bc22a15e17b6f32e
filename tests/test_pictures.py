"""The pictures of the gallery: each is shown and can be drawn again, and those of notebooks are the notebooks' own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("pictures", ROOT / "tools/pictures.py")
pictures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pictures)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = {name for page in PAGES for name in re.findall(r"!\[[^\]]+\]\([^)]*pictures/(\w+)\.png\)", page.read_text())}
OF_BENCHMARKS = {"construct_benchmark", "predictions", "solver_contest", "web_lab"}
"""Drawn by benchmarks, and by a browser."""


def test_every_picture_is_shown_and_can_be_drawn_again():
    stored = {path.stem for path in pictures.PICTURES.glob("*.png")}
    assert stored == SHOWN == OF_BENCHMARKS | pictures.DRAWN.keys() | pictures.NOTEBOOKS.keys()


def test_the_gallery_shows_all_that_the_command_draws():
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    assert {
        name for name in SHOWN if f"pictures/{name}.png" in page
    } == pictures.DRAWN.keys() | pictures.NOTEBOOKS.keys()
    assert "`python tools/pictures.py`" in page


@pytest.mark.parametrize("name", pictures.NOTEBOOKS)
def test_pictures_of_notebooks_are_those_in_the_notebooks(name):
    assert (pictures.PICTURES / f"{name}.png").read_bytes() == pictures.from_notebook(name), "run tools/pictures.py"


def test_a_notebook_without_the_picture_is_told(monkeypatch):
    monkeypatch.setitem(pictures.NOTEBOOKS, "gone", ("screening", "no such words"))
    with pytest.raises(LookupError, match="no such words"):
        pictures.from_notebook("gone")


def test_the_race_shows_what_the_page_says():
    gains = []
    for lines in pictures.races().values():
        picard, damped, anderson = map(len, lines.values())
        assert anderson < picard < damped < 3000
        gains.append(picard / anderson)
    assert gains == sorted(gains)
    assert gains[-1] > 2.0
