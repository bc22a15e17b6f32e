"""The report of a construction: its numbers are those of the content, and it is a sound page whatever names it holds."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from andersonn.constructing.figures import MOST_DRAWN
from andersonn.constructing.report import render, write_report
from tests.constructing.contents import of_labels, of_numbers

VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> $\\frac{1}{0}$ {{ 7 * 7 }} \u202e\x1b[31m & 日本"
KINDS = {"numbers": of_numbers, "labels": of_labels}


class Page(HTMLParser):
    """Elements of a page, with a check that each is closed where it must be."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.tables, self.headings, self.texts = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
        if {"th", "td"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.texts))

    def rows(self, start):
        """Cells by first cell, of all tables whose head starts so."""
        return {row[0]: row[1:] for table in self.tables if table[0][0] == start for row in table[1:]}


@cache
def text_of(kind):
    """The page of a whole content: many tests look at it."""
    return render(KINDS[kind](), "mine")


def page_of(content):
    return Page(render(content, "mine"))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_sound_page(kind):
    text = text_of(kind)
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a[name] for _, a in page.elements for name in ("href", "aria-labelledby") if name in a]
    assert {link.removeprefix("#") for link in links} | set(re.findall(r"url\(#(.*?)\)", text)) <= set(ids)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert all(a.get("scope") in ("col", "row") for tag, a in page.elements if tag == "th")
    assert all(a.get("aria-label") for _, a in page.elements if a.get("role") == "img")
    assert all("role" in a or "aria-hidden" in a for tag, a in page.elements if tag == "svg")
    assert all(tag != "img" or a.get("alt") for tag, a in page.elements)


@pytest.mark.parametrize("kind", KINDS)
def test_it_needs_nothing_else(kind):
    text = text_of(kind)
    assert not re.search(r"https?:|@import|<script|<link|<iframe|src=", text)
    assert set(re.findall(r'href="(.)', text)) == {"#"}
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


@pytest.mark.parametrize("kind", KINDS)
def test_figures_follow_the_theme(kind):
    text = text_of(kind)
    figures = re.findall(r'<svg class="figure".*?</svg>', text, re.S)
    assert len(figures) == {"numbers": 4, "labels": 2}[kind]
    assert [re.findall(r"#[0-9a-f]{6}\b", figure) for figure in figures] == [[]] * len(figures)
    used = set(re.findall(r"var\(--(\w+)\)", text))
    assert used <= set(re.findall(r"--(\w+):", text)) | {"share"}
    assert "prefers-color-scheme: dark" in text


def test_numbers_are_those_of_the_content():
    content = of_numbers()
    page, test = Page(text_of("numbers")), content["test"]
    tried = page.rows("candidate")
    assert tried["networkchosenA network."] == ["1,050", "0.634", "0.512", "0.888", "12.3"]
    assert tried["ridgebaselineA ridge."] == ["1,050", "0.951", "0.744", "0.771", "12.3"]
    beside = page.rows("method")
    assert beside["networkchosen"] == [f"{test['rmse']:.3f}", "0.471", "0.912", "90 %", "2.00"]
    assert beside["ridge"] == ["0.987", "0.765", "0.755", "n/a", "n/a"]
    assert beside["mean"][2] == "0.000"
    assert page.rows("reason") == {"no SMILES": ["4"]}
    parts = page.rows("test rows")
    assert (parts["inside"], parts["outside"]) == (["50", "0.583"], ["10", "0.741"])
    for told in (
        "1,234, 1,230 of them usable",
        "train 1,050, validation 120, test 60, by scaffold",
        "77 s, 141 CPU seconds",
    ):
        assert told in page.text
    assert content["command"] in page.text
    assert "beyond a distance of 0.950" in page.text


def test_slices():
    content = of_numbers()
    parts = {name: row for name, row in Page(text_of("numbers")).rows("test rows").items() if len(row) == 5}
    sizes = {name: row for name, row in parts.items() if name.endswith("atoms")}
    assert len(sizes) == 4
    assert sum(int(row[0]) for row in sizes.values()) == 60
    for name, row in sizes.items():
        low, high = map(int, re.findall(r"\d+", name))
        part = [point for point in content["points"] if low <= point["n_atoms"] <= high]
        residuals = np.array([point["estimate"] - point["true"] for point in part])
        inside = np.mean([point["low"] <= point["true"] <= point["high"] for point in part])
        assert int(row[0]) == len(part)
        assert float(row[1]) == pytest.approx(np.sqrt((residuals**2).mean()), rel=5e-3)
        assert float(row[2]) == pytest.approx(residuals.mean(), rel=5e-3)
        assert row[3] == f"{100 * inside:.0f} %"
    assert parts["no ring"][0] == "24"
    drawn = re.findall(r'title="(\S+)"><svg.*?</svg></span></th><td>(\d+)', text_of("numbers"), re.S)
    assert drawn == [("c1ccccc1", "30"), ("c1ccncc1", "6")]
    assert "another scaffold" not in parts
    labels = Page(text_of("labels")).rows("test rows")
    assert labels["with O"][0] == "30"
    assert {"with Na", "with Ti"} & set(labels)


def test_worst_cases_come_first():
    content = of_numbers()
    order = sorted(content["points"], key=lambda point: -abs(point["true"] - point["estimate"]))[:10]
    text = text_of("numbers")
    assert re.findall(r"<h3>(row \d+)</h3>", text) == [point["id"] for point in order]
    assert text.count('<svg class="molecule"') >= 10
    wrong = [point for point in of_labels()["points"] if point["true"] != point["estimate"]]
    wrong.sort(key=lambda point: -point["p"][point["estimate"]])
    text = text_of("labels")
    assert re.findall(r"<h3>(crystal \d+)</h3>", text) == [point["id"] for point in wrong[:10]]
    assert "TiO<sub>2</sub>" in text


