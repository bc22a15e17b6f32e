"""Processes that train one network together, each on its share of every batch.

Gradients are added up in one plain call after the backward pass. DistributedDataParallel would send them while the backward
pass still runs, from hooks that count parameters; an equilibrium's backward pass is itself a solve of unknown length, some
parameters may get no gradient (one-step gradients, a first state), and a process without structures has none to send. One
call for all has none of these cases, and the networks are small: there is little to gain from sending early.

Between two such calls nothing is exchanged, so each process may take as many steps of its solver as its structures need.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from andersonn.errors import UsageError
from andersonn.training.rank_shard import Share, share_of

PATIENCE = timedelta(minutes=5)
"""How long a process waits for another in the midst of training before it gives up."""
LONG_PATIENCE = timedelta(days=7)
"""How long while one of them makes images, calibrates or tests. One that dies is noticed at once all the same."""
GRACE = 1.0
"""Seconds that a failed process has to say why, before the others end too and a launcher kills it for their sake."""
TOLD_BY_LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
T = TypeVar("T")
LAUNCH_HINT = "start it as torchrun --nproc-per-node N --no-python andersonn train …, or unset RANK and WORLD_SIZE"


class Team:
    """The processes of a training run; by default one, alone.

    Args:
        rank: of this process, from 0.
        size: processes.
        local: number of this process on its machine, from 0.
        device: that this process computes on; None: the configuration's.
        patient: a group for long waits.

    Attributes:
        waited: seconds spent in :meth:`add_up`.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        local: int = 0,
        device: torch.device | None = None,
        patient: dist.ProcessGroup | None = None,
    ) -> None:
        self.rank, self.size, self.local, self.device = rank, size, local, device
        self._patient = patient
        self.waited = 0.0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    @property
    def lead(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def share(self, indices: np.ndarray, n_rows: np.ndarray) -> Share:
        """What this process works on of a batch; see :func:`~andersonn.training.rank_shard.share_of`."""
        return share_of(indices, n_rows, self.rank, self.size)

    def add_up(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> float:
        """Adds up gradients over all processes, in place, and returns the added up loss, a scalar.

        A parameter that has a gradient on none of them has none afterwards; one that has on some has on all.
        """
        if self.alone:
            return float(loss)
        begin = self._now()
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        given = loss.new_tensor([parameter.grad is not None for parameter in parameters])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), given, loss.reshape(1)])
        with _others_needed():
            dist.all_reduce(flat)
        added, given, total = flat.split([len(flat) - len(given) - 1, len(given), 1])
        pieces = added.split([gradient.numel() for gradient in gradients])
        for parameter, gradient, piece, count in zip(parameters, gradients, pieces, given.tolist(), strict=True):
            if count:
                parameter.grad = gradient.copy_(piece.view_as(gradient))
        value = float(total)
        self.waited += self._now() - begin
        return value

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Adds up arrays of one shape over all processes."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def largest(self, values: np.ndarray) -> np.ndarray:
        """Largest of each entry over all processes."""
        return self._reduced(values, dist.ReduceOp.MAX)

    def same_as_lead(self, tensors: Sequence[Tensor]) -> None:
        """Overwrites tensors with those of the first process: unlike processors round differently, and so do their weights
        in the course of time.
        """
        if self.alone or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with _others_needed():
            dist.broadcast(flat, 0)
        with torch.no_grad():
            for tensor, piece in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(piece.view_as(tensor))

    def require_same(self, text: str) -> None:
        """Checks that all processes were started alike.

        Args:
            text: what must be the same everywhere.

        Raises:
            UsageError: it is not, on all processes.
        """
        if self.alone:
            return
        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.int32).astype(np.int64)
        if not np.array_equal(self.largest(digest), -self.largest(-digest)):
            raise UsageError(
                "unlike_processes",
                "the processes of this training have different options, data or versions",
                "start all with the same command, files and environment",
            )

    def require_shared(self, folder: Path) -> None:
        """Checks that all processes see a folder which the first one has made.

        Raises:
            UsageError: one does not.
        """
        with self.all_or_none():
            if not folder.is_dir():
                raise UsageError(
                    "not_shared",
                    f"a process on {socket.gethostname()} does not see {str(folder)!r}, which the first process has made",
                    "choose an --out on a file system that all machines share",
                )

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """What is done inside this block succeeds on all processes or fails on all: at its end they wait for each other, and
        where one raised an error, the others do.
        """
        try:
            yield
        except Exception:
            with suppress(UsageError):  # the others may be gone; what went wrong here is what is told
                self._all_well(False)
            raise
        if not self._all_well(True):
            time.sleep(GRACE)
            raise UsageError("other_failed", "another process of this training failed", "see what it says")

    def in_turn(self, make: Callable[[], T], take: Callable[[], T]) -> T:
        """What is made once and then shared: the first process makes it, then the first on each other machine, where they
        do not find it made, and then all others take it.
        """
        own = 0 if self.lead else 1 if self.local == 0 else 2
        for turn in range(1 if self.alone else 3):
            with self.all_or_none():
                if turn == own:
                    found = make() if turn < 2 else take()
        return found

    def _all_well(self, well: bool) -> bool:
        if self.alone:
            return well
        vote = torch.tensor(int(well))
        with _others_needed():
            dist.all_reduce(vote, dist.ReduceOp.MIN, group=self._patient)
        return bool(vote)

    def _reduced(self, values: np.ndarray, how: dist.ReduceOp) -> np.ndarray:
        if self.alone:
            return values
        tensor = torch.tensor(values, device=self.device)
        with _others_needed():
            dist.all_reduce(tensor, how)
        return tensor.cpu().numpy()

    def _now(self) -> float:
        """Seconds on a clock, when the device has done what it was told to do."""
        if self.device is not None and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


ALONE = Team()
_teams = itertools.count()
"""Numbers the teams that this process joins."""


@contextmanager
def join(device: torch.device) -> Iterator[Team]:
    """The team of this process inside the block: as the environment variables of torchrun say, the group that the caller has
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
        yield ALONE
        return
    device = _own_device(device, local)
    if not given:
        _connect(rank, size, device)
    try:
        with _others_needed():
            patient = dist.new_group(timeout=LONG_PATIENCE, backend="gloo")
        yield Team(rank, size, local, device, patient)
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
    told = {name: os.environ.get(name, "") for name in TOLD_BY_LAUNCHERS}
    if not told["RANK"] and told["WORLD_SIZE"] in ("", "1"):
        return 0, 1, 0
    missing = [name for name, value in told.items() if not value]
    if missing:
        there = " and ".join(f"{name}={value}" for name, value in told.items() if value)
        what = f"{there} speaks of several processes, but {', '.join(missing)} is not set"
        raise UsageError("no_team", what, LAUNCH_HINT)
    try:
        rank, size, local = (int(told[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except ValueError:
        rank = size = local = -1
    if not (0 <= rank < size and 0 <= local < size):
        values = ", ".join(f"{name}={told[name]}" for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        raise UsageError("no_team", f"{values}: no process of a team", LAUNCH_HINT)
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
    part = f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}, team {next(_teams)}"
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


@contextmanager
def _others_needed() -> Iterator[None]:
    """Gives an error of communication its cause in words."""
    try:
        yield
    except RuntimeError as error:
        raise UsageError(
            "lost_process",
            f"another process of this training ended or did not answer: {str(error).partition('. ')[0]}",
            "see what it says; the same command with --resume goes on after the last whole epoch",
        ) from error
