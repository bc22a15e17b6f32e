"""Fitting the applicability domain on training structures, and its limit on the validation split."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.data.store import ImageStore
from andersonn.errors import InputError
from andersonn.inference.fitted import LIMIT, Domain, squared_distances
from andersonn.inference.forward import Outputs, forward
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.readers import from_smiles
from andersonn.training.corruptions import corruptions
from andersonn.training.dataset import Dataset

SAMPLE, ROWS = 8000, 300_000
"""Training structures, and rows of their images, used at most."""
MADE = 2000
"""Of them, molecules that are also shown at generated geometries at most."""
COORDINATES = 32
"""Whitened coordinates used for clustering."""
GROUPS, PER_GROUP = 384, 20
"""Clusters at most, and training structures for each at least."""
SHOWN = 128
"""Whitened coordinates that the classifier of corrupted structures reads."""
WIDTH, PASSES, STEPS, PART = 48, 12, 600, 256
"""Of that network; it is trained for so many passes and steps at least, on parts of so many states."""
UNIT = 0.995
"""Quantile of the validation split's two scores, far and corrupted, that is their unit."""
SMALL = 0.25
"""Of the validation split, sorted by size: the smallest set neither units nor limit, since few of them would set those of all."""
FOLDS, FEWEST = 2, 40
"""Fits without a part of the structures, to tell how far sound ones of a size are; and structures in a group of sizes at least."""
WAYS = 4
"""Corruptions, see :func:`~andersonn.training.corruptions.corruptions`."""
FLOOR = 1e-3
"""Least fraction of the largest spread by which a coordinate is whitened."""


def fit_domain(network: EquilibriumNetwork | Ensemble, dataset: Dataset, validation: Outputs, seed: int) -> Domain:
    """The domain of a trained network.

    Args:
        network: in evaluation mode.
        dataset: whose training split is used.
        validation: outputs of the network for the validation split, in its order; those of usual size set units and limit.
        seed: of the sample, the corruptions and the first weights.
    """
    chosen = _sample(dataset, np.random.default_rng(seed))
    states = forward(network, dataset.store, chosen).states.astype(np.float64)
    made, made_rows, which = made_states(network, dataset, chosen)
    made = made.reshape(len(made), states.shape[1])  # also where there are none
    rows = np.concatenate([dataset.store.n_rows[chosen], made_rows])
    corrupted, _ = corrupted_states(network, dataset, chosen, seed)
    held_rows = dataset.store.n_rows[dataset.sides["validation"]]
    usual = validation.states[held_rows >= np.quantile(held_rows, SMALL)]
    data = States(np.concatenate([states, made]), corrupted.astype(np.float64), usual)
    names = np.unique(dataset.records.groups, return_inverse=True)[1]
    groups = names[np.concatenate([chosen, which])]
    sizes, relief = reliefs(_unseen_excess(data, groups, names[in_turn(chosen)], seed), rows, groups)
    return replace(_fit(data, seed), sizes=sizes, relief=relief)


class States(NamedTuple):
    """States from which a domain is fitted.

    Attributes:
        sound: of training structures, some several times, ``[n, S]``.
        corrupted: of the same after corruptions, ``[m, S]``.
        validation: of the validation split, but for the smallest, ``[v, S]``.
    """

    sound: np.ndarray
    corrupted: np.ndarray
    validation: np.ndarray


def _fit(data: States, seed: int) -> Domain:
    """The domain, alike for all sizes."""
    center, axes = _whitening(data.sound)
    points, corrupted = (data.sound - center) @ axes, (data.corrupted - center) @ axes
    k = min(COORDINATES, axes.shape[1])
    centers, radii = _groups(points[:, :k], seed)
    first, bias, odds, odds_bias = _classifier(points, corrupted, seed)
    arrays = {
        "center": center, "axes": axes[:, :k], "centers": centers, "radii": radii, "hidden": axes @ first,
        "hidden_bias": bias, "odds": odds, "odds_bias": odds_bias, "units": np.ones(2), "bound": np.ones(1),
    }  # fmt: skip
    raw = Domain(**{name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()})
    parts = raw.parts(data.validation)
    units = np.maximum(np.quantile(parts, UNIT, axis=0), 1e-6).astype(np.float32)
    bound = np.quantile((parts / units).max(axis=1), LIMIT)
    return replace(raw, units=units, bound=np.array([bound], dtype=np.float32))


