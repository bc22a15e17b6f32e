"""What ``model.json`` must hold for a model card to be made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from andersonn.errors import UsageError
from andersonn.inference.model_bundle import CARD, task_of
from andersonn.sanitize import first_line

Kinds = Mapping[str, type | tuple[type, ...]]
NUMBER = (int, float)
NUMBER_OR_NONE = (int, float, type(None))
MODEL: Kinds = {
    "task": str, "classes": list, "thresholds": list, "quantity": str, "unit": str, "parameters": int, "trained": str,
    "elements": dict, "versions": dict, "data": dict, "metrics": dict, "config": dict,
}  # fmt: skip
GROUPS: Mapping[str, Kinds] = {
    "versions": {"andersonn": str, "torch": str},
    "data": {
        "file": str, "split_by": str, "records": int, "unusable": int, "train": int, "validation": int, "test": int,
    },
    "metrics": {"test": dict},
    "config": {"seed": int, "model": dict},
    "config.model": {"cell": str},
}  # fmt: skip
ROW: Kinds = {
    "accuracy": NUMBER, "balanced_accuracy": NUMBER, "roc_auc": NUMBER_OR_NONE, "ece": NUMBER, "above": dict,
}  # fmt: skip
"""Of a model's test and of each baseline."""
TEST: Kinds = {
    **ROW,
    "n": int, "mae": NUMBER, "interval90_coverage": NUMBER, "interval90_width": NUMBER, "confusion": list,
}  # fmt: skip
DOMAIN: Kinds = {
    "limit": NUMBER, "outside": NUMBER, "n": int, "accuracy_inside": NUMBER_OR_NONE, "accuracy_outside": NUMBER_OR_NONE,
    "accuracy_by_fifth": list,
}  # fmt: skip


def require_complete(card: dict[str, Any], folder: Path, constructed: bool = False) -> None:
    """Checks that the content of ``model.json`` is enough for a model card.

    Args:
        card: the content.
        folder: that it is from.
        constructed: whether the metrics stand in the file of the construction.

    Raises:
        UsageError: a value is missing or of the wrong kind; the message says which.
    """
    fault = next(_faults(card, constructed), None)
    if fault is not None:
        raise UsageError("bad_model", f"{CARD} in {str(folder)!r} {fault}", "copy the whole model folder again")


def _faults(card: dict[str, Any], constructed: bool) -> Iterator[str]:
    """All that is missing or wrong, in words; later ones need what earlier ones look at."""
    yield from _odd(card, MODEL, "")
    for name, kinds in GROUPS.items():
        yield from _odd(_at(card, name), kinds, name)
    try:
        task_of(card)
    except (UsageError, TypeError, ValueError) as error:
        yield f"is damaged: {error.message if isinstance(error, UsageError) else first_line(error)}"
    if constructed:
        return
    yield from _odd_test(card, card["metrics"]["test"], "metrics.test", with_baselines=True)
    if card.get("domain") is not None:
        yield from _odd(card["domain"], DOMAIN, "domain")
    for k, run in enumerate(card.get("each_seed") or ()):
        yield from _odd(run, {"seed": int, "test": dict}, f"each_seed.{k}")
        yield from _odd_test(card, run["test"], f"each_seed.{k}.test", with_baselines=False)


def _odd_test(card: dict[str, Any], test: Any, where: str, with_baselines: bool) -> Iterator[str]:
    """What is wrong with the metrics of a test, of its baselines if they are shown, and of each file's part."""
    yield from _odd_row(card, test, TEST, where)
    if len(test["confusion"]) != len(card["classes"]):
        yield f"has a {where}.confusion of other classes"
    parts = test.get("by_file", {})
    yield from _odd({"by_file": parts}, {"by_file": dict}, where)
    for name, part in parts.items():
        yield from _odd_test(card, part, f"{where}.by_file.{name}", with_baselines)
    if with_baselines:
        yield from _odd(test, {"baselines": dict}, where)
        for name, row in test["baselines"].items():
            yield from _odd_row(card, row, ROW, f"{where}.baselines.{name}")


def _odd_row(card: dict[str, Any], row: Any, kinds: Kinds, where: str) -> Iterator[str]:
    yield from _odd(row, kinds, where)
    if len(card["classes"]) > 2:  # of two classes the accuracy of the only cut is not shown
        yield from _odd(row["above"], {card["classes"][0]: NUMBER}, f"{where}.above")


def _odd(group: Any, kinds: Kinds, where: str) -> Iterator[str]:
    """What is missing in a group of values, or of another kind than it should be."""
    if not isinstance(group, dict):
        yield f"has a {where} that is no group of values"
        return
    for name, kind in kinds.items():
        full = f"{where}.{name}".lstrip(".")
        if name not in group:
            yield f"has no {full}"
        elif not isinstance(group[name], kind):
            yield f"has a {full} that is {group[name]!r}"


def _at(card: dict[str, Any], name: str) -> Any:
    group = card
    for part in name.split("."):
        group = group[part]
    return group
