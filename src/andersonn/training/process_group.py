"""The processes that train one network together, each on its part of every batch.

Gradients are summed in one plain all-reduce after the backward pass. DistributedDataParallel would send them while the backward
pass still runs, from hooks that count parameters; an equilibrium's backward pass is itself a solve of unknown length, some
parameters may get no gradient (one-step gradients, a first state), and a process without structures has none to send. One
call for all has none of these cases, and the networks are small: there is little to gain from sending early.

Between two such calls nothing is exchanged, so each process may take as many steps of its solver as its structures need.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from andersonn.errors import UsageError
from andersonn.training.rank_shard import RankShard, shard_of

GRACE = 1.0
"""Seconds that a failed process has to print its error, before the others end too and the launcher kills all of them."""
T = TypeVar("T")


class ProcessGroup:
    """The processes of a training run; by default one, alone.

    Args:
        rank: of this process, from 0.
        size: processes.
        local: number of this process on its machine, from 0.
        device: that this process computes on; None: the configuration's.
        long_group: torch's group of the same processes with a timeout for long waits.

    Attributes:
        comm_seconds: seconds spent in :meth:`sum_gradients`.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        local: int = 0,
        device: torch.device | None = None,
        long_group: dist.ProcessGroup | None = None,
    ) -> None:
        self.rank, self.size, self.local, self.device = rank, size, local, device
        self._long_group = long_group
        self.comm_seconds = 0.0

    @property
    def is_single(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    @property
    def is_rank0(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def shard(self, indices: np.ndarray, n_rows: np.ndarray) -> RankShard:
        """What this process works on of a batch; see :func:`~andersonn.training.rank_shard.shard_of`."""
        return shard_of(indices, n_rows, self.rank, self.size)

    def sum_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> float:
        """Sums gradients over all processes, in place, and returns the summed loss, a scalar.

        A parameter that has a gradient on none of them has none afterwards; one that has on some has on all.
        """
        if self.is_single:
            return float(loss)
        begin = self._now()
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        given = loss.new_tensor([parameter.grad is not None for parameter in parameters])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), given, loss.reshape(1)])
        with others_needed():
            dist.all_reduce(flat)
        added, given, total = flat.split([len(flat) - len(given) - 1, len(given), 1])
        pieces = added.split([gradient.numel() for gradient in gradients])
        for parameter, gradient, piece, count in zip(parameters, gradients, pieces, given.tolist(), strict=True):
            if count:
                parameter.grad = gradient.copy_(piece.view_as(gradient))
        value = float(total)
        self.comm_seconds += self._now() - begin
        return value

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum of each entry over all processes."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def max(self, values: np.ndarray) -> np.ndarray:
        """Largest of each entry over all processes."""
        return self._reduced(values, dist.ReduceOp.MAX)

    def broadcast_from_rank0(self, tensors: Sequence[Tensor]) -> None:
        """Overwrites tensors with those of rank 0: different processors round differently, so their weights drift apart."""
        if self.is_single or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with others_needed():
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
        if self.is_single:
            return
        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.int32).astype(np.int64)
        if not np.array_equal(self.max(digest), -self.max(-digest)):
            raise UsageError(
                "unlike_processes",
                "the processes of this training have different options, data or versions",
                "start all with the same command, files and environment",
            )

    def require_shared(self, folder: Path) -> None:
        """Checks that all processes see a folder which rank 0 has made.

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
        """What is done inside this block succeeds on all processes or fails on all: at its end they wait for each other, and if
        one raised an error, all do.
        """
        try:
            yield
        except Exception:
            with suppress(UsageError):  # the others may be gone; the error raised here is the one to report
                self._all_well(False)
            raise
        if not self._all_well(True):
            time.sleep(GRACE)
            raise UsageError("other_failed", "another process of this training failed", "see what it says")

    def make_once(self, make: Callable[[], T], take: Callable[[], T]) -> T:
        """Makes something once that all then read: rank 0 makes it, then the first process of each other machine, if it is not
        found there, and then all others take it.
        """
        own = 0 if self.is_rank0 else 1 if self.local == 0 else 2
        for turn in range(1 if self.is_single else 3):
            with self.all_or_none():
                if turn == own:
                    found = make() if turn < 2 else take()
        return found

    def _all_well(self, well: bool) -> bool:
        if self.is_single:
            return well
        vote = torch.tensor(int(well))
        with others_needed():
            dist.all_reduce(vote, dist.ReduceOp.MIN, group=self._long_group)
        return bool(vote)

    def _reduced(self, values: np.ndarray, how: dist.ReduceOp.RedOpType) -> np.ndarray:
        if self.is_single:
            return values
        tensor = torch.tensor(values, device=self.device)
        with others_needed():
            dist.all_reduce(tensor, how)
        return tensor.cpu().numpy()

    def _now(self) -> float:
        """Seconds on a clock, after waiting for the device."""
        if self.device is not None and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


SINGLE = ProcessGroup()


@contextmanager
def others_needed() -> Iterator[None]:
    """Turns an error of communication into a :class:`~andersonn.errors.UsageError` that names its cause."""
    try:
        yield
    except RuntimeError as error:
        raise UsageError(
            "lost_process",
            f"another process of this training ended or did not answer: {str(error).partition('. ')[0]}",
            "see what it says; the same command with --resume goes on after the last whole epoch",
        ) from error
