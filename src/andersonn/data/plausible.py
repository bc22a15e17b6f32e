"""Detects labels in another unit than the task's by their size, and gives the conversion factor."""

from __future__ import annotations

import math

import numpy as np

from andersonn.data.tasks import Task
from andersonn.errors import UsageError

MOST_STRAY = 0.01
"""Largest share of labels above the highest possible value; with more, the whole column is in another unit."""
FEWEST_STRAY = 3
"""Fewest labels above the highest possible value before the column is taken to be in another unit."""
TINY = 1e-6
"""Labels that are all below this fraction of what is usual are in another unit for sure: dipoles in C m have 1e-30."""
ENOUGH = 20
"""Number of labels from which on the largest one and the median indicate the unit."""


def check_unit(task: Task, values: np.ndarray) -> str:
    """Whether labels have the size that they have in the task's unit.

    Args:
        task: of the labels; without ``highest`` and ``other_units`` nothing is checked.
        values: the labels ``[N]`` in ``task.unit``, NaN where there is none.

    Returns:
        A warning if all of them are suspiciously small, with the factor that may correct them; else an empty text.

    Raises:
        UsageError: so many are beyond ``task.highest``, or a negative ``task.lowest``, or all are so small, that the column is
            in another unit. The hint has the factor.
    """
    finite = values[np.isfinite(values)]
    sizes = np.abs(finite[finite != 0.0])
    signed = -math.inf < task.lowest < 0.0
    lowest = task.lowest if signed else -task.highest
    stray = int(((finite > task.highest) | (finite < lowest)).sum())
    if stray >= FEWEST_STRAY and stray > MOST_STRAY * len(values):
        raise UsageError(
            "implausible_labels",
            f"{stray} of {len(values)} labels of {task.quantity} are "
            f"{f'outside {lowest:g} to' if signed else 'above'} {task.highest:g} {task.unit}, the largest "
            f"{sizes.max():.4g}: the column is not in {task.unit}",
            _unit_advice(task, sizes),
        )
    if task.usual_largest and len(sizes) >= FEWEST_STRAY and sizes.max() < TINY * task.usual_largest[0]:
        raise UsageError(
            "implausible_labels",
            f"the largest of {len(finite)} labels of {task.quantity} is {sizes.max():.4g}: the column is not in {task.unit}",
            _unit_advice(task, sizes),
        )
    if len(values) < ENOUGH or not len(sizes):
        return ""
    largest, median = float(sizes.max()), float(np.median(sizes))
    if task.usual_largest and largest < task.usual_largest[0]:
        small = f"the largest of {len(values)} labels of {task.quantity} is {largest:.3g} {task.unit}"
    elif task.usual_median and median < task.usual_median[0]:
        small = f"half of the labels of {task.quantity} that are not zero are below {median:.3g} {task.unit}"
    else:
        return ""
    return f"{small}, less than usual: check their unit; {_unit_advice(task, sizes)}"


def unit_hint(task: Task, value: float) -> str:
    """The factor that would make one label plausible, in brackets; empty if none would."""
    if not math.isfinite(value) or value <= 0.0:
        return ""
    units = _likely_units(task, value, task.usual_largest)[:1]
    return "".join(f" (in {unit}? multiply by {task.other_units[unit]:.6g})" for unit in units)


def _unit_advice(task: Task, sizes: np.ndarray) -> str:
    """What to do about labels in another unit; the likelier unit is named first."""
    found = _likely_units(task, float(np.median(sizes)), task.usual_median)
    found = found or _likely_units(task, float(sizes.max()), task.usual_largest)
    factors = [f"by {task.other_units[unit]:.6g} if they are in {unit}" for unit in found[:2]]
    if not factors:
        return f"give {task.quantity} in {task.unit}"
    return f"multiply them {', or '.join(factors)}, to have {task.unit}"


def _likely_units(task: Task, size: float, usual: tuple[float, float] | None) -> list[str]:
    """Units in which a size would be usual, most likely first."""
    if not usual:
        return []
    low, high = usual
    fitting = {unit: size * factor for unit, factor in task.other_units.items() if low <= size * factor <= high}
    middle = math.sqrt(low * high)
    return sorted(fitting, key=lambda unit: abs(math.log(fitting[unit] / middle)))
