import math

import pytest
import torch

from andersonn import Anderson, FixedPointIteration, Status, fixed_point
from tests.solvers.problems import affine, tanh_map

SOLVERS = [Anderson(rtol=1e-10, max_steps=500), FixedPointIteration(rtol=1e-10, max_steps=2000)]


@pytest.mark.parametrize("solver", [*SOLVERS, Anderson(rtol=1e-10, max_steps=500, mixing=0.6, window=8)], ids=str)
@pytest.mark.parametrize("symmetric", [False, True])
def test_closed_form(solver, symmetric):
    f, z0, solution = affine(20, 4, 0.9, symmetric=symmetric)
    found = solver.solve(f, z0)
    assert found.all_converged
    assert (found.residual <= 1e-10).all()
    assert torch.allclose(found.z, solution, rtol=1e-7, atol=1e-8)


def test_full_window_solves_a_linear_problem_as_gmres_does():
    """In exact arithmetic n + 1 steps suffice for n unknowns (Walker and Ni 2011, theorem 2.2)."""
    f, z0, solution = affine(6, 3, 0.95)
    found = Anderson(window=6, rtol=1e-9, max_steps=9).solve(f, z0)
    assert found.all_converged
    assert torch.allclose(found.z, solution, rtol=1e-6)


def test_anderson_converges_where_forward_iteration_diverges():
    f, z0, solution = affine(12, 2, 1.4)
    plain = FixedPointIteration(rtol=1e-8, max_steps=200).solve(f, z0)
    found = Anderson(window=12, rtol=1e-8, max_steps=200).solve(f, z0)
    assert not plain.converged.any()
    assert found.all_converged
    assert torch.allclose(found.z, solution, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fewer_evaluations_than_forward_iteration(dtype):
    f, z0 = tanh_map(200, 8, 0.95, dtype=dtype)
    tolerance = {"rtol": 1e-5, "max_steps": 600}
    plain, found = FixedPointIteration(**tolerance).solve(f, z0), Anderson(window=10, **tolerance).solve(f, z0)
    assert plain.all_converged
    assert found.all_converged
    assert found.evaluations < 0.8 * plain.evaluations


def test_scale_does_not_matter():
    """An absolute ridge fails here: the same problem a thousand times smaller must take the same steps."""
    counts = []
    for scale in (1e3, 1.0, 1e-3, 1e-8):
        f, z0 = tanh_map(100, 4, 0.95, dtype=torch.float32, scale=scale)
        found = Anderson(rtol=1e-4, max_steps=300).solve(f, z0)
        assert found.all_converged
        counts.append(found.evaluations)
    assert max(counts) - min(counts) <= 1


def test_returned_residual_is_that_of_the_returned_state():
    for max_steps in (3, 40):
        f, z0 = tanh_map(50, 6, 0.97)
        for solver in (Anderson(max_steps=max_steps), FixedPointIteration(max_steps=max_steps)):
            found = solver.solve(f, z0)
            g = f(found.z)
            actual = (g - found.z).norm(dim=1) / g.norm(dim=1)
            assert torch.allclose(found.residual, actual, rtol=1e-9)


def test_each_sample_is_judged_alone():
    """Samples with different rates of convergence get the steps they need, and the states they get alone."""
    rates = torch.tensor([0.0, 0.3, 0.6, 0.9], dtype=torch.float64).unsqueeze(1)
    shift = torch.arange(1.0, 5.0, dtype=torch.float64).unsqueeze(1) * torch.ones(1, 3, dtype=torch.float64)

    def f(z):
        return rates * torch.sin(z) + shift

    together = Anderson(rtol=1e-8, max_steps=100).solve(f, torch.zeros_like(shift))
    assert together.all_converged
    assert together.steps[0] < together.steps[3]
    for b in range(4):
        alone = Anderson(rtol=1e-8, max_steps=100).solve(
            lambda z, b=b: rates[b] * torch.sin(z) + shift[b : b + 1], torch.zeros(1, 3, dtype=torch.float64)
        )
        assert alone.steps[0] == together.steps[b]
        assert torch.equal(alone.z[0], together.z[b])


@pytest.mark.parametrize("solver", [Anderson(max_steps=60), FixedPointIteration(max_steps=60)], ids=str)
def test_bad_neighbors_do_no_harm(solver):
    f, z0, _ = affine(5, 4, 0.5)
    clean = solver.solve(f, z0)

    def spoiled(z):
        g = f(z)
        g[1] = math.nan  # NaN from the start
        g[2] = g[2] * 1e200 + 1.0  # overflows after two steps
        return g

    found = solver.solve(spoiled, z0)
    assert found.status.tolist() == [Status.CONVERGED, Status.NONFINITE, Status.NONFINITE, Status.CONVERGED]
    assert torch.isfinite(found.z).all()
    for b in (0, 3):
        assert torch.equal(found.z[b], clean.z[b])
        assert found.steps[b] == clean.steps[b]


def test_best_iterate_of_a_sample_that_gets_worse():
    def f(z):  # a spiral out of the origin: every step is worse than the one before
        turn = torch.tensor([[0.0, -1.5], [1.5, 0.0]], dtype=torch.float64)
        return z @ turn.T + torch.tensor([1.0, 0.0], dtype=torch.float64)

    start = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    found = FixedPointIteration(max_steps=20).solve(f, start)
    assert found.status.tolist() == [Status.MAX_STEPS]
    assert float(found.residual) == pytest.approx(float(found.trace.residual.min()))
    assert "raise max_steps" in found.describe()
    hopeless = FixedPointIteration().solve(lambda z: z * math.nan, start)
    assert torch.equal(hopeless.z, start)
    assert "NaN or infinity" in hopeless.describe()
    assert "1 at the initial state itself: check f's weights" in hopeless.describe()
    assert "largest residual inf" in hopeless.describe()


@pytest.mark.parametrize("solver", [Anderson(), FixedPointIteration()], ids=str)
def test_trivial_maps(solver):
    z0 = torch.randn(3, 4)
    same = solver.solve(lambda z: z, z0)
    assert same.all_converged
    assert same.evaluations == 1
    assert torch.equal(same.z, z0)
    constant = solver.solve(lambda z: torch.ones_like(z), z0)
    assert constant.all_converged
    assert constant.evaluations == 2
    zero = solver.solve(lambda z: torch.zeros_like(z), z0)
    assert zero.all_converged
    assert torch.equal(zero.z, torch.zeros_like(z0))


def test_max_steps_counts_updates():
    for solver in (Anderson(max_steps=1, rtol=0.0), FixedPointIteration(max_steps=1, rtol=0.0)):
        f, z0, _ = affine(5, 2, 0.5)
        found = solver.solve(f, z0)
        assert found.evaluations == 2
        assert found.steps.tolist() == [1, 1]
        assert torch.equal(found.z, f(z0))


def test_absolute_tolerance():
    f, z0, _ = affine(10, 2, 0.8)
    found = Anderson(rtol=0.0, atol=1e-3, max_steps=100).solve(f, z0)
    assert found.all_converged
    assert ((f(found.z) - found.z).norm(dim=1) <= 1e-3).all()


def test_trace():
    f, z0, _ = affine(10, 3, 0.8)
    found = Anderson(rtol=1e-8, max_steps=100).solve(f, z0)
    assert found.trace.residual.shape == (found.evaluations, 3)
    assert (found.trace.seconds.diff() > 0).all()
    assert torch.equal(found.trace.residual[-1], found.residual)


def test_ragged_samples_equal_separate_ones():
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 1, 5, 2]
    offsets = torch.tensor([0, 3, 4, 9, 11])
    matrices = [torch.randn(n, n, generator=generator, dtype=torch.float64) * 0.5 / n**0.5 for n in lengths]
    mixing = torch.randn(4, 4, generator=generator, dtype=torch.float64) * 0.4
    shift = torch.randn(11, 4, generator=generator, dtype=torch.float64)
    block = torch.block_diag(*matrices)

    def f(z):
        return torch.tanh(block @ z @ mixing + shift)

    for solver in (Anderson(rtol=1e-9, max_steps=100), FixedPointIteration(rtol=1e-9, max_steps=100)):
        together = solver.solve(f, torch.zeros_like(shift), offsets)
        assert together.all_converged
        for b in range(4):
            rows = slice(int(offsets[b]), int(offsets[b + 1]))
            alone = solver.solve(
                lambda z, b=b, rows=rows: torch.tanh(matrices[b] @ z[0] @ mixing + shift[rows]).unsqueeze(0),
                torch.zeros_like(shift[rows]).unsqueeze(0),
            )
            assert alone.steps[0] == together.steps[b]
            assert torch.allclose(alone.z[0], together.z[rows], rtol=1e-10, atol=1e-12)


