"""Finding scientists: of other packages, in files, by names that may come from anywhere; and that nobody else names a task."""

from __future__ import annotations

import ast
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import andersonn
from andersonn import EquilibriumClassifier, Scientist, ScientistSpec, Task
from andersonn.cli.main import app
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.scientists import registry
from andersonn.scientists.registry import broken, by_name, find, registered, shipped, weights_folder
from andersonn.web import pages

SOURCE = Path(andersonn.__file__).parent
HARDNESS = """
from andersonn import ScientistSpec, Task
SCIENTIST = ScientistSpec(task=Task("hardness", "hardness_GPa", "GPa", ("soft", "hard"), (20.0,), summary="crystals: hard or not"),
                          preset={"epochs": 1}, examples={"rock salt": "text", "x.vasp": "a\\nfile"})
"""
ENTRIES = {
    "hardness": "good_package.hardness:SCIENTIST",
    "raises": "bad_package.raises:SCIENTIST",
    "leaves": "bad_package.leaves:SCIENTIST",
    "nothing": "bad_package.nothing:SCIENTIST",
    "absent": "no_such_package:SCIENTIST",
    "word": "bad_package.word:SCIENTIST",
    "taken": "bad_package.taken:SCIENTIST",
}
TAKEN = HARDNESS.replace('"hardness"', '"conduction"')
BAD = {
    "raises": "1 / 0",
    "leaves": "raise SystemExit(3)",
    "nothing": "",
    "word": "SCIENTIST = 'conduction'",
    "taken": TAKEN,
}


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two installed packages: one declares a scientist, the other only what cannot be used."""
    for package, modules in (("good_package", {"hardness": HARDNESS}), ("bad_package", BAD)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        for name, text in modules.items():
            (tmp_path / package / f"{name}.py").write_text(text)
    info = tmp_path / "packages-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: packages\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in ENTRIES.items()]
    (info / "entry_points.txt").write_text("\n".join(["[andersonn.scientists]", *lines]) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    caches = (registry._of_packages, pages.examples)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_scientists_of_other_packages(packages):
    assert registered().keys() == {*shipped(), "hardness"}
    assert find("hardness").task.quantity == "hardness_GPa"
    with pytest.raises(UsageError, match="hardness is untrained") as found:
        weights_folder("hardness")
    assert found.value.kind == "untrained"
    assert isinstance(run("predict", "hardness", "x.cif").exception, UsageError)
    examples = [example for example in pages.examples() if example["task"] == "hardness"]
    assert [("smiles" in example, example.get("file")) for example in examples] == [(True, None), (False, "x.vasp")]
    assert EquilibriumClassifier("hardness")._config().epochs == 1


def test_those_that_cannot_be_used_harm_nobody_and_doctor_tells_them(packages):
    reasons = {where.partition(" = ")[0]: reason for where, reason in broken().items()}
    assert reasons["raises"] == "ZeroDivisionError: division by zero"
    assert reasons["leaves"] == "SystemExit: 3"
    assert "has no attribute 'SCIENTIST'" in reasons["nothing"]
    assert reasons["absent"] == "ModuleNotFoundError: No module named 'no_such_package'"
    assert reasons["word"] == "it is a str, no ScientistSpec"
    assert reasons["taken"] == "the name 'conduction' is taken by another scientist"
    assert registered()["conduction"] is shipped()["conduction"]
    done = run("doctor", "-f", "json")
    rows = {(row["part"], row["name"]): row for row in map(json.loads, done.stdout.splitlines())}
    assert done.exit_code == 1
    told = rows["scientist", "raises = bad_package.raises:SCIENTIST"]
    assert (told["state"], told["found"]) == ("failed", reasons["raises"])
    assert told["cure"]
    assert rows["model", "hardness"]["state"] == "missing"
    assert rows["model", "hardness"]["found"].startswith("untrained")
    assert rows["model", "polarity"]["state"] == "ok"


def test_an_untrained_scientist_is_no_failure(monkeypatch):
    spec = replace(shipped()["polarity"], weights=None)
    monkeypatch.setattr("andersonn.cli.diagnosis.registered", lambda: registered() | {"polarity": spec})
    done = run("doctor", "-f", "json")
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines()) if row["part"] == "model"}
    assert done.exit_code == 0
    assert rows["polarity"]["state"] == "missing"
    odd = replace(spec, preset={"epoch": 3})
    monkeypatch.setattr("andersonn.cli.diagnosis.registered", lambda: {"polarity": odd})
    assert "its preset: there is no option 'epoch'" in run("doctor", "-f", "json").stdout


def test_help_names_the_tasks(packages):
    for verb in ((), ("predict",), ("train",)):
        done = run(*verb, "--help")
        assert done.exit_code == 0
        for name in registered():
            assert re.search(rf"\b{name}\b", done.stdout)
    assert "crystals: hard or not (untrained)" in run("predict", "--help").stdout
    assert "hardness_GPa" in run("train", "--help").stdout


@pytest.mark.parametrize(
    ("text", "told", "cure"),
    [
        ("x = (", "SyntaxError: '(' was never closed", "correct the file"),
        ("\n\nimport nowhere", "No module named 'nowhere', line 3", "search path"),
        ("raise SystemExit", "SystemExit", "correct the file"),
        ("x = 1", "declares no scientist", "under the name SCIENTIST"),
        (
            "from andersonn import Task\nSCIENTIST = Task('a', 'b_D', 'D', ('x', 'y'), (1.0,))",
            "declares no",
            "ScientistSpec",
        ),
        (HARDNESS.replace("(20.0,)", "()"), "needs 1 threshold ", "one threshold fewer"),
        (HARDNESS.replace('"hardness"', '"Hard ness"'), "cannot be named 'Hard ness'", "start with a small letter"),
        (HARDNESS.replace('preset={"epochs": 1}', "preset=3"), "preset of a scientist is a int", "give a Mapping"),
        (HARDNESS.replace("preset=", "weights='here', preset="), "weights of hardness are 'here'", "Path(__file__)"),
    ],
)
def test_a_file_that_declares_none(tmp_path, text, told, cure):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError) as found:
        find(str(tmp_path / "mine.py"))
    assert told in found.value.message
    assert "mine.py" in found.value.message
    assert cure in found.value.hint


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        find(str(tmp_path / "mine.py"))


def test_a_file_is_read_as_it_is_now_and_may_have_dataclasses(tmp_path):
    path = tmp_path / "mine.py"
    part = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"
    path.write_text(part + HARDNESS)
    assert find(str(path)).task.thresholds == (20.0,)
    path.write_text(part + HARDNESS.replace("20.0", "30.0"))
    assert find(str(path)).task.thresholds == (30.0,)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.py"]


def test_a_file_may_name_its_weights(tmp_path):
    shutil.copytree(weights_folder("polarity"), tmp_path / "weights")
    lines = (
        "from dataclasses import replace", "from pathlib import Path",
        "from andersonn.scientists.polarity import SCIENTIST as OURS",
        "SCIENTIST = replace(OURS, weights=Path(__file__).parent / 'weights')",
    )  # fmt: skip
    (tmp_path / "mine.py").write_text("\n".join(lines))
    answer = json.loads(run("predict", tmp_path / "mine.py", "--smiles", "CCO", "-f", "json").stdout)
    assert answer["model"] == str(tmp_path / "weights")


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A Python file that must not be run, in the current folder."""
    (tmp_path / "evil.py").write_text("open('marker', 'w').close()\n" + HARDNESS)
    monkeypatch.chdir(tmp_path)
    yield "evil.py"
    assert not (tmp_path / "marker").exists()


