"""One of two processes that train a layer together: ``python -m tests.implicit.ddp_worker RANK PORT OUTPUT``.

Saves, for each rule of gradients and setting of DistributedDataParallel, and for each way of sharding that FSDP may use, the
gradients that this process ends with.
"""

from __future__ import annotations

import sys
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.fsdp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from andersonn import Anderson, Equilibrium
from andersonn.implicit import ImplicitGradient, OneStepGradient
from tests.implicit.cells import Tanh

SETTINGS = {
    "implicit": (ImplicitGradient(), False),
    "implicit, unused parameters sought": (ImplicitGradient(), True),
    "one step": (OneStepGradient(), False),
}


SHARDED = ("sharded", "sharded, layer by itself")


class Network(nn.Module):
    def __init__(self, gradient):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(5, 6, dtype=torch.float64)
        self.layer = Equilibrium(Tanh(radius=0.8), Anderson(rtol=1e-12, max_steps=200), gradient)
        self.head = nn.Linear(6, 1, dtype=torch.float64)

    def forward(self, y):
        return self.head(self.layer(self.encoder(y)))


def data():
    """Of both processes, one half each."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 5, generator=generator, dtype=torch.float64)


def gradients(network, y):
    """After two backward passes, since the second one meets what the first has left in the reducer."""
    for _ in range(2):
        network.zero_grad()
        network(y).square().mean().backward()
    return {name.removeprefix("module."): p.grad.clone() for name, p in network.named_parameters()}


def sharded(network, how):
    """The network with its parameters spread over both processes by FSDP."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    if how == "sharded, layer by itself":  # gathered once a solve; its cell by itself would be at every evaluation
        fully_shard(network.layer, mesh=mesh)
    return fully_shard(network, mesh=mesh)


def main(rank: int, port: str, output: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    found = {}
    for name, (gradient, seek) in SETTINGS.items():
        network = DistributedDataParallel(Network(gradient), find_unused_parameters=seek)
        found[name] = gradients(network, data().chunk(2)[rank])
    for how in SHARDED if hasattr(torch.distributed.fsdp, "fully_shard") else ():
        split = gradients(sharded(Network(ImplicitGradient()), how), data().chunk(2)[rank])
        found[how] = {name: gradient.full_tensor() for name, gradient in split.items()}
    torch.save(found, output)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
