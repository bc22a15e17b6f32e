"""What holds for each problem that no solver was tuned on, and that its solutions exist."""

from dataclasses import replace

import pytest
import torch

from andersonn.measuring.problems import relative_residual
from andersonn.solvers import Anderson, Broyden, FixedPointIteration
from contest.problems import FEW, PROBLEMS

UNTUNED = [problem for problem in PROBLEMS if problem.batches == FEW]
REFERENCES = (
    Broyden(window=100, max_steps=400),
    Anderson(window=60, max_steps=600),
    Anderson(window=60, max_steps=600, patience=None),
    FixedPointIteration(mixing=0.5, max_steps=3000),
    FixedPointIteration(mixing=0.1, max_steps=6000),
)
"""One after the other, until a sample is solved."""
RTOL = 1e-8


def name_of(problem) -> str:
    return problem.name


def some_state(posed) -> torch.Tensor:
    noise = torch.rand(posed.z0.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return posed.z0 + 0.1 * noise.to(posed.z0.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("problem", UNTUNED, ids=name_of)
def test_the_map_is_a_function_of_each_sample_alone(problem, dtype):
    with torch.no_grad():
        posed, again = (problem.make(dtype, 3, 0) for _ in range(2))
        z = some_state(posed)
        value = posed.f(z)
        assert posed.samples == 3
        assert value.shape == z.shape
        assert value.dtype == z.dtype == dtype
        assert value.isfinite().all()
        assert torch.equal(again.f(z), value)  # made anew from the same seed
        tolerance = max(100 * torch.finfo(dtype).eps, 2 * problem.least_rtol)
        room = {"rtol": tolerance, "atol": tolerance * value.abs().max().item()}
        for sample in range(3):
            this = torch.tensor([sample])
            torch.testing.assert_close(posed.f.subset(this, this)(z[this]), value[this], **room)
            changed = z + 0.05
            changed[sample] = z[sample]
            torch.testing.assert_close(posed.f(changed)[this], value[this], **room)


@pytest.mark.parametrize("problem", UNTUNED, ids=name_of)
def test_samples_and_seeds_differ(problem):
    with torch.no_grad():
        posed = problem.make(torch.float64, 3, 0)
        value = posed.f(posed.z0)
        other = problem.make(torch.float64, 3, 1)
    assert not torch.allclose(other.f(posed.z0), value)
    for one, two in ((0, 1), (1, 2), (0, 2)):
        assert not torch.allclose(value[one], value[two])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("problem", UNTUNED, ids=name_of)
def test_solutions_exist(problem, seed, one_thread):
    """Each sample of the quick case is solved to 1e-8 in double precision by one solver or another."""
    posed = problem.make(torch.float64, 4, seed)
    rtol = max(RTOL, problem.least_rtol)
    left = torch.arange(4)
    for solver in REFERENCES:
        part = posed.f.subset(left, left)
        z = replace(solver, rtol=rtol, compact=0.0).solve(part, posed.z0[left]).z
        left = left[relative_residual(z, part(z)) > 1.01 * rtol]
        if len(left) == 0:
            return
    raise AssertionError(f"samples {left.tolist()} are not solved")
