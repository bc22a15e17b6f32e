"""The documentation builds as a site without a warning, its links lead somewhere, and its pages load nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}
"""What a browser fetches by itself, by tag and attribute; ``a`` is followed by people alone."""


class Page(HTMLParser):
    """Ids, links and loaded addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded, self.classes = {""}, [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = {key: value or "" for key, value in attributes}
        self.ids |= {given[key] for key in ("id", "name") if key in given and tag != "meta"}
        self.classes |= set(given.get("class", "").split())
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if LOADED.get(tag) in given:
            self.loaded.append(given[LOADED[tag]])


def faults(site):
    """What is wrong with a built site: addresses that lead nowhere, and what is loaded from another host."""
    site, found = site.resolve(), []
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    for path, page in pages.items():
        found += [f"{path.name} loads {address}" for address in page.loaded if urlsplit(address).netloc]
        if "mermaid" in page.classes:
            found.append(f"{path.name} has a diagram, which loads a script from another host")
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or not target.is_relative_to(site):
                found.append(f"{path.name} → {address}: no such file")
            elif target in pages and unquote(parts.fragment) not in pages[target].ids:
                found.append(f"{path.name} → {address}: no such anchor")
    for style in site.rglob("*.css"):
        found += [
            f"{style.name} loads {url}" for url in re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]+)", style.read_text())
        ]
        found += [f"{style.name} imports {url}" for url in re.findall(r"@import[^;]*//[^;]+", style.read_text())]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, *words_of("docs"), "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


def words_of(target):
    """The very words that ``make`` gives to Python for a target: a quieter command would see less."""
    recipe = re.search(rf"^{target}:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)[1]
    return recipe.partition("$(BIN)/python ")[2].split()


def test_the_command_is_the_one_of_the_makefile():
    assert words_of("docs") == ["-m", "mkdocs", "build", "--strict"]


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.M))
    assert named == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def test_every_page_is_there(site):
    assert {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")} == {
        path.relative_to(site) for path in site.rglob("*.html") if path.name != "404.html"
    }


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site):
    assert faults(site) == []


def test_faults_are_seen(tmp_path):
    (tmp_path / "style.css").write_text("a { background: url(https://fonts.example/a.woff) }")
    (tmp_path / "b.html").write_text('<h2 id="here">b</h2>')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#there">2</a><a href="c.html">3</a><a href="https://example.org">4</a>'
        '<img src="gone.png"><script src="//cdn.example/x.js"></script><a href="../../etc">5</a>'
    )
    assert sorted(re.sub(r".* → ", "", fault) for fault in faults(tmp_path)) == [
        "../../etc: no such file",
        "a.html loads //cdn.example/x.js",
        "b.html#there: no such anchor",
        "c.html: no such file",
        "gone.png: no such file",
        "style.css loads https://fonts.example/a.woff",
    ]


def test_the_reference_has_every_public_name(site):
    import andersonn

    ids = Page((site / "api.html").read_text(encoding="utf-8")).ids
    known = {getattr(andersonn, name): name for name in andersonn.__all__ if f"andersonn.{name}" in ids}
    assert [
        name for name in andersonn.__all__ if getattr(andersonn, name) not in known
    ] == []  # an alias is on its class's entry


def test_lists_and_tables_are_not_taken_for_running_text(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<p>[^<]*\n- |<p>\||<p>[^<]*\n\d\. ", text), path.name
        assert not re.search(r"<em>[^\w(“]", text), (
            f"{path.name}: a star or underscore of a formula was taken for emphasis"
        )


def test_docstrings_lose_their_roles(site):
    assert ":class:" not in (site / "api.html").read_text(encoding="utf-8")
