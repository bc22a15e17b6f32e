"""Answers as soon as they are settled: a loose solve first, and the full one only where it could change the class."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference.calibration import is_number
from andersonn.inference.domain import Domain
from andersonn.inference.forward import Outputs, ask, solvers_changed
from andersonn.models import Ensemble, EquilibriumNetwork


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
    """As :func:`~andersonn.inference.forward.ask`; structures settled at the first look keep its outputs and its residual,
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


def lead_of(scores: np.ndarray) -> np.ndarray:
    """By how much the best score of each structure leads: ``[N, C]`` → ``[N]``."""
    two = np.partition(scores, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def looser(network: EquilibriumNetwork | Ensemble, rtol: float) -> AbstractContextManager[None]:
    """The network, or each member of an ensemble, solves to another tolerance inside this block."""
    return solvers_changed(network, lambda solver: replace(solver, rtol=rtol))