def test_shapes_strides_and_vectors():
    f, z0, solution = affine(12, 2, 0.7)
    cube = fixed_point(lambda z: f(z.reshape(2, 12)).reshape(2, 3, 4), torch.zeros(2, 3, 4, dtype=torch.float64))
    assert cube.z.shape == (2, 3, 4)
    transposed = torch.zeros(12, 2, dtype=torch.float64).T
    assert not transposed.is_contiguous()
    assert torch.equal(fixed_point(f, transposed).z, fixed_point(f, z0).z)
    vector = fixed_point(lambda z: f(z.unsqueeze(0).expand(2, -1))[0], torch.zeros(12, dtype=torch.float64))
    assert vector.z.shape == (12,)
    assert vector.status.shape == (1,)
    assert torch.allclose(vector.z, solution[0], rtol=1e-2)


def test_the_start_is_left_alone():
    f, z0, _ = affine(5, 2, 0.5)
    z0 = z0 + 1.0
    before = z0.clone()
    fixed_point(f, z0)
    assert torch.equal(z0, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    f, z0 = tanh_map(64, 4, 0.8, dtype=torch.float32)
    found = Anderson(rtol=3e-2, max_steps=60).solve(lambda z: f(z.float()).to(dtype), z0.to(dtype))
    assert found.all_converged
    assert found.z.dtype == dtype


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Anderson(windw=3), "did you mean 'window'"),
        (lambda: FixedPointIteration(window=3), "no option 'window'"),
        (lambda: Anderson(window=0), "window must be a whole number, at least 1"),
        (lambda: Anderson(window=2.5), "window must be a whole number"),
        (lambda: Anderson(mixing=0.0), "mixing"),
        (lambda: Anderson(mixing=1.5), "at most 1"),
        (lambda: Anderson(rtol=-1e-3), "rtol must be a number, at least 0"),
        (lambda: Anderson(atol=math.nan), "atol"),
        (lambda: Anderson(rtol="1e-3"), "rtol"),
        (lambda: Anderson(max_steps=True), "max_steps"),
        (lambda: Anderson(max_steps=0), "max_steps"),
        (lambda: Anderson(ridge=-1.0), "ridge"),
        (lambda: fixed_point(lambda z: z[:, :2], torch.zeros(2, 3)), "must keep the shape"),
        (lambda: fixed_point(lambda z: z.double(), torch.zeros(2, 3)), "must keep dtype and device"),
        (lambda: fixed_point(lambda z: (z, z), torch.zeros(2, 3)), "must return a tensor"),
        (
            lambda: fixed_point(torch.cos, torch.tensor([[1.0, 2.0], [math.nan, 1.0]])),
            "NaN or infinity in 1 of 2 samples",
        ),
        (lambda: fixed_point(lambda z: z, torch.zeros(2, 3, dtype=torch.int64)), "floating-point"),
        (lambda: fixed_point(lambda z: z, torch.zeros(4, 3), offsets=torch.tensor([0, 3])), "offsets"),
        (lambda: fixed_point(lambda z: z, torch.zeros(4, 3), offsets=torch.tensor([0, 2, 2, 4])), "strictly"),
        (lambda: fixed_point(lambda z: z, torch.zeros(4, 3), offsets=torch.tensor([0.0, 4.0])), "must be integers"),
        (lambda: fixed_point(lambda z: z, torch.tensor(1.0), offsets=torch.tensor([0, 1])), "without dimensions"),
    ],
)
def test_misuse_names_cause_and_cure(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize("solver", [Anderson(), FixedPointIteration()], ids=str)
def test_memory_that_f_must_leave_alone(solver):
    buffers = [torch.zeros(2, 3), torch.zeros(2, 3)]
    calls = []

    def one_buffer(z):
        return torch.add(0.5 * z, 1.0, out=buffers[0])

    def two_buffers(z):
        calls.append(z)
        return torch.add(0.5 * z, 1.0, out=buffers[len(calls) % 2])

    for f in (one_buffer, lambda z: z.mul_(0.5).add_(1.0)):
        with pytest.raises(ValueError, match="f changed"):
            solver.solve(f, torch.zeros(2, 3))
    if isinstance(solver, FixedPointIteration):  # its state is f's own memory
        with pytest.raises(ValueError, match="f changed"):
            solver.solve(two_buffers, torch.zeros(2, 3))
    constant = torch.ones(2, 3)
    assert solver.solve(lambda z: constant, torch.zeros(2, 3)).all_converged


@pytest.mark.parametrize("solver", [Anderson(max_steps=80), FixedPointIteration(max_steps=80)], ids=str)
def test_a_view_of_the_state_may_be_returned(solver):
    start = torch.randn(4, 4, dtype=torch.float64)
    turned = solver.solve(lambda z: z.T, start)
    assert turned.status.tolist() != [Status.NONFINITE] * 4
    residual = (turned.z - start.T).norm() * (turned.z - start).norm()
    assert torch.isfinite(residual)
    assert torch.equal(start, start.clone())


def test_gradients_recorded_by_f_do_not_pile_up():
    weight = torch.full((3,), 0.5, requires_grad=True)

    def f(z):
        with torch.enable_grad():
            return weight * z + 1.0

    assert not fixed_point(f, torch.zeros(2, 3)).z.requires_grad


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e20, 1e30])
def test_norms_of_extreme_float32_states(scale):
    f, z0 = tanh_map(10, 3, 0.5, dtype=torch.float32, scale=scale)
    found = FixedPointIteration(rtol=1e-4).solve(f, z0)
    assert found.all_converged
    g = f(found.z).double()
    assert torch.allclose(found.residual, (g - found.z.double()).norm(dim=1) / g.norm(dim=1), rtol=1e-4)


