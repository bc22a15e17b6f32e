"""The transformer: structures → graph images, or → a table of their channels' means and spreads."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.estimators.options import Options, config_from, task_given
from andersonn.estimators.samples import DataError, listed_samples, made_images
from andersonn.structures.image import NodeNeighborImage, channel_names

OUTPUTS = ("images", "table")
POOLED = ("mean", "std")


class GraphImager(TransformerMixin, BaseEstimator):
    """Makes graph images of structures, as the networks read them.

    As the first step of a pipeline, or before a search over the options of a network, it images every structure once.
    With ``output="table"`` each structure becomes a row of numbers, for any other estimator. They are mean and standard deviation
    of each of :meth:`~andersonn.structures.image.NodeNeighborImage.channels` over neighbors that are there. Neighbors and atoms
    count by their weights, so that a supercell gives the row of its primitive cell.

    Args:
        task: as of :class:`EquilibriumClassifier`; images are made as that task's networks read them.
        columns: K, neighbors an atom shows at most; None: the task's own.
        output: ``"images"`` (an array of objects ``[n]``) or ``"table"`` (float64 ``[n, 2 C]``).
        options: other options that begin with ``image.``, as of :class:`EquilibriumClassifier`.
        n_jobs: processes, as scikit-learn counts them.

    Attributes:
        recipe_: how images are made.

    Examples:
        >>> import andersonn as an
        >>> table = an.GraphImager("polarity", output="table").fit_transform(["CCO", "CC#N"])
        >>> len(table)
        2
    """

    def __init__(
        self,
        task: str | Task | None = None,
        *,
        columns: int | None = None,
        output: Literal["images", "table"] = "images",
        options: Options = (),
        n_jobs: int | None = None,
    ) -> None:
        self.task = task
        self.columns = columns
        self.output = output
        self.options = options
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> GraphImager:
        """Checks options; nothing is learned of X.

        Raises:
            UsageError: an option is unknown or impossible, or X is no list of samples.
        """
        if self.output not in OUTPUTS:
            raise DataError("bad_option", f"output is {self.output!r}", f"give one of {', '.join(OUTPUTS)}")
        listed_samples(X)
        self.recipe_ = config_from(task_given(self.task), {"columns": self.columns}, self.options).image
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Images or rows of the samples of X; see :func:`~andersonn.estimators.samples.samples_of` for what these are.

        Raises:
            InputError: a sample cannot be read or imaged; the message says which.
        """
        check_is_fitted(self)
        made = made_images(listed_samples(X), self.recipe_, task_given(self.task), 1, self.n_jobs)
        images = [own[0] for own, _ in made]
        if self.output == "table":
            return np.stack([_pooled(image) for image in images])
        found = np.empty(len(images), dtype=object)
        found[:] = images
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the table's columns, as ``distance_A_mean``.

        Raises:
            UsageError: the output is images.
        """
        check_is_fitted(self)
        if self.output != "table":
            raise UsageError("no_columns", "images are objects and have no columns", "use output='table'")
        names = channel_names(self.recipe_)
        return np.array([f"{name}_{how}" for how in POOLED for name in names], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Samples are structures, not rows of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.requires_fit = True
        return tags


def _pooled(image: NodeNeighborImage) -> np.ndarray:
    """Weighted means of the channels, then their standard deviations, float64 ``[2 C]``; zeros without neighbors."""
    weight = image.weight.astype(float) * image.multiplicity[:, None]
    planes = np.stack(list(image.channels().values())).astype(float)
    total = weight.sum()
    if total == 0.0:
        return np.zeros(2 * len(planes))
    mean = (planes * weight).sum(axis=(1, 2)) / total
    square = ((planes - mean[:, None, None]) ** 2 * weight).sum(axis=(1, 2)) / total
    return np.concatenate([mean, np.sqrt(square)])
