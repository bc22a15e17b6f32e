"""Options of answers about pores on the page, in a real browser."""

from __future__ import annotations

import contextlib
import io
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.conftest import EXAMPLES, needs_browser

pytestmark = needs_browser
ZINC = EXAMPLES / "frameworks/zinc-ultramicroporous.cif"
OPTIONS = {"convention": "zeo++-default", "radii": "O=1.35,Zn=1.2"}


@pytest.fixture
def asked(page):
    """The page about porosity, and the questions that it sends about pores: options of each, without what the page asks for itself."""
    sent = []
    page.on("request", lambda request: sent.append(urlsplit(request.url)) if request.method == "POST" else None)
    page.get_by_label("porosity").check()
    return page, lambda verb: [
        {name: values[0] for name, values in parse_qs(url.query).items() if name not in ("structure", "curves")}
        for url in sent
        if url.path == f"/api/{verb}/porosity"
    ]


def answered(page, *words):
    """Waits for an answer that has words among its notes on pores."""
    page.wait_for_selector("#convergence")
    for word in words:
        assert word in page.inner_text("#pores")


def ask_with_options(page, checked):
    """Asks about a framework with :data:`OPTIONS` and one box checked, and waits for the answer."""
    page.click("#pore-options summary")
    page.select_option("#convention", OPTIONS["convention"])
    page.fill("#radii", OPTIONS["radii"])
    page.check(checked)
    page.set_input_files("#files", ZINC)
    answered(page)


def test_options_stand_with_porosity_alone_and_are_folded(page):
    for task, shown in (("polarity", False), ("porosity", True), ("conduction", False)):
        page.get_by_label(task).check()
        assert page.is_visible("#pore-options") == shown
    page.get_by_label("porosity").check()
    assert not page.is_visible("#radii")
    page.focus("#pore-options summary")
    page.keyboard.press("Enter")
    for name in ("#convention", "#radii", "#strip_guests", "#clean"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name[1:]
        assert page.eval_on_selector(
            name, "control => control.labels.length === 1 && control.labels[0].innerText.length > 5"
        )


def test_options_go_with_every_question_and_change_the_answer(asked, server):
    page, sent = asked
    page.set_input_files("#files", ZINC)
    answered(page)
    usual = page.inner_text("#pores")
    assert sent("predict") == sent("inspect") == [{}]
    page.click("#pore-options summary")
    page.select_option("#convention", OPTIONS["convention"])  # asks again
    page.wait_for_function(
        "usual => document.querySelector('#pores') && document.querySelector('#pores').textContent !== usual", arg=usual
    )
    page.fill("#radii", OPTIONS["radii"])
    with page.expect_response(lambda answer: "/inspect/" in answer.url and "radii" in answer.url):
        page.press("#radii", "Enter")
    answered(page)
    page.wait_for_selector("#convergence")
    assert sent("predict")[-1] == sent("inspect")[-1] == OPTIONS
    count = len(sent("predict"))
    page.press("#radii", "Tab")  # nothing is new
    assert len(sent("predict")) == count == 3
    found = server.ask("predict", "porosity", ZINC, params=OPTIONS).json()["answers"][0]
    assert f"{found['pores']['in_words']}." in page.inner_text("#pores")
    assert not page.is_visible("#pore-told")
    page.click("#pore-options summary")
    assert page.inner_text("#pore-told") == "zeo++-default, O=1.35,Zn=1.2"
    page.click("#pore-options summary")
    page.get_by_label("Remove guests from the pores").check()
    page.get_by_role("button", name="Race: plain, damped and Anderson iteration").click()
    page.wait_for_selector("#crossover")
    assert sent("race") == [OPTIONS | {"strip_guests": "true"}]


def test_options_are_kept_in_the_address_and_the_tab(asked, opened, server):
    page, sent = asked
    ask_with_options(page, "#clean")
    there = page.evaluate("location.hash")
    assert {name: values[0] for name, values in parse_qs(there.partition("?")[2]).items()}.items() >= (
        OPTIONS | {"clean": "true"}
    ).items()
    told = page.inner_text("#pores")
    page.reload()
    answered(page, told)
    assert sent("predict") == [OPTIONS | {"clean": "true"}], "a kept answer was asked for again"
    assert sent("inspect")[-1] == OPTIONS | {"clean": "true"}
    other = opened(server, f"/{there}")
    answered(other, told)
    assert other.input_value("#radii") == OPTIONS["radii"]
    assert other.is_checked("#clean")
    assert not other.is_checked("#strip_guests")


def test_bad_radii_are_told_and_leave_with_the_task(browser, server):
    page = browser.new_page(base_url=server.url)  # whose console tells that the server refused
    page.goto("/")
    page.get_by_label("porosity").check()
    page.click("#pore-options summary")
    page.fill("#radii", "O:1.35")
    page.set_input_files("#files", ZINC)
    page.wait_for_selector(".problem")
    assert "give element=length" in page.inner_text(".problem")
    page.get_by_label("conduction").check()
    page.wait_for_selector("#convergence")
    assert "radii" not in page.evaluate("location.hash")
    page.close()


def test_python_asks_with_the_same_options(asked, monkeypatch, tmp_path):
    page, _ = asked
    ask_with_options(page, "#strip_guests")
    (tmp_path / ZINC.name).write_bytes(ZINC.read_bytes())
    monkeypatch.chdir(tmp_path)
    found = page.locator("#detail .python code").all_text_contents()
    codes = [code for code in found if ".explain(" not in code]  # the explanation comes later, or is there already
    assert len(codes) == 5
    for k, code in enumerate(codes):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(code, "snippet", "exec"), {})
        if k == 0:
            assert said.getvalue().split()[0].replace("_", " ") == page.inner_text("#class")
            estimate = float(page.inner_text("#answer .strong").split()[0])
            assert any(abs(float(word) - estimate) < 0.006 for word in re.findall(r"\d+\.\d+", said.getvalue()))


def test_on_a_phone(opened, server):
    page = opened(server, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.get_by_label("porosity").check()
    page.click("#pore-options summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#strip_guests").locator("xpath=..").bounding_box()["height"] >= 24
