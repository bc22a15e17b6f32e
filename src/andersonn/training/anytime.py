"""Answers as soon as they are settled: a loose solve first, and the full one only where it could change the class."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.models import Ensemble, EquilibriumNetwork
from andersonn.training.calibration import is_number
from andersonn.training.domain import Domain
from andersonn.training.inference import Outputs, ask, solvers_changed

CANDIDATES = (0.3, 0.1, 0.03)
"""Tolerances of the first look that are tried."""
ROOM = 1.5
"""By how much the lead must exceed that of any validation structure that changed class."""
USUAL = 0.99
"""Share of validation structures whose lead moves less than the margin."""
ENOUGH = 100
"""Validation structures below which no rule is learned."""


@dataclass(frozen=True)
class Anytime:
    """When a loosely solved structure's class counts as settled: the best score leads by more than it did in any validation
    structure whose class changed with the full solve, with room, and by more than the lead of 99 % of them moved.

    If new structures are as those of the validation, less than one in n + 1 is called settled and changes class all the same.

    Attributes:
        rtol: tolerance of the first look.
        margin: least lead of the best score (a logarithm of a probability, before calibration) over the next.
        n: validation structures that the rule comes from.
        settled: share of them that were settled at the first look.
    """

    rtol: float
    margin: float
    n: int
    settled: float

    def as_dict(self) -> dict[str, Any]:
        """For the model card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Anytime:
        """As :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = ("rtol", "margin", "n", "settled")
        if not isinstance(values, Mapping) or set(values) != set(names) or not all(map(is_number, values.values())):
            raise ValueError(f"its anytime does not hold the numbers {', '.join(names)}")
        if not (0 < values["rtol"] < 1 and values["margin"] >= 0):
            raise ValueError(f"its anytime has rtol {values['rtol']!r} and margin {values['margin']!r}")
        return cls(**values)


def ask_anytime(
    network: EquilibriumNetwork | Ensemble,
    store: ImageStore,
    indices: np.ndarray,
    rule: Anytime,
    domain: Domain | None = None,
) -> Outputs:
    """As :func:`~andersonn.training.inference.ask`; structures settled at the first look keep its outputs and its residual,
    which is larger than the network's own tolerance. Those that seem to lie outside ``domain`` get the full solve: that too is
    a decision, and was learned on full solves.
    """
    with looser(network, rule.rtol):
        first = ask(network, store, indices)
    settled = lead_of(first.scores) > rule.margin
    if domain is not None:
        settled &= domain.distance(first.states) <= domain.limit
    open_ = np.flatnonzero(~settled)
    if not len(open_):
        return first
    full = ask(network, store, indices[open_])
    columns = [column.copy() for column in first[:-1]]
    for column, better in zip(columns, full[:-1], strict=True):
        column[open_] = better
    steps = Outputs._fields.index("steps")
    columns[steps][open_] += first.steps[open_] + 1  # the first look was work, too
    return Outputs(*columns, first.evaluations + full.evaluations)


def fit_anytime(
    network: EquilibriumNetwork | Ensemble, store: ImageStore, indices: np.ndarray, full: Outputs
) -> Anytime | None:
    """The rule that takes the fewest evaluations on validation structures; None if none takes fewer than the full solve, if
    there are too few structures, or if the network solves for nothing.

    Args:
        network: in evaluation mode.
        store: images.
        indices: validation structures.
        full: what :func:`~andersonn.training.inference.ask` says of them.
    """
    if network.config.layers or len(indices) < ENOUGH:
        return None
    needed = full.steps + 1.0
    best, least = None, needed.mean()
    for rtol in CANDIDATES:
        if rtol <= network.config.solver.rtol:
            continue
        with looser(network, rtol):
            loose = ask(network, store, indices)
        margin = _margin(loose.scores, full.scores)
        settled = lead_of(loose.scores) > margin
        taken = float((loose.steps + 1 + ~settled * needed).mean())
        if np.isfinite(margin) and taken < least:
            best, least = Anytime(rtol, margin, len(indices), float(settled.mean())), taken
    return best


def lead_of(scores: np.ndarray) -> np.ndarray:
    """By how much the best score of each structure leads: ``[N, C]`` → ``[N]``."""
    two = np.partition(scores, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def _margin(loose: np.ndarray, full: np.ndarray) -> float:
    changed = loose.argmax(axis=1) != full.argmax(axis=1)
    moved = float(np.quantile(_moved(loose, full), USUAL))
    return max(ROOM * float(lead_of(loose)[changed].max()), moved) if changed.any() else moved


def _moved(loose: np.ndarray, full: np.ndarray) -> np.ndarray:
    """How much the lead of the loosely best class over any other one changed, ``[N]``."""
    row, best = np.arange(len(loose)), loose.argmax(axis=1)
    lead, now = (scores[row, best][:, None] - scores for scores in (loose, full))
    return np.abs(lead - now).max(axis=1)


def looser(network: EquilibriumNetwork | Ensemble, rtol: float) -> AbstractContextManager[None]:
    """The network, or each member of an ensemble, solves to another tolerance inside this block."""
    return solvers_changed(network, lambda solver: replace(solver, rtol=rtol))
