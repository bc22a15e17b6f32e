"""Modules that are loaded when they are first used: those that most commands do without."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module, and loads it when something of it is asked for.

    Args:
        name: of the module, such as ``"pyarrow.parquet"``.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
