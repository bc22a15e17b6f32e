"""Boosted trees on numbers of the whole beside a network: both say classes, and their mean moves the network's distribution.

Trees read the composition of the formula unit, its count of electrons, oxidation states, and how atoms stand to each other
(:mod:`andersonn.models.surroundings`). They err elsewhere than the network does, so the geometric mean of both (a logarithmic opinion pool: C. Genest and J. V. Zidek, Statistical Science 1, 114, 1986) is
right more often than either. They are grown by :mod:`andersonn.training.trees_growing`; here they only answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models.batch import ImageBatch
from andersonn.models.config import ModelConfig
from andersonn.models.electrons import SHELLS, ElectronCount, formula_units
from andersonn.models.encoder import graph_channels
from andersonn.models.network import EquilibriumNetwork, Output
from andersonn.models.surroundings import SurroundingNumbers
from andersonn.structures import elements, valence

LEAST = 1e-6
"""Probability of a class where its logarithm is taken."""
MISSING = -9.0
"""What trees read of an element's property that nobody knows; standardized properties lie between −4 and 6."""
DIGITS = 1e4
"""Numbers are multiples of its inverse."""
WHOLE = {"feature": torch.int16, "branches": torch.int32, "roots": torch.int32, "class_of": torch.int64}
MOST_ADDED = 1e3
"""Log-odds that a leaf may add at most; real ones are below 10."""
NEEDED = ("branches", "class_of", "feature", "prior", "roots", "share", "threshold", "value")


class NumbersOfWhole(nn.Module):
    """What the trees read of a structure; no parameters. Every number is the same for a supercell.

    Args:
        surroundings: whether they read how atoms stand to each other, too.
    """

    def __init__(self, surroundings: bool = True) -> None:
        super().__init__()
        self.surroundings = SurroundingNumbers() if surroundings else None
        self.properties = torch.tensor(np.nan_to_num(elements.feature_table(), nan=MISSING))
        self.electrons = ElectronCount()

    def forward(self, batch: ImageBatch) -> Tensor:
        """Numbers ``[B, F]``: those of :meth:`of`, then the image's channels of the whole, then those of the surroundings."""
        numbers = self.of(formula_units(batch))
        parts = [numbers] if batch.of_whole is None else [numbers, batch.of_whole.to(numbers.dtype)]
        return torch.cat(parts if self.surroundings is None else [*parts, self.surroundings(batch)], dim=1)

    def count(self, n_channels: int) -> int:
        """F, for images with so many channels of the whole."""
        composition = self.of(functional.one_hot(torch.tensor([1]), elements.MAX_Z + 1)).shape[1]
        return composition + n_channels + (0 if self.surroundings is None else self.surroundings.features)

    def of(self, formula: Tensor) -> Tensor:
        """Numbers of formula units, int64 ``[B, 104]``, float32: mean, spread, least and greatest of each property, fractions of the
        elements, and electrons as plain counts, which trees cut themselves. They are rounded, so that no cut of a tree lies between
        two ways to sum up the same composition.
        """
        properties = self.properties.to(formula.device)
        atoms = formula.sum(dim=1, keepdim=True).clamp_min(1)
        fraction = formula.to(properties.dtype) / atoms
        mean = fraction @ properties
        spread = (fraction @ properties.square() - mean.square()).clamp_min(0.0).sqrt()
        absent = (formula == 0).unsqueeze(2)
        least = properties.masked_fill(absent, torch.inf).amin(dim=1)
        greatest = properties.masked_fill(absent, -torch.inf).amax(dim=1)
        parts = [mean, spread, least, greatest, fraction[:, 1:], *self._electrons(formula, atoms)]
        whole = torch.cat([part.to(properties.dtype) for part in parts], dim=1)
        return (whole * DIGITS).round().div(DIGITS).to(torch.float32)

    def _electrons(self, formula: Tensor, atoms: Tensor) -> list[Tensor]:
        counts = self.electrons.counts(formula)
        electronegativity = self.electrons.electronegativity
        last = torch.where(formula > 0, electronegativity, -1.0).argmax(dim=1, keepdim=True)
        parts = [*counts.values(), atoms, (formula > 0).sum(dim=1, keepdim=True)]
        parts += [counts[name].double() / atoms for name in valence.COUNTS if name != "every"]
        parts += [counts[name] % shell for name in ("valence", "outer") for shell in (2, *SHELLS)]
        parts.append(counts["every"] % 2)
        for anions in (counts["acceptor"], counts["anion"], formula.gather(1, last)):
            each, left = counts["outer"].double() / anions.clamp_min(1), (counts["outer"] - 8 * anions).double()
            parts += [each, left / atoms]
        return parts


