"""Forward passes over the records of a dataset, and by all processes of a group."""

from __future__ import annotations

import numpy as np

from andersonn.data.conformers import extra_conformers_of
from andersonn.data.store import ImageStore, Progress
from andersonn.inference.forward import Outputs, forward, forward_conformers
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
) -> Outputs:
    """:func:`forward_conformers` about records of a dataset, over up to so many conformers of those whose geometry is made.

    Args:
        network: in evaluation mode.
        dataset: whose images have one conformer each.
        indices: usable records.
        conformers: at most, the one of the dataset included.
        progress: called with (records done, records in all) while conformers are made, unless they were kept.
    """
    further = extra_conformers_of(dataset.records, indices, dataset.store.recipe, conformers - 1, progress)
    return forward_conformers(network, dataset.store, indices, further)
