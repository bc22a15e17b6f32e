"""The map that a layer's solver iterates, z ↦ cell(z, x): the same function at every call of one solve.

A :class:`BoundCell` fixes x, autocast and random numbers; :func:`hold_weights` keeps what is computed from the weights alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from andersonn.implicit.running_statistics import RunningStatistics
from andersonn.solvers.layout import write_count
from andersonn.solvers.pytree import PyTree, leaves_of, map_leaves

_held: ContextVar[dict[Any, Any] | None] = ContextVar("held weights", default=None)


class BoundCell:
    """z ↦ cell(z, x), with autocast and random numbers as they were when the map was made.

    Args:
        cell: ``cell(z, x)`` → tensor (or pytree) shaped as z.
        x: input of the cell.
        like: a state; its device is the map's.
        tree: of a state of several parts; the map then takes and returns their matrix.
        frozen: draw the same random numbers at every call.
        every: all tensors are known, with gradients or without (for transforms, which hide which have gradients).

    Attributes:
        known: tensors with gradients that the map is known to depend on: parameters (and buffers) of the cell, then those
            in x, as far as x is a pytree (dict, list, tuple, named tuple) of tensors. Empty where no gradients are recorded.
        statistics: running statistics of the cell, which an evaluation leaves alone unless their update is due; or None.

    Raises:
        ValueError: gradients are recorded, or the cell has running statistics, and lazy modules of it have never been called.
    """

    def __init__(
        self,
        cell: Callable,
        x: Any,
        like: Tensor,
        tree: PyTree | None = None,
        frozen: bool = False,
        every: bool = False,
    ) -> None:
        self.cell, self.x, self.tree, self.every = cell, x, tree, every
        self.statistics = RunningStatistics.of(cell)
        self.autocast = _Autocast.now(autocast_device(like))
        self.randomness = _FixedRandomness(like) if frozen else None
        self.widened = False
        self.replaced = False
        self.weights: dict[str, Tensor] = {}
        self.known: list[Tensor] = []
        recorded = torch.is_grad_enabled() or every
        if isinstance(cell, nn.Module) and (recorded or self.statistics is not None):
            _refuse_lazy(cell)
        if recorded:
            if isinstance(cell, nn.Module):
                self.weights = _weights(cell, every)
            tensors = [*self.weights.values(), *tensors_of(x)]
            self.known = [tensor for tensor in tensors if every or tensor.requires_grad]
            self._versions = [write_count(tensor) for tensor in tensors]

    def __call__(self, z: Tensor) -> Tensor:
        """One evaluation."""
        special = (
            self.autocast.enabled or self.widened or self.replaced or self.tree or self.randomness or self.statistics
        )
        if not special and self.autocast.is_ambient():
            return self.cell(z, self.x)
        with (
            self.autocast.scope(),
            self.randomness.scope() if self.randomness else nullcontext(),
            self.statistics.scope() if self.statistics else nullcontext(),
        ):
            x = map_leaves(_widened, self.x) if self.widened else self.x
            state = z if self.tree is None else self.tree.unpack(z)
            if self.widened and self.tree is not None:
                state = map_leaves(_widened, state)  # parts that have a lower precision than others
            if self.replaced:
                assert isinstance(self.cell, nn.Module)
                value = torch.func.functional_call(self.cell, self.weights, (state, x))
            else:
                value = self.cell(state, x)
            if self.tree is not None:
                value = self.tree.pack(self.tree.checked(value, len(z), cast=self.autocast.enabled or self.widened))
        # Solvers refuse a changed dtype, but under autocast the cell cannot help changing it.
        return value.to(z.dtype) if self.autocast.enabled and isinstance(value, Tensor) else value

    def cost_key(self) -> tuple[Any, tuple[Any, ...]]:
        """What the cost of an evaluation depends on besides the state: see :class:`~andersonn.solvers.costs.EvaluationCost`."""
        modes = tuple(each.training for each in self.cell.modules()) if isinstance(self.cell, nn.Module) else ()
        return self.cell, (tuple(tensor.shape for tensor in tensors_of(self.x)), self.autocast, modes)

    def precise(self) -> BoundCell:
        """The same map with autocast off, half-precision tensors in x widened to float32 as autocast's weights are."""
        if not self.autocast.enabled:
            return self
        part = copy.copy(self)
        part.autocast, part.widened = self.autocast._replace(enabled=False), True
        return part

    def on(self, tensors: list[Tensor]) -> BoundCell:
        """The same map on other tensors in place of the known ones."""
        part, fresh = copy.copy(self), iter(tensors)
        part.weights = {name: next(fresh) if self._is_known(w) else w for name, w in self.weights.items()}
        part.x = map_leaves(lambda leaf: next(fresh) if self._is_known(leaf) else leaf, self.x)
        part.replaced = isinstance(self.cell, nn.Module)
        return part

    def _is_known(self, leaf: Any) -> bool:
        return isinstance(leaf, Tensor) and (self.every or leaf.requires_grad)

    def unchanged(self) -> bool:
        """Whether the cell and x still hold the tensors, and those the values, that they had when the map was made."""
        weights = _weights(self.cell) if isinstance(self.cell, nn.Module) else {}
        tensors = [*weights.values(), *tensors_of(self.x)]
        same = weights.keys() == self.weights.keys() and all(w is self.weights[name] for name, w in weights.items())
        return same and self._versions == [write_count(tensor) for tensor in tensors]


