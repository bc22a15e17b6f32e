"""Constructor parameters of the estimators → a training configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.config import TrainConfig, config_of
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import EquilibriumNetwork, KernelNetwork
from andersonn.scientists.registry import by_name, registered, weights_folder

PATHS = {
    "epochs": "epochs",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "width": "model.width",
    "dropout": "model.dropout",
    "cell": "model.cell",
    "columns": "image.columns",
    "device": "device",
}
"""Parameter → the option of :class:`~andersonn.config.TrainConfig` that it sets unless it is None."""
Options = Mapping[str, Any] | Iterable[str]


def task_given(given: str | Task | None) -> Task | None:
    """The task of a constructor's parameter: the name of a registered scientist, a task of the user's own, or None.

    Raises:
        UsageError: there is no scientist of that name, or the user's own task is named as another that is registered.
    """
    if given is None or isinstance(given, str):
        return None if given is None else by_name(given).task
    if not isinstance(given, Task):
        raise UsageError("bad_option", f"task is {given!r}", "give a name such as 'conduction', an an.Task, or None")
    known = registered().get(given.name)
    if known is not None and not known.task.same_but_for_thresholds(given):
        raise UsageError(
            "bad_option", f"{given.name} is a registered task, and this is another", "name yours otherwise"
        )
    return given


def shipped_start(given: str | os.PathLike[str] | None, chosen: Task | None) -> ModelBundle | None:
    """The trained model that an estimator starts from.

    Args:
        given: name of a registered scientist, perhaps with the geometry that it reads molecules in (``"polarity/none"``), or a folder;
            None: no model.
        chosen: task of the estimator, or None.

    Raises:
        UsageError: there is no such model, or it can answer nothing but its own quantity.
    """
    if given is None:
        return None
    name, _, geometry = str(given).partition("/")
    if isinstance(given, str) and name in registered():
        bundle = ModelBundle.load(weights_folder(registered()[name].of_geometry(geometry or None)))
    else:
        bundle = ModelBundle.load(Path(given))
    of_vector = bundle.config.model.head == "dipole" and (chosen is None or chosen.quantity != bundle.task.quantity)
    if of_vector or not isinstance(bundle.network, EquilibriumNetwork) or isinstance(bundle.network, KernelNetwork):
        what = "adds up a vector, which is no other quantity" if of_vector else "is an ensemble or was constructed"
        told = f"nothing can start from {str(given)!r}: it {what}"
        raise UsageError(
            "bad_start", told, "start from a scientist that train made, or from its geometry none (NAME/none)"
        )
    return bundle


def config_from(
    chosen: Task | None,
    given: Mapping[str, Any],
    options: Options,
    own: Iterable[str] = (),
    start: ModelBundle | None = None,
) -> TrainConfig:
    """The configuration of a run: the task's own defaults or those of the start, then ``own``, then the parameters given, then the
    options.

    Args:
        chosen: task, or None.
        given: parameter → value; None where the default holds.
        options: ``key=value`` words, or a mapping from names to values.
        own: defaults of an estimator, as words.
        start: a trained model that the network starts from.

    Raises:
        UsageError: an option is unknown or its value impossible.
    """
    words = [*own, *(f"{PATHS[name]}={_word(value)}" for name, value in given.items() if value is not None)]
    if isinstance(options, str):
        raise UsageError("bad_option", f"options is the text {options!r}", "give a list of words, or a dict")
    words += [f"{k}={_word(v)}" for k, v in options.items()] if isinstance(options, Mapping) else list(options)
    if start is not None:
        base = start.config.model_dump(mode="json")
        base |= {"thresholds": None, "limit": None, "balance": 0.0}
        base["model"]["answer"] = "classes"
        return TrainConfig.make(base, words)
    return config_of(registered().get(chosen.name) if chosen else None, overrides=words)


def _word(value: Any) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str) else json.dumps(plain)
