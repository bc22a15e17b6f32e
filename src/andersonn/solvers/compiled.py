"""Solves whose loop and map are compiled together, for small states that are solved very often in one shape.

``torch.compile`` makes one C++ program of the map and the loop (:mod:`~andersonn.solvers.compiled_loop`), in one graph. A solve
is then one call. The program stops when one evaluation has found all samples within the tolerance. In every other case (a sample
makes no progress within ``patience``, has a value that is not finite, or evaluations run out) the ordinary solver goes on
from the best states that it found, with the evaluations that are left, and its guard, its statuses and its errors hold.
"""

from __future__ import annotations

import itertools
import math
import time
import types
import weakref
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from andersonn.solvers.compiled_loop import Carried, Recipe, loop_of
from andersonn.solvers.extrapolation import LEAST_RIDGE, AndersonOptions
from andersonn.solvers.fixed_point_iteration import FixedPointIteration
from andersonn.solvers.layout import Layout
from andersonn.solvers.pytree import tree_of
from andersonn.solvers.result import FixedPoint, Status, Trace, nothing_to_solve
from andersonn.solvers.solver import Solver, evaluate

AUTOMATIC_WINDOW = 5
"""Of ``window="auto"``: inside a program a step costs next to nothing, and a longer window takes longer to compile."""
WAY_ROUND = "leave out compile=True"
COMPILED = ("rtol", "atol", "max_steps", "joint", "compact", "window", "mixing", "ridge", "safeguard", "patience")
"""Options that a compiled solve follows; ``compact`` only once the ordinary solver goes on."""

BACKEND: dict[str, Any] = {"options": {"cpp_wrapper": True}}
"""Arguments of torch.compile: Inductor, with the loop itself in C++ as well."""
COMPILERS = ("torch._dynamo", "torch._inductor")

_numbers = itertools.count()
_programs: weakref.WeakKeyDictionary[Any, dict[Any, Callable[..., Any]]] = weakref.WeakKeyDictionary()
"""Compiled loops by f (functions by their code), then by what is fixed in them."""


def solve_compiled(
    solver: Solver, f: Callable[..., Tensor], arguments: tuple[Any, ...], z0: Tensor, offsets: Tensor | None = None
) -> FixedPoint:
    """As ``solver.solve(lambda z: f(z, *arguments), z0)``, by a compiled program.

    The first call for each f, shape, dtype and solver compiles, which takes minutes on a busy machine. A function made anew by the same code, such as
    a lambda in a training loop, uses the program there is, with its own tensors; so do other tolerances.

    Args:
        solver: ``Anderson`` (type II) or ``FixedPointIteration``.
        f: called as ``f(z, *arguments)``; one graph for torch.compile, without side effects: its Python runs while it is
            compiled, and then no more.
        arguments: tensors or pytrees of tensors.
        z0: float32 or float64 on the CPU, ``[B, …]``, or one sample ``[n]``.
        offsets: refused.

    Returns:
        The result. Its ``trace.seconds`` are those of the end of the program for all of its evaluations.

    Raises:
        TypeError, ValueError, NotImplementedError: a state or an option that is not compiled; see :func:`recipe_of`.
        RuntimeError: f cannot be compiled as one graph, or there is no C++ compiler.
    """
    layout, recipe = recipe_of(solver, z0, offsets)
    plain = (lambda z: f(z, *arguments)) if arguments else f
    with torch.no_grad():
        if not z0.numel():
            return nothing_to_solve(z0, layout.samples)
        if recipe.evaluations < 1:
            return solver.solve(plain, z0)
        tolerances = torch.tensor([solver.rtol, solver.atol], dtype=torch.float64, device="cpu")
        end, seconds = _run(f, arguments, z0.detach().contiguous(), tolerances, recipe, layout)
        found = _result(end, seconds, z0)
        if found is not None:
            return found.for_each(Layout(z0).samples) if solver.joint else found
        return _continued(solver, plain, end, seconds, z0)


def recipe_of(solver: Solver, z0: Any, offsets: Tensor | None) -> tuple[Layout, Recipe]:
    """The layout of a state, and what is compiled for it.

    Raises:
        TypeError, ValueError, NotImplementedError: it is refused: states of several parts, complex, ragged, in half precision or
            on a device; solvers but ``Anderson`` and ``FixedPointIteration``; their options but :data:`COMPILED`.
    """
    if not isinstance(solver, AndersonOptions | FixedPointIteration):
        raise TypeError(
            f"compile=True compiles Anderson and FixedPointIteration, not {type(solver).__name__}; {WAY_ROUND}"
        )
    for each in fields(solver):
        plain = each.name in COMPILED and not (each.name == "mixing" and isinstance(solver.mixing, str | tuple))
        if not plain and getattr(solver, each.name) != each.default:
            raise ValueError(
                f"compile=True does not follow {each.name}={getattr(solver, each.name)!r}; leave it out, or {WAY_ROUND}"
            )
    if offsets is not None or tree_of(z0, None) is not None:
        raise NotImplementedError(
            f"compile=True solves one real tensor, a sample an entry of dimension 0, without offsets; {WAY_ROUND}, or pad "
            "samples to one size and join the parts of a state"
        )
    layout = Layout(z0, None, solver.joint)
    if z0.device.type != "cpu" or z0.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"compile=True solves float32 and float64 states on the CPU, not {z0.dtype} on {z0.device}; {WAY_ROUND}"
        )
    shared: dict[str, Any] = {
        "shape": tuple(z0.shape),
        "rows": layout.rows,
        "evaluations": solver.max_steps - 1,  # the ordinary solver needs two to go on
    }
    if isinstance(solver, FixedPointIteration):
        return layout, Recipe(
            window=0, mixing=float(solver.mixing), ridge=0.0, safeguard=math.inf, patience=math.inf, **shared
        )
    window = AUTOMATIC_WINDOW if solver.window == "auto" else int(solver.window)
    ridge = max(10 * torch.finfo(z0.dtype).eps, LEAST_RIDGE) if solver.ridge is None else solver.ridge
    assert not isinstance(solver.mixing, str | tuple)
    return layout, Recipe(
        window=max(1, min(window, solver.max_steps)),
        mixing=float(solver.mixing),
        ridge=float(ridge),
        safeguard=math.inf if solver.safeguard is None else float(solver.safeguard),
        patience=math.inf if solver.patience is None else float(solver.patience),
        **shared,
    )