def are_trees(feature: Tensor, branches: Tensor, roots: Tensor, n_numbers: int) -> bool:
    """Whether each walk begins at a node, reads numbers that are there, and ends at a leaf.

    Args:
        feature: int ``[N]``.
        branches: int ``[N, 2]``; −1 of a leaf.
        roots: int ``[T]``.
        n_numbers: how many numbers a walk can read.
    """
    n = len(feature)
    if branches.shape != (n, 2) or not len(roots):
        return False
    own = torch.arange(n).unsqueeze(1).to(branches.device)
    leaf = (branches == -1).all(dim=1)
    onward = ((branches > own) & (branches < n)).all(dim=1)
    known = (feature >= 0) & (feature < n_numbers)
    return bool((leaf | onward).all()) and bool(known.all()) and bool(((roots >= 0) & (roots < n)).all())


def leaves_of(numbers: Tensor, feature: Tensor, threshold: Tensor, branches: Tensor, roots: Tensor) -> Tensor:
    """Where each walk ends, int64 ``[B, T]``. Walks that have ended are left out of further steps: a few leaves lie four times as
    deep as most.

    Args:
        numbers: of B structures, ``[B, F]``.
        feature: of the nodes, as :func:`are_trees` wants it, like the others.
        threshold: up to which the first branch follows, ``[N]``.
        branches: int ``[N, 2]``.
        roots: int ``[T]``.
    """
    (n, n_numbers), first = numbers.shape, roots.long()
    flat, both = numbers.reshape(-1), branches.reshape(-1).long()
    at, on_way = first.repeat(n), torch.arange(n * len(first), device=numbers.device)
    of = torch.arange(n, device=numbers.device).repeat_interleave(len(first)) * n_numbers
    here = at
    while len(here):
        second = flat[of + feature[here].long()] > threshold[here]
        following = both[2 * here + second]
        moved = following >= 0
        here, of, on_way = following[moved], of[moved], on_way[moved]
        at[on_way] = here
    return at.view(n, -1)


