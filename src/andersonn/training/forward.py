"""Forward passes over the records of a dataset, and by all processes of a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from andersonn.data.conformers import extra_conformers_of
from andersonn.data.store import ImageStore, Progress, image_store
from andersonn.inference.bonds_beside import BondsBeside
from andersonn.inference.forward import Outputs, forward, forward_conformers
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import Kinds
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.training.dataset import Dataset
from andersonn.training.process_group import ProcessGroup


def forward_distributed(
    network: EquilibriumNetwork, store: ImageStore, indices: np.ndarray, processes: ProcessGroup
) -> Outputs:
    """:func:`forward` by all processes, each for its shard. All get the outputs of all structures, except for ``states``, which
    are ``[n, 0]`` if there are several processes.
    """
    if processes.is_single:
        return forward(network, store, indices)
    shard = processes.shard(indices, store.n_rows)
    own = forward(network, store, shard.indices)
    columns = (own.scores, own.quantiles, *(column[:, None] for column in (own.steps, own.residual, own.status)))
    table = np.zeros((len(indices), sum(column.shape[1] for column in columns)))
    if shard.weight:  # else its structure is another rank's
        table[shard.positions.numpy()] = np.concatenate(columns, axis=1)
    table = processes.sum(table)
    scores, quantiles, steps, residual, status = np.split(
        table, np.cumsum([own.scores.shape[1], own.quantiles.shape[1], 1, 1]), axis=1
    )
    evaluations = int(processes.sum(np.array([own.evaluations]))[0])
    return Outputs(
        scores,
        quantiles,
        np.zeros((len(indices), 0), dtype=np.float32),
        steps[:, 0].astype(int),
        residual[:, 0].astype(float),
        status[:, 0].astype(int),
        evaluations,
    )


def forward_records(
    network: EquilibriumNetwork | Ensemble,
    dataset: Dataset,
    indices: np.ndarray,
    conformers: int,
    progress: Progress | None = None,
    beside: BondsBeside | None = None,
    edges: Sequence[float] = (),
) -> Outputs:
    """:func:`forward_conformers` about records of a dataset, over up to so many conformers of those whose geometry is made.

    Args:
        network: in evaluation mode.
        dataset: whose images have one conformer each.
        indices: usable records.
        conformers: at most, the one of the dataset included.
        progress: called with (records done, records in all) while conformers are made, unless they were kept.
        beside: a network of bonds alone, with whose outputs those of records with a generated geometry are pooled.
        edges: of the network's masses, if there is one.
    """
    further = extra_conformers_of(dataset.records, indices, dataset.store.recipe, conformers - 1, progress)
    outputs = forward_conformers(network, dataset.store, indices, further)
    if beside is None:
        return outputs
    rows, theirs = bonds_masses(beside, dataset, indices, np.asarray(edges))
    return beside.pooled(outputs, rows, theirs)


def forward_model(
    bundle: ModelBundle, dataset: Dataset, indices: np.ndarray, progress: Progress | None = None
) -> Outputs:
    """:func:`forward_records` by all that a model has."""
    edges = getattr(bundle.calibration, "edges", ())
    return forward_records(bundle.network, dataset, indices, bundle.config.conformers, progress, bundle.beside, edges)


def bonds_masses(
    beside: BondsBeside, dataset: Dataset, indices: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What a network of bonds alone says of those records that it is asked about: their positions in ``indices``, int64 ``[m]``, and
    masses ``[m, E]``.

    Args:
        beside: the network.
        dataset: prepared.
        indices: usable records.
        edges: of the masses, ``[E]``.
    """
    few = Kinds.of_store(dataset.store, indices).few_made(dataset.made[indices])
    rows = np.flatnonzero(dataset.made[indices] & ~few)
    if not len(rows):
        return rows, np.zeros((0, len(edges)))
    store = image_store(dataset.records.take(indices[rows]), beside.config.image)
    read = np.flatnonzero(store.n_rows > 0)
    return rows[read], beside.masses(store, read, edges)
