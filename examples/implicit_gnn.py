"""An implicit graph network (F. Gu et al., *Implicit graph neural networks*, NeurIPS 2020) on Zachary's karate club.

The club split in two after a quarrel of its instructor (member 1) and its president (member 34). The network is told the side
of these two and finds the others' from who meets whom (W. W. Zachary, *J. Anthropol. Res.* 33, 452, 1977). A state is
a matrix of nodes; ``offsets`` say which nodes belong to one graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from andersonn import Anderson, Equilibrium, bound_norm, spectral_radius

NEIGHBORS = {
    1: "2 3 4 5 6 7 8 9 11 12 13 14 18 20 22 32", 2: "3 4 8 14 18 20 22 31", 3: "4 8 9 10 14 28 29 33", 4: "8 13 14",
    5: "7 11", 6: "7 11 17", 7: "17", 9: "31 33 34", 10: "34", 14: "34", 15: "33 34", 16: "33 34", 19: "33 34", 20: "34",
    21: "33 34", 23: "33 34", 24: "26 28 30 33 34", 25: "26 28 32", 26: "32", 27: "30 34", 28: "34", 29: "32 34",
    30: "33 34", 31: "33 34", 32: "33 34", 33: "34",
}  # fmt: skip
INSTRUCTORS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 17, 18, 20, 22}


class GraphCell(nn.Module):
    """f(z, x) = relu(A z Wᵀ + x) with ‖W‖ ≤ limit. With ‖A‖ ≤ 1 it contracts by limit, whatever training does."""

    def __init__(self, adjacency: Tensor, width: int, limit: float) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.linear = bound_norm(nn.Linear(width, width, bias=False), limit=limit)
        nn.init.eye_(self.linear.parametrizations.weight.original)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """``[nodes, width]`` → the same."""
        return torch.relu(self.linear(self.adjacency @ z) + x)


def normalized_adjacency() -> Tensor:
    """D^−1/2 A D^−1/2, whose norm is 1."""
    adjacency = torch.zeros(34, 34)
    for node, others in NEIGHBORS.items():
        for other in others.split():
            adjacency[node - 1, int(other) - 1] = adjacency[int(other) - 1, node - 1] = 1
    scale = adjacency.sum(1).rsqrt()
    return adjacency * scale.unsqueeze(1) * scale


def main(steps: int = 40, width: int = 16, limit: float = 0.95) -> dict[str, float]:
    """Trains on two labels; accuracy over the other 32 members, the spectral radius, and the worst status."""
    torch.manual_seed(0)
    offsets = torch.tensor([0, 34])  # one graph of 34 nodes
    features = torch.zeros(34, 2)
    features[0, 0] = features[33, 1] = 1.0
    side = torch.tensor([0 if node in INSTRUCTORS else 1 for node in range(1, 35)])
    encode, decode = nn.Linear(2, width, bias=False), nn.Linear(width, 2)
    layer = Equilibrium(GraphCell(normalized_adjacency(), width, limit), solver=Anderson(window=10, rtol=1e-5))
    network = nn.ModuleList([encode, layer, decode])
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(steps):
        logits = decode(layer(encode(features), offsets=offsets))
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits[[0, 33]], side[[0, 33]]).backward()
        optimizer.step()
    with torch.no_grad():
        x = encode(features)
        z, solution = layer.solve(x, offsets=offsets)
        accuracy = float((decode(z)[1:33].argmax(1) == side[1:33]).float().mean())
    radius = float(spectral_radius(lambda z: layer.cell(z, x), z, offsets))
    print(f"{accuracy:.0%} of the other 32 members on the right side; spectral radius {radius:.2f} (bound {limit})")
    print(solution.describe())
    return {"accuracy": accuracy, "radius": radius, "status": int(solution.status.max())}


if __name__ == "__main__":
    main()