def test_names_that_come_with_a_model_run_nothing(trap, tmp_path):
    model = shutil.copytree(weights_folder("conduction"), tmp_path / "m")
    card = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(card | {"task": trap}))
    with pytest.raises(UsageError, match=r"for the task 'evil.py', which this installation does not know") as found:
        ModelBundle.load(model)
    assert found.value.kind == "unknown_task"
    with pytest.raises(UsageError):
        by_name(trap)
    with pytest.raises(UsageError):
        weights_folder(trap)
    with pytest.raises(UsageError):
        EquilibriumClassifier(trap)._task()


def test_a_name_that_is_registered_meanwhile(tmp_path):
    """The model keeps its own description, also when it is saved anew."""
    own = Task("polarity", "dipole_D", "D", ("low", "high"), (2.5,), periodic=False, lowest=0.0)
    bundle = replace(ModelBundle.load(weights_folder("polarity")), task=own)
    bundle.provenance["majority_class"] = "low"
    bundle.save(tmp_path / "m")
    scientist = Scientist.load(tmp_path / "m")
    assert scientist.task == own
    assert scientist.predict("CCO")[0].label == "low"
    scientist.export(tmp_path / "hub")
    assert Scientist.load(tmp_path / "hub").task == own
    assert (
        "andersonn train FILE.py "
        in json.loads(run("card", "polarity", "--model", tmp_path / "hub", "-f", "json").stdout)["retrain"]["command"]
    )


NAMES = {word for spec in shipped().values() for word in (spec.name, spec.task.quantity)}
OF_DATA = {"data/sources.py", "data/convert.py", "data/materials_project.py", "labels/dipole.py", "labels/pore.py"}
"""Where columns of published data sets and of reference values have their names."""
OF_GEOMETRY = {"structures/pores/probe.py", "structures/pores/columns.py", "inference/by_geometry.py"}
"""Where a computed number has the name of what it estimates."""
OF_ONE_TASK = {"demo", "comparison", "measuring"}
"""Programs about the crystals that come along."""


def strings(path):
    docstrings = set()
    for node in ast.walk(tree := ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(node.value)
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in docstrings)
    return {node.value for node in constants if isinstance(node.value, str)}


def test_no_other_file_names_a_task():
    found = {}
    for path in SOURCE.rglob("*.py"):
        where = path.relative_to(SOURCE)
        if where.parts[0] not in {"scientists", *OF_ONE_TASK} and where.as_posix() not in OF_DATA | OF_GEOMETRY:
            found[str(where)] = strings(path) & NAMES
    assert len(found) > 100
    assert {where: names for where, names in found.items() if names} == {}


def test_the_page_names_no_task():
    files = [path for path in SOURCE.glob("web/static/*") if path.suffix in (".js", ".html", ".css")]
    found = {path.name: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) & NAMES for path in files}
    assert len(found) > 10
    assert {name: names for name, names in found.items() if names} == {}


def test_a_declaration_can_be_made_in_python(tmp_path):
    spec = ScientistSpec(task=Task("x", "y_D", "D", ("a", "b"), (1.0,)))
    assert find(spec) is spec
    assert not spec.trained
