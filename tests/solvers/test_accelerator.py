"""Solvers on a pretend accelerator: what they launch and read, and that they find what they find on the host. Counts, never times."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from andersonn.solvers import GMRES, Anderson, Broyden, FixedPointIteration, Status
from andersonn.solvers.device_window import DeviceWindow
from andersonn.solvers.layout import layout_of
from andersonn.solvers.safeguard import Safeguard
from andersonn.solvers.window import NumpyWindow
from tests.pretend_accelerator import PretendAccelerator, host

TOLERANCE = {"rtol": 1e-5, "max_steps": 200}
OFFSETS = torch.tensor([0, 2, 3, 8])
SOLVERS = {
    "Picard": FixedPointIteration(**TOLERANCE),
    "damped": FixedPointIteration(mixing=0.8, **TOLERANCE),
    "Anderson": Anderson(**TOLERANCE),
    "window 20": Anderson(window=20, **TOLERANCE),
    "period": Anderson(period=2, **TOLERANCE),
    "restart": Anderson(restart=4, **TOLERANCE),
    "safeguard": Anderson(safeguard=1.2, **TOLERANCE),
    "no safeguard": Anderson(safeguard=None, **TOLERANCE),
    "damped Anderson": Anderson(mixing=0.7, **TOLERANCE),
    "adaptive": Anderson(mixing="adaptive", **TOLERANCE),
    "type I": Anderson(type="I", **TOLERANCE),
    "sketch": Anderson(sketch=4, **TOLERANCE),
    "condition": Anderson(max_condition=1e4, **TOLERANCE),
    "bfloat16 window": Anderson(window_dtype="bfloat16", **TOLERANCE),
    "Broyden": Broyden(**TOLERANCE),
    "guarded Broyden": Broyden(safeguard=1.2, **TOLERANCE),
}
F_LAUNCHES = 3
MIXING = {"Picard": 2, "Anderson": 8, "no safeguard": 8, "Broyden": 12}
"""Operations of an evaluation beside those of f, with no sample held: lower them when it takes fewer."""
HOLDING = 2
"""More of them while samples that have converged are held at their states."""
GMRES_MIXING = 13


def problem(dtype=torch.float32, symmetric=True, radius=0.97):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(128, 128, generator=generator, dtype=torch.float64)
    weight = weight + weight.T if symmetric else weight
    weight *= radius / torch.linalg.matrix_norm(weight, 2)
    shift, z0 = (torch.randn(8, 128, generator=generator, dtype=torch.float64) for _ in range(2))
    return weight.to(dtype), shift.to(dtype), z0.to(dtype)


def tanh(weight, shift):
    return lambda z: torch.tanh(z @ weight + shift)


@pytest.fixture(params=[True, False], ids=["float64", "no float64"])
def device(request):
    with PretendAccelerator(float64=request.param) as entered:
        yield entered


@pytest.fixture
def capable():
    with PretendAccelerator() as entered:
        yield entered


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("offsets", [None, OFFSETS], ids=["dense", "ragged"])
def test_it_finds_what_the_host_finds_one_evaluation_later(device, name, offsets):
    weight, shift, z0 = problem()
    solver = SOLVERS[name]
    expected = solver.solve(tanh(weight, shift), z0, offsets)
    f = tanh(device.put(weight), device.put(shift))
    found = solver.solve(f, device.put(z0), offsets)
    assert found.all_converged
    assert found.z.device.type == found.status.device.type == "sim"
    g = tanh(weight, shift)(host(found.z))
    layout = layout_of(z0, offsets)
    sizes, lengths = layout.norms(g - host(found.z), g).T
    assert torch.allclose(host(found.residual).double(), sizes / lengths, rtol=2e-2)
    assert torch.allclose(host(found.z), expected.z, atol=3e-4)
    slack = 1 if device.float64 else 2  # small systems in single precision take other steps
    assert found.evaluations <= expected.evaluations + slack
    assert found.trace.residual.shape == (found.evaluations, layout.samples)


@pytest.mark.parametrize("name", MIXING)
def test_launches_and_reads_of_an_evaluation(capable, name):
    weight, shift, z0 = problem()
    f, start = tanh(capable.put(weight), capable.put(shift)), capable.put(z0)

    def counts(**options):
        capable.reset()
        found = replace(SOLVERS[name], **options).solve(f, start)
        return capable.launches, capable.reads, found.evaluations

    many, few = counts(rtol=1e-12, max_steps=12), counts(rtol=1e-12, max_steps=7)
    assert (many[0] - few[0]) / 5 - F_LAUNCHES <= MIXING[name], capable.operations
    assert many[1] - few[1] <= 5
    whole = counts()
    assert whole[0] / whole[2] - F_LAUNCHES <= MIXING[name] + HOLDING, capable.operations
    assert whole[1] <= whole[2], capable.places


def test_the_safeguard_launches_nothing_until_it_triggers(capable):
    weight, shift, z0 = problem()
    f = tanh(capable.put(weight), capable.put(shift))
    counts = {}
    for safeguard in (4.0, None):
        capable.reset()
        assert Anderson(safeguard=safeguard, **TOLERANCE).solve(f, capable.put(z0)).all_converged
        counts[safeguard] = Counter(capable.operations)
    assert counts[4.0] == counts[None]
    generator = torch.Generator().manual_seed(0)
    weight, shift, z0 = (torch.randn(*shape, generator=generator) for shape in ((40, 40), (8, 40), (8, 40)))
    weight, shift = capable.put(0.2 * weight), capable.put(shift)
    capable.reset()
    kinks = Anderson(window=8, safeguard=2.0, patience=None, **TOLERANCE)
    assert kinks.solve(lambda z: 0.8 * torch.relu(z @ weight + shift), capable.put(z0)).all_converged
    assert capable.operations["addmm"] > 0  # takes in what was forgotten


@pytest.mark.parametrize("scale", [1e-17, 1e17, 1e22])
@pytest.mark.parametrize("name", ["Anderson", "Broyden"])
def test_products_that_vanish_or_overflow_are_looked_after(capable, name, scale):
    """In states whose squares float32 does not hold; one sample is solved exactly at once."""
    weight, shift, z0 = problem(radius=0.9)
    alive = torch.ones(8, 1)
    alive[2] = 0.0

    def f_of(weight, shift, alive):
        return lambda z: scale * (alive * torch.tanh(z @ weight / scale) + shift)

    # Where products overflow, steps are Picard's.
    expected = SOLVERS["Picard" if scale > 1e19 else name].solve(f_of(weight, shift, alive), scale * z0)
    f = f_of(*(capable.put(each) for each in (weight, shift, alive)))
    found = SOLVERS[name].solve(f, capable.put(scale * z0))
    assert found.all_converged
    assert found.evaluations <= expected.evaluations + 1
    assert capable.operations["nan_to_num"] + capable.operations["nan_to_num_"] > 0
    capable.reset()
    usual = SOLVERS[name].solve(tanh(capable.put(weight), capable.put(shift)), capable.put(z0))
    assert usual.all_converged
    assert capable.operations["nan_to_num"] + capable.operations["nan_to_num_"] <= 1  # before norms have been read


def test_a_sample_solved_exactly_goes_on_when_others_change_it(capable):
    """Its steps have no length, so that their products are zeros."""
    weight, shift, z0 = problem(torch.float64, symmetric=False, radius=0.9)
    first, z0[0] = torch.zeros(8, 1, dtype=torch.float64), 0.0
    first[0] = 1.0

    def f_of(weight, shift, first):  # sample 0 sees the sum of the others once that is large
        return lambda z: (
            first * torch.relu(z[1:].abs().sum() - 400.0) * 1e-3 + (1 - first) * torch.tanh(z @ weight + shift)
        )

    found = Broyden(**TOLERANCE).solve(f_of(*(capable.put(each) for each in (weight, shift, first))), capable.put(z0))
    f, z = f_of(weight, shift, first), host(found.z)
    assert torch.isfinite(z).all()
    assert (((f(z) - z).norm(dim=1) <= 1.01e-5 * f(z).norm(dim=1)) == (host(found.status) == 0)).all()
    assert found.all_converged


def test_what_the_safeguard_finds():
    """On the host at once; late, with the norms of each check, kept until it is asked for."""
    sizes = [np.array(each) for each in ([1.0, 1.0], [3.0, 1.0], [1.0, np.nan], [0.5, 3.0])]
    expected = [None, [True, False], [False, False], [False, True]]
    at_once, late = Safeguard(2.0, late=False), Safeguard(2.0, late=True)
    for size, mask in zip(sizes, expected, strict=True):
        found = at_once.exceeding(size)
        assert (found is None) == (mask is None)
        assert mask is None or found.tolist() == mask
        late.observe(SimpleNamespace(sizes=size))
    assert late.exceeding(torch.zeros(2)).tolist() == [True, True]
    assert late.exceeding(torch.zeros(2)) is None


@pytest.mark.parametrize("window", [5, 20, 50])
@pytest.mark.parametrize("offsets", [None, OFFSETS], ids=["dense", "ragged"])
def test_broyden_takes_the_hosts_steps(capable, window, offsets):
    """State by state, past restarts of a full memory and past its growth; one sample restarts alone at a singular pivot."""
    weight, shift, z0 = problem(torch.float64, symmetric=False, radius=0.9)
    singular = torch.zeros(8, 1, dtype=torch.float64)
    z0[1], singular[1] = 0.0, 1.0  # a residual r with ⟨r, J r⟩ = ‖r‖²
    slopes, ones = torch.zeros(2, 128, dtype=torch.float64)
    slopes[:3], ones[:2] = torch.tensor([0.5, 1.5, 0.2]), 1.0
    solver = Broyden(window=window, rtol=0.0, atol=1e-30, max_steps=36, check_every=1)

    def states_of(put):
        w, b, alone, slope, one = (put(each) for each in (weight, shift, singular, slopes, ones))
        states = []

        def f(z):
            states.append(host(z).clone())
            return alone * (slope * z + one) + (1 - alone) * torch.tanh(z @ w + b)

        solver.solve(f, put(z0), offsets)
        return states

    expected, found = states_of(lambda each: each), states_of(capable.put)
    assert min(len(found), len(expected)) >= 37
    for one, other in zip(found[:37], expected[:37], strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11)


def test_a_check_every_few_evaluations_reads_less(capable):
    weight, shift, z0 = problem()
    f, start = tanh(capable.put(weight), capable.put(shift)), capable.put(z0)
    capable.reset()
    found = Anderson(check_every=8, **TOLERANCE).solve(f, start)
    assert capable.reads == -(-found.evaluations // 8)
    assert found.all_converged
    assert (host(found.steps) % 8 == 0).all()


class Affine:
    """An affine map with products, as an adjoint's is."""

    def __init__(self, weight, shift):
        self.weight, self.shift = weight, shift

    def __call__(self, z):
        return self.linear(z) + self.shift

    def linear(self, z):
        return z @ self.weight


