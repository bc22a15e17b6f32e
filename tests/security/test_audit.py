"""The rules of `make audit`, with made-up packages and answers; and that what is installed here passes them."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tomllib
from email.message import Message
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", ROOT / "tools/audit.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["audit"]


def distribution(requires=(), version="1.0", **facts):
    told = Message()
    for name, values in facts.items():
        for value in [values] if isinstance(values, str) else values:
            told[name.replace("_", "-")] = value
    return SimpleNamespace(metadata=told, requires=list(requires), version=version)


def answering(dependencies, stderr=""):
    text = json.dumps({"dependencies": dependencies}) if dependencies is not None else ""
    return lambda *_, **__: SimpleNamespace(stdout=text, stderr=stderr, returncode=1)


def test_what_is_installed_is_allowed(audit):
    packages, wrong, _ = audit.licences(installed_only=True)
    assert wrong == []
    assert {"numpy", "torch", "rdkit", "safetensors", "fastapi"} <= {package.name for package in packages}


@pytest.mark.parametrize(
    ("facts", "licence", "allowed"),
    [
        ({"License_Expression": "MIT"}, "MIT", True),
        ({"License_Expression": "MIT AND (Apache-2.0 OR GPL-3.0-only)"}, None, True),
        ({"License_Expression": "MIT AND GPL-3.0-only"}, None, False),
        ({"License_Expression": "GPL-3.0-only OR MIT"}, None, True),
        ({"License_Expression": "AGPL-3.0-or-later"}, None, False),
        ({"License": "BSD-3-Clause"}, "BSD-3-Clause", True),
        ({"License": "GPLv3"}, "GPLv3", False),
        ({"License": "proprietary", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT", True),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, "unknown", False),
        ({"License": "UNKNOWN"}, "unknown", False), ({}, "unknown", False), ({"License": "our own words " * 20}, "unknown", False),
        ({"License": "  Apache License\n   Version 2.0, January 2004\n" + "terms " * 99}, "Apache-2.0", True),
    ],
)  # fmt: skip
def test_licences_are_read_and_judged(audit, facts, licence, allowed):
    found = audit.licence_of(distribution(**facts).metadata)
    assert licence is None or found == licence
    assert audit.is_allowed(found) == allowed
    _, wrong, _ = audit.licences(found={"thing": distribution(**facts)})
    assert bool(wrong) != allowed


def test_extras_and_what_they_need_are_looked_at(audit):
    known = {
        "root": distribution(["one", 'two[x] ; extra == "e"', 'never ; python_version < "3"'], Provides_Extra=["e"]),
        "one": distribution(), "two": distribution(['three ; extra == "x"', 'four ; extra == "y"']), "three": distribution(),
    }  # fmt: skip

    def found(name):
        if name in known:
            return known[name]
        raise metadata.PackageNotFoundError(name)

    assert list(audit.needed("root", found)) == ["one", "three", "two"]
    del known["three"]
    with pytest.raises(audit.Unchecked, match="not looked at: three"):
        audit.licences(found=audit.needed("root", found))


def test_a_vulnerability_is_told(audit, monkeypatch, capsys):
    packages = [audit.Package("torch", "2.13.0+cpu", "MIT")]
    bug = {"id": "CVE-1", "fix_versions": ["2.14"]}
    rows = [{"name": "torch", "version": "2.13.0", "vulns": [bug]}]
    assert audit.vulnerabilities(packages, answering(rows)) == ["torch 2.13.0: CVE-1, mended in 2.14"]
    monkeypatch.setattr(audit, "vulnerabilities", lambda packages: ["torch 2.13.0: CVE-1"])
    assert audit.main(["--installed"]) == 1
    assert "CVE-1" in capsys.readouterr().err
    monkeypatch.setattr(audit, "vulnerabilities", lambda packages: [])
    assert audit.main(["--installed"]) == 0


@pytest.mark.parametrize(
    ("rows", "stderr", "cause", "cure"),
    [
        (None, "python: No module named pip_audit", "No module named", "pip install"),
        (None, "Traceback\nConnectionError: Failed to resolve 'pypi.org'", "Failed to resolve", "can be reached"),
        ([{"name": "torch", "skip_reason": "Dependency not found on PyPI"}], "", "not found on PyPI", "can be reached"),
        ([], "", "1 of 1", "can be reached"),
    ],
)
def test_what_was_not_looked_up_is_no_pass(audit, rows, stderr, cause, cure, monkeypatch, capsys):
    """An index without such answers has pip-audit say that nothing is known, with status 0."""
    with pytest.raises(audit.Unchecked) as caught:
        audit.vulnerabilities([audit.Package("torch", "2.13.0", "MIT")], answering(rows, stderr))
    assert cause in str(caught.value)
    assert cure in str(caught.value)

    def unchecked(packages):
        raise caught.value

    monkeypatch.setattr(audit, "vulnerabilities", unchecked)
    assert audit.main(["--installed"]) == 2
    assert "cure:" in capsys.readouterr().err


def test_the_page_is_renewed_and_what_people_wrote_stays(audit):
    page = f"# Ours\n\n{audit.MARK}\n\nold\n"
    found = audit.written(page, [audit.Package("a", "1", "MIT")], ["b"])
    assert found.startswith(f"# Ours\n\n{audit.MARK}\n")
    assert "| a | 1 | MIT |" in found
    assert "old" not in found
    assert audit.MARK in (ROOT / "docs/licences.md").read_text()


def test_every_direct_dependency_has_a_tested_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    wanted = {Requirement(line).name.lower() for line in lines} - {project["name"]}
    pinned = set(re.findall(r"^([\w.-]+)==\S+$", (ROOT / "constraints.txt").read_text(), flags=re.M))
    assert wanted - pinned == set()
