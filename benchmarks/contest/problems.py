"""The problems of the contest, and which of their cases make up its two sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch

from andersonn.errors import unknown
from andersonn.measuring.problems import FixedPointProblem, gaussian_matrix, poisson, tanh_map
from contest.cells import bfloat16_map, monotone_cell, multiscale, relu_cell, rounded_map, transformer
from contest.crystals import message_cell
from contest.equations import bratu, logistic_regression, value_iteration
from contest.games import logit_game, mixture, sinkhorn
from contest.graphs import graph_network, pagerank
from contest.images import random_cell, trained_cell
from contest.physics import fisher, hartree, turing
from contest.random_maps import (
    affine_map,
    outlier_matrix,
    rotation_matrix,
    small_tanh_map,
    symmetric_matrix,
    triangular_matrix,
    two_sided_matrix,
)

DTYPES = {"float32": torch.float32, "float64": torch.float64}
QUICK = (("float32", 4),)
QUICK_ONE = (("float32", 1),)


@dataclass(frozen=True)
class Problem:
    """A fixed-point problem in all its sizes.

    Attributes:
        name: unique.
        group: problems that stand together in tables.
        make: ``make(dtype, batch, seed, device="cpu")``, the problem in numbers.
        radius: spectral radius of the Jacobian where it is known (at 0, for tanh maps), or None.
        scale: size of the state relative to the plain problem.
        batches: of the full set, each in both precisions.
        quick: (precision, batch) of the quick set; none where it has others like it, or takes too long to make.
        least_rtol: tolerances below it are not reached, because f rounds its value.
    """

    name: str
    group: str
    make: Callable[..., FixedPointProblem]
    radius: float | None = None
    scale: float = 1.0
    batches: tuple[int, ...] = (1, 64, 512)
    quick: tuple[tuple[str, int], ...] = QUICK
    least_rtol: float = 0.0


@dataclass(frozen=True)
class Case:
    """A problem in one precision and batch size."""

    problem: Problem
    dtype: str
    batch: int

    def pose(self, seed: int, device: str = "cpu", dtype: str | None = None) -> FixedPointProblem:
        """In numbers; in another precision for a twin."""
        return self.problem.make(DTYPES[dtype or self.dtype], self.batch, seed, device)

    def __str__(self) -> str:
        return f"{self.problem.name}, {self.dtype}, batch {self.batch}"


def _tanh(radius: float, **options: object) -> Callable[..., FixedPointProblem]:
    return partial(tanh_map, radius=radius, **options)


def _affine(radius: float, matrix: Callable[..., object], size: int) -> Callable[..., FixedPointProblem]:
    return partial(affine_map, radius=radius, matrix=matrix, size=size)


FEW = (1, 16, 64)
"""Batches of problems that have a matrix for each sample, or whose f takes long."""

PROBLEMS: tuple[Problem, ...] = (
    Problem("tanh 0.90", "tanh maps", _tanh(0.90), 0.90, quick=()),
    Problem("tanh 0.95", "tanh maps", _tanh(0.95), 0.95),
    Problem("tanh 0.99", "tanh maps", _tanh(0.99), 0.99),
    Problem("tanh 1.05", "tanh maps", _tanh(1.05, drive=0.1), 1.05),
    Problem("tanh symmetric 0.99", "tanh maps", _tanh(0.99, matrix=symmetric_matrix), 0.99, quick=QUICK_ONE),
    Problem("tanh symmetric, one at −1.5", "tanh maps", _tanh(1.5, matrix=outlier_matrix), 1.5),
    Problem("tanh 0.95 × 1000", "rescaled", _tanh(0.95, scale=1e3), 0.95, 1e3),
    Problem("tanh 0.95 × 0.001", "rescaled", _tanh(0.95, scale=1e-3), 0.95, 1e-3, quick=()),
    Problem("Poisson 31²", "equations", poisson, 0.9952, quick=QUICK_ONE),
    Problem("Bratu 31²", "equations", bratu),
    Problem("value iteration 0.95", "equations", partial(value_iteration, discount=0.95), 0.95, quick=()),
    Problem(
        "value iteration 0.99", "equations", partial(value_iteration, discount=0.99), 0.99, quick=(("float64", 4),)
    ),
    Problem("logistic regression", "equations", logistic_regression, batches=(1, 64)),
    Problem("tutorial cell, random", "networks", random_cell, batches=(1, 64), quick=(("float32", 4),)),
    Problem("tutorial cell, trained", "networks", trained_cell, batches=(1, 64), quick=()),
    Problem("message cell, trained", "networks", message_cell, quick=(("float32", 32),)),
    Problem("affine, spectrum near ±0.99", "affine maps", _affine(0.99, two_sided_matrix, 200), 0.99, batches=FEW),
    Problem("affine, rotations 0.95", "affine maps", _affine(0.95, rotation_matrix, 200), 0.95, batches=FEW),
    Problem("affine, rotations 0.995", "affine maps", _affine(0.995, rotation_matrix, 40), 0.995, batches=FEW),
    Problem("affine, not normal, 0.9", "affine maps", _affine(0.9, triangular_matrix, 64), 0.9, batches=FEW),
    Problem("affine, 8 unknowns, 1.2", "affine maps", _affine(1.2, gaussian_matrix, 8), 1.2, batches=FEW),
    Problem("tanh, 8 unknowns, 0.95", "tanh maps", small_tanh_map, 0.95, batches=FEW),
    Problem("PageRank 0.99", "graphs", pagerank, 0.99, batches=FEW),
    Problem("graph network, relu", "graphs", graph_network, batches=FEW),
    Problem("logit game", "games and statistics", logit_game, batches=FEW),
    Problem("logit game, zero-sum", "games and statistics", partial(logit_game, zero_sum=True), batches=FEW),
    Problem("Sinkhorn", "games and statistics", sinkhorn, batches=FEW),
    Problem("EM of a mixture", "games and statistics", mixture, batches=FEW),
    Problem("Hartree, weak sloshing", "physics", hartree, batches=FEW),
    Problem("Hartree, strong sloshing", "physics", partial(hartree, repulsion=1.0), batches=FEW),
    Problem("Fisher's equation 24²", "physics", fisher, batches=FEW),
    Problem("Turing pattern", "physics", turing, batches=FEW),
    Problem("transformer, random", "networks", transformer, batches=FEW),
    Problem("two resolutions, random", "networks", multiscale, batches=FEW),
    Problem("relu, gain 1.4", "networks", relu_cell, batches=FEW),
    Problem("relu, monotone operator", "networks", monotone_cell, batches=FEW),
    Problem("tanh, rounded to 1e-5", "inexact maps", rounded_map, batches=FEW, least_rtol=1e-5),
    Problem("tanh, bfloat16 product", "inexact maps", bfloat16_map, batches=FEW, least_rtol=5e-3),
)


def quick_cases() -> list[Case]:
    """Some minutes on two slow cores, much of it jax compiling."""
    return [Case(problem, dtype, batch) for problem in PROBLEMS for dtype, batch in problem.quick]


def published_cases() -> list[Case]:
    """What the table in the documentation is made of, half an hour on one core: every problem in single precision, one
    sample and some, and all but the trained networks in double precision.
    """
    sizes = (("float32", 1), ("float32", 16), ("float64", 4))
    return [
        Case(problem, dtype, batch)
        for problem in PROBLEMS
        for dtype, batch in sizes
        if dtype == "float32" or not problem.name.endswith("trained")
    ]


def full_cases() -> list[Case]:
    """Both precisions and all batches; batches above 64 in single precision only."""
    return [
        Case(problem, dtype, batch)
        for problem in PROBLEMS
        for dtype in DTYPES
        for batch in problem.batches
        if batch <= 64 or dtype == "float32"
    ]


def only(cases: Iterable[Case], names: Iterable[str]) -> list[Case]:
    """The cases of the problems with these names.

    Raises:
        UsageError: there is no such problem.
    """
    known = [problem.name for problem in PROBLEMS]
    names = list(names)
    for name in names:
        if name not in known:
            raise unknown("problem", name, known)
    return [case for case in cases if case.problem.name in names]
