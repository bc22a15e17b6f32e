"""A random forest on descriptors as a last layer: its trees are arrays, so that a model's file holds numbers alone.

It is grown by :mod:`andersonn.training.forest_fitting`; here it only answers. (Breiman, *Machine Learning* 45, 5, 2001.)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from andersonn.models.kernel_layer import log_masses, squashed
from andersonn.models.trees_beside import are_trees, leaves_of

LEAST_SHARE = 1e-3
"""Of a class, where the logarithm of its share is taken."""
WHOLE = {"feature": torch.int16, "branches": torch.int32, "roots": torch.int32}
NEEDED = ("branches", "edges", "feature", "noise", "roots", "share", "threshold", "value")


def inputs_of(numbers: Tensor) -> Tensor:
    """What trees read of descriptors ``[n, G]``: squashed, 0 where one is missing."""
    return squashed(numbers.to(torch.float32).nan_to_num(0.0))


class ForestLayer(nn.Module):
    """Answers by trees with N nodes in all.

    Args:
        shapes: of the buffers, as :meth:`shapes` gives them.

    Attributes:
        feature, threshold: a node's descriptor, and the value up to which its first child follows, int16 and float32 ``[N]``.
        branches: of a node, both behind it, int32 ``[N, 2]``; −1 of a leaf.
        value: of a node, one column for a number in units of the spread of the labels, C for shares of classes, ``[N, T]``.
        roots: the first node of each tree, int32 ``[trees]``.
        share, noise: by which the variance of the trees is multiplied, and what is added to it, for that of an answer.
        edges: of the masses that are given of a number, ``[E]``; empty for classes.
    """

    parts = ("numbers",)
    kind = "forest"

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        if tuple(sorted(shapes)) != NEEDED:
            raise ValueError(f"a forest has the arrays {', '.join(NEEDED)}, not {', '.join(sorted(shapes))}")
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=WHOLE.get(name, torch.float32)))

    @property
    def of_number(self) -> bool:
        """Whether it gives masses of a number, else scores of classes."""
        return len(self.get_buffer("edges")) > 0

    def shapes(self) -> dict[str, list[int]]:
        """Of all buffers by name, for the model card."""
        return {name: list(value.shape) for name, value in self.named_buffers()}

    def check(self, n_numbers: int) -> None:
        """Checks that each walk ends at a leaf.

        Args:
            n_numbers: how many descriptors there are.

        Raises:
            ValueError: the arrays are no trees.
        """
        feature, branches, roots = (self.get_buffer(name) for name in ("feature", "branches", "roots"))
        if not are_trees(feature, branches, roots, n_numbers):
            raise ValueError("its forest is no forest")

    def walked(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the trees ``[B, T]``, and their variance about it in the first column ``[B]``, of descriptors ``[B, G]``."""
        x = inputs_of(numbers)
        arrays = (self.get_buffer(name) for name in ("feature", "threshold", "branches", "roots"))
        values = self.get_buffer("value")[leaves_of(x, *arrays)]
        return values.mean(dim=1), values[:, :, 0].var(dim=1, unbiased=False)

    def forward(self, states: Tensor, descriptors: Tensor, n_fragments: int) -> Tensor:
        """Scores: of the masses between ``edges``, ``[B, E]``, or of classes, ``[B, C]``.

        Args:
            states: of a network, which are not read.
            descriptors: of the whole structures, ``[B, G + F]``.
            n_fragments: F, how many of them, the last, are counts of fragments, which are not read.
        """
        mean, variance = self.walked(descriptors[:, : descriptors.shape[1] - n_fragments])
        return self.scores(mean, self.get_buffer("share") * variance + self.get_buffer("noise"))

    def scores(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Scores from means ``[B, T]`` and variances ``[B]``, both in units of the labels' spread, or from shares of classes."""
        edges = self.get_buffer("edges")
        if not len(edges):
            return mean.clamp(min=LEAST_SHARE).log()
        return log_masses(mean[:, 0], variance, edges)
