"""The page in a real browser: Debian's Chromium, headless, by Playwright."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.web.conftest import EXAMPLES, needs_browser

pytestmark = needs_browser
QUARTZ, COPPER, NACL = (EXAMPLES / f"structures/{name}.cif" for name in ("quartz", "Cu", "NaCl"))


def painted(page, selector):
    """How many colors a canvas shows."""
    return page.eval_on_selector(
        selector,
        "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size",
    )


def test_a_file_shows_all_views_and_thresholds_move_the_class(page):
    page.set_input_files("#files", QUARTZ)
    page.wait_for_selector("#explanation svg")
    assert page.inner_text("#class") == "insulator"
    assert page.inner_text("#rule") == "calibrated on validation data"
    assert "inside" in page.inner_text("#domain")
    for selector in ("#structure canvas", "#network canvas", "#image canvas"):
        assert painted(page, selector) > 5
    assert page.locator("#convergence polyline").count() == 2
    page.focus(".sliders input >> nth=1")
    for _ in range(12):
        page.keyboard.press("PageUp")
    assert page.inner_text(".sliders output >> nth=1") == "9.00 eV"
    assert page.inner_text("#class") == "semiconductor"
    assert "calibrated distribution" in page.inner_text("#rule")
    page.get_by_role("button", name="Reset").click()
    assert page.inner_text("#class") == "insulator"
    assert page.inner_text("#rule") == "calibrated on validation data"


def test_the_structure_turns_by_keys_and_takes_colors_of_contributions(page):
    page.get_by_role("button", name="paracetamol").press("Enter")
    page.wait_for_selector("#explanation svg")
    picture = "c => c.toDataURL()"
    before = page.eval_on_selector("#structure canvas", picture)
    page.focus("#structure canvas")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"old => ({picture})(document.querySelector('#structure canvas')) !== old", arg=before)
    turned = page.eval_on_selector("#structure canvas", picture)
    page.get_by_role("button", name="contributions").click()
    page.wait_for_function(f"old => ({picture})(document.querySelector('#structure canvas')) !== old", arg=turned)
    assert page.locator("#formula svg path").count() > 10
    p = float(page.inner_text(".probability output >> nth=1").split()[0])
    page.focus(".sliders input")
    page.keyboard.press("PageUp")  # the model's own distribution of the dipole moment
    assert float(page.inner_text(".probability output >> nth=1").split()[0]) < p
    assert "calibrated distribution" in page.inner_text("#rule")


def test_several_files_make_a_table_that_sorts_and_downloads(page, tmp_path):
    bad = tmp_path / "bad.cif"
    bad.write_text("data_x\n_cell_length_a 1\n")
    page.set_input_files("#files", [QUARTZ, COPPER, NACL, bad])
    page.wait_for_function("() => document.querySelector('#status').innerText === '3 answered, 1 not.'")
    assert page.locator(".problem").first.inner_text().startswith("bad.cif")
    names = "#table tbody tr td:first-child"
    page.get_by_role("button", name="band gap / eV").click()
    assert page.locator(names).all_inner_texts()[:3] == ["Cu.cif", "NaCl.cif", "quartz.cif"]
    page.get_by_role("button", name="band gap / eV").click()
    assert page.locator(names).all_inner_texts()[:3] == ["quartz.cif", "NaCl.cif", "Cu.cif"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [(row["input"], row["class"]) for row in rows] == [
        ("quartz.cif", "insulator"), ("Cu.cif", "metal"), ("NaCl.cif", "insulator"), ("bad.cif", ""),
    ]  # fmt: skip
    assert rows[3]["error"]
    page.get_by_role("button", name="Cu.cif").click()
    page.wait_for_selector("#convergence")
    assert page.inner_text("#class") == "metal"
    assert page.inner_text("#answer h2") == "Cu.cif"


def test_a_molecule_is_asked_in_each_geometry(page):
    page.get_by_label("polarity").check()
    page.fill("#text", "NCCCO")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector("#structure canvas")
    page.select_option("#geometry", "none")  # asks again
    page.wait_for_selector("text=andersonn/polarity/none")
    page.wait_for_selector("#image canvas")
    page.wait_for_selector("#explanation .take")
    assert "Which groups drove the answer" in page.inner_text("#explanation")
    assert page.locator("#formula svg path").count() > 3
    assert page.locator("#structure").count() == 0
    rows = page.locator("#convergence tbody tr").all_inner_texts()
    assert len(rows) == 2
    assert "ms" not in "".join(rows)
    page.get_by_label("conduction").check()
    assert not page.is_visible("#geometry")


def test_a_bad_paste_is_told_and_the_right_task_offered(page):
    page.fill("#text", "hello, world!")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector(".problem")
    assert "no valid SMILES" in page.inner_text(".problem")
    page.fill("#text", "CCO")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("button", name="Ask about polarity instead").click()
    page.wait_for_selector("#class")
    assert page.inner_text("#answer h2") == "CCO"


@pytest.mark.parametrize(
    ("place", "title"), [("cards/porosity", "Model card: porosity"), ("report", "What was measured"), ("api", "API")]
)
def test_pages(page, server, place, title):
    page.goto(f"{server.url}/#{place}")
    page.wait_for_selector("main:not([hidden]) h1")
    assert title in page.inner_text("main:not([hidden]) h1")


def test_on_a_phone_in_the_dark(opened, server):
    page = opened(server, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.get_by_role("button", name="quartz").click()
    page.wait_for_selector("#convergence")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shades = [page.evaluate("getComputedStyle(document.body).backgroundColor")]
    page.get_by_label("light").check(force=True)
    shades.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(20, 24, 29)", "rgb(246, 247, 249)"]
