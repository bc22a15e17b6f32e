"""Lists in a real browser, and what stays of them: in the address, in the tab, and in a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.web.conftest import EXAMPLES, needs_browser

pytestmark = needs_browser
QUARTZ, NACL = (EXAMPLES / f"structures/{name}.cif" for name in ("quartz", "NaCl"))
LONG = "".join(f"{'C' * (k % 12 + 1)}O alcohol {k}\n" for k in range(400))
SHORT = "CCO ethanol\nC1CC broken\nCC#N acetonitrile\n"
ROWS = "#table tbody tr"


def ask_about(page, text, task="polarity"):
    page.get_by_label(task).check()
    page.fill("#text", text)
    page.get_by_role("button", name="Ask", exact=True).click()


def status(page, start):
    page.wait_for_function("start => document.querySelector('#status').textContent.startsWith(start)", arg=start)
    return page.inner_text("#status")


def test_a_list_streams_and_can_be_cancelled(opened, wide):
    page = opened(wide)
    ask_about(page, LONG)
    page.wait_for_function("() => document.querySelectorAll('#table tbody tr').length >= 2")
    assert "of 400 answered" in page.inner_text("#progress-text")
    page.get_by_label("conduction").check()
    assert "are about polarity; they are still coming" in page.inner_text("#again")
    page.get_by_role("button", name="Leave it").click()
    assert page.is_checked("#tasks input[value=polarity]")
    page.get_by_role("button", name="Cancel").click()
    told = status(page, "Cancelled: ")
    assert " of 400 done." in told
    rows = page.locator(ROWS).count()
    assert 2 <= rows < 400
    page.reload()
    assert status(page, "Cancelled: ") == told
    assert page.locator(ROWS).count() == rows


def test_reloading_a_list_cancels_it_and_does_not_begin_it_again(opened, wide):
    page = opened(wide)
    ask_about(page, LONG)
    page.wait_for_selector(ROWS)
    page.reload()
    page.wait_for_selector("#tasks input")
    status(page, "This list was not answered to its end")
    for _ in range(600):
        if wide.client.get("/api/health").json()["waiting"] == 0:
            break
        page.wait_for_timeout(50)
    assert wide.client.get("/api/health").json()["waiting"] == 0


def test_a_list_is_filtered_shared_and_asked_again(opened, server):
    page = opened(server)
    ask_about(page, SHORT)
    assert status(page, "2 answered, 1 not.")
    names = f"{ROWS}:not([hidden]) td:first-child"
    assert page.locator(names).all_inner_texts() == ["ethanol", "broken", "acetonitrile"]
    page.fill("#filter", "strongly")
    assert page.locator(names).all_inner_texts() == ["acetonitrile"]
    page.fill("#filter", "")
    page.get_by_role("button", name="acetonitrile").click()
    page.wait_for_selector("#convergence")
    assert page.inner_text("#answer h2") == "acetonitrile"
    page.wait_for_function("() => location.hash.includes('row=2')")
    there = page.evaluate("location.hash")
    other = opened(server, f"/{there}")
    other.wait_for_selector("#convergence")
    assert other.inner_text("#answer h2") == "acetonitrile"
    assert other.locator(ROWS).count() == 3
    page.get_by_label("conduction").check()
    page.get_by_role("button", name="Ask about conduction, 3 inputs").click()
    status(page, "Not answered.")
    page.go_back()
    status(page, "2 answered, 1 not.")
    assert page.is_checked("#tasks input[value=polarity]")
    assert page.input_value("#text") == SHORT


def test_back_and_reload_keep_the_answer_with_its_thresholds(opened, server):
    page = opened(server)
    page.set_input_files("#files", QUARTZ)
    page.wait_for_selector("#convergence")
    page.focus(".sliders input >> nth=1")
    for _ in range(12):
        page.keyboard.press("PageUp")
    assert page.inner_text("#class") == "semiconductor"
    page.wait_for_function("() => location.hash.includes('cuts=0.05%2C9')")
    page.set_input_files("#files", NACL)
    page.wait_for_function("() => document.querySelector('#answer h2')?.textContent === 'NaCl.cif'")
    page.wait_for_selector("#convergence")
    page.get_by_role("link", name="Model cards").click()
    page.wait_for_selector("#cards h1")
    page.go_back()
    assert page.inner_text("#answer h2") == "NaCl.cif"
    page.go_back()
    page.wait_for_function("() => document.querySelector('#answer h2')?.textContent === 'quartz.cif'")
    for _ in range(2):
        assert page.inner_text("#class") == "semiconductor"
        assert page.inner_text(".sliders output >> nth=1") == "9.00 eV"
        before = server.client.get("/api/health").json()["structures"]
        page.reload()
        page.wait_for_selector("#convergence")
        assert server.client.get("/api/health").json()["structures"] == before, "it was asked again"
    page.go_back()
    status(page, "Drop a structure")


def test_inputs_that_are_too_long_for_an_address_stay_in_the_tab(opened, server):
    text = QUARTZ.read_text() + "".join(f"# {k * k * k % 99991} {k}\n" for k in range(4000))
    page = opened(server)
    page.set_input_files("#files", {"name": "q.cif", "mimeType": "", "buffer": text.encode()})
    page.wait_for_selector("#convergence")
    page.wait_for_function("() => location.hash === '#lab?task=conduction&left=out'")
    page.get_by_role("button", name="Copy link").click()
    assert "too long for a link" in page.inner_text("#share")
    page.reload()
    page.wait_for_selector("#convergence")
    other = opened(server, "/#lab?task=conduction&left=out")
    status(other, "The inputs were too long for the address")


def test_a_damaged_address_is_told(opened, server):
    page = opened(server, "/#lab?task=conduction&in=AAAA")
    status(page, "The address is damaged")
    page = opened(server, "/#lab?task=alchemy&smiles=C")
    status(page, "The address asks about alchemy, of which there is no model")


def test_a_result_is_saved_as_a_page_that_needs_no_server(opened, server, browser, tmp_path):
    page = opened(server)
    page.set_input_files("#files", QUARTZ)
    page.wait_for_selector("#explanation svg")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as HTML").click()
    file = tmp_path / "result.html"
    file.write_bytes(Path(download.value.path()).read_bytes())
    context = browser.new_context(offline=True, viewport={"width": 1024, "height": 800})
    saved, asked = context.new_page(), []
    saved.on("request", lambda request: asked.append(request.url))
    saved.goto(file.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert saved.inner_text("#class") == "insulator"
    assert saved.locator("script:not([type='application/json']), button, input").count() == 0
    assert saved.locator("img.frozen").count() == 3
    assert all(saved.eval_on_selector_all("img.frozen", "all => all.map(one => one.naturalWidth > 100)"))
    (answer,) = json.loads(saved.eval_on_selector("#answers", "e => e.textContent"))
    assert (answer["formula"], answer["class"]) == ("SiO2", "insulator")
    context.close()


def test_on_paper_stand_the_results_alone(opened, server):
    page = opened(server)
    page.set_input_files("#files", QUARTZ)
    page.wait_for_selector("#convergence")
    page.emulate_media(media="print")
    assert [page.is_visible(place) for place in ("#ask", "header", "#share", ".sliders")] == [False] * 4
    assert page.is_visible("#answer")
    assert page.is_visible("#structure canvas")


def test_a_folder_is_asked_without_what_is_no_structure(opened, server, tmp_path):
    page = opened(server)
    (tmp_path / "inner").mkdir()
    for name in ("quartz.cif", "inner/again.cif", "notes.txt", "table.csv", ".hidden.cif"):
        (tmp_path / name).write_bytes(QUARTZ.read_bytes())
    page.set_input_files("#folder", tmp_path)
    status(page, "2 answered.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    rows = csv.DictReader(io.StringIO(Path(download.value.path()).read_text()))
    assert sorted((row["input"], row["formula"]) for row in rows) == [("again.cif", "SiO2"), ("quartz.cif", "SiO2")]


def test_more_files_than_a_request_takes_are_sent_in_several(opened, server, tmp_path):
    files = []
    for k in range(6):
        files.append(tmp_path / f"{k}.cif")
        files[-1].write_text(QUARTZ.read_text() + "#" * 280_000)  # three of them in 1 MB
    page = opened(server)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/api/predict" in request.url else None)
    page.set_input_files("#files", files)
    status(page, "6 answered.")
    assert len(sent) == 2
    assert page.locator(f"{ROWS} td:first-child").all_inner_texts() == [file.name for file in files]
    page.get_by_role("button", name="5.cif").click()
    page.wait_for_selector("#convergence")
    assert page.inner_text("#answer h2") == "5.cif"


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark"), (390, "light"), (390, "dark")])
def test_nothing_leaves_the_window(opened, server, width, scheme):
    page = opened(server, viewport={"width": width, "height": 800}, color_scheme=scheme)
    ask_about(page, SHORT)
    status(page, "2 answered, 1 not.")
    page.get_by_role("button", name="ethanol").click()
    page.wait_for_selector("#explanation svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