class SubsettableBoundCell(BoundCell):
    """One that can leave samples out: by the cell's method ``select``, or by indexing every tensor in x."""

    def subset(self, samples: Tensor, rows: Tensor) -> SubsettableBoundCell:
        """The map of some samples alone, given their indices and those of their rows in the state."""
        part = copy.copy(self)
        with torch.no_grad():
            if hasattr(self.cell, "select"):
                part.x = self.cell.select(self.x, samples, rows)
            else:
                part.x = map_leaves(
                    lambda leaf: leaf.index_select(0, rows) if isinstance(leaf, Tensor) else leaf, self.x
                )
        return part


def cell_map(
    cell: Callable, x: Any, like: Tensor, tree: PyTree | None, compact: bool | None, frozen: bool | None
) -> BoundCell:
    """The map of one solve.

    Args:
        cell: as for :class:`BoundCell`, like the next three.
        x: input of the cell.
        like: a state.
        tree: of a state of several parts.
        compact: whether samples can be left out; None: if the cell has a method ``select``.
        frozen: whether every call draws the same random numbers; None: if a module of the cell
            draws any.

    Raises:
        ValueError: ``compact`` is true, the cell has no ``select``, and x cannot be indexed by the state's rows.
    """
    if frozen is None:
        frozen = draws_random_numbers(cell)
    selects = hasattr(cell, "select")
    if compact and not selects:
        _check_rows(cell, x, like)
    # A mask drawn for fewer samples, and the statistics of a smaller batch, would be others.
    divisible = not frozen and (selects if compact is None else compact) and RunningStatistics.of(cell) is None
    return (SubsettableBoundCell if divisible else BoundCell)(cell, x, like, tree, frozen)


def draws_random_numbers(cell: Callable) -> bool:
    """Whether a module of the cell draws random numbers: dropout, on its own or in attention and recurrent modules, or
    :class:`torch.nn.RReLU`. What a cell draws itself (``nn.functional.dropout``, ``torch.rand``) cannot be seen.
    """
    parts = cell.modules() if isinstance(cell, nn.Module) else ()
    return any(part.training and _is_random(part) for part in parts)


def _is_random(part: nn.Module) -> bool:
    if isinstance(part, _DropoutNd):
        return part.p > 0
    if isinstance(part, nn.RNNBase):  # between its layers
        return part.dropout > 0 and part.num_layers > 1
    if isinstance(part, nn.MultiheadAttention):
        return part.dropout > 0
    return isinstance(part, nn.RReLU) and part.lower < part.upper


@contextmanager
def hold_weights() -> Iterator[None]:
    """Inside, bounded weights are computed once and reused wherever no gradients are recorded.

    A solve calls its cell many times with the same parameters; without this each call bounds the weights again. Unlike
    ``torch.nn.utils.parametrize.cached`` this never gives a weight computed without gradients to code that records them,
    and it applies to the calling thread alone. Parameters must not change inside.
    """
    token = _held.set({})
    try:
        yield
    finally:
        _held.reset(token)