def test_launches_of_gmres(capable):
    weight, shift, z0 = problem()
    f, start = Affine(capable.put(weight), capable.put(shift)), capable.put(z0)
    expected = GMRES(**TOLERANCE).solve(Affine(weight, shift), z0)
    capable.reset()
    found = GMRES(**TOLERANCE).solve(f, start)
    assert capable.launches / found.evaluations - 1 <= GMRES_MIXING, capable.operations
    assert capable.reads <= found.evaluations + 6, capable.places
    assert found.all_converged
    assert torch.allclose(host(found.z), expected.z, rtol=1e-3, atol=1e-2)
    assert found.evaluations <= expected.evaluations + 3  # one late a cycle


@pytest.mark.parametrize("offsets", [None, OFFSETS], ids=["dense", "ragged"])
def test_gmres_without_float64(device, offsets):
    weight, shift, z0 = problem(radius=0.9)
    w, b = device.put(weight), device.put(shift)
    found = GMRES(**TOLERANCE).solve(lambda z: z @ w + b, device.put(z0), offsets if offsets is None else OFFSETS)
    exact = torch.linalg.solve(torch.eye(128).double() - weight.T.double(), shift.double().T).T
    if offsets is None:
        assert found.all_converged
        assert torch.allclose(host(found.z).double(), exact, rtol=1e-3, atol=1e-3)
    assert torch.isfinite(host(found.z)).all()


