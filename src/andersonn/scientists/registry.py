"""Where scientists are found: the files of this folder, other packages' entry points, and files named on the command line."""

from __future__ import annotations

import importlib.util
import pkgutil
from functools import cache
from importlib import metadata
from pathlib import Path

from andersonn import scientists
from andersonn.errors import UsageError, unknown
from andersonn.sanitize import first_line
from andersonn.scientists.base import ScientistSpec

GROUP = "andersonn.scientists"
"""Entry-point group in which other packages name theirs, as in ``solubility = "my_package.solubility:SCIENTIST"``."""
DECLARED = "SCIENTIST"
"""Name of the :class:`ScientistSpec` in the file of a scientist."""


@cache
def registered() -> dict[str, ScientistSpec]:
    """Name → declaration, of the scientists of this package and of other installed packages, in the order of their names."""
    found = {spec.name: spec for spec in _shipped()}
    for entry in metadata.entry_points(group=GROUP):
        spec = _loaded(entry)
        if isinstance(spec, ScientistSpec):
            found.setdefault(spec.name, spec)
    return found


@cache
def broken() -> dict[str, str]:
    """Entry point → why the scientist of another package cannot be used; the others can all the same."""
    found = {}
    shipped = {spec.name for spec in _shipped()}
    for entry in metadata.entry_points(group=GROUP):
        spec = _loaded(entry)
        if not isinstance(spec, ScientistSpec):
            found[entry.value] = spec
        elif spec.name in shipped:
            found[entry.value] = f"the name {spec.name!r} is taken by a scientist of this package"
    return found


def find(name: str) -> ScientistSpec:
    """The scientist of that name, or of a Python file that declares one.

    Args:
        name: such as ``"conduction"``, or a path that ends in ``.py``.

    Raises:
        UsageError: there is no such scientist, or the file declares none.
    """
    if name.endswith(".py"):
        return from_file(Path(name))
    if name not in registered():
        raise unknown("task", name, registered())
    return registered()[name]


def from_file(path: Path) -> ScientistSpec:
    """The scientist that a Python file declares; the file is run.

    Raises:
        UsageError: it is missing, cannot be run, or declares none.
    """
    if not path.is_file():
        raise UsageError("missing_file", f"there is no file {str(path)!r}", "check the path")
    spec = importlib.util.spec_from_file_location(f"scientist_of_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own code raises is what is to be told
        raise UsageError(
            "bad_scientist", f"{str(path)!r} cannot be run: {type(error).__name__}: {first_line(error)}", "mend it"
        ) from error
    declared = getattr(module, DECLARED, None)
    if not isinstance(declared, ScientistSpec):
        raise UsageError(
            "bad_scientist",
            f"{str(path)!r} declares no scientist",
            f"make an andersonn.ScientistSpec under the name {DECLARED}",
        )
    return declared


def weights_folder(name: str) -> Path:
    """Folder of the weights of a registered scientist.

    Raises:
        UsageError: there is no such scientist, or it is not trained.
    """
    spec = find(name)
    if not spec.trained:
        raise UsageError(
            "untrained",
            f"{spec.name} is untrained: no weights for it are installed",
            f"train some (andersonn train {name} --data …) and name their folder with --model",
        )
    assert spec.weights is not None
    return spec.weights


def _shipped() -> list[ScientistSpec]:
    modules = sorted(module.name for module in pkgutil.iter_modules(scientists.__path__))
    imported = (importlib.import_module(f"{scientists.__name__}.{name}") for name in modules if name not in _NOT_ONE)
    return [getattr(module, DECLARED) for module in imported]


def _loaded(entry: metadata.EntryPoint) -> ScientistSpec | str:
    """The scientist of an entry point, or why there is none."""
    try:
        declared = entry.load()
    except Exception as error:  # of another package's code, which must not harm ours
        return f"{type(error).__name__}: {first_line(error)}"
    return declared if isinstance(declared, ScientistSpec) else f"it is a {type(declared).__name__}, no ScientistSpec"


_NOT_ONE = frozenset({"base", "registry"})
