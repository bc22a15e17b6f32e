"""Options of solvers: frozen dataclasses that reject unknown names and invalid values."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, TypeVar, dataclass_transform

from andersonn.errors import did_you_mean

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def options(cls: type[T]) -> type[T]:
    """Makes ``cls`` a frozen dataclass whose unknown options raise a TypeError with a suggestion."""
    made: Any = dataclass(frozen=True)(cls)  # cls itself
    known = {field.name for field in fields(made)}
    plain = made.__init__

    @functools.wraps(plain)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs.keys() - known:
            raise TypeError(f"{cls.__name__} has no option {name!r}; {did_you_mean(name, known)}")
        plain(self, *args, **kwargs)

    made.__init__ = checked
    return made


def require_number(name: str, value: object, above: float | None = None, most: float | None = None) -> None:
    """Raises a ValueError unless an option is a finite number, at least 0 or, if given, greater than ``above``, and at
    most ``most``.
    """
    sound = (
        isinstance(value, Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (not value < 0 if above is None else not value <= above)  # Real declares < and <= alone
        and (most is None or value <= most)
    )
    if not sound:
        low = "at least 0" if above is None else f"greater than {above:g}"
        high = "" if most is None else f" and at most {most:g}"
        raise ValueError(f"{name} must be a number, {low}{high}, not {value!r}")


def require_count(name: str, value: object, other: str = "") -> None:
    """Raises a ValueError unless an option is a whole number of at least 1; ``other``: what else it may be."""
    if not (isinstance(value, Integral) and not isinstance(value, bool) and not value < 1):
        alternative = f", or {other}" if other else ""
        raise ValueError(f"{name} must be a whole number, at least 1{alternative}, not {value!r}")


def require_choice(name: str, value: object, known: Collection[str]) -> None:
    """Raises a ValueError unless an option is one of the known words."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")
