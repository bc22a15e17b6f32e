"""What each scientist's recipe changes of the default options."""

from __future__ import annotations

from typing import Any

RECIPES: dict[str, dict[str, Any]] = {
    "porosity": {
        "epochs": 12,
        "max_rows": 2560,
        "weight_decay": 0.05,
        "estimate_weight": 2.0,
        # A strain would change the graph and leave the voids as they are.
        "strain": 0.0,
        "image": {"columns": 12, "voids": True},
        "model": {"width": 48, "voids": "all", "dropout": 0.0, "embedding_dropout": 0.1},
    },
}


def recipe(task: str) -> dict[str, Any]:
    """Nested options of a task's scientist, for :meth:`andersonn.training.config.TrainConfig.make`."""
    return RECIPES.get(task, {})
