"""A multiscale equilibrium, after MDEQ (Bai, Koltun and Kolter, NeurIPS 2020): the state is a dict of two resolutions.

Both scales are solved together to one fixed point; trained on scikit-learn's 8 × 8 digits.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from andersonn import Anderson, Equilibrium, bound_norm

State = dict[str, Tensor]


class Multiscale(nn.Module):
    """Convolutions at 8 × 8 (``fine``) and 4 × 4 (``coarse``), and a fusion in which each hears the other.

    The bounds add up to a norm of at most 0.9 (repeating pixels doubles it on the way up), so there is one fixed point.
    """

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.widths = {"fine": fine, "coarse": coarse}
        self.fine = bound_norm(nn.Conv2d(fine, fine, 3, padding=1), limit=0.5)
        self.coarse = bound_norm(nn.Conv2d(coarse, coarse, 3, padding=1), limit=0.5)
        self.down = bound_norm(nn.Conv2d(fine, coarse, 3, stride=2, padding=1), limit=0.4)
        self.up = bound_norm(nn.Conv2d(coarse, fine, 1), limit=0.2)

    def initial(self, x: Tensor) -> State:
        """The first state: zeros ``[B, fine, H, W]`` and ``[B, coarse, H / 2, W / 2]``."""
        B, _, H, W = x.shape
        return {k: x.new_zeros(B, w, H // s, W // s) for (k, w), s in zip(self.widths.items(), (1, 2), strict=True)}

    def forward(self, z: State, x: Tensor) -> State:
        """``x`` enters at the fine scale alone, as in MDEQ."""
        from_coarse = functional.interpolate(self.up(z["coarse"]), scale_factor=2)
        return {
            "fine": torch.tanh(self.fine(z["fine"]) + from_coarse + x),
            "coarse": torch.tanh(self.coarse(z["coarse"]) + self.down(z["fine"])),
        }


def main(epochs: int = 3) -> dict[str, float]:
    """Trains; accuracy on 500 held-out digits, and evaluations of the cell in the last solve."""
    torch.manual_seed(0)
    digits = load_digits()
    images, labels = torch.from_numpy(digits.images).float().unsqueeze(1) / 16, torch.from_numpy(digits.target)
    stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(4, 8))
    layer = Equilibrium(Multiscale(8, 16), solver=Anderson(rtol=1e-2, max_steps=30))
    head = nn.Linear(8 * 16 + 16 * 4, 10)

    def scores(x: Tensor) -> Tensor:
        z = layer(stem(x))
        pooled = [functional.avg_pool2d(z[k], 2).flatten(1) for k in ("fine", "coarse")]
        return head(torch.cat(pooled, dim=1))

    parameters = [p for part in (stem, layer, head) for p in part.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-2)
    for _ in range(epochs):
        for batch in torch.randperm(1297).split(100):
            loss = functional.cross_entropy(scores(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (scores(images[1297:]).argmax(1) == labels[1297:]).float().mean()
    print(f"accuracy {right:.3f} on 500 held-out digits; {layer.last.describe()}")
    return {"accuracy": float(right), "evaluations": layer.last.evaluations}


if __name__ == "__main__":
    main()
