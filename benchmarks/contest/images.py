"""The tutorial's convolutional cell as a problem: as initialized, and trained on real images by the tutorial's recipe.

The recipe uses the tutorial's own solver forward and backward and nothing of our solvers, so the trained cell does not
change when they do.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from andersonn.implicit.bound_cell import cell_map
from andersonn.measuring.problems import FixedPointProblem, normal
from andersonn.measuring.tutorial_cell import TutorialCell
from contest.tutorial import tutorial_anderson

SIDE = 16
CHANNELS = 48
TRAINING_STEPS, TRAINING_BATCH, LEARNING_RATE = 60, 16, 1e-3
SOLVER = {"tol": 1e-2, "max_iter": 25}


def random_cell(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu", side: int = SIDE) -> FixedPointProblem:
    """The cell as initialized, inputs normally distributed; state ``[batch, 48, side, side]``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cell = TutorialCell()
    return _pose(cell, normal(seed + 1, batch, CHANNELS, side, side), dtype, device)


def trained_cell(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu") -> FixedPointProblem:
    """The cell after 60 training steps, on images of handwritten digits that it was not trained on (see :func:`train`)."""
    network, held_out = train(seed)
    with torch.no_grad():
        x = network.inject(held_out[:batch])
    if len(x) < batch:
        raise ValueError(f"only {len(x)} images are held out, {batch} asked for; ask for a smaller batch")
    return _pose(network.cell, x, dtype, device)


def _pose(cell: TutorialCell, x: Tensor, dtype: torch.dtype, device: str) -> FixedPointProblem:
    fresh = TutorialCell()
    fresh.load_state_dict(cell.state_dict())
    fresh = fresh.to(device, dtype).requires_grad_(False)
    x = x.to(device, dtype)
    return FixedPointProblem(cell_map(fresh, x, x, tree=None, compact=True, frozen=False), torch.zeros_like(x))


class DigitNetwork(nn.Module):
    """The tutorial's network for digits: convolution, norm, equilibrium, norm, pooling, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.inject = nn.Sequential(nn.Conv2d(1, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS))
        self.cell = TutorialCell(CHANNELS)
        self.head = nn.Sequential(
            nn.BatchNorm2d(CHANNELS), nn.AvgPool2d(SIDE // 4), nn.Flatten(), nn.Linear(16 * CHANNELS, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 1, 16, 16]`` → class scores ``[B, 10]``, with the tutorial's implicit gradient."""
        x = self.inject(images)
        with torch.no_grad():
            z = tutorial_anderson(lambda z: self.cell(z, x), torch.zeros_like(x), **SOLVER)
        z = self.cell(z, x)
        if z.requires_grad:
            start = z.clone().detach().requires_grad_()
            value = self.cell(start, x)

            def adjoint(gradient: Tensor) -> Tensor:
                def step(u: Tensor) -> Tensor:
                    return torch.autograd.grad(value, start, u, retain_graph=True)[0] + gradient

                return tutorial_anderson(step, gradient, **SOLVER)

            z.register_hook(adjoint)
        return self.head(z)


@cache
def train(seed: int) -> tuple[DigitNetwork, Tensor]:
    """Sixty steps of Adam (1e-3, batch 16) on 1,285 of sklearn's 1,797 images of digits (8 × 8, enlarged to 16 × 16).

    The tutorial's Anderson solves both ways to 1e-2 in at most 25 evaluations. The network is kept for the process.

    Returns:
        The network, in evaluation mode, and the 512 images held out, ``[512, 1, 16, 16]``.
    """
    from sklearn.datasets import load_digits

    pixels, target = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels / 8.0 - 1.0).float().view(-1, 1, 8, 8)
    images = torch.nn.functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear")
    labels = torch.from_numpy(target).long()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    held_out, rest = order[:512], order[512:]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = DigitNetwork()
        optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
        for _ in range(TRAINING_STEPS):
            part = rest[torch.randperm(len(rest), generator=generator)[:TRAINING_BATCH]]
            loss = torch.nn.functional.cross_entropy(network(images[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval().requires_grad_(False), images[held_out]
