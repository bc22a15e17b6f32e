"""The equilibrium layer: the limit of infinitely many weight-tied layers, as one fixed point."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from andersonn.implicit.adjoint import Record, Solved, wide
from andersonn.implicit.bound_cell import (
    BoundCell,
    autocast_device,
    cell_map,
    detached,
    draws_random_numbers,
    hold_weights,
)
from andersonn.implicit.capture import without_graph_capture
from andersonn.implicit.compiled_solve import refuse_transforms, solve_cell_compiled
from andersonn.implicit.functional import Problem
from andersonn.implicit.gradient import Gradient, ImplicitGradient
from andersonn.implicit.monitor import DriftMonitor
from andersonn.implicit.states import StateRecorder
from andersonn.implicit.warm_start import Keys, WarmStarts
from andersonn.solvers import Anderson, FixedPoint, Layout, Solver, Status
from andersonn.solvers.layout import holds_no_numbers, transform_is_active
from andersonn.solvers.pytree import PyTree, leaves_of, map_leaves, tree_of
from andersonn.solvers.result import nothing_to_solve


class _Solves:
    """What a layer keeps of the last solves of one thread."""

    last: FixedPoint | None = None
    last_adjoint: FixedPoint | None = None
    guess: tuple[Tensor, Tensor, Tensor | None] | None = None


class Equilibrium(nn.Module):
    """A deep equilibrium layer: returns z* with z* = cell(z*, x).

    Dropout is frozen inside a solve: where a module of the cell draws random numbers (dropout, attention, recurrent modules,
    RReLU), all evaluations draw the same ones, those for gradients included. The next solve draws others, and the random
    generators move on as after one evaluation. The layer cannot see what a cell draws by functions,
    such as ``nn.functional.dropout``: give such a cell ``freeze_randomness=True``.

    Under ``torch.autocast`` the cell runs in low precision in the forward solve, its output cast back to the state's
    precision; first states that the layer makes itself are float32 at least.

    Running statistics of batch and instance normalizations in the cell are updated once a forward pass in training mode, by
    an evaluation at z*; all other evaluations leave them as they are.

    The layer works under the transforms of ``torch.func`` and in forward mode, and in networks under ``torch.compile``
    without ``fullgraph``; of meta and fake tensors it gives shapes. ``torch.export``, ``make_fx`` and
    ``torch.func.linearize`` are refused.

    Args:
        cell: ``cell(z, x)`` → tensor shaped as z. ``x`` is whatever the cell understands. A cell may have a method
            ``initial(x)`` that gives the first state; otherwise x must be a tensor and the first state is zeros
            shaped as x. A state may be a pytree of tensors, as in :func:`andersonn.solvers.fixed_point`. With a method
            ``select(x, samples, rows)``, which gives the x of some samples alone (int64 indices of the samples and of
            their rows in the state), samples that have converged cost nothing more, in both passes.
        solver: of the forward problem, and of the adjoint one unless ``gradient`` names another.
        gradient: rule of the backward pass; default the exact one.
        compact: True: samples can be left out of x without ``select``. The cell must treat each on its own, and x be a pytree
            of tensors whose dimension 0 is the state's. False: never. None: if the cell has ``select``.
        freeze_randomness: whether all evaluations of a solve draw the same random numbers; None: if a module of the cell
            draws any (see above). Then no sample leaves the batch.
        warm_starts: stores the solutions (in training the adjoints, too) of samples called with ``keys``.
        initializer: a module that maps x to a first state; see :meth:`initializer_loss`.
        monitor: called after every solve in training mode.
        compile: one C++ program of the forward solve (:func:`~andersonn.solvers.compiled.solve_compiled`), for small states.

    Attributes:
        last: :class:`~andersonn.solvers.FixedPoint` of the last forward solve of the thread that asks, its ``z`` detached.
        last_adjoint: the same for the last linear solve of a backward pass whose forward pass ran in that thread.

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
        compile: bool = False,
    ) -> None:
        super().__init__()
        if not callable(cell) or isinstance(cell, type):
            raise TypeError(f"cell must be a module called as cell(z, x), not {cell!r}")
        if solver is not None and not isinstance(solver, Solver):
            raise TypeError(f"solver must be a solver such as Anderson(), not {solver!r}")
        if gradient is not None and not isinstance(gradient, Gradient):
            raise TypeError(f"gradient must be a rule such as ImplicitGradient(), not {gradient!r}")
        for name, choice in (("compact", compact), ("freeze_randomness", freeze_randomness), ("compile", compile)):
            if choice is not None and not isinstance(choice, bool):
                raise TypeError(f"{name} must be True, False or None, not {choice!r}")
        if warm_starts is not None and not isinstance(warm_starts, WarmStarts):
            raise TypeError(f"warm_starts must be a store such as WarmStarts(), not {warm_starts!r}")
        if initializer is not None and (not callable(initializer) or isinstance(initializer, type)):
            raise TypeError(f"initializer must be a module such as LinearInitializer(width), not {initializer!r}")
        if monitor is not None and not isinstance(monitor, DriftMonitor):
            raise TypeError(f"monitor must be a monitor such as DriftMonitor(), not {monitor!r}")
        self.cell = cell
        self.solver = solver or Anderson(window="auto")
        self.gradient = gradient or ImplicitGradient()
        self.compact, self.freeze_randomness, self.compiled = compact, freeze_randomness, compile
        self.warm_starts, self.initializer, self.monitor = warm_starts, initializer, monitor
        self._by_thread = threading.local()

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

    @without_graph_capture
    def solve(
        self,
        x: Any,
        z0: Any = None,
        offsets: Tensor | None = None,
        keys: Keys | None = None,
        recorder: StateRecorder | None = None,
    ) -> tuple[Any, FixedPoint]:
        """As :meth:`forward`, and the result of this solve beside z*; ``recorder``: that of :meth:`states`."""
        if keys is not None and self.warm_starts is None:
            raise ValueError(
                "keys name samples in a store, and the layer has none: give it warm_starts=WarmStarts(), or no keys"
            )
        store = self.warm_starts
        guess = self._guessed(x) if z0 is None and self.initializer is not None else None
        start = next((state for state in (z0, guess) if state is not None), None)
        start = self._default(x) if start is None else detached(start)
        if transform_is_active() or forward_ad._current_level >= 0:
            return self._solve_transformed(x, start, offsets, keys)
        tree = tree_of(start, offsets)
        start = start if tree is None else tree.pack(start)
        if holds_no_numbers(start):
            return self._evaluate_shapes(BoundCell(self.cell, x, start, tree), start, offsets)
        if keys is not None and store is not None and z0 is None:
            start = store.get(keys, start, offsets)
        f = cell_map(self.cell, x, start, tree, self.compact, self.freeze_randomness)
        with hold_weights():
            solve = partial(solve_cell_compiled, self.solver) if self.compiled else self.solver.solve
            solution = solve(f if recorder is None else recorder.watch(f, start), start, offsets)
        if f.autocast.enabled:
            torch.clear_autocast_cache()  # before torch 2.13 it reuses weights cast without gradients
        if keys is not None and store is not None:
            store.put(keys, solution.z, offsets, keep=solution.status != Status.NONFINITE)
        if self.training and self.monitor is not None:
            self.monitor.observe(f, solution.z, offsets, solution)
        mine = self._mine
        z = self._attach(f, solution, mine, offsets, keys)
        if recorder is not None:
            recorder.finish(f, solution, offsets)
        mine.guess = None
        if guess is not None and self.training and torch.is_grad_enabled():
            mine.guess = (guess if tree is None else tree.pack(guess), solution.z, offsets)
        if tree is not None:
            z, solution = tree.unpack(z), replace(solution, z=tree.unpack(solution.z))
        mine.last = solution
        return z, solution

    @without_graph_capture
    def states(
        self,
        x: Any,
        at: Sequence[int],
        z0: Any = None,
        offsets: Tensor | None = None,
        keys: Keys | None = None,
    ) -> list[Any]:
        """Solves for z*, and gives states on the way to it as well, for a loss on each (:func:`andersonn.correction_loss`).

        The state after n evaluations is the cell's value at the n-th one, f(z). Its gradient is that of this one application of
        the cell, with z a constant (the phantom gradient of one step), whatever the layer's rule is; z* has the layer's.
        Each state costs one evaluation more than the solve, which is not in ``last.evaluations``. A sample that has
        stopped before the n-th evaluation, or whose state there is not finite, has f(z*) for its state.

        Args:
            x: input of the cell.
            at: after how many evaluations, increasing numbers from 1 on, such as ``(2, 4)``.
            z0: first state, as of :meth:`forward`.
            offsets: rows of each sample.
            keys: of the samples, for a layer with ``warm_starts``.

        Returns:
            The states in the order of ``at``, then z*, each shaped as the first state.

        Raises:
            TypeError: the solver evaluates the cell at other points than its states (``GMRES``, ``NewtonKrylov``).
            ValueError: ``at`` is empty, not increasing, or not of whole numbers from 1 on.
            NotImplementedError: under a transform of ``torch.func`` or in forward mode.
        """
        recorder = StateRecorder(at, self.solver)
        if transform_is_active() or forward_ad._current_level >= 0:
            raise NotImplementedError(
                "states on the way cannot be recorded under torch.func transforms and in forward mode; call the layer itself, "
                "or differentiate with torch.autograd"
            )
        z = self.solve(x, z0, offsets, keys, recorder)[0]
        if recorder.states is None:  # meta and fake tensors
            return [z] * (len(recorder.at) + 1)
        return [*recorder.states, z]

    def _attach(
        self, f: BoundCell, solution: FixedPoint, mine: _Solves, offsets: Tensor | None, keys: Keys | None
    ) -> Tensor:
        """z* with a backward pass where gradients are recorded; one evaluation at z* updates the running statistics."""
        if f.statistics is not None and len(solution.z):
            f.statistics.due = True
        if torch.is_grad_enabled():
            record, first = self._adjoint_hooks(mine, keys, offsets)
            z = self.gradient.attach(f, Solved.of(solution, offsets, self.solver, record, first))
        else:
            z = solution.z.clone()
        if f.statistics is not None and f.statistics.due:
            with torch.no_grad():
                f(solution.z)
        return z

    def _solve_transformed(
        self, x: Any, start: Any, offsets: Tensor | None, keys: Keys | None
    ) -> tuple[Any, FixedPoint]:
        """The same under a function transform or in forward mode."""
        refuse_transforms(self.compiled)
        if keys is not None:
            raise NotImplementedError(
                "warm starts cannot be read under torch.func transforms; call the layer without keys"
            )
        tree, mine = PyTree(start, offsets), self._mine
        frozen = draws_random_numbers(self.cell) if self.freeze_randomness is None else self.freeze_randomness
        start = tree.pack(start)
        f = BoundCell(self.cell, x, start, tree, frozen, every=True)

        def solved(solution: FixedPoint) -> None:
            # Detached: the tensor itself becomes an output of the solve, whose graph would then be kept by its own record.
            mine.last = replace(solution, z=tree.unpack(solution.z.detach()))

        record, _ = self._adjoint_hooks(mine, None, None)
        z = self.gradient.solve_transformed(f, Problem.of(f, offsets, self.solver, solved, record), start)
        mine.guess = None
        assert mine.last is not None
        return tree.unpack(z), mine.last

    def _evaluate_shapes(self, f: BoundCell, start: Tensor, offsets: Tensor | None) -> tuple[Any, FixedPoint]:
        """One evaluation in place of a solve, of states that hold no numbers (meta and fake tensors)."""
        z = f(start)
        if z.shape != start.shape or z.dtype != start.dtype:
            raise ValueError(
                f"the cell maps {start.dtype} of shape {tuple(start.shape)} to {z.dtype} of shape {tuple(z.shape)}; it "
                "must keep both"
            )
        samples = len(offsets) - 1 if offsets is not None else (1 if start.dim() < 2 else len(start))
        result = nothing_to_solve(start, samples)
        state, kept = (each if f.tree is None else f.tree.unpack(each) for each in (z, result.z))
        unjudged = torch.full_like(result.status, Status.UNJUDGED)
        self.last = replace(result, z=kept, status=unjudged, residual=torch.full_like(result.residual, torch.nan))
        return state, self.last

    def initializer_loss(self) -> Tensor:
        """How far the initializer's guess was from the solution in the last solve: the mean over samples of
        ‖z₀ − z*‖² / ‖z*‖², a scalar whose gradients reach the initializer alone.

        Raises:
            RuntimeError: the last solve used no initializer, or was not in training mode with gradients.
        """
        found = self._mine.guess
        if found is None:
            cure = "give the layer initializer=..." if self.initializer is None else "call the layer without z0"
            raise RuntimeError(
                f"initializer_loss needs a solve that used an initializer in training mode with gradients on; {cure}"
            )
        guess, z, offsets = found
        layout = Layout(z, offsets)
        error, size = (
            layout.to_samples(layout.flat(each).to(wide(each.dtype)).square().sum(dim=1)) for each in (guess - z, z)
        )
        return ((error / torch.where(size > 0, size, 1.0)).sum() / max(1, layout.samples)).to(wide(z.dtype))

    def extra_repr(self) -> str:
        """Shown by print(layer)."""
        others = ("compact", "freeze_randomness", "warm_starts", "monitor")
        given = {name: getattr(self, name) for name in ("solver", "gradient", *others)}
        given["compile"] = self.compiled or None
        return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)

    @property
    def last(self) -> FixedPoint | None:
        """The last forward solve of the thread that asks."""
        return self._mine.last

    @last.setter
    def last(self, solution: FixedPoint | None) -> None:
        self._mine.last = solution

    @property
    def last_adjoint(self) -> FixedPoint | None:
        """The last linear solve of a backward pass whose forward pass ran in the thread that asks."""
        return self._mine.last_adjoint

    @last_adjoint.setter
    def last_adjoint(self, solution: FixedPoint | None) -> None:
        self._mine.last_adjoint = solution

    @property
    def _mine(self) -> _Solves:
        here = self._by_thread
        if not hasattr(here, "solves"):
            here.solves = _Solves()
        return here.solves

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles hold no results of past solves."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_by_thread"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"compiled": False} | state)  # of versions without it
        self._by_thread = threading.local()

    def _guessed(self, x: Any) -> Any:
        """The initializer's state, recorded in training mode; gradients never reach x."""
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            assert self.initializer is not None
            return _at_least_single(self.initializer(detached(x)))

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
        self, mine: _Solves, keys: Keys | None, offsets: Tensor | None
    ) -> tuple[Record, Callable[[Tensor], Tensor] | None]:
        """The function called with each adjoint, and the one that gives its first value, if a store has one."""
        store = self.warm_starts if keys is not None and self.training else None

        def record(solution: FixedPoint, adjoint: bool = True) -> None:
            # Of the thread of the forward pass: on a GPU the backward pass has one of its own. Detached as above.
            mine.last_adjoint = replace(solution, z=solution.z.detach())
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
    if not isinstance(first, Tensor) or not torch.is_autocast_enabled(autocast_device(first)):
        return state
    return map_leaves(lambda leaf: leaf.to(wide(leaf.dtype)), state)
