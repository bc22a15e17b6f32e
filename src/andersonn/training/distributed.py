"""Joining the processes that train one network together: started by torchrun, or by a program that has a group already."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from andersonn.errors import UsageError
from andersonn.training.process_group import SINGLE, ProcessGroup, others_needed

PATIENCE = timedelta(minutes=5)
"""How long a process waits for another during training before it gives up."""
LONG_PATIENCE = timedelta(days=7)
"""How long while one of them makes images, calibrates or tests. One that dies is noticed at once all the same."""
LAUNCHER_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
LAUNCH_HINT = "start it as torchrun --nproc-per-node N --no-python andersonn train …, or unset RANK and WORLD_SIZE"
_joined = itertools.count()
"""Numbers the groups that this process joins."""


@contextmanager
def init_processes(device: torch.device) -> Iterator[ProcessGroup]:
    """The group of this process inside the block: as the environment variables of torchrun say, the group that the caller has
    set up already, or alone.

    Args:
        device: of the configuration; on ``cuda`` each process takes the GPU of its number.

    Raises:
        UsageError: the variables do not say enough, there are fewer GPUs than processes, PyTorch cannot do it, or the other
            processes cannot be reached.
    """
    given = dist.is_available() and dist.is_initialized()
    rank, size, local = _place()
    if size == 1:
        yield SINGLE
        return
    device = _own_device(device, local)
    if not given:
        _connect(rank, size, device)
    try:
        with others_needed():
            long_group = dist.new_group(timeout=LONG_PATIENCE, backend="gloo")
        yield ProcessGroup(rank, size, local, device, long_group)
    finally:
        if not given and device.type == "cpu":  # over NCCL it could wait for one that is gone; the exit ends that too
            dist.destroy_process_group()


def launched() -> tuple[int, int]:
    """Rank of this process, and how many there are, as a launcher says; 0 and 1 if there was none.

    Raises:
        UsageError: its variables do not say enough.
    """
    return _place()[:2]


def _place() -> tuple[int, int, int]:
    """Rank, processes, and number on this machine: of a group that is there, or as a launcher says; 0, 1, 0 if neither."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", dist.get_rank()))
    told = {name: os.environ.get(name, "") for name in LAUNCHER_VARIABLES}
    if not told["RANK"] and told["WORLD_SIZE"] in ("", "1"):
        return 0, 1, 0
    missing = [name for name, value in told.items() if not value]
    if missing:
        there = " and ".join(f"{name}={value}" for name, value in told.items() if value)
        what = f"{there} announces several processes, but {', '.join(missing)} is not set"
        raise UsageError("no_team", what, LAUNCH_HINT)
    try:
        rank, size, local = (int(told[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except ValueError:
        rank = size = local = -1
    if not (0 <= rank < size and 0 <= local < size):
        values = ", ".join(f"{name}={told[name]}" for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        raise UsageError("no_team", f"{values}: no process of a process group", LAUNCH_HINT)
    return rank, size, local


def _own_device(device: torch.device, local: int) -> torch.device:
    """The device of the process with this number on its machine."""
    if device.type != "cuda":
        return device
    count = torch.cuda.device_count()
    if local >= count:
        raise UsageError(
            "no_device",
            f"process {local + 1} on {socket.gethostname()} finds {count} CUDA GPU{'s' * (count > 1)}, and each needs its own",
            f"start --nproc-per-node {count} where every process sees all GPUs of its machine, or use device=cpu",
        )
    own = torch.device("cuda", local)
    torch.cuda.set_device(own)
    return own


def _connect(rank: int, size: int, device: torch.device) -> None:
    backend = "nccl" if device.type == "cuda" else "gloo"
    if not (dist.is_available() and getattr(dist, f"is_{backend}_available")()):
        raise UsageError(
            "no_backend",
            f"this PyTorch, {torch.__version__}, has no {backend}, over which {size} processes would train",
            "install one that has, use device=cpu, or train in one process",
        )
    # torchrun keeps one store over its restarts, and programs may train more than once: each time has a part of the store for
    # itself, else processes find addresses there of such as are gone.
    part = f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}, group {next(_joined)}"
    try:
        store, *_ = next(dist.rendezvous("env://", rank, size, timeout=PATIENCE))
        dist.init_process_group(
            backend, store=dist.PrefixStore(part, store), rank=rank, world_size=size, timeout=PATIENCE,
            device_id=device if backend == "nccl" else None,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UsageError(
            "no_team",
            f"process {rank} of {size} cannot reach the others at {where}: {error}",
            "start all processes, let the machines reach each other at that address, and name the network interface in "
            f"{'NCCL' if backend == 'nccl' else 'GLOO'}_SOCKET_IFNAME if there are several",
        ) from error