def test_automatic_choice_runs_on_a_device(device):
    weight, shift, z0 = problem()
    f = tanh(device.put(weight), device.put(shift))
    for options in ({}, {"mixing": "adaptive"}, {"restart": 3}):
        found = Anderson("auto", **TOLERANCE, **options).solve(f, device.put(z0))
        assert found.all_converged


class Leaving:
    """Samples of different rates, which can leave the batch."""

    def __init__(self, weight, shift, rates):
        self.weight, self.shift, self.rates = weight, shift, rates

    def __call__(self, z):
        return torch.tanh((z @ self.weight) * self.rates + self.shift)

    def subset(self, samples, rows):
        return Leaving(self.weight, self.shift[rows], self.rates[rows])


@pytest.mark.parametrize("name", ["Picard", "Anderson", "period", "type I", "Broyden"])
@pytest.mark.parametrize("offsets", [None, OFFSETS], ids=["dense", "ragged"])
def test_samples_leave_the_batch(device, name, offsets):
    weight, shift, z0 = problem()
    rates = torch.linspace(0.1, 1, 8).unsqueeze(1)
    expected = SOLVERS[name].solve(Leaving(weight, shift, rates), z0, offsets)
    moved = Leaving(*(device.put(each) for each in (weight, shift, rates)))
    found = SOLVERS[name].solve(moved, device.put(z0), offsets)
    assert found.all_converged
    assert torch.allclose(host(found.z), expected.z, atol=3e-4)
    if device.float64:
        assert torch.equal(host(found.steps), expected.steps)


