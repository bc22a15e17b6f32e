"""Fitting the applicability domain on training structures, and its limit on the validation split."""

from __future__ import annotations

from typing import Any

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
FLOOR = 1e-3
"""Least fraction of the largest spread by which a coordinate is whitened."""


def fit_domain(network: EquilibriumNetwork | Ensemble, dataset: Dataset, validation: Outputs, seed: int) -> Domain:
    """The domain of a trained network.

    Args:
        network: in evaluation mode.
        dataset: whose training split is used.
        validation: the network's outputs for the validation split, which set units and limit.
        seed: of the sample, the corruptions and the first weights.
    """
    chosen = _sample(dataset, np.random.default_rng(seed))
    states = forward(network, dataset.store, chosen).states.astype(np.float64)
    states = np.concatenate([states, *made_states(network, dataset, chosen)])
    center, axes = _whitening(states)
    points = (states - center) @ axes
    k = min(COORDINATES, axes.shape[1])
    centers, radii = _groups(points[:, :k], seed)
    corrupted = (corrupted_states(network, dataset, chosen, seed) - center) @ axes
    first, bias, odds, odds_bias = _classifier(points, corrupted, seed)
    arrays = {
        "center": center, "axes": axes[:, :k], "centers": centers, "radii": radii, "hidden": axes @ first,
        "hidden_bias": bias, "odds": odds, "odds_bias": odds_bias, "units": np.ones(2), "bound": np.ones(1),
    }  # fmt: skip
    raw = Domain(**{name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()})
    units = np.maximum(np.quantile(raw.parts(validation.states), UNIT, axis=0), 1e-6)
    bound = np.quantile((raw.parts(validation.states) / units.astype(np.float32)).max(axis=1), LIMIT)
    parts = {name: getattr(raw, name) for name in arrays}
    return Domain(**parts | {"units": units.astype(np.float32), "bound": np.array([bound], dtype=np.float32)})


def describe_domain(domain: Domain, outputs: Outputs, right: np.ndarray) -> dict[str, Any]:
    """How the domain divides tested structures, for the model card: fraction outside, and accuracy inside, outside (null if
    all are inside) and by fifths of rising distance.

    Args:
        domain: of the model.
        outputs: of n tested structures.
        right: whether their class was answered right, bool ``[n]``.
    """
    distance = domain.distance(outputs.states)
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


def made_states(network: EquilibriumNetwork | Ensemble, dataset: Dataset, chosen: np.ndarray) -> list[np.ndarray]:
    """States of some of the chosen molecules at geometries that were generated from their SMILES, as those of users are, ``[n, S]``,
    each as often as it was chosen; none without SMILES beside the positions.
    """
    table = dataset.records.table
    if dataset.by_bonds or "smiles" not in table.column_names:
        return []
    given = chosen[~dataset.made[chosen]]
    rows, times = np.unique(given, return_counts=True)
    first = np.argsort(-times, kind="stable")[:MADE]  # small files first, of which each record was chosen several times
    images, repeated = [], []
    for row, count in zip(rows[first].tolist(), times[first].tolist(), strict=True):
        smiles = table["smiles"][row].as_py()
        try:
            images.append(NodeNeighborImage.from_structure(from_smiles(smiles or ""), dataset.store.recipe))
        except InputError:
            continue
        repeated.append(count)
    if not images:
        return []
    store = ImageStore.from_images(images, dataset.store.recipe)
    found = forward(network, store, np.arange(len(images))).states.astype(np.float64)
    return [np.repeat(found, repeated, axis=0)]


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
) -> np.ndarray:
    """States of the chosen structures, each with one of the corruptions in turn, ``[n, S]``."""
    random = torch.Generator().manual_seed(seed)
    elements = torch.from_numpy(np.unique(dataset.store.Z).astype(np.int64))
    recipe = dataset.store.recipe
    ways = list(corruptions(elements, random, recipe.oxidation, recipe.bonds).values())[: len(chosen)]
    parts = [forward(network, dataset.store, chosen[k :: len(ways)], change=way).states for k, way in enumerate(ways)]
    return np.concatenate(parts).astype(np.float64)


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