def test_points_have_their_names():
    """Titles are given to the marks in the order in which matplotlib wrote them."""
    content = of_numbers()
    figure = re.search(r'<svg class="figure".*?</svg>', text_of("numbers"), re.S)[0]
    marks = re.findall(r'<use [^>]*?x="([\d.]+)"[^>]*><title>(row \d+): true (\S+), estimated \S+</title>', figure)
    assert len(marks) == len({name for _, name, _ in marks}) == 60
    true = {point["id"]: point["true"] for point in content["points"]}
    x, named = np.array([float(x) for x, _, _ in marks]), np.array([true[name] for _, name, _ in marks])
    assert np.corrcoef(x, named)[0, 1] > 0.99999
    np.testing.assert_allclose([float(value) for _, _, value in marks], named, rtol=5e-3)


def test_confusion_of_labels_and_of_numbers_with_thresholds():
    content = of_labels()
    found = Page(text_of("labels")).rows("true class")
    for true in content["classes"]:
        row = [point for point in content["points"] if point["true"] == true]
        counts = [sum(point["estimate"] == said for point in row) for said in content["classes"]]
        assert found[true] == [f"{count}{100 * count / len(row):.0f} %" for count in counts]
    content = of_numbers() | {"classes": ["poor", "good"], "thresholds": [-3.0]}
    found = page_of(content).rows("true class")
    poor = [point for point in content["points"] if point["true"] < -3]
    counts = [sum((point["estimate"] >= -3) == good for point in poor) for good in (False, True)]
    assert found["poor"] == [f"{count}{100 * count / len(poor):.0f} %" for count in counts]
    assert Page(text_of("numbers")).rows("true class") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names(kind):
    content = json.loads(json.dumps(KINDS[kind]()))
    content |= dict.fromkeys(("command", "name", "source", "target", "unit"), HOSTILE)
    content["understanding"] = {
        "values": f"{HOSTILE}\n{HOSTILE}",
        "findings": [HOSTILE],
        "rows": 3,
        "usable": 1,
        "unusable": {HOSTILE: 2},
    }
    content["split"]["by"] = HOSTILE
    content["candidates"][0] |= {"name": HOSTILE, "what": HOSTILE, "note": HOSTILE}
    content["test"]["beside"][HOSTILE] = content["test"]["beside"].popitem()[1]
    for point in content["points"]:
        point |= {"id": HOSTILE, "smiles": HOSTILE, "formula": HOSTILE}
        if kind == "labels" and point["true"] == "low":
            point |= {"true": HOSTILE, "p": point["p"] | {HOSTILE: 0.1}}
    text = render(content, HOSTILE)
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "img"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7 * 7 }}" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)


PARTS = (
    "command", "name", "source", "unit", "classes", "thresholds", "understanding", "split", "seconds", "cpu_seconds", "candidates",
    "test", "points", "reliability", "learning_curve", "twice", "applicability",
)  # fmt: skip
SECTIONS = {
    "candidates": "candidates", "reliability": "reliability", "learning_curve": "learning", "test": "baselines", "points": "worst",
    "command": "command",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_missing_parts_are_left_out(kind, part):
    content = KINDS[kind](12)
    if kind == "numbers":
        content[part] = None
    else:
        del content[part]
    ids = {attributes.get("id") for _, attributes in page_of(content).elements}
    assert SECTIONS.get(part) not in ids - {None}
    assert {"table", "use"} <= ids


def test_empty_parts_are_left_out():
    whole = of_numbers(12)
    empty = {key: type(value)() for key, value in whole.items() if not isinstance(value, (bool, float))}
    page = page_of(empty | {"kind": "number", "target": "logS"})
    assert {a["id"] for _, a in page.elements if "id" in a} == {"table", "use"}


def test_least_content():
    page = page_of({"kind": "labels", "target": "x"})
    assert "nobody has measured" in page.text


def test_odd_values():
    """One test row, one value, an estimate that is missing, a molecule that cannot be read."""
    content = of_numbers(1)
    content["points"].append(content["points"][0] | {"estimate": None})
    content["points"][0] |= {"low": None, "high": None, "smiles": "not SMILES", "formula": "C2H6O", "distance": None}
    text = render(content, "mine")
    assert "C<sub>2</sub>H<sub>6</sub>O" in text
    assert len(re.findall("<h3>row", text)) == 1
    same = of_numbers(20)
    same["points"] = [point | {"true": 1.0, "estimate": 1.0, "n_atoms": 7} for point in same["points"]]
    assert Page(render(same, "mine"))


def test_many_points_and_wild_estimates():
    content = of_numbers(MOST_DRAWN + 7)
    content["points"][3]["estimate"] = 1e9
    text = render(content | {"learning_curve": [], "reliability": []}, "mine")
    assert "A random 1,500 of the 1,507 rows are drawn." in text
    assert text.count("<title>row ") == 2 * MOST_DRAWN
    assert text.count("estimated 1.00e+09</title>") == text.count("at the edge: 1 beyond it") == 2
    assert "<h3>row 3</h3>" in text


def test_it_is_written_beside_the_model(tmp_path):
    folder = tmp_path / "my model"
    path = write_report(of_numbers(12), folder)
    assert path == folder / "report.html"
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert "andersonn serve --model 'my model'" in page.text
    assert "an.Scientist.load('my model')" in page.text
