"""A fitted estimator as files: a model's folder, and ``estimator.json`` for what scikit-learn adds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import DAMAGE, ModelBundle
from andersonn.io.files import from_json, require_writable, write_json

NAME = "estimator.json"
FORMAT = 1


def write_estimator(folder: Path, kind: str, estimator: BaseEstimator, found: Mapping[str, Any]) -> None:
    """Writes a fitted estimator.

    Args:
        folder: made if needed.
        kind: name of its class.
        estimator: has ``artifact_``.
        found: what fitting found besides the model, as JSON.

    Raises:
        UsageError: the folder cannot be written to.
    """
    require_writable(folder)
    estimator.artifact_.save(folder)
    parameters = {name: _plain(value) for name, value in estimator.get_params(deep=False).items()}
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = estimator.seed_  # a generator is no JSON, and would not stand where it stood
    content = {"format": FORMAT, "estimator": kind, "parameters": parameters, "found": dict(found)}
    write_json(folder / NAME, content)


def read_estimator(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any], ModelBundle]:
    """Parameters, what fitting found, and the model of an estimator.

    Raises:
        UsageError: a file is missing or damaged, or the estimator is of another kind.
    """
    try:
        content = from_json((folder / NAME).read_text(encoding="utf-8"))
        missing = [name for name in ("format", "estimator", "found", "parameters") if name not in content]
        if missing:
            raise ValueError(f"it has no {missing[0]}")
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, and this version reads {FORMAT}")
        named, found = content["estimator"], dict(content["found"])
        parameters = {name: _restored(value) for name, value in content["parameters"].items()}
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError("no_estimator", f"{str(folder)!r} has no {NAME}", "give a folder that save wrote") from None
    except DAMAGE as error:
        raise UsageError("bad_estimator", f"{NAME} in {str(folder)!r} is damaged: {error}", "copy it again") from None
    if named != kind:
        raise UsageError("other_estimator", f"{str(folder)!r} holds a {named}, not a {kind}", f"use {named}.load")
    return parameters, found, ModelBundle.load(folder)


def array_as_json(array: np.ndarray) -> dict[str, Any]:
    """An array of labels."""
    return {"dtype": array.dtype.str, "values": array.tolist()}


def array_from_json(content: dict[str, Any]) -> np.ndarray:
    """The array back."""
    return np.array(content["values"], dtype=content["dtype"])


def _plain(value: Any) -> Any:
    if isinstance(value, Task):
        return {"own_task": value.as_dict()}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _restored(value: Any) -> Any:
    return Task.from_dict(value["own_task"]) if isinstance(value, dict) and "own_task" in value else value
