"""The house rules: imports point downward only, files and functions stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src/andersonn"
FLOORS = {
    "textlines": -4, "plain": -3, "errors": -2, "launch": -1, "locks": -1, "places": -1, "installed": -1, "files": 0,
    "solvers": 1, "matter": 1, "measure": 1, "workers": 1, "implicit": 2, "data": 2, "models": 3, "labels": 3, "training": 4,
    "scientists": 5, "comparison": 6, "estimators": 6, "screening": 6, "demo": 7, "web": 7, "cli": 8, "__main__": 9,
}  # fmt: skip
MAY_STAND_ON = {"implicit": {"solvers"}, "data": {"matter"}}  # floor 2 stands on one room of floor 1 each
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "andersonn":
                names = [f"andersonn.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("andersonn.")}
    return rooms


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "__init__.py" or p.parent != SOURCE], ids=str)
def test_imports_point_downward(path):
    own = room(path)
    for other in imported_rooms(path) - {own, "__version__"}:
        assert FLOORS[other] < FLOORS[own], f"{own} (floor {FLOORS[own]}) imports {other} (floor {FLOORS[other]})"
        if own in MAY_STAND_ON and FLOORS[other] > 0:
            assert other in MAY_STAND_ON[own], f"{own} imports {other}"


def test_the_rule_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from andersonn.cli.main import app\nimport andersonn.training.run\n")
    assert imported_rooms(bad) == {"cli", "training"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_and_functions_are_small(path):
    text = path.read_text()
    assert len(text.splitlines()) < 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno + 1 < 60, f"{node.name} has {node.end_lineno - node.lineno + 1} lines"


def test_matter_needs_no_torch():
    for path in (SOURCE / "matter").rglob("*.py"):
        tops = {
            (n.module if isinstance(n, ast.ImportFrom) else n.names[0].name).split(".")[0]
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, (ast.Import, ast.ImportFrom))
        }
        assert "torch" not in tops
