"""The equilibrium layer: the limit of infinitely many weight-tied layers, as one fixed point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from andersonn.implicit.adjoint import Record, Solved, wide
from andersonn.implicit.bound_cell import cell_map, detached, hold_weights
from andersonn.implicit.gradient import Gradient, ImplicitGradient
from andersonn.implicit.monitor import DriftMonitor
from andersonn.implicit.warm_start import Keys, WarmStarts
from andersonn.solvers import Anderson, FixedPoint, Layout, Solver, Status
from andersonn.solvers.layout import refuse_unsupported
from andersonn.solvers.pytree import PyTree, leaves_of, map_leaves


class Equilibrium(nn.Module):
    """A deep equilibrium layer: returns z* with z* = cell(z*, x).

    Dropout is frozen inside a solve: if a dropout module of the cell is active, all evaluations, those for gradients
    included, draw the same mask; the next solve draws another, and the random generators move on as after one evaluation.

    Under ``torch.autocast`` the cell runs in low precision in the forward solve, its output cast back to the state's
    precision; first states that the layer makes itself are float32 at least.

    Args:
        cell: ``cell(z, x)`` → tensor shaped as z. ``x`` is whatever the cell understands. A cell may have a method
            ``initial(x)`` that gives the first state; otherwise x must be a tensor and the first state is zeros
            shaped as x. A state may be a pytree of tensors, as in :func:`andersonn.solvers.fixed_point`. With a method
            ``select(x, samples, rows)``, which gives the x of some samples alone (int64 indices of the samples and of
            their rows in the state), samples that have converged cost nothing more, in both passes.
        solver: of the forward problem, and of the adjoint one unless ``gradient`` names another.
        gradient: rule of the backward pass; default the exact one.
        compact: True: samples can be left out of x without ``select``, since the cell treats each on its own and x is a
            pytree of tensors whose dimension 0 is the state's; False: never; None: if the cell has ``select``.
        freeze_randomness: whether all evaluations of a solve draw the same random numbers; None: if a dropout module of
            the cell is active. Then no sample leaves the batch.
        warm_starts: stores the solutions (in training the adjoints, too) of samples called with ``keys``.
        initializer: a module that maps x to a first state; see :meth:`initializer_loss`.
        monitor: called after every solve in training mode.

    Attributes:
        last: :class:`~andersonn.solvers.FixedPoint` of the last forward solve, its ``z`` detached.
        last_adjoint: the same for the last linear solve of a backward pass.

    Raises:
        TypeError: an argument has the wrong type.

    Examples:
        >>> import torch
        >>> import andersonn as an
        >>> layer = an.Equilibrium(lambda z, x: torch.tanh(0.5 * z + x), solver=an.Anderson(rtol=1e-5))
        >>> x = torch.ones(4, 3, requires_grad=True)
        >>> layer(x).sum().backward()
        >>> layer.last.all_converged, tuple(x.grad.shape)
        (True, (4, 3))
    """

    def __init__(
        self,
        cell: nn.Module,
        solver: Solver | None = None,
        gradient: Gradient | None = None,
        *,
        compact: bool | None = None,
        freeze_randomness: bool | None = None,
        warm_starts: WarmStarts | None = None,
        initializer: nn.Module | None = None,
        monitor: DriftMonitor | None = None,
    ) -> None:
        super().__init__()
        if not callable(cell) or isinstance(cell, type):
            raise TypeError(f"cell must be a module called as cell(z, x), not {cell!r}")
        if solver is not None and not isinstance(solver, Solver):
            raise TypeError(f"solver must be a solver such as Anderson(), not {solver!r}")
        if gradient is not None and not isinstance(gradient, Gradient):
            raise TypeError(f"gradient must be a rule such as ImplicitGradient(), not {gradient!r}")
        self.cell = cell
        self.solver = solver or Anderson()
        self.gradient = gradient or ImplicitGradient()
        self.compact, self.freeze_randomness = compact, freeze_randomness
        self.warm_starts, self.initializer, self.monitor = warm_starts, initializer, monitor
        self.last: FixedPoint | None = None
        self.last_adjoint: FixedPoint | None = None
        self._guess: tuple[Tensor, Tensor, Tensor | None] | None = None

    def forward(self, x: Any, z0: Any = None, offsets: Tensor | None = None, keys: Keys | None = None) -> Any:
        """Solves for z* and, if gradients are recorded, attaches the backward pass.

        Args:
            x: input of the cell.
            z0: first state; by default the one stored for a sample's key, else the initializer's, else the cell's,
                else zeros.
            offsets: rows of each sample, as in :func:`andersonn.solvers.fixed_point`.
            keys: of the samples, ``[B]`` whole numbers or strings that name them in every epoch, for a layer with
                ``warm_starts``.

        Returns:
            z*, shaped as the first state.

        Raises:
            TypeError, ValueError: there is no first state, or keys but no store for them; all that the solver raises.
        """
        return self.solve(x, z0, offsets, keys)[0]

    def solve(
        self, x: Any, z0: Any = None, offsets: Tensor | None = None, keys: Keys | None = None
    ) -> tuple[Any, FixedPoint]:
        """As :meth:`forward`, and the result of this solve beside z* (threads that share a layer overwrite each other's
        ``last``).
        """
        if keys is not None and self.warm_starts is None:
            raise ValueError(
                "keys name samples in a store, and the layer has none: give it warm_starts=WarmStarts(), or no keys"
            )
        store = self.warm_starts
        guess = self._guessed(x) if z0 is None and self.initializer is not None else None
        start = next((state for state in (z0, guess) if state is not None), None)
        start = self._default(x) if start is None else detached(start)
        tree = None if isinstance(start, Tensor) else PyTree(start)
        start = start if tree is None else tree.pack(start)
        if keys is not None and store is not None and z0 is None:
            start = store.get(keys, start, offsets)
        f = cell_map(self.cell, x, start, tree, self.compact, self.freeze_randomness)
        with hold_weights():
            solution = self.solver.solve(f, start, offsets)
        if f.autocast.enabled:
            torch.clear_autocast_cache()  # before torch 2.13 it reuses weights cast without gradients
        if keys is not None and store is not None:
            store.put(keys, solution.z, offsets, keep=solution.status != Status.NONFINITE)
        if self.training and self.monitor is not None:
            self.monitor.observe(f, solution.z, offsets, solution)
        if torch.is_grad_enabled():
            record, first = self._adjoint_hooks(keys, offsets)
            z = self.gradient.attach(f, Solved(solution.z, offsets, self.solver, record, solution.residual, first))
        else:
            z = solution.z.clone()
        recorded = self.training and torch.is_grad_enabled()
        self._guess = (
            None
            if guess is None or not recorded
            else (guess if tree is None else tree.pack(guess), solution.z, offsets)
        )
        if tree is not None:
            z, solution = tree.unpack(z), replace(solution, z=tree.unpack(solution.z))
        self.last = solution
        return z, solution

    def initializer_loss(self) -> Tensor:
        """How far the initializer's guess was from the solution in the last solve: the mean over samples of
        ‖z₀ − z*‖² / ‖z*‖², a scalar whose gradients reach the initializer alone.

        Raises:
            RuntimeError: the last solve used no initializer, or was not in training mode with gradients.
        """
        if self._guess is None:
            cure = "give the layer initializer=..." if self.initializer is None else "call the layer without z0"
            raise RuntimeError(
                f"initializer_loss needs a solve that used an initializer in training mode with gradients on; {cure}"
            )
        guess, z, offsets = self._guess
        layout = Layout(z, offsets)
        error, size = (
            layout.to_samples(layout.flat(each).to(wide(each.dtype)).square().sum(dim=1)) for each in (guess - z, z)
        )
        return (error / torch.where(size > 0, size, 1.0)).mean().to(wide(z.dtype))

    def extra_repr(self) -> str:
        """Shown by print(layer)."""
        return f"solver={self.solver}, gradient={self.gradient}"

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles hold no results of past solves."""
        return super().__getstate__() | {"last": None, "last_adjoint": None, "_guess": None}

    def _guessed(self, x: Any) -> Any:
        """The initializer's state, recorded in training mode; gradients never reach x."""
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            initializer = self.initializer
            assert initializer is not None
            return _at_least_single(initializer(detached(x)))

    def _default(self, x: Any) -> Any:
        cell: Any = self.cell
        if hasattr(cell, "initial"):
            return _at_least_single(cell.initial(x))
        if isinstance(x, Tensor):
            return _at_least_single(torch.zeros_like(x, requires_grad=False))
        raise TypeError(
            f"no first state: x is {type(x).__name__}; give z0, or give {type(cell).__name__} a method initial(x)"
        )

    def _adjoint_hooks(
        self, keys: Keys | None, offsets: Tensor | None
    ) -> tuple[Record, Callable[[Tensor], Tensor] | None]:
        """The function called with each adjoint, and the one that gives its first value, if a store has one."""
        store = self.warm_starts if keys is not None and self.training else None

        def record(solution: FixedPoint, adjoint: bool = True) -> None:
            self.last_adjoint = solution
            if store is not None and keys is not None and adjoint:
                store.put(keys, solution.z, offsets, "adjoint", solution.status != Status.NONFINITE)

        def start(template: Tensor) -> Tensor:
            assert store is not None
            assert keys is not None
            return store.get(keys, template, offsets, "adjoint")

        return record, None if store is None else start


def _at_least_single(state: Any) -> Any:
    """A first state in float32 at least under autocast, where x often has a lower precision."""
    first = state if isinstance(state, Tensor) else next(leaves_of(state), None)
    refuse_unsupported(first)
    assert first is not None
    if not torch.is_autocast_enabled(first.device.type):
        return state
    return map_leaves(lambda leaf: leaf.to(wide(leaf.dtype)), state)
