"""Forward passes over the records of a dataset, and by all processes of a group."""

from __future__ import annotations

import numpy as np

from andersonn.data.conformers import further_of_records
from andersonn.data.store import ImageStore, Progress
from andersonn.inference.forward import Outputs, ask, ask_mean
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.training.dataset import Dataset
from andersonn.training.distributed import Team


def ask_together(network: EquilibriumNetwork, store: ImageStore, indices: np.ndarray, team: Team) -> Outputs:
    """:func:`ask` by all processes of a team, each about its share; all get all answers, but for what the head read: of
    several processes ``states`` are ``[n, 0]``.
    """
    if team.alone:
        return ask(network, store, indices)
    share = team.share(indices, store.n_rows)
    part = ask(network, store, share.indices)
    columns = (part.scores, part.quantiles, *(column[:, None] for column in (part.steps, part.residual, part.status)))
    told = np.zeros((len(indices), sum(column.shape[1] for column in columns)))
    if share.weight:  # not another's repeated
        told[share.places.numpy()] = np.concatenate(columns, axis=1)
    told = team.sum(told)
    scores, quantiles, steps, residual, status = np.split(told, np.cumsum([part.scores.shape[1], 3, 1, 1]), axis=1)
    evaluations = int(team.sum(np.array([part.evaluations]))[0])
    whole = (column[:, 0].astype(kind) for column, kind in ((steps, int), (residual, float), (status, int)))
    return Outputs(scores, quantiles, np.zeros((len(indices), 0), dtype=np.float32), *whole, evaluations)


def ask_records(
    network: EquilibriumNetwork | Ensemble,
    dataset: Dataset,
    indices: np.ndarray,
    conformers: int,
    progress: Progress | None = None,
) -> Outputs:
    """:func:`ask_mean` about records of a dataset, over up to so many conformers of those whose geometry is made.

    Args:
        network: in evaluation mode.
        dataset: whose images have one conformer each.
        indices: usable records.
        conformers: at most, the one of the dataset included.
        progress: called with (records done, records in all) while conformers are made, unless they were kept.
    """
    further = further_of_records(dataset.records, indices, dataset.store.recipe, conformers - 1, progress)
    return ask_mean(network, dataset.store, indices, further)
