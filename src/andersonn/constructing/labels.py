"""A column of words, flags or few numbers → classes, and the class of each row."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.errors import UsageError
from andersonn.structures.readers.tables.columns import is_missing

MOST_CLASSES = 50
NONE = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--", "?", "#n/a", "missing", "unknown", "n.d.", "nd"})
RISING = (("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("inactive", "active"), ("negative", "positive"),
          ("nontoxic", "toxic"), ("insoluble", "soluble"), ("unstable", "stable"), ("fail", "pass"), ("neg", "pos"),
          ("low", "high"), ("low", "medium", "high"), ("low", "moderate", "high"), ("weak", "strong"),
          ("weak", "moderate", "strong"), ("small", "medium", "large"), ("poor", "good"))  # fmt: skip
"""Words whose order is known; any others are sorted."""


@dataclass
class Labels:
    """Classes, and where each row belongs: float64 ``[rows]``, NaN where it belongs nowhere, which ``problems`` explains."""

    classes: tuple[str, ...]
    index: np.ndarray
    problems: dict[int, str]
    told: list[str]


def labels_of(name: str, values: Sequence[Any], classes: Sequence[str] | None, number_like: bool = False) -> Labels:
    """The classes of a column.

    Args:
        name: of the column.
        values: of its rows.
        classes: their names in the order wanted. Either words of the column, and other words are left out; or new names for its
            sorted values, as many as there are. None: all, in the order of their words.
        number_like: whether the values are numbers as text.

    Raises:
        UsageError: there is one class alone, there are too many, or ``classes`` do not fit.
    """
    words = [None if is_missing(value) else _word(value) for value in values]
    words = [None if word is not None and word.lower() in NONE else word for word in words]
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for word in words:
        if word is not None:
            spellings[_key(word)][word] += 1
    shown = {key: found.most_common(1)[0][0] for key, found in spellings.items()}
    counts = {key: found.total() for key, found in spellings.items()}
    told = [
        f"{', '.join(map(repr, sorted(found)))} were taken for one class, {shown[key]!r}"
        for key, found in spellings.items()
        if len(found) > 1
    ]
    order, titles = _ordered(shown, number_like), shown
    if classes:
        order, titles = _chosen(name, list(classes), order, shown)
    _require_classes(name, [titles[key] for key in order], sum(counts[key] for key in order))
    at = {key: k for k, key in enumerate(order)}
    index = np.array([np.nan if word is None else at.get(_key(word), np.nan) for word in words], dtype=np.float64)
    problems = {
        k: "the value is missing" if word is None else f"{word[:40]!r} is not among --classes"
        for k, word in enumerate(words)
        if word is None or _key(word) not in at
    }
    return Labels(tuple(titles[key] for key in order), index, problems, told)


def _word(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def _key(word: str) -> str:
    return word.lower()


def _ordered(shown: dict[str, str], number_like: bool) -> list[str]:
    keys = list(shown)
    if number_like:
        return sorted(keys, key=float)
    bare = {re.sub(r"[^a-z]", "", key): key for key in keys}
    for words in RISING:
        if set(bare) == set(words) and len(bare) == len(keys):
            return [bare[word] for word in words]
    return sorted(keys, key=lambda key: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", key)])


def _chosen(name: str, classes: list[str], order: list[str], shown: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Classes as the user names them."""
    keys = [_key(" ".join(word.split())) for word in classes]
    if len(set(keys)) < len(keys):
        raise UsageError("bad_classes", f"--classes names one class twice: {', '.join(classes)}", "name each once")
    if set(keys) <= set(order):
        return keys, {key: shown[key] for key in keys}
    if not set(keys) & set(order) and len(keys) == len(order):
        return order, dict(zip(order, classes, strict=True))
    unknown = [word for word, key in zip(classes, keys, strict=True) if key not in order]
    close = difflib.get_close_matches(_key(unknown[0]), order, n=1)
    near = f"did you mean {shown[close[0]]!r}? " if close else ""
    listed = ", ".join(repr(shown[key]) for key in order[:12])
    raise UsageError(
        "bad_classes",
        f"column {name!r} has no value {unknown[0]!r}",
        f"{near}it holds {listed}; name some of these, or as many new names as there are values ({len(order)})",
    )


def _require_classes(name: str, order: list[str], total: int) -> None:
    if len(order) == 1:
        raise UsageError("constant_target", f"all rows of column {name!r} are {order[0][:40]!r}", "there is nothing to learn from one class: name another column, or add rows of others")  # fmt: skip
    if not order:
        raise UsageError("empty_column", f"column {name!r} holds no labels", "name a column with values")
    many = len(order) > MOST_CLASSES or (len(order) > 10 and 3 * len(order) > total)
    if many or (len(order) > 3 and len(order) == total):
        examples = ", ".join(repr(word[:20]) for word in order[:3])
        raise UsageError(
            "too_many_labels",
            f"column {name!r} holds {len(order)} different words in {total} rows, such as {examples}: names, not classes",
            f"name a column of numbers or of at most {MOST_CLASSES} labels, or choose some with --classes",
        )