def test_a_broken_sample_and_one_that_mixes(device):
    weight, shift, z0 = problem()
    inner = tanh(device.put(weight), device.put(shift))
    broken = torch.zeros(8, 1)
    broken[3] = float("nan")
    broken = device.put(broken)
    found = Anderson(**TOLERANCE).solve(lambda z: inner(z) + broken, device.put(z0))
    assert host(found.status).tolist() == [0, 0, 0, Status.NONFINITE, 0, 0, 0, 0]
    assert torch.isfinite(host(found.z)).all()
    mixing = Anderson(**TOLERANCE).solve(lambda z: 0.5 * inner(z) + 0.4 * z.mean(0, keepdim=True), device.put(z0))
    z = host(mixing.z)
    g = 0.5 * tanh(weight, shift)(z) + 0.4 * z.mean(0, keepdim=True)
    assert mixing.all_converged
    assert ((g - z).norm(dim=1) <= 1.01e-5 * g.norm(dim=1)).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes(capable, dtype):
    weight, shift, z0 = problem(dtype, radius=0.8)
    f = tanh(capable.put(weight), capable.put(shift))
    for solver in (Anderson(rtol=2e-2), Broyden(rtol=2e-2), FixedPointIteration(rtol=2e-2)):
        assert solver.solve(f, capable.put(z0)).all_converged


def test_the_ring_gives_the_windows_combination(monkeypatch):
    """Weights and combination of the ring against the incremental normal equations, over more pushes than slots, to 1e-6."""
    generator = torch.Generator().manual_seed(0)
    like = torch.zeros(3, 20, dtype=torch.float64)
    pairs = [torch.randn(2, 3, 20, generator=generator, dtype=torch.float64) for _ in range(9)]
    plain = NumpyWindow(4, layout_of(like), like)
    monkeypatch.setattr("andersonn.solvers.layout.HOST", ())
    layout = layout_of(like)
    ring, before = DeviceWindow(4, layout, like), None
    for n, (r, g) in enumerate(pairs):
        place = ring.place_after(before)
        place.pair.copy_(torch.stack([r, g]))
        now = (place, layout.block(g))
        if before is not None:
            ring.push(before[0], now[0], before[1], now[1])
            if n == 5:
                ring.forget(torch.tensor([False, True, False]))
            blocks = [plain.layout.block(each) for each in (pairs[n - 1][0], r, pairs[n - 1][1], g)]
            plain.push(*blocks)
            plain.forget(np.array([False, n == 5, False]))
            expected, found = torch.empty_like(g), torch.empty_like(g)
            plain.extrapolate(plain.coefficients(1e-14), blocks[3], plain.layout.block(expected))
            ring.extrapolate(ring.coefficients(1e-14), now[1], layout.block(found))
            assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9), n
        before = now


@pytest.mark.parametrize("name", ["Picard", "Anderson", "safeguard", "damped Anderson", "type I", "Broyden"])
@pytest.mark.parametrize("offsets", [None, OFFSETS], ids=["dense", "ragged"])
def test_a_solve_of_fixed_length_reads_nothing(device, name, offsets):
    """What recording it as a CUDA graph needs; it returns what the host's solve returns."""
    weight, shift, z0 = problem(radius=0.9)
    solver = replace(SOLVERS[name], rtol=0.0, max_steps=9)
    f, start = tanh(device.put(weight), device.put(shift)), device.put(z0)
    solver.solve(f, start, offsets)
    device.reset()
    found = solver.solve(f, start)
    assert device.reads == 0, device.places
    assert device.uploads == 0
    found = solver.solve(f, start, offsets)
    expected = solver.solve(tanh(weight, shift), z0, offsets)
    assert found.evaluations == 10
    assert torch.equal(host(found.steps), expected.steps)
    assert torch.equal(host(found.status), expected.status)
    assert torch.allclose(host(found.residual).double(), expected.residual, rtol=3e-2)
    assert torch.allclose(host(found.z), expected.z, atol=1e-3)


def test_a_solve_of_fixed_length_tells_what_broke(capable):
    broken = torch.zeros(3, 1)
    broken[1] = float("nan")
    broken, start = capable.put(broken), capable.put(torch.zeros(3, 4))
    found = FixedPointIteration(rtol=0.0, max_steps=5).solve(lambda z: 0.5 * z + 1.0 + broken, start)
    assert host(found.status).tolist() == [Status.MAX_STEPS, Status.NONFINITE, Status.MAX_STEPS]
    assert torch.isfinite(host(found.z)).all()
    constant = FixedPointIteration(rtol=0.0, max_steps=5).solve(lambda z: torch.ones_like(z), start)
    assert host(constant.status).tolist() == [Status.CONVERGED] * 3
