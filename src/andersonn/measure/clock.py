"""Timing that survives a noisy machine: repeats, interleaved, medians with quartiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of one of several things timed side by side.

    Attributes:
        median, low, high: median and quartiles.
        repeats: how many runs counted.
    """

    median: float
    low: float
    high: float
    repeats: int


def interleaved(
    things: Mapping[str, Callable[[], object]],
    repeats: int,
    warmup: int = 1,
    synchronize: Callable[[], None] | None = None,
) -> dict[str, Timing]:
    """Times things in turn, A B A B …, so that drift of the machine's speed hits all alike.

    Args:
        things: name → what to run.
        repeats: counted rounds.
        warmup: rounds run first and not counted.
        synchronize: called before each reading of the clock (``torch.cuda.synchronize`` for a GPU).
    """
    seconds: dict[str, list[float]] = {name: [] for name in things}
    wait = synchronize or (lambda: None)
    for round_ in range(warmup + repeats):
        for name, run in things.items():
            wait()
            begin = time.perf_counter()
            run()
            wait()
            if round_ >= warmup:
                seconds[name].append(time.perf_counter() - begin)
    return {name: _summary(values) for name, values in seconds.items()}


def _summary(values: list[float]) -> Timing:
    low, median, high = np.percentile(values, [25, 50, 75])
    return Timing(float(median), float(low), float(high), len(values))
