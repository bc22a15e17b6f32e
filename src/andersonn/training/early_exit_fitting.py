"""Fitting the early-exit rule: when a loose solve decides the class."""

from __future__ import annotations

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference.early_exit import EarlyExit, class_scores, lead_of, looser
from andersonn.inference.forward import Outputs, forward
from andersonn.models import Ensemble, EquilibriumNetwork

CANDIDATES = (0.3, 0.1, 0.03)
"""Tolerances of the loose solve that are tried."""
ROOM = 1.5
"""Factor by which the logit margin must exceed that of any validation structure that changed class."""
USUAL = 0.99
"""Fraction of validation structures whose logit margin moves less than the rule's."""
ENOUGH = 100
"""Validation structures below which no rule is learned."""


def fit_early_exit(
    network: EquilibriumNetwork | Ensemble,
    store: ImageStore,
    indices: np.ndarray,
    full: Outputs,
    positions: tuple[int, ...] = (),
) -> EarlyExit | None:
    """The rule that takes the fewest evaluations on validation structures; None if none takes fewer than the full solve, if
    there are too few structures, or if the network is an explicit stack.

    Args:
        network: in evaluation mode.
        store: images.
        indices: validation structures.
        full: what :func:`~andersonn.inference.forward.forward` says of them.
        positions: of the classes among the masses of distributions; none for scores of classes.
    """
    if network.config.layers or len(indices) < ENOUGH:
        return None
    needed = full.steps + 1.0
    best, least = None, needed.mean()
    for rtol in CANDIDATES:
        if rtol <= network.config.solver.rtol:
            continue
        with looser(network, rtol):
            loose = forward(network, store, indices)
        margin = _margin(*(class_scores(each.scores, positions) for each in (loose, full)))
        decided = lead_of(loose.scores, positions) > margin
        taken = float((loose.steps + 1 + ~decided * needed).mean())
        if np.isfinite(margin) and taken < least:
            best, least = EarlyExit(rtol, margin, len(indices), float(decided.mean()), positions), taken
    return best


def _margin(loose: np.ndarray, full: np.ndarray) -> float:
    changed = loose.argmax(axis=1) != full.argmax(axis=1)
    moved = float(np.quantile(_moved(loose, full), USUAL))
    return max(ROOM * float(lead_of(loose)[changed].max()), moved) if changed.any() else moved


def _moved(loose: np.ndarray, full: np.ndarray) -> np.ndarray:
    """How much the margin of the loose solve's class over any other class changed, ``[N]``."""
    row, best = np.arange(len(loose)), loose.argmax(axis=1)
    lead, now = (scores[row, best][:, None] - scores for scores in (loose, full))
    return np.abs(lead - now).max(axis=1)
