"""Warm starts: the last solution of each sample, from which its next solve starts.

In training a sample's fixed point moves little from one epoch to the next, so a solver that starts from the last one
needs few evaluations. The store keeps one small tensor a sample, so that dense batches and graphs of any size share one
bound on memory; compared with one large table this costs some microseconds a sample and call.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from andersonn.solvers import Layout
from andersonn.solvers.options import require_count

Key = int | str
Keys = Tensor | Sequence[Key]


class WarmStarts:
    """Solutions by sample key, the least recently used ones dropped where memory runs out.

    Keys are whole numbers (an int64 tensor, or a sequence) or strings, one a sample; give them on the CPU, since they
    are looked up there. ``name`` keeps several states of one sample apart (the solution and its adjoint). Copies and
    pickles of a store are empty. Threads may share one. Under data parallelism each process has its own, which helps as
    far as samples come back to the same process.

    Args:
        max_bytes: most memory held, strictly.
        dtype: to keep states in; None keeps each as it comes. ``torch.bfloat16`` halves float32's memory at the same
            range; in ``torch.float16`` a sample with values beyond ±65504 is not stored.
        device: to keep states on. On another device than the states, each call copies once between the two.

    Attributes:
        hits, misses: samples that ``get`` found, and did not find.
        skipped: samples that ``put`` did not store because they were not finite or alone larger than ``max_bytes``.
    """

    def __init__(
        self, max_bytes: int = 2**30, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
    ) -> None:
        require_count("max_bytes", max_bytes)
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise TypeError(f"dtype must be a floating-point torch.dtype or None, not {dtype!r}")
        self.max_bytes, self.dtype, self.device = int(max_bytes), dtype, torch.device(device)
        self.clear()

    def clear(self) -> None:
        """Forgets all states and counts."""
        self._lock = Lock()
        self._states: OrderedDict[tuple[str, Key], Tensor] = OrderedDict()  # least recently used first
        self._bytes = 0
        self.hits = self.misses = self.skipped = 0

    @property
    def bytes(self) -> int:
        """Memory held by the states."""
        return self._bytes

    def __len__(self) -> int:
        """States stored, over all names."""
        return len(self._states)

    @torch.no_grad()
    def get(self, keys: Keys, template: Tensor, offsets: Tensor | None = None, name: str = "state") -> Tensor:
        """The stored states of a batch, the template's where a key is unknown or its state has another shape.

        Args:
            keys: one a sample.
            template: a state ``[B, …]``, or ``[R, …]`` with ``offsets``.
            offsets: as in :func:`andersonn.solvers.fixed_point`.
            name: which state of the samples.

        Returns:
            A new tensor of the template's shape, dtype and device.
        """
        with torch.inference_mode(False):
            layout = Layout(template, offsets)
            wanted = _checked(keys, layout.samples)
            out = template.detach().clone(memory_format=torch.contiguous_format)
            with self._lock:
                places, states = [], []
                for key, row in zip(wanted, _samples(out, layout)):
                    state = self._states.get((name, key))
                    if state is not None and state.shape == row.shape:
                        self._states.move_to_end((name, key))
                        places.append(row)
                        states.append(state)
                self.hits += len(states)
                self.misses += len(wanted) - len(states)
                if not states:
                    return out
                # Still under the lock: another thread may write into a state in place.
                stored = torch.cat([state.reshape(-1) for state in states])
            stored = _within(stored, out.dtype).to(out.device, out.dtype)
            if stored.numel() == out.numel():
                return stored.view(out.shape)
            pieces = stored.split([state.numel() for state in states])
            torch._foreach_copy_(places, [piece.view(row.shape) for piece, row in zip(pieces, places)])
            return out

    @torch.no_grad()
    def put(
        self,
        keys: Keys,
        state: Tensor,
        offsets: Tensor | None = None,
        name: str = "state",
        keep: Tensor | None = None,
    ) -> None:
        """Stores the states of a batch, each in place of that sample's last one.

        A sample that is not finite (in the store's dtype) is not stored; what was there before stays. Of a key that
        occurs more than once the last sample stored counts.

        Args:
            keys: one a sample.
            state: ``[B, …]``, or ``[R, …]`` with ``offsets``.
            offsets: as in :func:`andersonn.solvers.fixed_point`.
            name: which state of the samples.
            keep: which samples to store, bool ``[B]``; default all.
        """
        with torch.inference_mode(False):
            layout = Layout(state, offsets)
            wanted = _checked(keys, layout.samples)
            kept = _checked_keep(keep, layout.samples)
            state = state.detach().to(self.device, self.dtype or state.dtype)
            finite = _finite(layout, state).tolist()
            with self._lock:
                self._write(
                    [
                        ((name, key), row if good else None)
                        for key, row, good, wish in zip(wanted, _samples(state, layout), finite, kept)
                        if wish
                    ]
                )

    def _write(self, rows: list[tuple[tuple[str, Key], Tensor | None]]) -> None:
        """Takes in rows one after the other, dropping the least recently used states for them; None stands for one that is not finite."""
        copies: dict[tuple[str, Key], tuple[Tensor, Tensor]] = {}
        for entry, row in rows:
            size = 0 if row is None else row.numel() * row.element_size()
            if row is None or size > self.max_bytes:
                self.skipped += 1
                continue
            target = self._take(entry)
            if target is not None and (target.shape != row.shape or target.dtype != row.dtype):
                target = None
            while self._bytes + size > self.max_bytes:
                oldest = next(iter(self._states))
                self._take(oldest)
                copies.pop(oldest, None)
            if target is None:
                target = torch.empty_like(row, memory_format=torch.contiguous_format)
            self._states[entry] = target
            self._bytes += size
            copies[entry] = (target, row)
        if copies:
            targets, sources = map(list, zip(*copies.values()))
            torch._foreach_copy_(targets, sources)  # one launch on a GPU instead of B

    def _take(self, entry: tuple[str, Key]) -> Tensor | None:
        state = self._states.pop(entry, None)
        if state is not None:
            self._bytes -= state.numel() * state.element_size()
        return state

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles are empty: the states belong to this process and its data."""
        return {"max_bytes": self.max_bytes, "dtype": self.dtype, "device": self.device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.clear()

    def __repr__(self) -> str:
        requested = self.hits + self.misses
        found = f", {self.hits} of {requested} found" if requested else ""
        skipped = f", {self.skipped} not stored" if self.skipped else ""
        return f"WarmStarts({len(self)} states, {self.bytes:,} of {self.max_bytes:,} bytes{found}{skipped})"


def _samples(state: Tensor, layout: Layout) -> Sequence[Tensor]:
    """A view of each sample."""
    if layout.lengths is not None:
        return state.split(layout.lengths.tolist())
    return state.unbind() if state.dim() > 1 else [state]


def _finite(layout: Layout, state: Tensor) -> Tensor:
    """Which samples are finite throughout, bool ``[B]``."""
    largest = torch.linalg.vector_norm(layout.flat(state), ord=float("inf"), dim=1)
    broken = (~largest.isfinite()).double()
    if layout.lengths is not None:
        broken = torch.segment_reduce(broken, "sum", lengths=layout.lengths.to(broken.device), unsafe=True)
    return broken == 0


def _within(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values brought into the range of a narrower dtype, where they would turn infinite."""
    largest = torch.finfo(dtype).max
    return values.clamp(-largest, largest) if largest < torch.finfo(values.dtype).max else values


def _checked(keys: Keys, samples: int) -> list[Key]:
    """Keys as a list of plain ints and strings, one a sample."""
    if isinstance(keys, str | bytes):
        raise TypeError(f"keys must hold one key a sample; for a single sample give [{keys!r}]")
    if hasattr(keys, "tolist"):  # tensors and arrays
        keys = keys.tolist()
    try:
        found = [key if isinstance(key, str) else operator.index(_no_bool(key)) for key in keys]
    except TypeError as error:
        raise TypeError(f"keys must be whole numbers or strings, one a sample: {error}") from error
    if len(found) != samples:
        raise ValueError(f"{len(found)} keys for {samples} samples; give one key a sample")
    return found


def _no_bool(key: Any) -> Any:
    if isinstance(key, bool):
        raise TypeError("a bool is no key (a mask of samples to store goes to keep)")
    return key


def _checked_keep(keep: Tensor | None, samples: int) -> list[bool]:
    if keep is None:
        return [True] * samples
    keep = torch.as_tensor(keep)
    if keep.dtype != torch.bool or keep.shape != (samples,):
        raise ValueError(
            f"keep must be a bool mask of the {samples} samples, not {keep.dtype} of shape {tuple(keep.shape)}"
        )
    return keep.tolist()
