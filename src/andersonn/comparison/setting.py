"""Where the contest was held: hardware and versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from andersonn.measuring.machine import cpu_name

PACKAGES = ("deep-andersonn", "torch", "torchdeq", "jax", "jaxopt", "scipy", "numpy")


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