def _unseen_excess(data: States, groups: np.ndarray, of_corrupted: np.ndarray, seed: int) -> np.ndarray:
    """Distances of the sound states, each by a fit that has not seen its group and over the limit of that fit, ``[n]``; zeros
    where there are too few to fit.

    Args:
        data: all states.
        groups: of the sound states, int ``[n]``.
        of_corrupted: of the corrupted ones, ``[m]``.
        seed: of the fits.
    """
    found = np.zeros(len(groups))
    for k in range(FOLDS):
        held, rest = groups % FOLDS == k, of_corrupted % FOLDS != k
        if min((~held).sum(), rest.sum()) >= FEWEST:
            domain = _fit(data._replace(sound=data.sound[~held], corrupted=data.corrupted[rest]), seed)
            found[held] = domain.distance(data.sound[held]) / domain.limit
    return found


def reliefs(excess: np.ndarray, rows: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups of sizes, and by what distances in each are divided: see :class:`~andersonn.inference.fitted.Domain`.

    Args:
        excess: distances of sound structures over the limit, of fits that have not seen them, ``[n]``.
        rows: of their images, ``[n]``.
        groups: of the structures, ``[n]``: quantiles are over all, but :data:`FEWEST` counts each group once.
    """
    ends, relief = [0], []
    sizes = np.unique(rows)
    for size in sizes.tolist():
        inside = (rows > ends[-1]) & (rows <= size)
        if len(np.unique(groups[inside])) >= FEWEST or size == sizes[-1]:
            relief.append(max(1.0, float(np.quantile(excess[inside], LIMIT))))
            ends.append(size)
    falling = np.maximum.accumulate(relief[::-1])[::-1]
    return np.array(ends[1:-1], dtype=np.float32), falling.astype(np.float32)


def describe_domain(
    domain: Domain, outputs: Outputs, right: np.ndarray, rows: np.ndarray | None = None
) -> dict[str, Any]:
    """How the domain divides tested structures, for the model card: fraction outside, and accuracy inside, outside (null if
    all are inside) and by fifths of rising distance.

    Args:
        domain: of the model.
        outputs: of n tested structures.
        right: whether their class was answered right, bool ``[n]``.
        rows: of their images, ``[n]``; None: of large ones.
    """
    distance = domain.distance(outputs.states, rows)
    outside = distance > domain.limit
    fifths = np.array_split(np.argsort(distance, kind="stable"), min(5, len(distance)))
    return {
        "limit": domain.limit,
        "quantile": LIMIT,
        "n": len(right),
        "outside": float(outside.mean()),
        "accuracy_inside": float(right[~outside].mean()) if not outside.all() else None,
        "accuracy_outside": float(right[outside].mean()) if outside.any() else None,
        "accuracy_by_fifth": [float(right[part].mean()) for part in fifths],
    }


def _sample(dataset: Dataset, random: np.random.Generator) -> np.ndarray:
    """Indices of some training records, enough for the fit, of several files evenly: a small file of unusual structures counts as
    known, too. Its records are drawn several times, since each may be corrupted in another way.
    """
    order = random.permutation(dataset.shown(1.0))[:SAMPLE]
    rows = np.cumsum(dataset.store.n_rows[order])
    return order[: max(1, int(np.searchsorted(rows, ROWS, side="right")))]


def made_states(
    network: EquilibriumNetwork | Ensemble, dataset: Dataset, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States of some of the chosen molecules at geometries that were generated from their SMILES, as those of users are, ``[n, S]``,
    each as often as it was chosen; rows of their images, and which records they are. None without SMILES beside the positions.
    """
    table, which = dataset.records.table, np.zeros(0, dtype=np.int64)
    images: list[NodeNeighborImage] = []
    if not dataset.by_bonds and "smiles" in table.column_names:
        rows, times = np.unique(chosen[~dataset.made[chosen]], return_counts=True)
        first = np.argsort(-times, kind="stable")[:MADE]  # small files first: their records were drawn several times
        for row, count in zip(rows[first].tolist(), times[first].tolist(), strict=True):
            smiles = table["smiles"][row].as_py()
            with suppress(InputError):
                image = NodeNeighborImage.from_structure(from_smiles(smiles or ""), dataset.store.recipe)
                images += [image] * count
                which = np.append(which, [row] * count)
    if not images:
        return np.zeros((0, 0)), which, which
    store = ImageStore.from_images(images, dataset.store.recipe)
    return forward(network, store, np.arange(len(images))).states.astype(np.float64), store.n_rows, which


def _whitening(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``[S]`` of states ``[n, S]``, and axes ``[S, k]`` along which they have unit spread, k at most ``SHOWN``."""
    center = states.mean(axis=0)
    spread = states.std(axis=0)
    spread = np.maximum(spread, FLOOR * max(spread.max(), 1e-12))  # channels that are nearly constant stay small
    values, vectors = np.linalg.eigh(np.cov((states - center).T / spread[:, None], bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    k = max(1, min(SHOWN, len(states) // 4, int((values > FLOOR**2 * values[0]).sum())))
    roots = np.sqrt(np.maximum(values[:k], 1e-24))
    return center, vectors[:, :k] / (spread[:, None] * roots)


def _groups(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centers ``[m, k]`` of groups of points, and root mean square distances from them ``[m]``; those of small groups are
    drawn toward that of all.
    """
    from sklearn.cluster import KMeans

    m = int(np.clip(len(points) // PER_GROUP, 1, GROUPS))
    found = KMeans(m, n_init=1, max_iter=20, random_state=seed).fit(points)
    centers = found.cluster_centers_
    squares = squared_distances(points, centers)[np.arange(len(points)), found.labels_]
    n = np.bincount(found.labels_, minlength=m)
    usual = max(squares.mean(), 1e-12)
    radii = np.sqrt(
        (np.bincount(found.labels_, squares, minlength=m) + 0.5 * PER_GROUP * usual) / (n + 0.5 * PER_GROUP)
    )
    return centers, radii


def corrupted_states(
    network: EquilibriumNetwork | Ensemble, dataset: Dataset, chosen: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """States of the chosen structures, each with one of the corruptions in turn, ``[n, S]``, and rows of their images ``[n]``; in the
    order of :func:`in_turn`.
    """
    random = torch.Generator().manual_seed(seed)
    elements = torch.from_numpy(np.unique(dataset.store.Z).astype(np.int64))
    recipe = dataset.store.recipe
    ways = list(corruptions(elements, random, recipe.oxidation, recipe.bonds).values())
    assert len(ways) == WAYS  # in_turn counts them
    parts = [
        forward(network, dataset.store, chosen[k::WAYS], change=way).states for k, way in enumerate(ways[: len(chosen)])
    ]
    return np.concatenate(parts), dataset.store.n_rows[in_turn(chosen)]


def in_turn(chosen: np.ndarray) -> np.ndarray:
    """Structures in the order in which :func:`corrupted_states` returns them: those of the first corruption first."""
    return np.concatenate([chosen[k::WAYS] for k in range(WAYS)])


def _classifier(sound: np.ndarray, corrupted: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Weights and biases of both layers of a classifier of corrupted against sound whitened states."""
    x = torch.from_numpy(np.concatenate([sound, corrupted])).float()
    y = torch.cat([torch.zeros(len(sound)), torch.ones(len(corrupted))])
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        first, second = nn.Linear(x.shape[1], WIDTH), nn.Linear(WIDTH, 1)
        weights = [*first.parameters(), *second.parameters()]
        optimizer = _AdamW(weights)
        for _ in range(max(PASSES, STEPS * PART // len(x))):
            for part in torch.randperm(len(x)).split(PART):
                loss = _loss(first, second, x[part], y[part])
                optimizer.step(torch.autograd.grad(loss, weights))
    layers = (first.weight.T, first.bias, second.weight[0], second.bias)
    return tuple(layer.detach().double().numpy() for layer in layers)


def _loss(first: nn.Linear, second: nn.Linear, x: Tensor, y: Tensor) -> Tensor:
    hidden = functional.dropout(functional.silu(first(x)), 0.1)
    return functional.binary_cross_entropy_with_logits(second(hidden).squeeze(1), y)


class _AdamW:
    """AdamW (Loshchilov and Hutter, 2019). torch's own imports its compiler at first use, which takes longer than this fit."""

    RATE, DECAY, FIRST, SECOND, LEAST = 3e-3, 0.05, 0.9, 0.999, 1e-8

    def __init__(self, weights: list[nn.Parameter]) -> None:
        self._weights, self._steps = weights, 0
        self._means, self._squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))

    @torch.no_grad()
    def step(self, slopes: tuple[Tensor, ...]) -> None:
        """Changes the weights by their gradients."""
        self._steps += 1
        first, second = (1.0 - rate**self._steps for rate in (self.FIRST, self.SECOND))
        for weight, slope, mean, square in zip(self._weights, slopes, self._means, self._squares, strict=True):
            mean.lerp_(slope, 1.0 - self.FIRST)
            square.mul_(self.SECOND).addcmul_(slope, slope, value=1.0 - self.SECOND)
            weight.mul_(1.0 - self.RATE * self.DECAY)
            weight.addcdiv_(mean, (square / second).sqrt_().add_(self.LEAST), value=-self.RATE / first)
