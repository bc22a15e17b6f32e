"""Features of structures: what the head of the network reads, before it answers.

One row of d numbers for each structure, float32. They are those from which the applicability domain measures its distances. What
they are depends on the head:

``pooled``: d = 5 D, or 6 D with features of the whole structure. Of the equilibrium states of the atoms, each of width D: mean,
    attention-weighted mean, spread and maximum over the atoms; then the mean of what was injected into the equilibrium; then,
    where the model reads oxidation states, voids or counts of electrons, D features of these.

``dipole``: d = 2 D + 1. Of the states of the atoms, merged with what was injected: mean and maximum over the atoms; then |μ| in
    the network's own unit.

None depends on the order of the atoms, nor on where and how the structure stands in space; and a supercell has the features of
its primitive cell. Where the answer is a mean over generated conformers, so are
the features. Of an ensemble they are those of its first member. Solves go on to the network's own tolerance, also in a model
that answers early. Columns have no names, and mean another thing in every model: do not mix features of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from andersonn.errors import InputError, unknown
from andersonn.inference.answering import Ready, outputs_of
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Failure
from andersonn.models.ensemble import lead

ERRORS = ("nan", "raise")


def embed(bundle: ModelBundle, batches: Iterable[Sequence[Ready | Failure]], errors: str = "nan") -> np.ndarray:
    """Features of structures, float32 ``[n, d]``.

    Args:
        bundle: the model.
        batches: structures with their images, or what is wrong with them; each batch takes one forward pass.
        errors: one of :data:`ERRORS`: a row of NaN for what cannot be read, or an error.

    Raises:
        InputError: an input cannot be read, and ``errors`` is ``"raise"``.
        UsageError: ``errors`` is neither.
    """
    if errors not in ERRORS:
        raise unknown("errors", errors, ERRORS)
    width = lead(bundle.network).n_features
    parts = [np.empty((0, width), dtype=np.float32)]
    for batch in batches:
        for item in batch:
            if isinstance(item, Failure) and errors == "raise":
                raise InputError(**item.error).within(item.input)
        part = np.full((len(batch), width), np.nan, dtype=np.float32)
        good = [k for k, item in enumerate(batch) if not isinstance(item, Failure)]
        if good:
            part[good] = outputs_of(bundle, [item for item in batch if not isinstance(item, Failure)]).states
        parts.append(part)
    return np.concatenate(parts)
