"""A last layer for small tables: Gaussian process regression on what a trained network sees and on descriptors.

Its covariance of two structures is a sum of up to four parts: Matérn 3/2 of the network's states, Matérn 3/2 of the numbers among the
descriptors, the Tanimoto similarity of the fragments that are counted, and the product of the logarithms of their counts, which lets
each fragment contribute a share of its own. (Rasmussen and Williams, *Gaussian Processes for
Machine Learning*, 2006; Ralaivola et al., *Neural Networks* 18, 1093, 2005, for Tanimoto.) It is fitted in closed form by
:mod:`andersonn.training.kernel_fitting`; here it only answers.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

PARTS = ("states", "numbers", "fragments", "contributions")
"""Names of the parts of the covariance."""
LINEAR = ("fragments", "contributions")
"""Those without a length. Contributions read the same counts as fragments, and are not there without them."""
LEVELS = 3
"""A fragment that occurs at least k times is a feature of its own, for k up to this."""
FARTHEST = 6.0
"""Scaled features are cut off here, in standard deviations of the training structures."""
SHARPNESS = 3.0
"""Of the scores of classes, before they are calibrated."""
MOST_COUNTED = 255
"""Of one fragment."""
LEAST_SPREAD = 1e-3
"""Of an answer, in units of the spread of the training labels."""


def squashed(values: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|): descriptors span many orders of magnitude."""
    return values.sign() * values.abs().log1p()


def in_spreads(values: Tensor, center: Tensor, spread: Tensor) -> Tensor:
    """Values ``[n, F]`` in units of the spread from the center, cut off at :data:`FARTHEST`; what is missing is 0."""
    return ((values - center) / spread).nan_to_num(0.0).clamp(-FARTHEST, FARTHEST)


