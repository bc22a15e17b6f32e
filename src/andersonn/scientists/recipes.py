"""What each scientist's recipe changes of the default options."""

from __future__ import annotations

import os
from collections.abc import Iterable

from andersonn.training.config import TrainConfig

RECIPES: dict[str, tuple[str, ...]] = {
    "conduction": ("image.oxidation=true", "model.oxidation=true", "model.initializer=true", "epochs=10"),
    "polarity": (
        "image.columns=12",
        "image.fold=false",
        "image.positions=true",
        "model.head=dipole",
        "model.width=64",
        "model.directions=16",
        "model.spacing=near",
        "model.dropout=0",
        "model.embedding_dropout=0",
        "model.gain=0.8",
        "model.initializer=true",
        "model.solver.rtol=0.01",
        "epochs=10",
        "max_rows=900",
        "averaging=0.3",
        "balance=0.4",
        "weight_decay=0.01",
        "label_smoothing=0",
        "estimate_weight=3",
        "strain=0",  # it would change distances and leave the dipole as it is
        "conformers=6",  # more are not better
    ),
    "porosity": (
        "image.columns=12",
        "image.voids=true",
        "model.voids=all",
        "model.width=48",
        "model.initializer=true",
        "model.dropout=0",
        "model.embedding_dropout=0.1",
        "epochs=12",
        "max_rows=2560",
        "weight_decay=0.05",
        "estimate_weight=2",
        "strain=0",  # it would change the graph and leave the voids as they are
    ),
}
"""Task → options that differ from :class:`~andersonn.training.config.TrainConfig`'s defaults."""


def config_of(task: str, file: str | os.PathLike[str] | None = None, overrides: Iterable[str] = ()) -> TrainConfig:
    """The configuration of a task's training.

    Args:
        task: its name; the task's own recipe holds where neither file nor overrides say otherwise.
        file: TOML or JSON of options.
        overrides: ``key=value`` words, which come last.

    Raises:
        UsageError: the file is missing or an option is unknown or impossible.
    """
    own = TrainConfig.make(overrides=RECIPES.get(task, ())).model_dump(mode="json", exclude_unset=True)
    return TrainConfig.make(own, overrides) if file is None else TrainConfig.read(file, overrides, base=own)
