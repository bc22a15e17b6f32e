"""Solves whose loop and map are one program. Programs are captured as always and run without C++, which takes a minute to compile;
one slow test compiles. Graphs are counted: one a program, and none where a program is used again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch

from andersonn import Anderson, Broyden, FixedPointIteration, Status, fixed_point

SHAPE = (4, 6)


pytestmark = pytest.mark.usefixtures("graphs")


def tanh_map(seed=0, shape=SHAPE, radius=0.9, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    weight = radius * torch.linalg.qr(torch.randn(shape[1], shape[1], generator=random, dtype=torch.float64))[0]
    weight, shift = weight.to(dtype), torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)
    return lambda z: torch.tanh(z @ weight + shift)


def residuals(f, z):
    value = f(z)
    return (value - z).norm(dim=1) / value.norm(dim=1)


@pytest.mark.parametrize(
    ("solver", "dtype"),
    [
        (Anderson(window=3), torch.float32),
        (Anderson(window=2, mixing=0.7, safeguard=None), torch.float64),
        (Anderson(window=2, rtol=0.0, atol=1e-3), torch.float32),
        (FixedPointIteration(mixing=0.8), torch.float32),
    ],
    ids=["window 3", "mixing", "atol", "picard"],
)
def test_steps_and_statuses_are_those_of_the_ordinary_solver(graphs, solver, dtype):
    f, z0 = tanh_map(dtype=dtype), torch.zeros(SHAPE, dtype=dtype)
    found, known = fixed_point(f, z0, solver, compile=True), fixed_point(f, z0, solver)
    assert len(graphs) == 1
    assert found.all_converged
    assert known.all_converged
    assert (found.evaluations, found.steps.tolist()) == (known.evaluations, known.steps.tolist())
    torch.testing.assert_close(found.z, known.z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.residual, known.residual, rtol=1e-2, atol=1e-7)
    torch.testing.assert_close(found.trace.residual, known.trace.residual, rtol=1e-2, atol=1e-6)
    assert len(found.trace.seconds) == found.evaluations
    for mine, theirs in zip(vars(found).values(), vars(known).values(), strict=True):
        if isinstance(mine, torch.Tensor):
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)


def test_a_program_serves_other_tensors_and_tolerances(graphs):
    for seed, rtol in ((0, 1e-3), (1, 1e-3), (2, 1e-5)):
        f = tanh_map(seed)
        found = fixed_point(f, torch.zeros(SHAPE), Anderson(window=2, rtol=rtol), compile=True)
        assert found.all_converged
        assert residuals(f, found.z).max() <= 1.01 * rtol
    assert len(graphs) == 1
    fixed_point(tanh_map(0, (5, 6)), torch.zeros(5, 6), Anderson(window=2), compile=True)
    assert len(graphs) == 2


@pytest.mark.parametrize("max_steps", [1, 2, 12, 50])
@pytest.mark.parametrize("joint", [False, True])
def test_samples_that_affect_each_other_are_never_falsely_converged(max_steps, joint):
    random = torch.Generator().manual_seed(1)
    mix = torch.linalg.qr(torch.randn(20, 20, generator=random))[0]
    weight, shift = torch.randn(8, 8, generator=random) / 8, torch.randn(20, 8, generator=random)
    shift = shift * torch.logspace(-4, 0, 20).unsqueeze(1)

    def f(z):
        return 0.9 * torch.tanh(mix @ z) @ weight + shift

    solver = Anderson(window=3, rtol=1e-4, max_steps=max_steps, joint=joint)
    found = fixed_point(f, torch.zeros(20, 8), solver, compile=True)
    assert found.evaluations <= max_steps + 2
    assert found.trace.residual.shape == (found.evaluations, 20)
    if joint:
        assert not found.all_converged or (f(found.z) - found.z).norm() <= 1.01e-4 * f(found.z).norm()
    else:
        assert not (found.converged & (residuals(f, found.z) > 1.01e-4)).any()
    if max_steps in (1, 50):
        assert found.all_converged == (max_steps == 50)


def test_what_the_program_cannot_solve_the_ordinary_solver_goes_on_with(graphs):
    def expanding(z):  # a period of two, which extrapolation and damping leave
        return torch.tanh(-3.0 * z) + 0.1

    solver = FixedPointIteration(max_steps=20)
    found = fixed_point(expanding, torch.ones(2, 3), solver, compile=True)
    assert found.status.tolist() == [Status.MAX_STEPS] * 2
    assert found.evaluations == 21
    relu = tanh_map(3, radius=1.0)
    patient = Anderson(window=2, patience=3, rtol=1e-6, max_steps=200)
    found = fixed_point(lambda z: torch.relu(relu(z) * 1.4), torch.zeros(SHAPE), patient, compile=True)
    assert (
        found.status.tolist()
        == fixed_point(lambda z: torch.relu(relu(z) * 1.4), torch.zeros(SHAPE), patient).status.tolist()
    )
    assert len(graphs) == 2


def test_values_that_are_not_finite_end_as_always():
    solver = FixedPointIteration()
    found = fixed_point(lambda z: 2 * z * z + 1, torch.ones(2, 3), solver, compile=True)
    assert found.status.tolist() == [Status.NONFINITE] * 2
    assert found.z.isfinite().all()
    assert not found.trace.residual.isnan().any()
    found = fixed_point(lambda z: z / z.new_zeros(3), torch.ones(2, 3), solver, compile=True)
    assert found.status.tolist() == [Status.NONFINITE] * 2
    assert (found.z == 1).all()
    with pytest.raises(ValueError, match="the initial state holds NaN"):
        fixed_point(lambda z: 0.5 * z, torch.full((2, 3), torch.nan), solver, compile=True)


def test_one_sample_fails_and_the_others_converge():
    shift = torch.tensor([[0.5], [3.0]])
    found = fixed_point(lambda z: z * z * 0.5 * shift + shift * 0.1, torch.ones(2, 1), Anderson(window=1), compile=True)
    known = fixed_point(lambda z: z * z * 0.5 * shift + shift * 0.1, torch.ones(2, 1), Anderson(window=1))
    assert found.status[0] == known.status[0] == Status.CONVERGED
    assert found.converged[1] == (residuals(lambda z: z * z * 0.5 * shift + shift * 0.1, found.z)[1] <= 1e-3)


def test_vectors_and_empty_batches():
    f = tanh_map(0, (1, 6))
    found = fixed_point(lambda z: f(z)[0], torch.zeros(6), Anderson(window=2), compile=True)
    assert found.z.shape == (6,)
    assert found.status.tolist() == [Status.CONVERGED]
    assert fixed_point(torch.cos, torch.zeros(0, 3), compile=True).evaluations == 0


def branching(z):
    return 0.5 * z if z.sum() > 0 else 0.4 * z + 1


seen = []


def keeping(z):
    seen.append(z)
    return 0.5 * z


@pytest.mark.parametrize(
    ("f", "name"), [(branching, "branching .*data-dependent branching"), (keeping, "keeping .*outside the scope")]
)
def test_a_map_that_is_no_graph_is_refused_by_name(f, name):
    with pytest.raises(RuntimeError, match=f"{name}.*") as caught:
        fixed_point(f, torch.ones(1, 3), FixedPointIteration(), compile=True)
    assert "leave out compile=True" in str(caught.value)


@pytest.mark.slow
def test_a_map_that_always_differs_is_refused_by_name(graphs):
    def solved(n):
        shift = torch.ones(n, 3)
        return fixed_point(lambda z: 0.5 * z + shift.sum(0), torch.ones(1, 3), FixedPointIteration(), compile=True)

    for n in range(1, 9):
        assert solved(n).all_converged
    with pytest.raises(RuntimeError, match="compiled too many times"):
        solved(9)
    assert len(graphs) == 8


@pytest.mark.parametrize(
    ("solver", "z0", "offsets", "error", "message"),
    [
        (Broyden(), torch.ones(2, 3), None, TypeError, "not Broyden"),
        (Anderson(type="I"), torch.ones(2, 3), None, ValueError, "does not follow type='I'"),
        (Anderson(max_seconds=1.0), torch.ones(2, 3), None, ValueError, "max_seconds"),
        (Anderson(mixing="adaptive"), torch.ones(2, 3), None, ValueError, "mixing='adaptive'"),
        (Anderson(mixing=(0.5, 1.0)), torch.ones(2, 3), None, ValueError, "mixing"),
        (Anderson(check_every=2), torch.ones(2, 3), None, ValueError, "check_every"),
        (Anderson(), torch.ones(2, 3), torch.tensor([0, 2]), NotImplementedError, "without offsets"),
        (Anderson(), {"a": torch.ones(2, 3)}, None, NotImplementedError, "one real tensor"),
        (Anderson(), torch.ones(2, 3, dtype=torch.complex64), None, NotImplementedError, "one real tensor"),
        (Anderson(), torch.ones(2, 3, dtype=torch.bfloat16), None, TypeError, "bfloat16"),
    ],
)
def test_what_is_not_compiled_is_refused_by_name(graphs, solver, z0, offsets, error, message):
    with pytest.raises(error, match=message) as caught:
        fixed_point(lambda z: z, z0, solver, offsets, compile=True)
    assert "leave out compile=True" in str(caught.value)
    assert not graphs


def test_errors_of_the_map_are_those_it_always_has(graphs):
    with pytest.raises(ValueError, match="it must keep the shape"):
        fixed_point(lambda z: z[:1], torch.ones(2, 3), Anderson(), compile=True)
    with pytest.raises(TypeError, match="it must keep dtype"):
        fixed_point(lambda z: z.double(), torch.ones(2, 3), Anderson(), compile=True)
    with pytest.raises(ZeroDivisionError):
        fixed_point(lambda z: z / (1 // 0), torch.ones(2, 3), Anderson(), compile=True)
    assert not graphs


SOLVE = """
import torch
from andersonn import FixedPointIteration, fixed_point
found = fixed_point(lambda z: 0.5 * z.cos(), torch.ones(2, 3), FixedPointIteration(rtol=1e-4), compile=True)
print(found.evaluations, found.all_converged)
"""


def in_a_process(tmp_path, **environment):
    command = [sys.executable, "-c", SOLVE]
    everything = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)} | environment
    return subprocess.run(command, env=everything, capture_output=True, text=True, check=False, timeout=280)


@pytest.mark.slow
def test_without_a_compiler_the_error_says_so(tmp_path):
    done = in_a_process(tmp_path, CXX=str(tmp_path / "no-compiler"))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: compile=True needs a C++ compiler")
    assert "leave out compile=True" in last


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_program_in_cpp(tmp_path):
    done = in_a_process(tmp_path)
    known = fixed_point(lambda z: 0.5 * z.cos(), torch.ones(2, 3), FixedPointIteration(rtol=1e-4))
    assert done.stdout.split() == [str(known.evaluations), "True"], done.stderr
