"""Which geometry of each training molecule an epoch shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.training.dataset import Dataset


@dataclass(frozen=True, eq=False)
class ShownGeometries:
    """Images to choose from.

    A molecule without geometry has one made by chance, and a network can learn that one by heart. If each epoch shows another,
    it has to learn the molecule.

    Attributes:
        store: the images of all records, then those of further conformers.
        choices: for each record the numbers of its images, int64 ``[N, C]``; its own stands in for those that could not be made.
    """

    store: ImageStore
    choices: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> ShownGeometries:
        """Of the dataset's records and their further conformers, if it has any."""
        own, others = np.arange(len(dataset.store)), dataset.others
        if others is None:
            return cls(dataset.store, own[:, None])
        each = int(np.bincount(others.of).max())  # the same of all, and the images of a record follow each other
        choices = np.repeat(own[:, None], 1 + each, axis=1)
        made = np.flatnonzero(others.store.n_rows > 0)
        choices[others.of[made], 1 + made % each] = len(own) + made
        return cls(ImageStore.joined([dataset.store, others.store], dataset.store.recipe), choices)

    def drawn(self, seed: int, epoch: int) -> np.ndarray:
        """The image of each record that an epoch shows, int64 ``[N]``."""
        count, options = self.choices.shape
        if options == 1:
            return self.choices[:, 0]
        return self.choices[np.arange(count), np.random.default_rng([seed, epoch, options]).integers(0, options, count)]
