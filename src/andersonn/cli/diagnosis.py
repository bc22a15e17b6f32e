"""Which parts of the package are installed and work, which are missing, and how to get them. No network."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from andersonn import launch
from andersonn.data.fetch import cached
from andersonn.data.sources import SOURCES
from andersonn.errors import AndersonnError
from andersonn.io.files import try_writing
from andersonn.io.installed import EXTRAS, how_to_install
from andersonn.io.places import cache_folder, is_temporary
from andersonn.sanitize import first_line
from andersonn.scientists.base import ScientistSpec
from andersonn.scientists.registry import broken, registered

OLDEST_PYTHON = (3, 11)
REQUIRED = {
    "ase": "ase", "filelock": "filelock", "gemmi": "gemmi", "jinja2": "jinja2", "joblib": "joblib", "matplotlib": "matplotlib",
    "numpy": "numpy", "pyarrow": "pyarrow", "pydantic": "pydantic", "rdkit": "rdkit", "rich": "rich",
    "safetensors": "safetensors", "scikit-learn": "sklearn", "scipy": "scipy", "torch": "torch", "typer": "typer", "vesin": "vesin",
}  # fmt: skip
"""Package → its module, of all that the package itself depends on."""
OBJECTS = {"pymatgen": "pymatgen"}
"""Packages whose objects are understood, if they are there."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: group of things.
        name: of the thing.
        state: ``"ok"``, ``"missing"`` (and can be done without) or ``"failed"``.
        found: what there is, in words.
        cure: how to get it, where it is not ok.
    """

    part: str
    name: str
    state: str
    found: str
    cure: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def look(self_test: bool = False) -> Iterator[Finding]:
    """All findings, as they are made.

    Args:
        self_test: also import the extras that are installed, and ask each model questions with known answers.
    """
    yield _python()
    yield from _search_path()
    for package, module in REQUIRED.items():
        yield _package("package", package, module, f"pip install {package}", True, "failed")
    yield _device()
    yield _kernel()
    for extra, packages in EXTRAS.items():
        for package, module in packages.items():
            yield _package(f"extra {extra}", package, module, how_to_install(extra), self_test, "missing")
    for package, module in OBJECTS.items():
        yield _package("objects", package, module, f"pip install {package}", self_test, "missing")
    yield _cache()
    yield from (_model(*one) for one in _variants())
    for where, reason in broken().items():
        yield Finding("scientist", where, "failed", reason, "correct that package, or uninstall it")
    for source in SOURCES.values():
        here = source.how == "shipped" or bool(cached(source, check=False))
        state, found = ("ok", "here") if here else ("missing", "not in the cache")
        yield Finding("data", source.name, state, found, "" if here else f"andersonn data get {source.name}")
    if self_test:
        yield from (_known_answers(*one) for one in _variants() if one[1].trained)


def _python() -> Finding:
    version, fine = platform.python_version(), sys.version_info >= OLDEST_PYTHON
    cure = "" if fine else "install Python {}.{} or newer".format(*OLDEST_PYTHON)
    return Finding("python", "python", "ok" if fine else "failed", f"{version}, {sys.executable}", cure)


def _search_path() -> Iterator[Finding]:
    """Relative or empty parts of ``PYTHONPATH``: they name another folder depending on the current one."""
    parts = launch.given_path.split(os.pathsep) if launch.given_path else []
    odd = [part or "an empty part" for part in parts if not os.path.isabs(part)]
    if odd:
        found = f"{', '.join(odd)}: Python runs what lies in the current folder before andersonn can prevent it"
        yield Finding("python", "PYTHONPATH", "missing", found, "give whole paths alone, and set PYTHONSAFEPATH=1")


def _package(part: str, package: str, module: str, cure: str, load: bool, absent: str) -> Finding:
    """Whether a package is there and, if ``load``, can be imported; ``absent`` is the state where it is not there."""
    if find_spec(module) is None:
        return Finding(part, package, absent, "not installed", cure)
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = "of unknown version"
    if load:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a broken installation raises is what is to be told
            reason = first_line(error)
            return Finding(part, package, "failed", f"{version}, cannot be imported: {reason}", cure)
    return Finding(part, package, "ok", version)


def _device() -> Finding:
    import torch

    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} processors"
    if torch.cuda.is_available():
        return Finding("device", "cuda", "ok", f"{torch.cuda.get_device_name()}; {threads}")
    return Finding("device", "cuda", "missing", f"no CUDA GPU found, the CPU is used; {threads}")


def _kernel() -> Finding:
    """Whether messages are summed by code compiled here, which this compiles if it has not been."""
    from andersonn.models import message_kernel

    reason = message_kernel.why_not()
    if reason is None:
        return Finding("compiled", "message kernel", "ok", "compiled on this machine; sums messages of large batches")
    cure = "install a C compiler, such as gcc, for evaluations in about 0.4 of the time; answers are the same"
    return Finding("compiled", "message kernel", "missing", f"{reason}; PyTorch's operations are used", cure)


def _cache() -> Finding:
    folder = cache_folder()
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    words = f"{folder}, {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"
    if is_temporary(folder):
        words += " (in the temporary folder, since no home folder can be written)"
    try:
        try_writing(folder)
    except OSError as error:
        cure = "set ANDERSONN_CACHE to a folder that can be written"
        return Finding("cache", "cache", "failed", f"{words}, cannot be written: {error.strerror}", cure)
    return Finding("cache", "cache", "ok", f"{words}, writable")


def _variants() -> Iterator[tuple[str, ScientistSpec]]:
    """Each scientist, and after it those for a geometry with weights of their own, by names of ours."""
    for spec in registered().values():
        yield spec.name, spec
        for geometry in spec.geometries:
            yield f"{spec.name}, geometry {geometry}", spec.of_geometry(geometry)


def _model(name: str, spec: ScientistSpec) -> Finding:
    """Whether a scientist can be trained and its model be read."""
    from andersonn.config import config_of
    from andersonn.inference.model_bundle import WEIGHTS, ModelBundle, sha256_of
    from andersonn.scientists.registry import weights_folder

    try:
        config_of(spec)
    except AndersonnError as error:
        return Finding("model", name, "failed", f"its preset: {error.message}", error.hint)
    if not spec.trained:
        cure = f"andersonn train {spec.name} --data …, then name the folder with --model"
        return Finding("model", name, "missing", "untrained: there are no weights", cure)
    try:
        folder = weights_folder(spec)
        bundle = ModelBundle.load(folder)
    except AndersonnError as error:
        return Finding("model", name, "failed", error.message, error.hint)
    domain = "tells what is unlike its training" if bundle.domain else "cannot tell what is unlike its training"
    return Finding("model", name, "ok", f"sha256 {sha256_of(Path(folder, WEIGHTS))[:16]}, {domain}")


def _known_answers(name: str, spec: ScientistSpec) -> Finding:
    from andersonn.scientists.registry import weights_folder
    from andersonn.training.self_test import failures_of

    if not spec.self_test:
        return Finding("self-test", name, "missing", "it declares no questions", "declare self_test in its file")
    try:
        asked, wrong = failures_of(weights_folder(spec))
    except AndersonnError as error:
        return Finding("self-test", name, "failed", error.message, error.hint)
    if wrong:
        return Finding("self-test", name, "failed", "; ".join(wrong), "install again, or report it")
    return Finding("self-test", name, "ok", f"{asked} answers as expected")
