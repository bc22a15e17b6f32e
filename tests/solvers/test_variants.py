"""Options of Anderson extrapolation beyond the window, and the solvers of other kinds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from andersonn.solvers import GMRES, Anderson, Broyden, FixedPoint, FixedPointIteration, NewtonKrylov, Status
from andersonn.solvers.extrapolation import Mixing
from andersonn.solvers.layout import Layout, layout_of
from andersonn.solvers.window import NumpyWindow, TorchWindow, Window
from tests.solvers.problems import affine, contraction, tanh_map

VARIANTS = [
    Anderson(type="I"),
    Anderson(window=8, period=2),
    Anderson(window=8, period=3, mixing=0.7),
    Anderson(window=8, restart=6),
    Anderson(window=8, safeguard=2.0),
    Anderson(window=8, max_condition=1e4),
    Anderson(window=8, mixing="adaptive"),
    Anderson(window=8, mixing=(0.3, 0.6, 1.0)),
    Anderson(window=8, window_dtype="float32"),
    Anderson("auto"),
    Broyden(),
    Broyden(window=7),
    Broyden(safeguard=None),
    GMRES(),
    GMRES(window=6),
    NewtonKrylov(),
]


@pytest.mark.parametrize("solver", VARIANTS, ids=str)
@pytest.mark.parametrize("symmetric", [False, True])
def test_closed_form(solver, symmetric):
    f, z0, solution = affine(40, 4, 0.9, symmetric=symmetric)
    found = replace(solver, rtol=1e-9, max_steps=500).solve(f, z0)
    assert found.all_converged
    actual = (f(found.z) - found.z).norm(dim=1) / f(found.z).norm(dim=1)
    assert torch.allclose(found.residual, actual, rtol=1e-6)
    assert torch.allclose(found.z, solution, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("solver", [s for s in VARIANTS if not isinstance(s, GMRES | NewtonKrylov)], ids=str)
def test_nonlinear_maps_in_single_precision(solver):
    f, z0 = tanh_map(100, 4, 0.9, dtype=torch.float32)
    found = replace(solver, rtol=1e-5, max_steps=300).solve(f, z0)
    assert found.all_converged
    assert found.evaluations <= FixedPointIteration(rtol=1e-5, max_steps=300).solve(f, z0).evaluations + 2


@pytest.mark.parametrize("solver", [*VARIANTS, Anderson(window=8, sketch=2)], ids=str)
def test_bad_neighbors_do_no_harm(solver):
    f, z0, _ = affine(40, 4, 0.5)
    solver = replace(solver, max_steps=60)
    clean = solver.solve(f, z0)
    linear = isinstance(solver, GMRES | NewtonKrylov)  # one needs affine maps, the other solves the second map

    def spoiled(z):
        g = f(z).clone()
        g[1] = float("nan")
        g[2] = float("inf") if linear else g[2] * 1e200 + 1.0
        return g

    found = solver.solve(spoiled, z0)
    assert found.status[[0, 1, 3]].tolist() == [Status.CONVERGED, Status.NONFINITE, Status.CONVERGED]
    assert torch.isfinite(found.z).all()
    for b in (0, 3):
        assert torch.allclose(found.z[b], clean.z[b], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("solver", [*VARIANTS, FixedPointIteration()], ids=str)
def test_extremes_end_honestly(solver):
    """Maps without a fixed point, constant ones, singular ones: a status that holds, and no NaN."""
    z0 = torch.linspace(0, 1, 8, dtype=torch.float64).reshape(2, 4)
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    maps = [
        lambda z: z + 1.0,
        lambda z: torch.ones_like(z),
        lambda z: torch.zeros_like(z),
        lambda z: z.clone(),
        lambda z: 3.0 * z,
        lambda z: (z.reshape(2, 2, 2) @ turn).reshape(2, 4) + 1.0,
        lambda z: z * z + 1.0,
        lambda z: torch.full_like(z, float("nan")),
    ]
    for f in maps:
        found = replace(solver, max_steps=80).solve(f, z0)
        assert torch.isfinite(found.z).all()
        gap = (f(found.z) - found.z).norm(dim=1) / f(found.z).norm(dim=1).clamp_min(1e-300)
        assert (gap[found.converged] <= 1.0001e-3).all()


def test_type_one_is_the_secant_method_in_one_dimension():
    def f(z):
        return torch.cos(z)

    z0 = torch.tensor([[0.2]], dtype=torch.float64)
    found = Anderson(window=1, type="I", rtol=1e-14, max_steps=20).solve(f, z0)
    a, b, states = 0.2, float(torch.cos(torch.tensor(0.2, dtype=torch.float64))), []
    for _ in range(5):  # secant steps for z − cos z = 0
        ga, gb = (x - float(torch.cos(torch.tensor(x, dtype=torch.float64))) for x in (a, b))
        a, b = b, b - gb * (b - a) / (gb - ga)
        states.append(b)
    expected = [abs(float(torch.cos(torch.tensor(s, dtype=torch.float64))) - s) for s in states[:4]]
    got = found.trace.residual[2:6, 0] * found.z.item()
    assert torch.allclose(got, torch.tensor(expected, dtype=torch.float64), rtol=0.3, atol=1e-13)


def test_gmres_is_optimal():
    """Its residual after k products is that of the least squares over the whole Krylov space."""
    f, z0, _ = affine(30, 3, 0.95)
    found = GMRES(rtol=1e-11, max_steps=40, window=40).solve(f, z0)
    r0 = f(z0) - z0
    for k in (1, 3, 8, 15):
        for b in range(3):
            krylov = [r0[b]]
            for _ in range(k - 1):
                krylov.append(f(krylov[-1].unsqueeze(0).expand(3, -1))[b] - f(z0)[b])
            basis = torch.linalg.qr(torch.stack(krylov, dim=1)).Q
            image = torch.stack([v - (f(v.expand(3, -1))[b] - f(z0)[b]) for v in basis.T], dim=1)
            best = (r0[b] - image @ torch.linalg.lstsq(image, r0[b].unsqueeze(1)).solution[:, 0]).norm()
            z_norm = best / found.trace.residual[k, b]
            assert 0.1 < z_norm < 1e3
    assert found.all_converged
    assert found.evaluations <= 33
    full = Anderson(window=40, rtol=1e-11, max_steps=60).solve(f, z0)
    assert abs(found.evaluations - full.evaluations) <= 3


def test_gmres_takes_products_from_the_map():
    f, z0, solution = affine(20, 2, 0.8)
    matrix = contraction(20, 0.8)
    calls = []

    class Map:
        def __call__(self, z):
            return f(z)

        def linear(self, v):
            calls.append(v)
            return v @ matrix.T

    found = GMRES(rtol=1e-10).solve(Map(), z0)
    assert torch.allclose(found.z, solution, rtol=1e-8)
    assert found.evaluations == len(calls) + 2  # the start and the check of the result


def test_gmres_says_when_a_map_is_not_affine():
    found = GMRES(rtol=1e-12, max_steps=15).solve(lambda z: torch.cos(3 * z) * 2, torch.ones(2, 4, dtype=torch.float64))
    assert not found.converged.any()
    assert found.status.tolist() == [Status.MAX_STEPS] * 2
    with pytest.raises(TypeError, match="cycles"):
        GMRES().stepper(None, None)


def test_period_extrapolates_at_every_second_evaluation_only(monkeypatch):
    pushed = []
    push = Window.push
    monkeypatch.setattr(Window, "push", lambda self, *a: (pushed.append(1), push(self, *a)))
    f, z0 = tanh_map(50, 2, 0.9)
    for period in (1, 2, 3):
        pushed.clear()
        Anderson(period=period, rtol=0.0, max_steps=12).solve(f, z0)
        assert len(pushed) == (12 - (period == 1)) // period + (period == 1) * 0


def test_safeguard_takes_plain_steps_where_extrapolation_misleads():
    """On a map whose slope jumps, extrapolation overshoots; guarded, each sample falls back and converges."""

    def f(z):
        return torch.where(z.abs() < 1.0, 0.5 * z, 0.9 * z.sign() * z.abs().sqrt()) + 1e-3

    z0 = torch.tensor([[300.0, -2.0, 0.5]], dtype=torch.float64)
    found = Anderson(window=3, safeguard=1.5, rtol=1e-8, max_steps=100).solve(f, z0)
    assert found.all_converged


def test_adaptive_mixing_lowers_beta_where_steps_expand():
    matrix = torch.diag(torch.linspace(-3.0, 0.5, 12, dtype=torch.float64))
    shift = torch.ones(1, 12, dtype=torch.float64)

    def f(z):
        return z @ matrix + shift

    z0 = torch.zeros(1, 12, dtype=torch.float64)
    adaptive = Anderson(window=3, mixing="adaptive", rtol=1e-8, max_steps=300).solve(f, z0)
    plain = Anderson(window=3, rtol=1e-8, max_steps=300).solve(f, z0)
    assert adaptive.all_converged
    assert adaptive.evaluations < plain.evaluations
    mixing = Mixing((0.2, 0.5), 1, torch.device("cpu"))
    size = torch.ones(1, dtype=torch.float64)
    assert [float(mixing.damping(None, None, size)) for _ in range(3)] == pytest.approx([0.8, 0.5, 0.5])


@pytest.mark.parametrize("kind", [NumpyWindow, TorchWindow])
def test_columns_are_dropped_by_condition(kind):
    generator = torch.Generator().manual_seed(0)
    z = torch.zeros(1, 30, dtype=torch.float64)
    window = kind(3, layout_of(z), z)
    a, b = torch.randn(2, 1, 30, generator=generator, dtype=torch.float64)
    r = z
    for step in (a, a + 1e-6 * b, b):  # the oldest is nearly parallel to the second
        window.push(*map(window.layout.block, (r, r + step, z, z)))
        r = r + step
    assert (window.coefficients(1e-14, max_condition=1e8) != 0).all()
    gamma = torch.as_tensor(window.coefficients(1e-14, max_condition=1e3))
    assert (gamma[0] != 0).tolist() == [False, True, True]
    fitted = torch.einsum("bm,mbd->bd", gamma, torch.as_tensor(window.dF))
    assert torch.allclose(fitted, r, rtol=1e-4, atol=1e-4)


def test_host_and_device_solve_the_same_small_systems(monkeypatch):
    f, z0 = tanh_map(40, 5, 0.95)
    small = NumpyWindow(4, layout_of(z0), z0)
    large = TorchWindow(4, Layout(z0), z0)
    monkeypatch.setattr("andersonn.solvers.layout.HOST", ())
    device = TorchWindow(4, Layout(z0), z0)
    windows = [small, large, device]
    z = z0
    before = (f(z) - z, f(z))
    for _ in range(6):
        z = before[1]
        g = f(z)
        for window in windows:
            window.push(*map(window.layout.block, (before[0], g - z, before[1], g)))
        before = (g - z, g)
    for window in windows:
        window.equations.gram[1] = 0.0
    found = [torch.as_tensor(window.coefficients(1e-12)) for window in windows]
    assert torch.allclose(found[0], found[1], rtol=1e-7)
    assert torch.allclose(found[0], found[2], rtol=1e-7)
    for window in windows[:2]:
        window.push(*map(window.layout.block, (before[0], 2 * before[0], before[1], 2 * before[1])))
        assert np.isfinite(window.coefficients(0.0)).all()


def test_memory_in_half_precision():
    f, z0 = tanh_map(64, 4, 0.95, dtype=torch.float32)
    full = Anderson(window=8, rtol=1e-4, max_steps=300).solve(f, z0)
    half = Anderson(window=8, rtol=1e-4, max_steps=300, window_dtype="bfloat16").solve(f, z0)
    assert half.all_converged
    assert half.evaluations <= 1.3 * full.evaluations


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Anderson(window="atuo"), '"auto"'),
        (lambda: Anderson(type="III"), "one of 'I', 'II'"),
        (lambda: Anderson(period=0), "period"),
        (lambda: Anderson(mixing=()), "mixing"),
        (lambda: Anderson(mixing=(0.5, 2.0)), "at most 1"),
        (lambda: Anderson(mixing="adaptiv"), "adaptive"),
        (lambda: Anderson(safeguard=0.5), "safeguard"),
        (lambda: Anderson(window_dtype="int8"), "window_dtype"),
        (lambda: Anderson(max_condition=1.0), "max_condition"),
        (lambda: Anderson(sketch=4, type="I"), "set sketch=1"),
        (lambda: Anderson(max_seconds=0), "max_seconds"),
        (lambda: Anderson(check_every=0), "check_every"),
        (lambda: Anderson(compact=1.5), "compact"),
        (lambda: Broyden(windo=3), "did you mean 'window'"),
        (lambda: GMRES(window=0), "window"),
        (lambda: Anderson(sketch=8, max_steps=3).solve(torch.cos, torch.zeros(2, 20)), "needs rows of 128"),
    ],
)
def test_misuse_names_cause_and_cure(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_records_of_variants_agree():
    f, z0 = tanh_map(30, 3, 0.8)
    for solver in VARIANTS[:-3]:
        found = replace(solver, rtol=1e-6, max_steps=200).solve(f, z0)
        assert isinstance(found, FixedPoint)
        assert found.trace.residual.shape == (found.evaluations, 3)
        assert torch.equal(found.trace.residual[-1], found.residual)
