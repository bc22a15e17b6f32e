"""Where scientists are found: the files of this folder, other packages' entry points, and files named on the command line."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import cache
from importlib import metadata
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType

from andersonn import scientists
from andersonn.errors import AndersonnError, UsageError, unknown
from andersonn.io.near_names import where_it_may_be
from andersonn.sanitize import first_line
from andersonn.scientists.base import ScientistSpec

GROUP = "andersonn.scientists"
"""Entry-point group in which other packages name theirs, as in ``solubility = "my_package.solubility:SCIENTIST"``."""
DECLARED = "SCIENTIST"
"""Name of the :class:`ScientistSpec` in the file of a scientist."""
NOT_ONE = frozenset({"base", "registry"})
"""Files of this folder that declare no scientist."""


@cache
def shipped() -> dict[str, ScientistSpec]:
    """Name → declaration, of the scientists of this package."""
    modules = sorted(module.name for module in pkgutil.iter_modules(scientists.__path__))
    imported = (importlib.import_module(f"{scientists.__name__}.{name}") for name in modules if name not in NOT_ONE)
    return {spec.name: spec for spec in (getattr(module, DECLARED) for module in imported)}


def registered() -> dict[str, ScientistSpec]:
    """Name → declaration, of the scientists of this package and of other installed packages, in the order of their names."""
    found = shipped() | _of_packages()[0]
    return {name: found[name] for name in sorted(found)}


def broken() -> dict[str, str]:
    """Entry point → why that scientist of another package cannot be used; the others can all the same."""
    return dict(_of_packages()[1])


def by_name(name: str) -> ScientistSpec:
    """The registered scientist of that name. Runs no file, whatever the name says: it may come from a model's folder or
    over a network.

    Raises:
        UsageError: there is none.
    """
    known = registered()
    if name not in known:
        raise unknown("task", name, known)
    return known[name]


def find(scientist: str | ScientistSpec) -> ScientistSpec:
    """The scientist that a user names.

    Args:
        scientist: a name, such as ``"conduction"``; or a path that ends in ``.py``, of a file that declares one, which is
            run; or a declaration, which is returned.

    Raises:
        UsageError: there is no such scientist, or the file declares none.
    """
    if isinstance(scientist, ScientistSpec):
        return scientist
    return from_file(Path(scientist)) if scientist.endswith(".py") else by_name(scientist)


def from_file(path: Path) -> ScientistSpec:
    """The scientist that a Python file declares; the file is run.

    Raises:
        UsageError: it is missing, cannot be run, or declares none.
    """
    if not path.is_file():
        raise UsageError("missing_file", f"there is no file {str(path)!r}", where_it_may_be(path))
    name = f"andersonn_scientist_{path.stem}"
    spec = spec_from_file_location(name, path, loader=_Uncompiled(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look for the module that they are made in
    try:
        spec.loader.exec_module(module)
    except AndersonnError as error:
        raise UsageError("bad_scientist", f"{str(path)!r}: {error.message}", error.hint) from error
    except (Exception, SystemExit) as error:  # whatever the user's own code raises is what is to be told
        reason = f"{type(error).__name__}: {first_line(error)}"
        hint = "correct the file; python runs it without its folder on the search path"
        raise UsageError(
            "bad_scientist", f"{str(path)!r} cannot be run: {reason}{_where(error, path)}", hint
        ) from error
    declared = getattr(module, DECLARED, None)
    if not isinstance(declared, ScientistSpec):
        raise UsageError(
            "bad_scientist",
            f"{str(path)!r} declares no scientist",
            f"make an andersonn.ScientistSpec under the name {DECLARED}",
        )
    return declared


def weights_folder(scientist: str | ScientistSpec) -> Path:
    """Folder of the weights of a scientist, or of the registered one of a name.

    Raises:
        UsageError: there is no such scientist, or it is not trained.
    """
    spec = by_name(scientist) if isinstance(scientist, str) else scientist
    if not spec.trained:
        raise untrained(spec)
    assert spec.weights is not None
    return spec.weights


def untrained(spec: ScientistSpec) -> UsageError:
    """The error for a scientist without weights."""
    what = spec.name if spec.name in registered() else f"./{spec.name}.py"
    return UsageError(
        "untrained",
        f"{spec.name} is untrained: no weights for it are installed",
        f"train it (andersonn train {what} --data …) and name the model's folder with --model",
    )


class _Uncompiled(SourceFileLoader):
    """Reads a file as it is now, and leaves no compiled copy beside it."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the file."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _where(error: BaseException, path: Path) -> str:
    """The last line of a file that an error came through, in words; empty if Python's own message says it."""
    line, step = None, error.__traceback__
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == str(path) else line
        step = step.tb_next
    return "" if line is None else f", line {line}"


@cache
def _of_packages() -> tuple[dict[str, ScientistSpec], dict[str, str]]:
    """The scientists of other packages by name, and what is wrong with those that cannot be used, by entry point."""
    found: dict[str, ScientistSpec] = {}
    wrong: dict[str, str] = {}
    for entry in metadata.entry_points(group=GROUP):
        spec, where = _loaded(entry), f"{entry.name} = {entry.value}"
        if isinstance(spec, str):
            wrong[where] = spec
        elif spec.name in shipped() or spec.name in found:
            wrong[where] = f"the name {spec.name!r} is taken by another scientist"
        else:
            found[spec.name] = spec
    return found, wrong


def _loaded(entry: metadata.EntryPoint) -> ScientistSpec | str:
    """The scientist of an entry point, or why there is none."""
    try:
        declared = entry.load()
    except (Exception, SystemExit) as error:  # of another package's code, which must not harm ours
        return f"{type(error).__name__}: {first_line(error)}"
    return declared if isinstance(declared, ScientistSpec) else f"it is a {type(declared).__name__}, no ScientistSpec"