def _run(
    f: Callable[..., Tensor],
    arguments: tuple[Any, ...],
    z0: Tensor,
    tolerances: Tensor,
    recipe: Recipe,
    layout: Layout,
) -> tuple[Carried, float]:
    """The end of the loop, and the seconds that it took."""
    try:
        known = _programs.setdefault(getattr(f, "__code__", f), {})
    except TypeError:
        raise TypeError(
            f"compile=True keeps a program for each f, which {type(f).__name__} does not allow, since it takes no weak "
            f"references or has no hash; give a function or a module, or {WAY_ROUND}"
        ) from None
    key = (recipe, z0.dtype)
    if key not in known:
        evaluate(lambda z: f(z, *arguments), layout.block(z0.clone()), layout, [])  # errors of f as they always are
        known[key] = _program(recipe)
    begin = time.perf_counter()
    try:
        end = known[key](f, arguments, z0, tolerances)
    except Exception as error:
        if any(type(each).__module__.startswith(COMPILERS) for each in _causes(error)):
            raise _explained(error, f) from error
        raise
    return end, time.perf_counter() - begin


def _program(recipe: Recipe) -> Callable[..., Carried]:
    """The loop, to be compiled at its first call."""
    try:
        from torch._higher_order_ops import while_loop  # PyTorch names it a prototype
    except ImportError as error:
        raise RuntimeError(
            f"compile=True needs torch.while_loop of a newer PyTorch; update it, or {WAY_ROUND}"
        ) from error
    loop: Any = loop_of(recipe, while_loop)
    # A code object of its own: torch.compile bounds how many programs one has.
    code = loop.__code__.replace(co_name=f"loop_{next(_numbers)}")
    own = types.FunctionType(code, loop.__globals__, code.co_name, loop.__defaults__, loop.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False, **BACKEND)


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and those that it came from."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _explained(error: Exception, f: object) -> RuntimeError:
    """The error of a compilation with its cause and cure."""
    names = {type(each).__name__ for each in _causes(error)}
    name = getattr(f, "__qualname__", type(f).__name__)
    lines = [line.strip() for line in [*str(error).split("\n"), *sorted(names)] if line.strip()]
    explained = [line.removeprefix("Explanation: ") for line in lines if line.startswith("Explanation: ")]
    reason = (explained or lines)[0]
    if names & {"InvalidCxxCompiler", "CppCompileError"}:
        return RuntimeError(
            "compile=True needs a C++ compiler and Python's headers, and compiling failed: install g++ and python3-dev, or set "
            f"CXX to a compiler, or {WAY_ROUND}. PyTorch says: {reason}"
        )
    if "FailOnRecompileLimitHit" in names:
        return RuntimeError(
            f"{name} was compiled too many times, since it differs from call to call in more than its tensors' values; give "
            f"what differs as tensors of one shape, or {WAY_ROUND}. PyTorch says: {reason}"
        )
    return RuntimeError(
        f"{name} cannot be compiled as one graph with its loop; let it use tensor operations only (no .item(), no branches on "
        f"values, no printing, no writing to tensors), or {WAY_ROUND}. PyTorch says: {reason}"
    )


def _result(end: Carried, seconds: float, z0: Tensor) -> FixedPoint | None:
    """The result, if the latest evaluation found all samples within the tolerance at the states returned."""
    count = int(end.taken)
    if not bool((end.outside < count - 1).all()):
        return None
    residual = end.history[count - 1].clone()
    status = torch.full_like(end.outside, Status.CONVERGED, dtype=torch.int8)
    trace = Trace(end.history[:count].clone(), torch.full((count,), seconds, dtype=torch.float64, device="cpu"))
    return FixedPoint(end.z.view(z0.shape), status, residual, end.outside + 1, count, trace)


def _continued(solver: Solver, f: Callable[[Tensor], Tensor], end: Carried, seconds: float, z0: Tensor) -> FixedPoint:
    """The result of the ordinary solver, which goes on from the best states."""
    taken = int(end.taken)
    start = torch.where(end.score.isfinite().unsqueeze(1), end.best, z0.view(end.best.shape)).view(z0.shape)
    later = replace(solver, max_steps=solver.max_steps - taken).solve(f, start)
    history = end.history[:taken].clone()
    before = history[-2] if taken > 1 else torch.full_like(history[-1], math.inf)
    history[-1] = torch.where(history[-1].isfinite(), history[-1], before)
    residual = torch.cat([history.expand(-1, len(later.status)), later.trace.residual])
    times = torch.cat([torch.full((taken,), seconds, dtype=torch.float64, device="cpu"), later.trace.seconds + seconds])
    steps = torch.where(later.steps > 0, later.steps + taken, end.best_at)
    return replace(later, steps=steps, evaluations=taken + later.evaluations, trace=Trace(residual, times))