def thermometer(counts: Tensor) -> Tensor:
    """Counts ``[n, F]`` → whether they are at least 1, 2, … :data:`LEVELS`, ``[n, LEVELS F]``, so that the Tanimoto similarity of the
    bits is that of the counts.
    """
    return torch.cat([(counts > level).to(torch.float32) for level in range(LEVELS)], dim=1)


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared difference over the features: ``[n, F]``, ``[m, F]`` → ``[n, m]``."""
    lengths = first.square().sum(dim=1, keepdim=True) + second.square().sum(dim=1)
    return (lengths - 2.0 * first @ second.T).clamp(min=0.0) / first.shape[1]


def tanimoto(first: Tensor, second: Tensor) -> Tensor:
    """Shared bits over bits that either has: ``[n, F]``, ``[m, F]`` → ``[n, m]``."""
    shared = first @ second.T
    either = first.sum(dim=1, keepdim=True) + second.sum(dim=1) - shared
    return shared / either.clamp(min=1.0)


def products(first: Tensor, second: Tensor) -> Tensor:
    """``[n, F]``, ``[m, F]`` → ``[n, m]``."""
    return first @ second.T


COMPARE = {"states": squared_distances, "numbers": squared_distances, "fragments": tanimoto, "contributions": products}
"""Part → how its scaled features are compared."""


def covariance(part: str, raw: Tensor, scale: Tensor, length: Tensor) -> Tensor:
    """A part of the covariance from squared distances or similarities ``[n, m]``."""
    if part in LINEAR:
        return scale * raw
    root = (3.0 * raw / length.square() + 1e-12).sqrt()
    return scale * (1.0 + root) * torch.exp(-root)


class KernelLayer(nn.Module):
    """Answers by the training structures that it keeps.

    Args:
        parts: which of :data:`PARTS` the covariance has.
        shapes: of the buffers, as :meth:`shapes` gives them.

    Attributes:
        weights: of the training structures, one column for each output (1 for a number, C for classes), ``[m, T]``.
        factor: inverse Cholesky factor of the covariance of some of them, by which an answer knows how unsure it is, ``[u, u]``.
        chosen: which these are, int64 ``[u]``.
        noise: variance of the labels, in units of their variance.
        edges: of the masses that are given of a number, in units of the spread of the labels from their mean, ``[E]``; empty for
            classes.
    """

    kind = "kernel"

    def __init__(self, parts: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.parts = parts
        whole = {"chosen": torch.int64, "fragments_points": torch.uint8, "fragments_kept": torch.int64}
        for name, shape in shapes.items():
            dtype = whole.get(name, torch.int64 if name.endswith("_kept") else torch.float32)
            self.register_buffer(name, torch.zeros(shape, dtype=dtype))
        self._points: dict[str, Tensor] = {}

    @property
    def of_number(self) -> bool:
        """Whether it gives masses of a number, else scores of classes."""
        return len(self.get_buffer("edges")) > 0

    def shapes(self) -> dict[str, list[int]]:
        """Of all buffers by name, for the model card."""
        return {name: list(value.shape) for name, value in self.named_buffers()}

    def read(self, part: str, states: Tensor, descriptors: Tensor, n_fragments: int) -> Tensor:
        """The features of one part, raw: states ``[B, S]``, numbers ``[B, G]`` or counts ``[B, F]``."""
        if part == "states":
            return states
        split = descriptors.shape[1] - n_fragments
        return descriptors[:, :split] if part == "numbers" else descriptors[:, split:]

    def scaled(self, part: str, raw: Tensor) -> Tensor:
        """Features of a part in the units of the covariance; what is missing is as in the middle of the training structures."""
        of = "fragments" if part in LINEAR else part
        kept = raw.index_select(1, self.get_buffer(f"{of}_kept"))
        if part in LINEAR:
            return self._of_counts(part, kept)
        values = squashed(kept) if part == "numbers" else kept
        return in_spreads(values, self.get_buffer(f"{part}_center"), self.get_buffer(f"{part}_spread"))

    def _of_counts(self, part: str, counts: Tensor) -> Tensor:
        """Scaled features of the kept counts of fragments."""
        if part == "fragments":
            return thermometer(counts)
        return (counts.clamp(0, MOST_COUNTED).log1p() - self.get_buffer(f"{part}_center")) / self.get_buffer(
            f"{part}_spread"
        )

    def points(self, part: str) -> Tensor:
        """Scaled features of the training structures that are kept."""
        if part not in LINEAR:
            return self.get_buffer(f"{part}_points")
        stored = self.get_buffer("fragments_points")
        if part not in self._points or self._points[part].device != stored.device:
            self._points[part] = self._of_counts(part, stored.to(self.get_buffer("weights").dtype))
        return self._points[part]

    def likeness(self, features: Mapping[str, Tensor]) -> Tensor:
        """Covariance of B structures, by scaled features, with the training structures, ``[B, m]``."""
        total: Tensor | None = None
        for part in self.parts:
            raw = COMPARE[part](features[part], self.points(part))
            scale, length = self.get_buffer(f"{part}_scale"), self.get_buffer(f"{part}_length")
            added = covariance(part, raw, scale, length)
            total = added if total is None else total + added
        assert total is not None  # there is at least one part
        return total

    def own(self, features: Mapping[str, Tensor]) -> Tensor:
        """Covariance of structures with themselves, ``[B]``."""
        found = sum(self.get_buffer(f"{part}_scale") for part in self.parts if part != "contributions")
        own = torch.as_tensor(found).expand(len(features[self.parts[0]]))
        if "contributions" in self.parts:
            own = own + self.get_buffer("contributions_scale") * features["contributions"].square().sum(dim=1)
        return own

    def forward(self, states: Tensor, descriptors: Tensor, n_fragments: int) -> Tensor:
        """Scores: of the masses between ``edges``, ``[B, E]``, or of classes, ``[B, C]``.

        Args:
            states: of the network, ``[B, S]``.
            descriptors: of the whole structures, ``[B, G + F]``.
            n_fragments: F, how many of them, the last, are counts of fragments.
        """
        features = {p: self.scaled(p, self.read(p, states, descriptors, n_fragments)) for p in self.parts}
        likeness = self.likeness(features)
        mean = (likeness.double() @ self.get_buffer("weights").double()).to(likeness.dtype)
        explained = (
            (likeness.index_select(1, self.get_buffer("chosen")) @ self.get_buffer("factor").T).square().sum(dim=1)
        )
        variance = (self.own(features) - explained).clamp(min=0.0) + self.get_buffer("noise")
        return self.scores(mean, variance)

    def scores(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Scores from means ``[B, T]`` and variances ``[B]``, both in units of the labels' spread."""
        edges = self.get_buffer("edges")
        if not len(edges):
            return SHARPNESS * mean / (1.0 + variance).sqrt().unsqueeze(1)
        return log_masses(mean[:, 0], variance, edges)


def log_masses(mean: Tensor, variance: Tensor, edges: Tensor) -> Tensor:
    """Logarithms of the masses that normal distributions have up to the first edge and between the edges, ``[B, E]``; what lies
    beyond the last edge counts to the last mass.
    """
    spread = variance.sqrt().clamp(min=LEAST_SPREAD).unsqueeze(1)
    z = ((edges - mean.unsqueeze(1)) / spread).double()
    z = torch.cat([z[:, :-1], torch.full_like(z[:, :1], torch.inf)], dim=1)
    below = torch.special.ndtr(z)
    above = torch.special.ndtr(-z)
    left = torch.cat([below[:, :1], below.diff(dim=1)], dim=1)
    right = torch.cat([1.0 - above[:, :1], -above.diff(dim=1)], dim=1)  # exact where the left one cancels
    masses = torch.where(z < 0.0, left, right)
    return (masses.clamp(min=0.0) + 1e-12).log().to(mean.dtype)
