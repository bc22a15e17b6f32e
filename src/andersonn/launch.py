"""Child processes, and the program itself, run no code that lies in the current folder.

Structures are unpacked and asked about where they lie, and a folder may hold a ``json.py`` beside them. Python looks for
modules in the current folder first when it is started as ``python -m``, and also where ``PYTHONPATH`` has an empty part, as
``$PYTHONPATH:/more`` has if nothing was set before. Every child is started here, and knows installed packages alone.

Imports nothing but what Python itself has loaded when it starts, since it is the first module that the program loads.
"""

import os
import sys

TYPE_CHECKING = False  # as type checkers know it; typing would be imported before the guard
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable
    from typing import Any

PACKAGE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = "andersonn"
SAFE = "PYTHONSAFEPATH"
"""Keeps the current folder out of every Python that is started, whichever code starts it."""
given_path = os.environ.get("PYTHONPATH", "")
"""``PYTHONPATH`` as this process was given it; :func:`guard` cleans it."""
CHILD = "ANDERSONN_CHILD"
"""Tells a child that its search path was made here."""


def run(module: str, *words: str, **options: "Any") -> "subprocess.CompletedProcess[str]":
    """Runs ``python -m module words…`` to its end, with options as of :func:`subprocess.run`; ``env`` is added to that of this
    process. Returns the same as that function.
    """
    import subprocess

    return subprocess.run(command(module, *words), env=environment(**options.pop("env", {})), **options)


def start(module: str, *words: str, needs: str = "", **options: "Any") -> "subprocess.Popen[str]":
    """Starts ``python -m module words…``, with options as of :class:`subprocess.Popen`, which it returns; ``env`` is added to
    that of this process. ``needs`` names a module that it will import, wherever this process has it from.
    """
    import subprocess

    return subprocess.Popen(command(module, *words), env=environment(needs, **options.pop("env", {})), **options)


def tool(words: "list[str]", folder: str, seconds: float) -> "subprocess.CompletedProcess[bytes]":
    """Runs a program of this machine, such as a compiler, in ``folder`` to its end, without input. It, and what it calls, is
    sought in the whole folders of ``PATH`` but the current one.

    Raises:
        OSError: no such program is there, it cannot be run, or it takes longer than so many seconds.
    """
    import shutil
    import subprocess

    path = os.pathsep.join(kept(filter(os.path.isabs, os.environ.get("PATH", os.defpath).split(os.pathsep)), ()))
    found = shutil.which(words[0], path=path)
    if found is None:
        raise FileNotFoundError(f"there is no {words[0]}")
    surroundings = dict(os.environ) | {"PATH": path}
    try:
        return subprocess.run(
            [found, *words[1:]],
            cwd=folder,
            env=surroundings,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{words[0]} took more than {seconds:g} s") from None
    except OSError as error:
        raise OSError(f"{words[0]} cannot be run: {error.strerror}") from None


def command(module: str, *words: str) -> list[str]:
    """The words of a command that runs a module."""
    return [sys.executable, "-P", "-m", module, *words]


def environment(needs: str = "", **more: str) -> dict[str, str]:
    """The environment of a child: that of this process, with what can be imported here but from the current folder."""
    paths = os.pathsep.join(kept(sys.path, homes(needs)))
    return settled(dict(os.environ)) | {"PYTHONPATH": paths, SAFE: "1", CHILD: "1"} | more


class SafeChildren:
    """Inside the block every Python that a library starts, such as joblib's workers, leaves the current folder out too."""

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in (SAFE, "PYTHONPATH")}
        os.environ.update({SAFE: "1"} | paths_of_environment())

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def guard() -> None:
    """Of a program: imports nothing from the current folder from here on, nor does any child, and libraries read no settings
    there.
    """
    sys.path[:] = kept(sys.path, homes())
    os.environ.update({SAFE: "1"} | paths_of_environment())
    os.environ.update(settled(dict(os.environ)))
    _settle_matplotlib()


def is_program() -> bool:
    """Whether this process was started as ``andersonn`` or ``python -m andersonn…``, and not by someone's own code."""
    if os.environ.get(CHILD):
        return False
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name == "-m" or name.lower().removesuffix(".exe").removesuffix("-script.py") == PROGRAM


def kept(paths: "Iterable[str]", needed: "Iterable[str]") -> list[str]:
    """Folders of a search path as whole paths, without the current one and those that are told from it, unless they hold what
    is needed.
    """
    here, found = _here(), []
    for path in paths:
        if not here and not os.path.isabs(path):
            continue
        whole = os.path.abspath(path)
        if (os.path.isabs(path) and not _same(whole, here)) or any(_same(whole, home) for home in needed):
            found.append(whole)
    return found


def homes(needs: str = "") -> list[str]:
    """The folders that hold this package and that of a module which this process has loaded."""
    found = [os.path.dirname(PACKAGE)]
    module = sys.modules.get(needs.partition(".")[0])
    for place in getattr(module, "__path__", None) or [getattr(module, "__file__", None)]:
        if place:
            found.append(os.path.dirname(os.path.abspath(place)))
    return found


def paths_of_environment() -> dict[str, str]:
    """``PYTHONPATH`` without the current folder, if it is set."""
    if not os.environ.get("PYTHONPATH"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(kept(os.environ["PYTHONPATH"].split(os.pathsep), homes()))}


def settled(variables: dict[str, str]) -> dict[str, str]:
    """Variables by which PySCF does not run ``.pyscf_conf.py`` of the current folder, but still that of the home folder."""
    if "PYSCF_CONFIG_FILE" not in variables and os.path.exists(".pyscf_conf.py"):
        own = os.path.join(os.path.expanduser("~"), ".pyscf_conf.py")
        nothing = os.path.join(PACKAGE, "web", "__init__.py")  # it takes a file only, and this one has no settings
        variables["PYSCF_CONFIG_FILE"] = own if os.path.isfile(own) else nothing
    return variables


def _settle_matplotlib() -> None:
    """Loads matplotlib while the current folder is another, where it would read settings from it. The program has one thread
    yet, so that nobody else is moved.
    """
    here = _here()
    if not here or not os.path.exists("matplotlibrc"):
        return
    try:
        os.chdir(PACKAGE)
        import matplotlib  # noqa: F401
    except ImportError:
        pass  # told where it is needed
    finally:
        os.chdir(here)


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


if is_program():
    guard()
