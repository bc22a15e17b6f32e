"""What is fitted beside a network, made small: forest and classifier would take nine tenths of the time of a small training."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

NUMBERS = {"andersonn.training.baselines.TREES": 20, "andersonn.training.domain_fitting.STEPS": 60}
"""Numbers of the package, and what they are in tests; those of ``tests/training/test_domain.py`` take the package's own."""


def make_small(put: Callable[[Any, str, int], None] = setattr) -> None:
    """Sets the numbers by ``put(module, name, value)``."""
    for name, value in NUMBERS.items():
        module, _, attribute = name.rpartition(".")
        put(importlib.import_module(module), attribute, value)
