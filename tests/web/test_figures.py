"""The page Measurements can be read everywhere; that its numbers are those of the documentation is asked in tests/test_docs.py."""

from __future__ import annotations

import json
import re
import runpy

import pytest

from andersonn.web import pages
from tests.web.conftest import ROOT, needs_browser

TOOL = runpy.run_path(str(ROOT / "tools/figures.py"))
FIGURES = pages.figures()["figures"]


def test_a_table_that_is_gone_is_told():
    with pytest.raises(LookupError, match="has no table with the columns no such column"):
        TOOL["table"]("measured.md", "no such column")
    with pytest.raises(LookupError, match="has no heading"):
        TOOL["table"]("measured.md", "Anderson", under="## No such heading")
    with pytest.raises(LookupError, match="does not say"):
        TOOL["said"]("measured.md", r"(\d+) angels on a pin")


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure["id"])
def test_a_figure_is_whole(figure):
    widths = {len(row) for row in [figure["head"], *figure["rows"]]}
    assert len(widths) == 1
    assert figure["command"].startswith(("andersonn ", "python benchmarks/"))
    assert (ROOT / figure["source"]).exists()
    drawn = [bar["value"] for bar in figure.get("bars", ())] or [
        v for curve in figure["curves"] for v in curve["values"]
    ]
    listed = {float(n.replace(",", "")) for row in figure["rows"] for n in re.findall(r"\d[\d,]*\.?\d*", " ".join(row))}
    assert set(drawn) <= listed


def test_every_verdict_has_a_figure():
    assert {figure["group"] for figure in FIGURES} == {"scientists", "ahead", "level", "behind"}


def test_the_api_gives_them(server):
    assert server.client.get("/api/measurements").json() == json.loads(pages.FIGURES.read_text(encoding="utf-8"))


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark"), (390, "light")])
def test_each_is_drawn_with_its_numbers_and_command(opened, server, width, scheme):
    page = opened(server, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(f"{server.url}/#report")
    page.wait_for_selector(".figure")
    assert page.locator(".figure").count() == len(FIGURES)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """() => [...document.querySelectorAll('.figure svg text')].filter((text) => {
      const [own, card] = [text.getBoundingClientRect(), text.closest('.figure').getBoundingClientRect()];
      return own.right > card.right || own.left < card.left;
    }).map((text) => text.textContent)"""
    assert page.evaluate(beyond) == []
    for figure in FIGURES:
        card = page.locator(f"#figure-{figure['id']}")
        assert figure["sentence"] in card.inner_text()
        assert figure["command"] in card.inner_text()
        card.get_by_text("The numbers", exact=True).press("Enter")
        assert card.locator("tbody tr").count() == len(figure["rows"])
    page.get_by_role("link", name="The whole report").click()
    page.wait_for_selector("#report h2:has-text('Memory of a training step')")
    page.go_back()
    page.wait_for_selector(".figure")
