"""Running statistics of normalizations in a cell: updated once a forward pass, not at every evaluation of a solve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, RLock
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

NAMES = ("running_mean", "running_var", "num_batches_tracked")

_locks: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()
_of_locks = Lock()


class RunningStatistics:
    """The normalizations of a cell (batch and instance, synchronized ones included) that update statistics in training mode.

    In training mode they normalize by the statistics of the batch and only write to the running ones, so an evaluation has
    the same value whether or not it updates them.

    Threads that share a cell evaluate it one after the other, since its modules hold what says whether they update.

    Attributes:
        due: the next evaluation updates them, and it alone.
    """

    def __init__(self, modules: list[_NormBase], lock: Any) -> None:
        self.modules, self.lock, self.due = modules, lock, False

    @classmethod
    def of(cls, cell: Callable) -> RunningStatistics | None:
        """Those of a cell; None if it has none that are updated now."""
        if not isinstance(cell, nn.Module):
            return None
        found = [m for m in cell.modules() if isinstance(m, _NormBase) and m.training]
        if not found:
            return None
        with _of_locks:
            lock = _locks.setdefault(cell, RLock())
        with lock:  # another thread's evaluation puts them aside
            found = [m for m in found if m.track_running_stats]
        return cls(found, lock) if found else None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Around one evaluation: puts the running statistics aside, unless their update is due."""
        with self.lock:
            if self.due:
                self.due = False
                yield
                return
            aside = [(m, {name: m._buffers[name] for name in NAMES}) for m in self.modules if m.track_running_stats]
            for module, _ in aside:
                module.track_running_stats = False  # batch normalization reads this, instance normalization the buffers
                module._buffers.update(dict.fromkeys(NAMES))
            try:
                yield
            finally:
                for module, buffers in aside:
                    module.track_running_stats = True
                    module._buffers.update(buffers)
