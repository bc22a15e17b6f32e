"""How often an epoch shows each training record: small structures and surprising ones more often, by the options."""

from __future__ import annotations

import numpy as np

from andersonn.config import TrainConfig
from andersonn.training.dataset import Dataset, atomic_numbers

USUAL_SIZE = 16
"""Atoms of a structure that is not small."""
MOST_OFTEN = 10
"""How often a structure is shown at most for its size and its surprise."""


def shown(dataset: Dataset, config: TrainConfig) -> np.ndarray:
    """Indices of training records as an epoch shows them, int64.

    Beside the balance of files (:meth:`~andersonn.training.dataset.Dataset.shown`), a structure of n atoms is shown
    max(16 / n, 1)^``favor_small`` times, and one to whose class boosted trees of the composition give the probability q
    1 + ``favor_surprising`` (1 − q) times. Both factors are multiplied, and rounded to 1 to :data:`MOST_OFTEN`.

    The trees are grown on the same records, so they find nothing surprising but what the composition cannot tell: crystals of one
    composition that differ in class, such as diamond and graphite. A network that sees each of them once learns the composition and
    hardly the structure.

    Args:
        dataset: prepared.
        config: options.
    """
    chosen = dataset.shown(config.balance)
    if not (config.favor_small or config.favor_surprising):
        return chosen
    train = dataset.sides["train"]
    atoms = np.array([len(Z) for Z in atomic_numbers(dataset.records, train)])
    often = np.maximum(USUAL_SIZE / atoms, 1.0) ** config.favor_small
    if config.favor_surprising:
        often *= 1.0 + config.favor_surprising * surprise(dataset, train)
    times = np.ones(len(dataset.records), dtype=np.int64)
    times[train] = np.rint(often).clip(1, MOST_OFTEN)
    return np.repeat(chosen, times[chosen])


def surprise(dataset: Dataset, train: np.ndarray) -> np.ndarray:
    """1 − q of records ``[n]``, q being the probability that trees of the composition, grown on them, give their class."""
    from andersonn.training.trees_growing import grown, numbers_of

    trees = grown(dataset, surroundings=False)
    p = trees.predict_proba(numbers_of(dataset, train, surroundings=False))
    place = np.searchsorted(trees.classes_, dataset.labels[train])
    return 1.0 - p[np.arange(len(train)), place]
