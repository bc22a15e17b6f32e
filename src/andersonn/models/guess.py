"""A learned first state for the solver, so that it has less to do."""

from __future__ import annotations

from torch import Tensor, nn


class StateGuess(nn.Module):
    """z₀ = s + W s, from the state s that the cell makes of zeros; W is 0 until the network has been trained, and then fitted to
    its solutions (:func:`~andersonn.training.first_state.fit_first_state`). Only the number of evaluations depends on it.

    Args:
        cell: gives s by its method ``initial``. It stays the network's.
        width: D.
    """

    def __init__(self, cell: nn.Module, width: int) -> None:
        super().__init__()
        self._first = cell.initial
        # Without bias blank pixels stay blank; no random numbers are drawn, so that other weights are as they would be without.
        self.linear = nn.utils.skip_init(nn.Linear, width, width, bias=False)
        nn.init.zeros_(self.linear.weight).requires_grad_(False)

    def forward(self, x: object) -> Tensor:
        """The guess, shaped as the state."""
        first = self._first(x)
        return first + self.linear(first)
