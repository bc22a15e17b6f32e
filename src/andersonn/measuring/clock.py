"""Timing that survives a noisy machine: repeats, interleaved, medians with quartiles."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")


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


def turns(
    things: Mapping[str, Callable[[], T]],
    repeats: int,
    warmup: int = 1,
    synchronize: Callable[[], None] | None = None,
) -> dict[str, list[tuple[float, T]]]:
    """Runs things in turn, A B A B …, so that drift of the machine's speed hits all alike.

    Args:
        things: name → what to run.
        repeats: counted rounds.
        warmup: rounds run first and not counted.
        synchronize: called before each reading of the clock (``torch.cuda.synchronize`` for a GPU).

    Returns:
        For each thing its rounds: seconds, and what it returned.
    """
    found: dict[str, list[tuple[float, T]]] = {name: [] for name in things}
    wait = synchronize or (lambda: None)
    for round_ in range(warmup + repeats):
        for name, run in things.items():
            wait()
            begin = time.perf_counter()
            result = run()
            wait()
            if round_ >= warmup:
                found[name].append((time.perf_counter() - begin, result))
    return found


def interleaved(
    things: Mapping[str, Callable[[], object]],
    repeats: int,
    warmup: int = 1,
    synchronize: Callable[[], None] | None = None,
) -> dict[str, Timing]:
    """Times things in :func:`turns`."""
    found = turns(things, repeats, warmup, synchronize)
    return {name: timing([seconds for seconds, _ in rounds]) for name, rounds in found.items()}


def timing(seconds: Sequence[float]) -> Timing:
    """Median and quartiles of rounds; of ratios as well as of seconds."""
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return Timing(float(median), float(low), float(high), len(seconds))


def ahead_by_more_than_chance(won: int, rounds: int, level: float = 0.05) -> bool:
    """Whether something that was ahead in ``won`` of so many rounds is ahead by more than chance: a one-sided sign test.
    Five rounds are the fewest in which it can be.
    """
    return sum(math.comb(rounds, k) for k in range(won, rounds + 1)) / 2**rounds <= level


def waiter(device: torch.device | str) -> Callable[[], None]:
    """Waits until the device has done what it was asked; nothing to wait for on a CPU."""
    kind = torch.device(device).type
    return (lambda: None) if kind == "cpu" else torch.get_device_module(kind).synchronize
