"""Where a measurement was made: hardware, threads and versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from andersonn.sanitize import lines_of

PACKAGES = ("deep-andersonn", "torch", "torchdeq", "jax", "jaxopt", "scipy", "numpy")


def cpu_name() -> str:
    """The processor's name, as its maker gives it where the system says so."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = lines_of(cpuinfo.read_text(encoding="utf-8", errors="replace")) if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def setting(device: str) -> dict[str, Any]:
    """CPU, cores, threads, GPU if used, and versions; None for a package that is not installed."""
    on_gpu = torch.device(device).type == "cuda"
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if on_gpu else None,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def machine_line(setting: dict[str, Any]) -> str:
    """Hardware, versions, seed, n and repeats, in a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in setting["versions"].items() if number)
    gpu = "" if setting["gpu"] is None else f", {setting['gpu']}"
    known = {"seed": "seed", "n": "n", "repeats": "repeats"}
    counts = ", ".join(f"{word} {setting[key]}" for key, word in known.items() if key in setting)
    return (
        f"{setting['cpu']}, {setting['cores']} cores, {setting['threads']} torch threads{gpu}; Python "
        f"{setting['python']}, {versions}; {counts}."
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Torch computes with so many threads inside this block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
