"""An image classifier with one equilibrium layer, after the implicit-layers tutorial (Kolter, Duvenaud and Johnson, 2020).

Convolution, equilibrium of a residual convolutional cell, pooling, linear layer; trained on scikit-learn's 8 × 8 digits.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from andersonn import Anderson, DriftMonitor, Equilibrium, ImplicitGradient, ToleranceSchedule


class Cell(nn.Module):
    """f(z, x) = norm(relu(z + norm(x + conv(norm(relu(conv(z)))))))."""

    def __init__(self, channels: int, inner: int, groups: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1, bias=False)
        self.second = nn.Conv2d(inner, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(groups, width) for width in (inner, channels, channels))
        for conv in (self.first, self.second):
            nn.init.normal_(conv.weight, 0, 0.01)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """``[B, channels, H, W]`` → the same."""
        inner = self.norms[0](torch.relu(self.first(z)))
        return self.norms[2](torch.relu(z + self.norms[1](x + self.second(inner))))


def main(epochs: int = 2, channels: int = 8) -> dict[str, float]:
    """Trains; accuracy on 500 held-out digits, and evaluations of the cell in the last solve and its adjoint."""
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(digits.target)
    layer = Equilibrium(
        Cell(channels, 16),
        solver=Anderson(rtol=1e-2, max_steps=25),
        gradient=ImplicitGradient(rtol="forward"),
        compact=True,  # the cell treats each image on its own
        monitor=DriftMonitor(every=20, limit=1.2),
    )
    head = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(channels * 16, 10))
    network = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), nn.GroupNorm(4, channels), layer, head)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    train, batches = 1297, 13
    schedule = ToleranceSchedule(start=1e-1, end=1e-2, over=epochs * batches)
    for step in range(epochs * batches):
        if step % batches == 0:
            order = torch.randperm(train)
        batch = order[step % batches :: batches]
        schedule.apply(layer, step)
        loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    adjoint = layer.last_adjoint
    network.eval()
    with torch.no_grad():
        right = (network(images[train:]).argmax(1) == labels[train:]).float().mean()
    print(f"accuracy {right:.3f} on {len(images) - train} held-out digits; {layer.last.describe()}")
    print(layer.monitor.report())
    return {
        "accuracy": float(right),
        "evaluations": layer.last.evaluations,
        "adjoint": adjoint.evaluations,
        "radius": layer.monitor.history[-1].median,
    }


if __name__ == "__main__":
    main()
