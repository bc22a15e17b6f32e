"""Logistic regression by gradient descent, as a fixed point: w = w − step · ∇loss(w).

A batch of regularization strengths is one batch of samples: each is judged and stops on its own, and ``subset`` takes
those that have stopped out of the batch. The answers are compared with scikit-learn's.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from andersonn import Anderson, ForwardIteration, fixed_point

STRENGTHS = torch.tensor([0.3, 0.1, 0.03, 0.01, 0.003], dtype=torch.float64)


class Descent:
    """One step of gradient descent on mean log loss + λ ‖w‖² / 2, for a batch of λ.

    Args:
        x: features ``[n, d]``.
        y: labels 0 or 1, ``[n]``.
        strength: λ of each sample, ``[B]``.
    """

    def __init__(self, x: Tensor, y: Tensor, strength: Tensor) -> None:
        self.x, self.y, self.strength = x, y, strength.unsqueeze(1)
        self.step = 1 / (torch.linalg.matrix_norm(x, 2) ** 2 / (4 * len(x)) + self.strength)

    def __call__(self, w: Tensor) -> Tensor:
        """``[B, d]`` → the same."""
        error = torch.sigmoid(w @ self.x.T) - self.y
        return w - self.step * (error @ self.x / len(self.x) + self.strength * w)

    def subset(self, samples: Tensor, rows: Tensor) -> Descent:
        """The same for some strengths alone."""
        return Descent(self.x, self.y, self.strength[samples, 0])


def main() -> dict[str, float]:
    """Evaluations of both solvers, and the largest relative difference to scikit-learn's weights."""
    raw, y = load_breast_cancer(return_X_y=True)
    x = torch.from_numpy((raw - raw.mean(0)) / raw.std(0))
    descent = Descent(x, torch.from_numpy(y).double(), STRENGTHS)
    start = torch.zeros(len(STRENGTHS), x.shape[1], dtype=torch.float64)
    solution = fixed_point(descent, start, Anderson(window=10, rtol=1e-9, max_steps=3000))
    plain = fixed_point(descent, start, ForwardIteration(rtol=1e-9, max_steps=3000))
    worst = 0.0
    for strength, w in zip(STRENGTHS.tolist(), solution.z):
        peer = LogisticRegression(C=1 / (strength * len(x)), fit_intercept=False, tol=1e-10, max_iter=10_000)
        reference = torch.from_numpy(peer.fit(x.numpy(), y).coef_[0])
        worst = max(worst, float((w - reference).norm() / reference.norm()))
    print(f"Anderson: {solution.describe()}; updates by strength {solution.steps.tolist()}")
    print(f"gradient descent: {plain.describe()}; largest difference to scikit-learn {worst:.1e}")
    return {
        "difference": worst,
        "anderson": solution.evaluations,
        "forward": plain.evaluations,
        "fewest": int(solution.steps.min()),
        "most": int(solution.steps.max()),
    }


if __name__ == "__main__":
    main()
