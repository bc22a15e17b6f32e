"""The house rules: imports point downward only, no circle of files, files and functions stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src/andersonn"
FLOORS = (
    {"sanitize", "launch", "version"},
    {"errors"},
    {"io", "progress", "overrides"},
    {"workers", "solvers", "structures"},
    {"implicit", "data"},
    {"models", "scientists", "labels"},
    {"config"},
    {"inference"},
    {"training"},
    {"screening", "measuring"},
    {"constructing"},
    {"scientist"},
    {"estimators"},
    {"demo", "web"},
    {"cli"},
    {"__main__"},
)
"""From the ground up. Packages of one floor do not import each other."""
MAY_STAND_ON = {
    "implicit": {"solvers", "io"},
    "solvers": set(),
    "structures": {"io"},
    "data": {"structures", "io", "progress", "workers"},
}
"""What a package may import besides the ground, where that is less than all floors below."""
GROUND = {"sanitize", "launch", "version", "errors"}
FILES = sorted(SOURCE.rglob("*.py"))


def floor_of(name: str) -> int:
    return next(level for level, names in enumerate(FLOORS) if name in names)


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    return ".".join(["andersonn", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


def imported(path: Path, everywhere: bool = True) -> set[str]:
    """Modules of ours that a file imports; also inside functions and for type checkers if ``everywhere``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("andersonn.")}


def packages_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path)}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other in a circle."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    names = sorted(arrows)
    number = {name: k for k, name in enumerate(names)}
    pairs = [(number[a], number[b]) for a in names for b in arrows[a] if b in number]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    matrix = csr_matrix(([1] * len(pairs), (rows, columns)), shape=(len(names), len(names)))
    count, labels = connected_components(matrix, directed=True, connection="strong")
    groups = [[name for name, label in zip(names, labels, strict=True) if label == k] for k in range(count)]
    return [group for group in groups if len(group) > 1]


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "__init__.py" or p.parent != SOURCE], ids=str)
def test_imports_point_downward(path):
    own = package(path)
    for other in packages_imported(path) - {own}:
        assert floor_of(other) < floor_of(own), f"{own} imports {other}, which is not below it"
        if own in MAY_STAND_ON:
            assert other in MAY_STAND_ON[own] | GROUND, f"{own} imports {other}"


def test_nothing_inside_uses_the_public_face():
    """``andersonn/__init__.py`` hands names out; who lives inside takes them from their homes, without a circle."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "andersonn":
                assert {f"andersonn.{alias.name}" for alias in node.names} <= set(MODULES), path
            elif isinstance(node, ast.Import):
                assert "andersonn" not in {alias.name for alias in node.names}, path


def test_no_circle_of_files():
    assert circles({name: imported(path) for name, path in MODULES.items() if name != "andersonn"}) == []


def test_the_rules_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from andersonn.cli.main import app\nimport andersonn.training.run\n")
    assert packages_imported(bad) == {"cli", "training"}
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [["a", "b", "c"]]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno + 1 < 60, f"{node.name} has {node.end_lineno - node.lineno + 1} lines"


def test_structures_need_no_torch():
    for path in (SOURCE / "structures").rglob("*.py"):
        tops = {
            (n.module if isinstance(n, ast.ImportFrom) else n.names[0].name).split(".")[0]
            for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(n, (ast.Import, ast.ImportFrom))
        }
        assert "torch" not in tops


def test_every_package_has_an_init_file():
    """Without one, the documentation and type checkers do not find its modules."""
    assert [path.parent for path in FILES if not (path.parent / "__init__.py").is_file()] == []
