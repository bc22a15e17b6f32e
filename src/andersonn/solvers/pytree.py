"""States of several parts: pytrees of tensors, stored as one tensor ``[R, D]``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

KINDS = "a tensor, or a dict, list, tuple or named tuple of such"


class SubsettableMap(Protocol):
    """A map that can leave samples out."""

    def __call__(self, state: Any, /) -> Any:
        """Its value."""

    def subset(self, samples: Tensor, rows: Tensor) -> Callable[[Any], Any]:
        """The map of some samples alone; see ``compact`` of :class:`~andersonn.solvers.Solver`."""


class PyTree:
    """How the tensors of a pytree (dict, list, tuple or named tuple of tensors or pytrees), equal in dimension 0, dtype and
    device, lie side by side in the rows of one matrix.

    Args:
        like: a pytree with the shapes to come.

    Raises:
        TypeError, ValueError: it holds no tensor, something else than tensors, or tensors that do not fit together.
    """

    def __init__(self, like: Any) -> None:
        leaves = _tensors(like)
        if not leaves:
            raise TypeError(f"the state is {type(like).__name__} without a tensor in it; it must be {KINDS}")
        self.like, self.shapes = map_leaves(lambda leaf: None, like), [leaf.shape for leaf in leaves]
        first = leaves[0]
        if any(leaf.dim() == 0 or len(leaf) != len(first) for leaf in leaves):
            raise ValueError(
                f"the parts of a state need the same dimension 0 (samples or rows), not {self._shown(leaves)}"
            )
        if any(leaf.dtype != first.dtype or leaf.device != first.device for leaf in leaves):
            raise TypeError("the parts of a state must have one dtype and one device; convert them with .to(...)")
        if first.shape[0] == 0:
            raise ValueError(f"the state is empty, {self._shown(leaves)}; give at least one sample")

    def pack(self, tree: Any) -> Tensor:
        """One matrix ``[R, D]``."""
        return torch.cat([leaf.reshape(len(leaf), -1) for leaf in leaves_of(tree)], dim=1)

    def unpack(self, matrix: Tensor) -> Any:
        """The pytree back; its tensors are views of the matrix where they can be."""
        widths = [shape[1:].numel() for shape in self.shapes]
        parts = iter(matrix.split(widths, dim=1))
        shapes = iter(self.shapes)
        return map_leaves(lambda _: next(parts).reshape(len(matrix), *next(shapes)[1:]), self.like)

    def lift(self, f: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
        """The map on matrices; it can leave samples out if f can."""
        return (_SubsettableLiftedMap if hasattr(f, "subset") else _LiftedMap)(self, f)

    def checked(self, value: Any, rows: int) -> Any:
        """The value of f, if it is such a pytree of ``rows`` rows.

        Raises:
            TypeError, ValueError: it is not.
        """
        leaves = _tensors(value)
        if map_leaves(lambda leaf: None, value) != self.like:
            raise TypeError(
                f"f must return a pytree like its argument, {self.like}; it returned {type(value).__name__}"
            )
        expected = [(rows, *shape[1:]) for shape in self.shapes]
        if [tuple(leaf.shape) for leaf in leaves] != expected:
            raise ValueError(f"f maps shapes {expected} to {self._shown(leaves)}; it must keep the shapes")
        return value

    @staticmethod
    def _shown(leaves: list[Tensor]) -> str:
        return ", ".join(str(tuple(leaf.shape)) for leaf in leaves)


Nest = PyTree
"""Its name in the first version."""


class _LiftedMap:
    def __init__(self, tree: PyTree, f: Callable[[Any], Any]) -> None:
        self.tree, self.f = tree, f

    def __call__(self, matrix: Tensor) -> Tensor:
        return self.tree.pack(self.tree.checked(self.f(self.tree.unpack(matrix)), len(matrix)))


class _SubsettableLiftedMap(_LiftedMap):
    f: SubsettableMap

    def subset(self, samples: Tensor, rows: Tensor) -> Callable[[Tensor], Tensor]:
        return self.tree.lift(self.f.subset(samples, rows))


def _tensors(tree: Any) -> list[Tensor]:
    leaves = list(leaves_of(tree))
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"a state must be {KINDS}, not {type(leaf).__name__}")
    return leaves


def leaves_of(tree: Any) -> Iterator[Any]:
    """The leaves of a pytree, in order (dicts by insertion)."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves_of(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from leaves_of(value)
    else:
        yield tree


def map_leaves(change: Callable[[Any], Any], tree: Any) -> Any:
    """The same pytree with ``change`` applied to its leaves."""
    if isinstance(tree, dict):
        changed = copy.copy(tree)  # whatever kind of dict it is
        changed.update((key, map_leaves(change, value)) for key, value in tree.items())
        return changed
    if isinstance(tree, list):
        return [map_leaves(change, value) for value in tree]
    if isinstance(tree, tuple):
        values = [map_leaves(change, value) for value in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else tuple(values)
    return change(tree)