def held(owner: nn.Module, weight: Tensor, compute: Callable[[], Any]) -> Any:
    """``compute()``, or what it returned before inside the same :func:`hold_weights`.

    Args:
        owner: the module that the result belongs to; with the weight it is the result's key.
        weight: what the result is computed from.
        compute: called where nothing is held, and always where gradients are recorded.
    """
    if torch.compiler.is_compiling() or torch.is_grad_enabled():
        return compute()
    values = _held.get()
    if values is None:
        return compute()
    key = (id(owner), id(weight))
    if key not in values:
        values[key] = (compute(), owner, weight)  # kept alive, so that no other gets their id
    return values[key][0]


def tensors_of(tree: Any) -> list[Tensor]:
    """The tensors in a pytree, in order; anything else in it is ignored."""
    if isinstance(tree, Tensor):
        return [tree]
    return [leaf for leaf in leaves_of(tree) if isinstance(leaf, Tensor)]


def autocast_device(state: Tensor) -> str:
    """The type of device whose autocast a state is under; meta tensors, which have none, count as the CPU's."""
    return "cpu" if state.device.type == "meta" else state.device.type


def detached(tree: Any) -> Any:
    """The pytree with its tensors detached."""
    return map_leaves(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, tree)


class _Autocast(NamedTuple):
    """The state of autocast."""

    device: str
    enabled: bool
    dtype: torch.dtype

    @classmethod
    def now(cls, device: str) -> _Autocast:
        return cls(device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))

    def is_ambient(self) -> bool:
        return torch.is_autocast_enabled(self.device) == self.enabled

    def scope(self) -> torch.autocast:
        # Before torch 2.13 a weight cast without gradients is reused by code that records them.
        cache = not torch.is_grad_enabled()
        return torch.autocast(self.device, dtype=self.dtype, enabled=self.enabled, cache_enabled=cache)


class _FixedRandomness:
    """Resets the random generators to the same state before every call; after the first call they stay advanced."""

    def __init__(self, like: Tensor) -> None:
        self.device = like.device
        self.start = self._read()
        self.fresh = True

    @contextmanager
    def scope(self) -> Iterator[None]:
        before, fresh = self._read(), self.fresh
        self.fresh = False
        self._write(self.start)
        try:
            yield
        finally:
            if not fresh:
                self._write(before)

    def _read(self) -> list[Tensor]:
        """Of the CPU's generator, which a cell may draw from anywhere, and the device's."""
        here = [torch.get_rng_state()]
        if self.device.type == "cpu":
            return here
        return [*here, torch.get_device_module(self.device).get_rng_state(self.device)]

    def _write(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(states[1], self.device)


def _weights(cell: nn.Module, every: bool = False) -> dict[str, Tensor]:
    return dict(cell.named_parameters()) | {name: b for name, b in cell.named_buffers() if every or b.requires_grad}


def _refuse_lazy(cell: nn.Module) -> None:
    if any(is_lazy(tensor) for tensor in chain(cell.parameters(), cell.buffers())):
        raise ValueError(
            f"{type(cell).__name__} has lazy modules, whose parameters and buffers have no values before their first call; run "
            "the cell once first, as cell(z, x), and before its parameters are given to an optimizer"
        )


def _widened(leaf: Any) -> Any:
    half = isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dtype.itemsize < 4
    return leaf.float() if half else leaf


def _check_rows(cell: Callable, x: Any, like: Tensor) -> None:
    tensors = tensors_of(x)
    shapes = [tuple(tensor.shape) for tensor in tensors if tensor.dim() == 0 or len(tensor) != len(like)]
    if tensors and not shapes:
        return
    cause = f"x has tensors of shapes {shapes}" if shapes else f"x is {type(x).__name__} without tensors"
    raise ValueError(
        f"compact=True needs dimension 0 of every tensor in x to be the state's, {len(like)}; {cause}. Give "
        f"{type(cell).__name__} a method select(x, samples, rows), or leave compact out"
    )