def test_best_iterate_is_judged_as_convergence_is():
    """With an absolute tolerance a state of large norm has a small relative residual and is worse all the same."""

    def f(z):
        return torch.where(z < 1.0, z + 1e-2, z + 5.0)

    found = FixedPointIteration(rtol=0.0, atol=1e-3, max_steps=200).solve(
        f, torch.full((1, 1), 0.5, dtype=torch.float64)
    )
    assert found.status.tolist() == [Status.MAX_STEPS]
    assert float(found.z) < 1.0


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e160, 1e300])
def test_norms_of_extreme_float64_states(scale):
    found = FixedPointIteration(rtol=1e-6).solve(lambda z: 0.5 * z + scale, torch.zeros(2, 4, dtype=torch.float64))
    assert found.all_converged
    assert torch.allclose(found.z, torch.full_like(found.z, 2 * scale), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("solver", [Anderson(), FixedPointIteration()], ids=str)
def test_inference_mode(solver):
    f, z0, _ = affine(5, 2, 0.5)
    buffer = torch.zeros(2, 3)
    with torch.inference_mode():
        assert torch.equal(solver.solve(f, z0).z, solver.solve(f, z0.clone()).z)
        assert solver.solve(lambda z: z, torch.ones(2, 3)).all_converged
        assert torch.isfinite(solver.solve(lambda z: z.T, torch.randn(3, 3)).z).all()
        for f in (lambda z: z.mul_(0.5).add_(1.0), lambda z: torch.add(0.5 * z, 1.0, out=buffer)):
            with pytest.raises(ValueError, match="f changed"):
                solver.solve(f, torch.zeros(2, 3))


@pytest.mark.parametrize("solver", [Anderson(), FixedPointIteration()], ids=str)
def test_the_result_is_no_memory_of_f(solver):
    constant = torch.ones(2, 3)
    solver.solve(lambda z: constant, torch.zeros(2, 3)).z.zero_()
    assert torch.equal(constant, torch.ones(2, 3))


def test_no_chemistry_is_imported():
    import subprocess
    import sys

    code = (
        "import sys; from andersonn import Anderson, Equilibrium, fixed_point\n"
        "bad = {'ase', 'gemmi', 'vesin', 'matplotlib', 'pyarrow', 'sklearn', 'pydantic', 'scipy'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
