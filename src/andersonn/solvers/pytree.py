"""States of several parts, or of complex numbers, stored as one real tensor ``[R, D]``."""

from __future__ import annotations

import copy
import functools
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
    """How a state that is no single real tensor lies in a real matrix ``[R, D]``: the parts of a pytree (dict, list, tuple
    or named tuple of tensors or pytrees) side by side in its rows, each complex number as two.

    Parts may differ in dtype: the matrix has the widest precision among them, and ``unpack`` gives each part its own back.
    They must be equal in device and in dimension 0, which counts samples or rows. If a part has no dimensions, such as
    one learned scalar, or if ``like`` is a vector without offsets, the whole state is one sample and the matrix one row.

    Args:
        like: a pytree, or a tensor, with the shapes and dtypes to come.
        offsets: rows of each sample, if the state has them; see :func:`~andersonn.solvers.fixed_point`.

    Raises:
        TypeError, ValueError: it holds no tensor, something else than floating-point or complex tensors, or tensors that
            do not fit together.
    """

    def __init__(self, like: Any, offsets: Tensor | None = None) -> None:
        leaves = _tensors(like)
        if not leaves:
            raise TypeError(f"the state is {type(like).__name__} without a tensor in it; it must be {KINDS}")
        self.like = map_leaves(lambda leaf: None, like)
        self.shapes, self.dtypes = [leaf.shape for leaf in leaves], [leaf.dtype for leaf in leaves]
        if not all(dtype.is_floating_point or dtype.is_complex for dtype in self.dtypes):
            raise TypeError("the parts of a state must be floating-point or complex; convert them with .to(...)")
        if any(leaf.device != leaves[0].device for leaf in leaves):
            raise TypeError("the parts of a state must have one device; move them with .to(...)")
        self.mixed = len(set(self.dtypes)) > 1
        self.dtype = functools.reduce(torch.promote_types, map(_real, self.dtypes))
        no_rows = any(leaf.dim() == 0 for leaf in leaves)
        self.one_sample = no_rows or (offsets is None and isinstance(like, Tensor) and like.dim() == 1)
        self._check_rows(leaves, offsets if no_rows else None)

    def _check_rows(self, leaves: list[Tensor], offsets: Tensor | None) -> None:
        if offsets is not None:
            raise ValueError(
                f"the state has a part without dimensions, {self._shown(leaves)}, which offsets cannot divide; give every "
                "part a dimension 0 of rows"
            )
        if not self.one_sample and any(len(leaf) != len(leaves[0]) for leaf in leaves):
            raise ValueError(
                f"the parts of a state need the same dimension 0 (samples or rows), not {self._shown(leaves)}"
            )

    def pack(self, tree: Any) -> Tensor:
        """One real matrix ``[R, D]``."""
        parts = []
        for leaf, shape in zip(leaves_of(tree), self.shapes, strict=True):
            real = torch.view_as_real(leaf.resolve_conj()) if leaf.is_complex() else leaf
            rows = 1 if self.one_sample else len(leaf)
            parts.append(real.reshape(rows, self._width(shape) * (2 if leaf.is_complex() else 1)))
        return torch.cat([part.to(self.dtype) for part in parts] if self.mixed else parts, dim=1)

    def unpack(self, matrix: Tensor) -> Any:
        """The pytree back; its real tensors are views of the matrix where they can be. Of a state of one sample the matrix may
        have several rows: then its parts get a dimension 0 of as many.
        """
        widths = [self._width(shape) * (2 if dtype.is_complex else 1) for shape, dtype in zip(self.shapes, self.dtypes)]
        parts = zip(matrix.split(widths, dim=1), self.shapes, self.dtypes, strict=True)
        return map_leaves(lambda _: self._part(len(matrix), *next(parts)), self.like)

    def _part(self, rows: int, columns: Tensor, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        inner = shape if self.one_sample else shape[1:]
        whole = inner if self.one_sample and rows == 1 else (rows, *inner)
        if self.mixed:
            columns = columns.to(_real(dtype))
        if dtype.is_complex:
            return torch.complex(*columns.reshape(*whole, 2).unbind(-1))  # a copy: not every view can be complex
        return columns.reshape(whole)

    def _width(self, shape: torch.Size) -> int:
        return (shape if self.one_sample else shape[1:]).numel()

    def lift(self, f: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
        """The map on matrices; it can leave samples out if f can."""
        return (_SubsettableLiftedMap if hasattr(f, "subset") else _LiftedMap)(self, f)

    def checked(self, value: Any, rows: int, cast: bool = False) -> Any:
        """The value of f, if it is such a pytree of ``rows`` rows.

        Args:
            value: what f returned.
            rows: of the matrix that it was called with.
            cast: other floating-point dtypes are allowed (autocast chooses them).

        Raises:
            TypeError, ValueError: it is not.
        """
        leaves = _tensors(value)
        if map_leaves(lambda leaf: None, value) != self.like:
            raise TypeError(
                f"f must return a pytree like its argument, {self.like}; it returned {type(value).__name__}"
            )
        expected = [tuple(shape) if self.one_sample else (rows, *shape[1:]) for shape in self.shapes]
        if [tuple(leaf.shape) for leaf in leaves] != expected:
            raise ValueError(f"f maps shapes {expected} to {self._shown(leaves)}; it must keep the shapes")
        for leaf, dtype in zip(leaves, self.dtypes, strict=True):
            if leaf.is_complex() != dtype.is_complex or (
                (self.mixed or dtype.is_complex) and not cast and leaf.dtype != dtype
            ):
                raise TypeError(
                    f"f maps {dtype} to {leaf.dtype}; it must keep the dtype of every part (cast its result, or give z0 "
                    "the dtype that f returns)"
                )
        return value

    @staticmethod
    def _shown(leaves: list[Tensor]) -> str:
        return ", ".join(str(tuple(leaf.shape)) for leaf in leaves)


def tree_of(state: Any, offsets: Tensor | None = None) -> PyTree | None:
    """How a state lies in a real matrix; None for a real tensor, which needs no other form."""
    return None if isinstance(state, Tensor) and not state.is_complex() else PyTree(state, offsets)


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


def _real(dtype: torch.dtype) -> torch.dtype:
    """The dtype of real and imaginary part."""
    return dtype.to_real() if dtype.is_complex else dtype


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
