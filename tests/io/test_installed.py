"""What is printed about missing packages is a command that works, from wherever the package was installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from andersonn.io import installed

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


class Distribution:
    """As ``importlib.metadata`` gives it, with a note about the origin."""

    def __init__(self, origin=None, requires=()):
        self.origin, self.requires = origin, list(requires)

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.origin if self.origin is None or isinstance(self.origin, str) else json.dumps(self.origin)


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Asks as if the package lay in site-packages, with some metadata."""

    def asked(found, extra="web"):
        package = tmp_path / "lib/site-packages/andersonn/io"
        package.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(installed, "__file__", str(package / "installed.py"))

        def distribution(name):
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return found

        monkeypatch.setattr(installed.metadata, "distribution", distribution)
        installed.how_to_install.cache_clear()
        return installed.how_to_install(extra)

    yield asked
    installed.how_to_install.cache_clear()


def clone(folder):
    (folder / "src/andersonn").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "deep-andersonn"\n')
    return folder


def test_from_a_clone():
    installed.how_to_install.cache_clear()
    assert installed.how_to_install("web") == f'pip install -e "{ROOT}[web]"'


def test_from_a_folder_that_is_still_there(elsewhere, tmp_path):
    folder = clone(tmp_path / "a clone")
    origin = {"url": folder.as_uri(), "dir_info": {}}
    assert "%20" in origin["url"]
    assert elsewhere(Distribution(origin)) == f'pip install "{folder}[web]"'


def test_from_a_wheel(elsewhere, tmp_path):
    wheel = tmp_path / "deep_andersonn-0.1.0-py3-none-any.whl"
    wheel.touch()
    origin = {"url": wheel.as_uri(), "archive_info": {}}
    assert elsewhere(Distribution(origin), "label") == f'pip install "deep-andersonn[label] @ {wheel.as_uri()}"'


def test_from_a_server(elsewhere):
    url = "https://someone:secret@example.org/deep_andersonn.whl"
    assert elsewhere(Distribution({"url": url, "archive_info": {}})) == (
        'pip install "deep-andersonn[web] @ https://***@example.org/deep_andersonn.whl"'
    )


def test_from_version_control(elsewhere):
    origin = {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "b"}
    assert elsewhere(Distribution(origin)) == (
        'pip install "deep-andersonn[web] @ git+https://example.org/a.git@abc#subdirectory=b"'
    )


REQUIRES = [
    "numpy>=2.0",
    'fastapi>=0.115; extra == "web"',
    "uvicorn>=0.30 ; extra == 'web'",
    'pyscf>=2; extra == "label"',
]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "{broken",
        "[]",
        {"dir_info": {}},
        {"url": 3},
        {"url": "file:///nowhere/deep_andersonn.whl", "archive_info": {}},
        {"url": "file:///nowhere/clone", "dir_info": {"editable": True}},
    ],
)
def test_where_the_origin_is_gone_or_unknown(elsewhere, origin):
    assert elsewhere(Distribution(origin, REQUIRES)) == 'pip install "fastapi>=0.115" "uvicorn>=0.30"'


@pytest.mark.parametrize("extra", sorted(installed.EXTRAS))
def test_without_metadata_the_packages_are_named(elsewhere, extra):
    words = elsewhere(None, extra)
    assert re.findall('"([^"]+)"', words) == list(installed.EXTRAS[extra])
    assert {Requirement(line).name for line in EXTRAS[extra]} == set(installed.EXTRAS[extra])


def test_the_folder_of_another_project_is_no_clone(elsewhere, tmp_path):
    other = clone(tmp_path / "other")
    (other / "pyproject.toml").write_text('[project]\nname = "other"\n')
    origin = {"url": other.as_uri(), "dir_info": {"editable": True}}
    assert elsewhere(Distribution(origin, REQUIRES)).startswith('pip install "fastapi')


def test_pip_understands_the_command():
    """As far as it can without the network: the requirement is a folder with this extra."""
    words = installed.how_to_install("web").removeprefix("pip install -e ").strip('"')
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-build-isolation", "--no-index", "-e", words],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "does not provide the extra" not in done.stderr
    assert "Invalid requirement" not in done.stderr


def test_no_text_of_the_package_names_an_index_that_has_it():
    for path in (ROOT / "src").rglob("*"):
        if path.suffix in (".py", ".html", ".js") and path.name != "installed.py":
            assert "deep-andersonn[" not in path.read_text(encoding="utf-8"), path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        assert not re.search(r"pip install ['\"]?deep-andersonn", path.read_text(encoding="utf-8")), path
