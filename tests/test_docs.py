"""Every Python block of the README and the docs runs; every link inside the repository and every command exists; the
project's own files (workflow, citation, templates, hooks) name what is there.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
import runpy
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

import andersonn

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
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


COMMAND = re.compile(r"(?:`|^\$ |^)(andersonn [a-z][^`\n]*)", re.M)
PROGRAM = re.compile(r"python ((?:benchmarks|tools|examples)/\w+\.py)([^`\n]*)")


def commands_of(page):
    """Every command that a page shows, in code blocks and in running text, with continued lines joined."""
    text = re.sub(r" \\\n +", " ", page.read_text())
    return [re.sub(r"\s+#.*|; .*", "", command) for command in COMMAND.findall(text)]


def known_options(words):
    """The verb that words begin with, and its options; a group's own verbs are followed."""
    from typer.main import get_command

    from andersonn.cli.main import app

    command = get_command(app)
    for word in words:
        if not getattr(command, "commands", None):
            break
        if not re.fullmatch("[a-z]+", word):  # "measure inference|training TASK", "data list|info|get"
            return {"--format"}
        assert word in command.commands, f"there is no verb {word!r}"
        command = command.commands[word]
    return {"--help"}.union(*(parameter.opts + parameter.secondary_opts for parameter in command.params))


@pytest.mark.parametrize("page", [p for p in PAGES if commands_of(p)], ids=lambda p: p.name)
def test_commands_named_in_the_pages_exist(page):
    for command in commands_of(page):
        words = command.split()[1:]
        if words[0].isupper():
            continue
        known = known_options(words)
        unknown = set(re.findall(r"(?<=\s)--[a-z][\w-]*", command)) - known
        assert not unknown, f"{command}: {unknown}"


@pytest.mark.parametrize(("page", "least"), [("README.md", 3), ("docs/index.md", 4)])
def test_the_commands_of_the_first_pages_run(tmp_path, monkeypatch, page, least):
    from typer.testing import CliRunner

    from andersonn.cli.main import app

    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    commands = re.findall(r"^\$ andersonn (.*)$", (ROOT / page).read_text(), flags=re.M)
    assert len(commands) >= least
    for command in commands:
        answered = CliRunner().invoke(app, shlex.split(command))
        assert answered.exit_code == 0, f"{command}: {answered.output}"
    assert page == "README.md" or list((tmp_path / "explanations").glob("*.png"))


MAKE = re.compile(r"^([a-z-]+):", re.M)


def test_the_commands_of_make_exist_and_ci_runs_those_of_the_readme():
    targets = set(MAKE.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text()))
        assert named <= targets, page.name
    promised = set(re.findall(r"^make ([a-z-]+)|`make (docs|demo|test)`", (ROOT / "README.md").read_text(), flags=re.M))
    run = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(), flags=re.M))
    assert {first or second for first, second in promised} == {"demo", "test", "docs"} == run


WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))


def test_the_workflow_runs_commands_of_make_on_all_systems():
    targets = set(MAKE.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    commands = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    named = {re.fullmatch(r"make ([a-z-]+)( [A-Z]+=\S+)*", command)[1] for command in commands}
    assert {"test", "docs", "coverage"} == named
    assert named <= targets
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_the_hooks_run_tools_of_the_test_extra():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    tools = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    assert tools == {"ruff", "mypy"}
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert tools <= {re.match(r"[\w-]+", wanted)[0] for wanted in extra["test"]}


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda p: p.stem)
def test_issue_forms_are_whole(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        return
    assert {"name", "description", "body"} <= form.keys()
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert part["type"] == "markdown" or part["id"]
        assert part["attributes"].get("label") or part["attributes"].get("value")


def test_version_citation_and_changelog_agree():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == andersonn.__version__
    assert {"cff-version", "message", "title", "authors", "references"} <= cited.keys()
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[([^]]+)\]", changes, flags=re.M)[:2] == ["Unreleased", andersonn.__version__]


def test_a_wrong_verb_or_option_would_be_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Run `andersonn predict x --fast`, or\n\n```sh\n$ andersonn data \\\n    fly\n```\n")
    first, second = (command.split()[1:] for command in commands_of(page))
    assert "--fast" in first
    assert "--fast" not in known_options(first)
    with pytest.raises(AssertionError, match="fly"):
        known_options(second)


@pytest.mark.parametrize("page", [p for p in PAGES if PROGRAM.search(p.read_text())], ids=lambda p: p.name)
def test_programs_named_in_the_pages_exist(page):
    for program, options in PROGRAM.findall(re.sub(r" \\\n +", " ", page.read_text())):
        source = (ROOT / program).read_text()
        for option in re.findall(r"(?<=\s)--[a-z][\w-]*", options):
            assert f'"{option}"' in source or f"{option}=" in source, f"{program} has no {option}"


API = (ROOT / "docs/framework_api.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", API, flags=re.M | re.S))
ROW = re.compile(r"^\| `(\w+)` \| (?:`([^|]*)`)? *\|", re.M)
ROOMS = [importlib.import_module(room) for room in ("andersonn.solvers", "andersonn.implicit")]
NAMES = [(room, name) for room in ROOMS for name in room.__all__]


def documented(name):
    """The arguments of a public name that the reference must show, with the repr of their defaults (None: required)."""
    subject = next(getattr(room, name) for room, known in NAMES if known == name)
    if dataclasses.is_dataclass(subject):
        inherited = {
            field.name
            for base in subject.__mro__[1:]
            if dataclasses.is_dataclass(base) and base.__name__ in SECTIONS
            for field in fields(base)
        }
        given = {field.name: field.default for field in fields(subject) if field.name not in inherited}
        return {key: None if value is dataclasses.MISSING else repr(value) for key, value in given.items()}
    if isinstance(subject, type) and issubclass(subject, enum.Enum | Warning):
        return {}
    given = inspect.signature(subject).parameters
    return {key: None if p.default is p.empty else repr(p.default) for key, p in given.items()}


@pytest.mark.parametrize("name", [name for _, name in NAMES])
def test_the_reference_shows_every_name_and_option(name):
    assert name in SECTIONS, f"docs/framework_api.md has no section {name}"
    expected, text = documented(name), SECTIONS[name]
    rows = dict(ROW.findall(text))
    if rows and name not in ("FixedPoint", "Trace", "Status"):
        assert rows == {key: value or "" for key, value in expected.items()}
    for key in expected:
        assert f"`{key}`" in text or re.search(rf"`{name}\([^`]*\b{key}\b", text), f"{name} does not show {key}"


def test_the_reference_shows_every_status():
    from andersonn import Status

    for status in Status:
        assert f"| `{status.name}` = {status.value} |" in SECTIONS["Status"]


def test_the_reference_knows_no_name_that_is_not_there():
    assert SECTIONS.keys() - {name for _, name in NAMES} == {"hold_weights"}
    assert andersonn.hold_weights


def test_the_web_labs_figures_are_those_of_the_pages():
    tool = runpy.run_path(str(ROOT / "tools/figures.py"))
    told = (
        "tables of docs/ and the web lab's page Measurements differ: run python tools/figures.py, and look at the page"
    )
    assert tool["OUT"].read_text(encoding="utf-8") == tool["as_text"](tool["figures"]()), told
