"""Learned first states: a module that predicts z* from x, so that the solver takes fewer evaluations.

Any ``nn.Module`` that maps the layer's x to a state works as ``Equilibrium(..., initializer=...)``; this is the simplest one. It is
trained with the network, by the distance of its prediction from the solution:

    layer = Equilibrium(cell, initializer=LinearInitializer(width))
    for x, target in batches:
        loss = criterion(layer(x), target) + layer.initializer_loss()
        loss.backward()

The solver gets the prediction detached and the term's gradients reach the initializer alone, so neither z* nor the network's
gradients depend on it, only the number of evaluations.
"""

from __future__ import annotations

from torch import Tensor, nn

from andersonn.solvers.options import require_count


class LinearInitializer(nn.Module):
    """z₀ = W x + b. It is initialized to W = 0 and b = 0, the layer's own first state.

    Args:
        width: D, last dimension of x.
        state_width: last dimension of the state; default D.

    Shape:
        x ``[..., D]`` → z₀ ``[..., state_width]``.
    """

    def __init__(self, width: int, state_width: int | None = None) -> None:
        super().__init__()
        require_count("width", width)
        if state_width is not None:
            require_count("state_width", state_width)
        self.linear = nn.Linear(width, state_width or width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The predicted first state."""
        width = self.linear.in_features
        if not isinstance(x, Tensor):
            raise TypeError(
                f"LinearInitializer needs a tensor [..., {width}], not {type(x).__name__}; write an nn.Module that maps "
                "your x to a state"
            )
        if x.dim() == 0 or x.shape[-1] != width:
            raise ValueError(f"x has shape {tuple(x.shape)}; this LinearInitializer was made for [..., {width}]")
        return self.linear(x)
