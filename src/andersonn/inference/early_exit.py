"""Early exit: a loose solve first, and the full one only where it could change the class."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference.fitted import Domain, is_number
from andersonn.inference.forward import Outputs, forward, solvers_changed
from andersonn.models import Ensemble, EquilibriumNetwork


@dataclass(frozen=True)
class EarlyExit:
    """When a loose solve decides the class: its logit margin (best score less the next) exceeds, with a safety factor, that of
    every validation structure whose class changed in the full solve, and the change of the margin in 99 % of them.

    If new structures are distributed as the validation structures, fewer than one in n + 1 is decided early and wrongly.

    Attributes:
        rtol: tolerance of the loose solve.
        margin: least logit margin, of scores before calibration.
        n: validation structures that the rule was fitted on.
        settled: fraction of them that the loose solve decided.
    """

    rtol: float
    margin: float
    n: int
    settled: float
    positions: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For the model card."""
        written = asdict(self) | {"positions": list(self.positions)}
        return written if self.positions else {name: value for name, value in written.items() if name != "positions"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EarlyExit:
        """As :meth:`as_dict` wrote it.

        Raises:
            ValueError: a value is missing, superfluous or impossible.
        """
        names = ("rtol", "margin", "n", "settled")
        if not isinstance(values, Mapping) or set(values) - {"positions"} != set(names):
            raise ValueError(f"its anytime does not hold the numbers {', '.join(names)}")
        positions = tuple(values.get("positions", ()))
        if not all(map(is_number, (*(values[name] for name in names), *positions))):
            raise ValueError(f"its anytime does not hold the numbers {', '.join(names)}")
        if not (0 < values["rtol"] < 1 and values["margin"] >= 0):
            raise ValueError(f"its anytime has rtol {values['rtol']!r} and margin {values['margin']!r}")
        return cls(**{name: values[name] for name in names}, positions=positions)


def forward_early_exit(
    network: EquilibriumNetwork | Ensemble,
    store: ImageStore,
    indices: np.ndarray,
    rule: EarlyExit,
    domain: Domain | None = None,
) -> Outputs:
    """As :func:`~andersonn.inference.forward.forward`; structures that the loose solve decides keep its outputs and its
    residual, which is larger than the network's own tolerance. Those outside ``domain`` get the full solve, because the domain
    was fitted on states of full solves.
    """
    with looser(network, rule.rtol):
        first = forward(network, store, indices)
    decided = lead_of(first.scores, rule.positions) > rule.margin
    if domain is not None:
        decided &= domain.distance(first.states, store.n_rows[indices]) <= domain.limit
    open_ = np.flatnonzero(~decided)
    if not len(open_):
        return first
    full = forward(network, store, indices[open_])
    columns = [column.copy() for column in first[:-1]]
    for column, better in zip(columns, full[:-1], strict=True):
        column[open_] = better
    scores, quantiles, states, steps, residual, status = columns
    steps[open_] += first.steps[open_] + 1  # the loose solve took evaluations, too
    return Outputs(scores, quantiles, states, steps, residual, status, first.evaluations + full.evaluations)


def class_scores(scores: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
    """Scores of the classes ``[N, C]``: those given, or of masses ``[N, E]`` the sums between ``positions``, as logarithms."""
    if not positions:
        return scores
    bounds = [0, *positions, scores.shape[1]]
    parts = [np.logaddexp.reduce(scores[:, low:high], axis=1) for low, high in pairwise(bounds)]
    return np.stack(parts, axis=1)


def lead_of(scores: np.ndarray, positions: tuple[int, ...] = ()) -> np.ndarray:
    """Logit margin of each structure, its best class score less the next: ``[N, C]`` or ``[N, E]`` → ``[N]``."""
    two = np.partition(class_scores(scores, positions), -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def looser(network: EquilibriumNetwork | Ensemble, rtol: float) -> AbstractContextManager[None]:
    """The network, or each member of an ensemble, solves to another tolerance inside this block."""
    return solvers_changed(network, lambda solver: replace(solver, rtol=rtol))