class BoostedTrees(nn.Module):
    """Trees with N nodes in all, whose values add up to log-odds of C classes.

    Args:
        shapes: of the buffers, as :meth:`shapes` gives them.
        surroundings: whether they read how atoms stand to each other, too.

    Attributes:
        feature, threshold: a node's number, and the value up to which its first child follows, int16 and float32 ``[N]``.
        branches: of a node, both behind it, int32 ``[N, 2]``; −1 of a leaf.
        value: of a node, float32 ``[N]``.
        roots: the first node of each tree, int32 ``[T]``; tree t adds to class t modulo C.
        prior: log-odds before any tree, ``[C]``.
        class_of: class of each of the network's scores, int64 ``[E]``.
        share: weight of the trees in the mean, one number.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], surroundings: bool = True) -> None:
        super().__init__()
        if tuple(sorted(shapes)) != NEEDED:
            raise ValueError(f"boosted trees have the arrays {', '.join(NEEDED)}, not {', '.join(sorted(shapes))}")
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=WHOLE.get(name, torch.float32)))
        self.numbers = NumbersOfWhole(surroundings)

    def shapes(self) -> dict[str, list[int]]:
        """Of all stored buffers by name, for the model card."""
        return {name: list(self.get_buffer(name).shape) for name in NEEDED}

    def check(self, n_scores: int, n_channels: int) -> None:
        """Checks that each walk ends at a leaf, and that each score has a class.

        Args:
            n_scores: of the network.
            n_channels: of the whole, that images bring.

        Raises:
            ValueError: the arrays are no trees, or not for this network.
        """
        feature, branches, roots = (self.get_buffer(name) for name in ("feature", "branches", "roots"))
        class_of, prior, share = (self.get_buffer(name) for name in ("class_of", "prior", "share"))
        value, classes = self.get_buffer("value"), len(prior)
        of_node = all(array.shape == (len(branches),) for array in (feature, self.get_buffer("threshold"), value))
        sound = of_node and classes > 0 and roots.ndim == prior.ndim == 1 and float(value.abs().max()) <= MOST_ADDED
        sound = (
            sound and are_trees(feature, branches, roots, self.numbers.count(n_channels)) and len(roots) % classes == 0
        )
        sound = sound and class_of.shape == (n_scores,) and share.shape == (1,) and 0.0 <= float(share) <= 1.0
        if not (sound and sorted(set(class_of.tolist())) == list(range(classes))):
            raise ValueError("its boosted trees are none")

    def probabilities(self, numbers: Tensor) -> Tensor:
        """Of the classes, ``[B, C]``, from numbers ``[B, F]``."""
        value, prior = self.get_buffer("value"), self.get_buffer("prior")
        arrays = (self.get_buffer(name) for name in ("feature", "threshold", "branches", "roots"))
        added = value[leaves_of(numbers, *arrays)].view(len(numbers), -1, len(prior)).sum(dim=1)
        return (prior + added).softmax(dim=1)

    def forward(self, scores: Tensor, batch: ImageBatch) -> Tensor:
        """The network's scores ``[B, E]``, moved so that each class has the weighted geometric mean of both probabilities, normalized; within
        a class they keep their proportions.
        """
        theirs = self.probabilities(self.numbers(batch)).to(scores.dtype)
        return self.moved(scores, theirs, self.get_buffer("share").to(scores.dtype))

    def moved(self, scores: Tensor, theirs: Tensor, share: Tensor | float) -> Tensor:
        """:meth:`forward` with given probabilities of the trees ``[B, C]`` and a given share."""
        mine = self.classes(scores.softmax(dim=1))
        moved = share * (theirs.clamp_min(LEAST) / mine.clamp_min(LEAST)).log()
        return scores + moved.index_select(1, self.get_buffer("class_of"))

    def classes(self, masses: Tensor) -> Tensor:
        """Probabilities of the classes ``[B, C]`` from masses ``[B, E]``."""
        start = masses.new_zeros(len(masses), len(self.get_buffer("prior")))
        return start.index_add(1, self.get_buffer("class_of"), masses)


class NetworkWithTrees(EquilibriumNetwork):
    """An equilibrium network whose scores are moved by boosted trees.

    Args:
        config: options of the network.
        n_classes: C.
        shapes: of the trees' arrays.
        surroundings: whether the trees read how atoms stand to each other, too.
    """

    def __init__(
        self, config: ModelConfig, n_classes: int, shapes: Mapping[str, tuple[int, ...]], surroundings: bool = True
    ) -> None:
        super().__init__(config, n_classes)
        self.n_classes = n_classes
        self.trees = BoostedTrees(shapes, surroundings)

    def described(self) -> dict[str, Any]:
        """What a model card says of the trees."""
        return {"shapes": self.trees.shapes(), "surroundings": self.trees.numbers.surroundings is not None}

    @classmethod
    def of_description(
        cls, config: ModelConfig, n_classes: int, described: Any, weights: Mapping[str, Tensor]
    ) -> NetworkWithTrees:
        """The network that :meth:`described` tells of, its weights still to be read.

        Raises:
            ValueError, TypeError, KeyError: the description is none, or does not fit the weights.
        """
        shapes = {str(name): tuple(shape) for name, shape in described["shapes"].items()}
        stored = {
            name.removeprefix("trees."): tuple(v.shape) for name, v in weights.items() if name.startswith("trees.")
        }
        if shapes != stored:
            raise ValueError("the shapes of its boosted trees are not those of the weights")
        # Trees of versions that only read the composition do not say so.
        surroundings = described.get("surroundings", False)
        if not isinstance(surroundings, bool):
            raise ValueError("it does not say what its boosted trees read")
        return cls(config, n_classes, shapes, surroundings)

    def check(self) -> None:
        """Checks weights that were read.

        Raises:
            ValueError: they are no trees for this network.
        """
        self.trees.check(self.n_scores, len(graph_channels(self.config)))

    def forward(self, batch: ImageBatch, keys: np.ndarray | None = None) -> Output:
        """As of the network alone, with scores that the trees moved."""
        output = super().forward(batch, keys)
        return output._replace(scores=self.trees(output.scores, batch))


def without_trees(network: EquilibriumNetwork) -> EquilibriumNetwork:
    """The network itself, or a copy without trees: for what reads its states, or trains it further."""
    if not isinstance(network, NetworkWithTrees):
        return network
    alone = EquilibriumNetwork(network.config, network.n_classes).to(next(network.parameters()).device)
    alone.load_state_dict({n: v for n, v in network.state_dict().items() if not n.startswith("trees.")})
    return alone.eval()
