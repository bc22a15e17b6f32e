"""The model that a command names: by its task, or by its folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np  # noqa: F401 - before torch, which warns at length where numpy is missing

from andersonn.inference.model_bundle import require_task
from andersonn.inference.predictor import Predictor
from andersonn.scientists.registry import find


def load_for(
    task: str,
    model: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    anytime: bool = False,
    geometry: str | None = None,
) -> Predictor:
    """The model of a task, or the model in a folder, which must be of that task.

    Args:
        task: name of the task, or the Python file that declares it.
        model: folder that ``train`` wrote; None: the weights that the task's declaration names.
        device: it runs on.
        anytime: see :class:`Predictor`.
        geometry: see :meth:`Predictor.load`.

    Raises:
        UsageError: there is no such task or model, the model is for another task, or it cannot read molecules so.
    """
    if model is None:
        return Predictor.of_spec(find(task), device, anytime, geometry)
    found = Predictor.load(Path(model), device, anytime, geometry)
    require_task(found.task.name, task, model)
    return found
