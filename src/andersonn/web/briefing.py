"""What a process that reads or inspects has to know of the scientist who is asked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from andersonn.inference.predictor import Predictor


def briefing(scientist: Predictor) -> dict[str, Any]:
    """``recipe``, ``conformers`` and ``task`` for :func:`andersonn.web.reading.read`, and ``model`` for
    :func:`andersonn.web.inspecting.work`; JSON.
    """
    conformers = scientist.bundle.config.conformers
    model = {
        "folder": str(folder_of(scientist)),
        "name": scientist.name,
        "conformers": conformers,
        "pores": json.dumps(scientist.pores and scientist.pores.as_dict()),
    }
    task, recipe = scientist.task.as_dict(), asdict(scientist.recipe)
    return {"task": task, "recipe": recipe, "conformers": conformers, "model": model}


def folder_of(scientist: Predictor) -> Path:
    """Where the model of one that was loaded lies."""
    assert scientist.folder is not None
    return scientist.folder.resolve()
