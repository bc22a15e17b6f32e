"""How an optimum moves: the best strength of ridge regression by Newton's method, through the fixed point.

The weights are the fixed point of gradient descent on the training loss with strength λ. The validation loss is a function
of log λ through that fixed point; the layer gives its first and second derivatives exactly, and Newton's method
needs both. Ridge regression has a closed form to compare with.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

from andersonn import GMRES, Equilibrium, ImplicitGradient


class Descent(nn.Module):
    """w ← w − step · (H w − c + λ w), gradient descent on the training loss; x is log λ."""

    def __init__(self, features: Tensor, target: Tensor) -> None:
        super().__init__()
        self.hessian, self.right = features.T @ features / len(features), features.T @ target / len(features)
        self.step = 1 / torch.linalg.matrix_norm(self.hessian, 2)

    def initial(self, x: Tensor) -> Tensor:
        """Zero weights, one sample."""
        return torch.zeros(1, len(self.right), dtype=x.dtype)

    def forward(self, w: Tensor, x: Tensor) -> Tensor:
        """``[1, d]`` → the same."""
        return w - self.step / (1 + self.step * x.exp()) * (w @ self.hessian - self.right + x.exp() * w)


def main(steps: int = 8) -> dict[str, float]:
    """Newton's method from λ = 0.03; derivatives against those of the closed form, and the slope at the end."""
    features, target = (torch.from_numpy(part) for part in load_diabetes(return_X_y=True))
    features, target = features / features.std(0), (target - target.mean()) / target.std()
    train, held_out = slice(0, 60), slice(60, None)
    descent = Descent(features[train], target[train])
    solver = GMRES(rtol=1e-12, window=20, max_steps=60)
    layer = Equilibrium(descent, solver, ImplicitGradient())

    def derivatives(weights: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss = (features[held_out] @ weights - target[held_out]).square().mean()
        (first,) = torch.autograd.grad(loss, x, create_graph=True)
        (second,) = torch.autograd.grad(first, x)
        return loss.detach(), first.detach(), second

    def closed_form(x: Tensor) -> Tensor:
        identity = torch.eye(len(descent.right), dtype=x.dtype)
        return torch.linalg.solve(descent.hessian + x.exp() * identity, descent.right)

    x, worst = torch.tensor(0.03, dtype=torch.float64).log(), 0.0
    for _ in range(steps):
        x.requires_grad_()
        loss, first, second = derivatives(layer(x)[0], x)
        _, true_first, true_second = derivatives(closed_form(x), x)
        worst = max(worst, float((first - true_first).abs()), float((second - true_second).abs()))
        newton = -first / second.abs()
        x = x.detach() + newton.clamp(-1, 1)
    print(f"best strength {float(x.exp()):.4f}, validation loss {float(loss):.4f}, slope {float(first):.1e}")
    print(f"largest error of first and second derivatives {worst:.1e}; adjoint: {layer.last_adjoint.describe()}")
    return {"slope": float(first), "error": worst, "curvature": float(second), "strength": float(x.exp())}


if __name__ == "__main__":
    main()
