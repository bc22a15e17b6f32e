"""A solver's loop and its map as one function of tensors, without Python between two evaluations: what ``torch.compile`` makes
one program of (:mod:`~andersonn.solvers.compiled`).

It takes the steps of a fixed window of Anderson's method, or Picard steps. A sample within the tolerance is held at its
state while the others go on, and is checked again at every evaluation. So the loop has succeeded when one evaluation
found all samples within the tolerance at the states that it returns, whether samples affect each other or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from andersonn.solvers.best_iterate import improves

TINY = 1e-300
PROGRESS = 0.5
"""As of a :class:`~andersonn.solvers.guard.Guard`: a sample makes progress when its best residual has fallen to this share."""


class Recipe(NamedTuple):
    """What is fixed when the loop is compiled.

    Attributes:
        shape: of the state as f takes it.
        rows: samples B; the state is worked on as ``[B, D]``.
        window: differences that an extrapolation combines; 0: Picard steps.
        mixing: β.
        ridge, safeguard, patience: see :class:`~andersonn.solvers.Anderson`; infinite: none.
        evaluations: most evaluations.
    """

    shape: tuple[int, ...]
    rows: int
    window: int
    mixing: float
    ridge: float
    safeguard: float
    patience: float
    evaluations: int


class Carried(NamedTuple):
    """What goes from one evaluation to the next; also the loop's result.

    Attributes:
        taken: evaluations so far.
        going: whether the loop goes on.
        z, r, g: next state, latest residual and value, ``[B, D]``.
        dF, dG: differences of residuals and values, the newest first, ``[m, B, D]``.
        gram: their products ⟨ΔF_i, ΔF_j⟩, float64 ``[m, m, B]``.
        least: least ‖r‖, ``[B]``.
        score: least residual relative to the tolerance.
        best, best_score, best_size, best_at: the best iterate, its residual relative to the tolerance, ‖r‖ and evaluation.
        outside: the latest evaluation at which the sample was not within the tolerance; −1: none.
        mark, age: score at the sample's latest progress, and evaluations since.
        history: relative residuals, ``[evaluations, B]``.
    """

    taken: Tensor
    going: Tensor
    z: Tensor
    r: Tensor
    g: Tensor
    dF: Tensor
    dG: Tensor
    gram: Tensor
    least: Tensor
    score: Tensor
    best: Tensor
    best_score: Tensor
    best_size: Tensor
    best_at: Tensor
    outside: Tensor
    mark: Tensor
    age: Tensor
    history: Tensor


def loop_of(recipe: Recipe, while_loop: Callable[..., Any]) -> Callable[..., Carried]:
    """The loop as a function ``(f, arguments, z0, tolerances)`` → :class:`Carried`; f is called as ``f(z, *arguments)``.

    ``tolerances`` are ``rtol`` and ``atol``, float64 ``[2]``: a tensor, so that others need no other program.
    """

    def loop(f: Callable[..., Tensor], arguments: tuple[Any, ...], z0: Tensor, tolerances: Tensor) -> Carried:
        def going_on(*carried: Tensor) -> Tensor:
            return carried[1] & (carried[0] < recipe.evaluations)

        def step(*carried: Tensor) -> tuple[Tensor, ...]:
            now = Carried(*carried)
            value = f(now.z.view(recipe.shape), *arguments).reshape(now.z.shape)
            return tuple(_stepped(recipe, now, value.clone(), tolerances))  # a copy: f may return what is not its own

        return Carried(*while_loop(going_on, step, tuple(_begun(recipe, z0))))

    return loop


def _begun(recipe: Recipe, z0: Tensor) -> Carried:
    rows, m = recipe.rows, recipe.window
    z = z0.reshape(rows, -1).clone()
    wide = z.new_zeros(rows, dtype=torch.float64)
    count = torch.zeros(rows, dtype=torch.int64)
    return Carried(
        taken=torch.zeros((), dtype=torch.int64),
        going=torch.ones((), dtype=torch.bool),
        z=z,
        r=torch.zeros_like(z),
        g=torch.zeros_like(z),
        dF=z.new_zeros(m, *z.shape),
        dG=z.new_zeros(m, *z.shape),
        gram=wide.new_zeros(m, m, rows),
        least=wide + math.inf,
        score=wide + math.inf,
        best=z.clone(),
        best_score=wide + math.inf,
        best_size=wide + math.inf,
        best_at=count,
        outside=count - 1,
        mark=wide + math.inf,
        age=count.clone(),
        history=wide.new_zeros(recipe.evaluations, rows),
    )


def _stepped(recipe: Recipe, now: Carried, g: Tensor, tolerances: Tensor) -> Carried:
    """Checks the state by its value ``g``, and takes the next step."""
    z, r = now.z, g - now.z
    size, length = (each.double().square().sum(1).sqrt() for each in (r, g))
    relative = size / length.clamp_min(TINY)
    rtol, atol = tolerances[0], tolerances[1]
    finite = relative.isfinite()
    within = finite & (size <= atol + rtol * length)
    score = torch.where(atol > 0, size / (atol + rtol * length), relative)
    least = torch.where(finite, torch.fmin(now.least, size), now.least)
    better = finite & improves(score, size, now.best_score, now.best_size, least)
    best = torch.where(better.unsqueeze(1), z, now.best)
    least_score = torch.where(finite, torch.fmin(now.score, score), now.score)
    progress = within | (least_score <= PROGRESS * now.mark)
    age = torch.where(progress, 0, now.age + 1)
    stuck = ((age >= recipe.patience) | ~finite).any()
    at = torch.arange(recipe.evaluations).unsqueeze(1) == now.taken
    following, window = _advanced(recipe, now, g, r, size)
    return Carried(
        taken=now.taken + 1,
        going=~(within.all() | stuck),
        z=torch.where(within.unsqueeze(1), z, following),
        r=r,
        g=g,
        **window,
        least=least,
        score=least_score,
        best=best,
        best_score=torch.where(better, score, now.best_score),
        best_size=torch.where(better, size, now.best_size),
        best_at=torch.where(better, now.taken, now.best_at),
        outside=torch.where(within, now.outside, now.taken),
        mark=torch.where(progress, least_score, now.mark),
        age=age,
        history=torch.where(at, relative, now.history),
    )


def _advanced(recipe: Recipe, now: Carried, g: Tensor, r: Tensor, size: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The next state, and the window with the newest differences: as :class:`~andersonn.solvers.window.Window`."""
    if recipe.window == 0:
        return torch.add(now.z, r, alpha=recipe.mixing), {name: getattr(now, name).clone() for name in WINDOW}
    keeps = (size <= recipe.safeguard * now.least) & (now.taken > 0)  # else the sample forgets its past
    kept = keeps.view(1, -1, 1)
    dF = torch.where(kept, torch.cat([(r - now.r).unsqueeze(0), now.dF[:-1]]), 0.0)
    dG = torch.where(kept, torch.cat([(g - now.g).unsqueeze(0), now.dG[:-1]]), 0.0)
    newest = (dF * dF[:1]).sum(2).double()
    older = torch.cat([newest[1:].unsqueeze(1), now.gram[:-1, :-1]], dim=1)
    gram = torch.where(keeps, torch.cat([newest.unsqueeze(0), older]), 0.0)
    gamma = _solved(gram, (dF * r).sum(2).double(), recipe.ridge).to(g.dtype).unsqueeze(2)
    following = g - (gamma * dG).sum(0)
    if recipe.mixing != 1.0:
        following = following - (1.0 - recipe.mixing) * (r - (gamma * dF).sum(0))
    return following, {"dF": dF, "dG": dG, "gram": gram}


WINDOW = ("dF", "dG", "gram")


def _solved(gram: Tensor, right: Tensor, ridge: float) -> Tensor:
    """γ ``[m, B]`` of the equations scaled to a unit diagonal, by Gauss–Jordan elimination: one operation a column. The samples
    are the last dimension, along which a processor computes several at once. Zeros, a Picard step, where that fails.
    """
    m = len(gram)
    diagonal = gram.diagonal(dim1=0, dim2=1).T
    scale = torch.where(diagonal > 0, diagonal.rsqrt(), 0.0)
    number = torch.arange(m)
    unit = (number.view(m, 1) == number).unsqueeze(2)
    rest = torch.where(unit, 1.0 + ridge, gram * scale.unsqueeze(0) * scale.unsqueeze(1))
    rest = torch.cat([rest, (right * scale).unsqueeze(1)], dim=1)
    for j in range(m):  # column j is the first that is left
        pivot = rest[j : j + 1, 1:] / rest[j : j + 1, :1]
        rest = torch.where((number == j).view(m, 1, 1), pivot, rest[:, 1:] - rest[:, :1] * pivot)
    return (rest[:, 0] * scale).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
