"""What each scientist's recipe changes of the default options."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from andersonn.training.config import TrainConfig

RECIPES: dict[str, dict[str, Any]] = {
    "polarity": {
        "epochs": 2,
        "max_rows": 900,
        "averaging": 0.3,
        "balance": 0.4,
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "estimate_weight": 3.0,
        # A strain would change distances and leave the dipole as it is.
        "strain": 0.0,
        "image": {"columns": 12, "fold": False, "positions": True},
        "model": {
            "head": "dipole",
            "width": 64,
            "directions": 16,
            "spacing": "near",
            "dropout": 0.0,
            "embedding_dropout": 0.0,
            "gain": 0.8,
            "solver": {"rtol": 0.01},
        },
    },
}


def recipe(task: str) -> dict[str, Any]:
    """Nested options of a task's scientist, for :meth:`andersonn.training.config.TrainConfig.make`."""
    return RECIPES.get(task, {})


def config_of(task: str, file: str | os.PathLike[str] | None = None, overrides: Iterable[str] = ()) -> TrainConfig:
    """The configuration of a task's training.

    Args:
        task: its name; the task's own recipe holds where neither file nor overrides say otherwise.
        file: TOML or JSON of options.
        overrides: ``key=value`` words, which come last.

    Raises:
        UsageError: the file is missing or an option is unknown or impossible.
    """
    own = recipe(task)
    return TrainConfig.make(own, overrides) if file is None else TrainConfig.read(file, overrides, base=own)
