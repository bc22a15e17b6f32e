"""Options of solvers: frozen dataclasses that reject misspelt names and impossible values."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform

from andersonn.errors import did_you_mean

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def options(cls: type[T]) -> type[T]:
    """Makes ``cls`` a frozen dataclass whose unknown options raise a TypeError with a suggestion."""
    cls = dataclass(frozen=True)(cls)
    known = {field.name for field in fields(cls)}
    plain = cls.__init__

    @functools.wraps(plain)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs.keys() - known:
            raise TypeError(f"{cls.__name__} has no option {name!r}; {did_you_mean(name, known)}")
        plain(self, *args, **kwargs)

    cls.__init__ = checked
    return cls


def require(condition: bool, what: str, value: object) -> None:
    """Raises a ValueError that says what an option must be."""
    if not condition:
        raise ValueError(f"{what}, not {value!r}")
