"""The Poisson equation −Δu = g on the unit square, u = 0 at the edge, by Jacobi's iteration.

Jacobi's iteration is a fixed-point map with real eigenvalues near ±1. Forward iteration barely moves along them;
Anderson extrapolation does. The five-point stencil is exact for u = x(1 − x) y(1 − y), so that the answer is known.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from andersonn import Anderson, ForwardIteration, fixed_point

STENCIL = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.float64).view(1, 1, 3, 3) / 4


def main(n: int = 31) -> dict[str, float]:
    """Solves on n × n inner points; evaluations, and errors against the closed form."""
    x = torch.arange(1, n + 1, dtype=torch.float64) / (n + 1)
    exact = torch.outer(x * (1 - x), x * (1 - x))
    source = 2 * (x * (1 - x)).unsqueeze(0) + 2 * (x * (1 - x)).unsqueeze(1)
    shift = source / (4 * (n + 1) ** 2)

    def jacobi(u: Tensor) -> Tensor:
        return conv2d(u.unsqueeze(1), STENCIL, padding=1).squeeze(1) + shift

    start = torch.zeros(1, n, n, dtype=torch.float64)
    found = {
        "forward": fixed_point(jacobi, start, ForwardIteration(rtol=1e-8, max_steps=1000)),
        "anderson": fixed_point(jacobi, start, Anderson(window=20, rtol=1e-8, max_steps=1000)),
    }
    numbers = {}
    for name, solution in found.items():
        numbers[f"{name}_error"] = float((solution.z[0] - exact).norm() / exact.norm())
        numbers[f"{name}_evaluations"] = solution.evaluations
        print(f"{name:8}: error {numbers[f'{name}_error']:.1e}; {solution.describe()}")
    return numbers


if __name__ == "__main__":
    main()
