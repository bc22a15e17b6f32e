"""Which calls and imports in source code could run code that comes from a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

MODULES = {
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle", "code", "codeop", "runpy",
    "multiprocessing", "yaml", "dbm",
}  # fmt: skip
"""Modules that load pickles, run text as code, or pass pickles between processes."""
NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
ATTRIBUTES = {
    "torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "joblib.load", "joblib.dump",
    "numpy.load", "numpy.fromregex", "numpy.lib.format.read_array", "pandas.read_pickle", "pandas.eval", "os.system", "os.popen",
    "ase.io.jsonio", "ase.db.connect", "zipfile.ZipFile.extractall", "tarfile.TarFile.extractall", "shutil.unpack_archive",
}  # fmt: skip
METHODS = {"extractall", "unpack_archive", "read_pickle", "to_pickle", "extract"}
KEYWORDS = {"allow_pickle", "shell"}
"""Arguments that must not be true."""


def dangers(text: str) -> list[str]:
    """What is dangerous in a module, as ``"line: what"``."""
    tree = ast.parse(text)
    aliases = dict(_aliases(tree))
    return [f"{line}: {what}" for line, what in sorted(set(_dangers(tree, aliases)))]


def _dangers(tree: ast.AST, aliases: dict[str, str]) -> Iterator[tuple[int, str]]:
    parameters = set(_parameters(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, f"import {a.name}") for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{a.name}" for a in node.names]
            if (node.module or "").split(".")[0] in MODULES or any(name in ATTRIBUTES for name in names):
                yield node.lineno, f"from {node.module} import"
        elif isinstance(node, ast.Name) and node.id in NAMES and node not in parameters:
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            full = _full(node, aliases)
            if full in ATTRIBUTES or full.split(".")[0] in MODULES or node.attr in METHODS:
                yield node.lineno, full
        elif isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield node.value.lineno, f"{node.arg}="
        elif isinstance(node, ast.Constant) and node.value in MODULES:
            yield node.lineno, f"{node.value!r}, which could be imported"


def _parameters(tree: ast.AST) -> Iterator[ast.Name]:
    """Names in the bodies of functions that are parameters of these functions, such as an option called ``compile``."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            given = function.args
            known = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
            inside = (node for statement in function.body for node in ast.walk(statement))
            yield from (node for node in inside if isinstance(node, ast.Name) and node.id in known)


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield (name.asname or name.name.split(".")[0]), (name.name if name.asname else name.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            yield from ((name.asname or name.name, f"{node.module}.{name.name}") for name in node.names)


def _full(node: ast.AST, aliases: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_full(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, "") if isinstance(node, ast.Name) else ""
