"""Budgets, checks every k evaluations, compaction, states of several parts."""

import time
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from andersonn.solvers import GMRES, Anderson, Broyden, FixedPointIteration, Layout, Status, fixed_point
from andersonn.solvers.convergence_monitor import ConvergenceMonitor
from tests.solvers.problems import affine, tanh_map

SOLVERS = [
    FixedPointIteration(),
    FixedPointIteration(mixing=0.8),
    Anderson(window=4),
    Anderson(window=4, period=2, safeguard=5.0, mixing="adaptive"),
    Anderson(window=4, type="I"),
    Anderson("auto"),
    Broyden(),
    GMRES(),
]


class Rates:
    """z ← a z + b with a rate and a shift for each row; it can leave samples out, and counts what it was asked."""

    def __init__(self, rates, shift, log=None):
        self.rates, self.shift = rates, shift
        self.log = [] if log is None else log

    def __call__(self, z):
        self.log.append(len(z))
        return self.rates * z + self.shift

    def subset(self, samples, rows):
        return Rates(self.rates[rows], self.shift[rows], self.log)


def rates_map(repeat=1):
    rates = torch.tensor([0.1, 0.9, 0.3, 0.97, 0.5, 0.2], dtype=torch.float64).repeat_interleave(repeat)
    rates = rates.unsqueeze(1) * torch.linspace(-0.9, 1.0, 15, dtype=torch.float64)
    return Rates(rates, torch.arange(1.0, 15 * len(rates) + 1, dtype=torch.float64).reshape(-1, 15))


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("repeat", [1, 3])
def test_compaction_changes_the_work_and_nothing_else(solver, repeat):
    offsets = torch.arange(0, 6 * repeat + 1, repeat) if repeat > 1 else None
    solver = replace(solver, rtol=1e-8, max_steps=1200, check_every=1)
    if isinstance(solver, GMRES):
        solver = replace(solver, window=2)
    f, g = rates_map(repeat), rates_map(repeat)
    z0 = torch.zeros_like(f.shift)
    small = solver.solve(f, z0, offsets)
    whole = replace(solver, compact=0.0).solve(g, z0, offsets)
    assert small.all_converged
    by_the_clock = getattr(solver, "window", None) == "auto"  # its number of steps is not the same in every run
    assert set(g.log) == {6 * repeat}
    if not isinstance(solver, GMRES):  # its cycles end when the last sample of the batch is done
        assert min(f.log) < 6 * repeat
        assert by_the_clock or sum(f.log) < sum(g.log)
    if not by_the_clock:
        assert torch.equal(small.steps, whole.steps)
        assert torch.allclose(small.z, whole.z, rtol=1e-12)
        assert torch.allclose(small.residual, whole.residual, rtol=1e-3)
        assert torch.allclose(small.trace.residual, whole.trace.residual, rtol=1e-3)
    assert torch.allclose(small.z, f.shift / (1 - f.rates), rtol=1e-6)


def test_a_sample_that_broke_leaves_the_batch_too():
    f = rates_map()
    f.rates[1] = float("nan")
    found = Anderson(rtol=1e-8, max_steps=200, compact=1.0).solve(f, torch.zeros_like(f.shift))
    assert found.status.tolist() == [0, Status.NONFINITE, 0, 0, 0, 0]
    assert torch.equal(found.z[1], torch.zeros(15, dtype=torch.float64))
    assert f.log[1] == 5


@pytest.mark.parametrize("solver", SOLVERS[:-1], ids=str)
def test_checks_every_few_evaluations(solver):
    f, z0, solution = affine(20, 5, 0.8)
    solver = replace(solver, rtol=1e-9, max_steps=300)
    each, rarely = solver.solve(f, z0), replace(solver, check_every=7).solve(f, z0)
    assert rarely.all_converged
    assert (rarely.steps % 7 == 0).all()
    assert torch.allclose(rarely.z, solution, rtol=1e-7)
    assert rarely.trace.residual.shape == (rarely.evaluations, 5)
    if solver.name != "Anderson" or solver.window != "auto":
        shared = min(each.evaluations, rarely.evaluations) - 1
        first_stop = int(each.steps.min())
        assert torch.allclose(
            each.trace.residual[: min(shared, first_stop)], rarely.trace.residual[: min(shared, first_stop)], rtol=1e-6
        )


class _Waits(TorchDispatchMode):
    """Counts operations that make the host wait for the device."""

    NAMES = ("_local_scalar_dense", "nonzero", "is_nonzero", "item", "equal", "masked_select", "_to_copy")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        indexed_by_mask = name in ("index", "index_put_", "index_put") and any(
            isinstance(i, torch.Tensor) and i.dtype == torch.bool for i in (args[1] or ()) if i is not None
        )
        if (name in self.NAMES and name != "_to_copy") or indexed_by_mask:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "solver",
    [
        FixedPointIteration(),
        Anderson(),
        Anderson(safeguard=2.0, mixing="adaptive", period=2),
        Anderson(type="I"),
        Broyden(),
    ],
    ids=str,
)
def test_no_waiting_between_checks(solver, monkeypatch):
    """The code path of accelerators, on the CPU: nothing between two checks reads a value back."""
    monkeypatch.setattr("andersonn.solvers.layout.HOST", ())
    f, z0 = tanh_map(20, 4, 0.9)

    def waits(steps, every):
        with _Waits() as mode:
            replace(solver, rtol=0.0, max_steps=steps, check_every=every).solve(f, z0)
        return len(mode.seen)

    assert waits(60, 1000) == waits(20, 1000)


@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e140])
@pytest.mark.parametrize("solver", [*SOLVERS[:5], SOLVERS[6]], ids=str)
def test_the_path_of_accelerators_gives_the_same(solver, scale, monkeypatch):
    f, z0 = tanh_map(20, 4, 0.9, scale=scale)
    solver = replace(solver, rtol=1e-8, max_steps=200)
    host = solver.solve(f, z0)
    monkeypatch.setattr("andersonn.solvers.layout.HOST", ())
    device = solver.solve(f, z0)
    assert device.all_converged
    assert torch.equal(device.steps, host.steps)
    assert torch.allclose(device.z, host.z, rtol=1e-9, atol=0.0)


def test_out_of_time():
    f, z0, _ = affine(10, 3, 0.999)
    found = FixedPointIteration(rtol=1e-12, max_steps=10**6, max_seconds=0.05).solve(f, z0)
    assert found.status.tolist() == [Status.OUT_OF_TIME] * 3
    assert found.evaluations < 10**5
    assert "max_seconds" in found.describe()
    assert torch.allclose(found.residual, found.trace.residual.amin(dim=0))
    done = FixedPointIteration(rtol=0.9, max_seconds=1e-9).solve(f, z0 + 1.0)
    assert done.all_converged or (done.status == Status.OUT_OF_TIME).any()


State = namedtuple("State", ["a", "rest"])


@pytest.mark.parametrize("solver", SOLVERS[:-1], ids=str)
def test_states_of_several_parts(solver):
    """A pytree is solved as the one vector that its parts make together."""
    f, z0, solution = affine(12, 3, 0.8)
    solver = replace(solver, rtol=1e-8, max_steps=300)

    def nested(state):
        value = f(torch.cat([state.a.reshape(3, 4), state.rest["b"], state.rest["c"][0]], dim=1))
        return State(value[:, :4].reshape(3, 2, 2), {"b": value[:, 4:9], "c": [value[:, 9:]]})

    start = State(z0[:, :4].reshape(3, 2, 2), {"b": z0[:, 4:9], "c": [z0[:, 9:]]})
    found, flat = solver.solve(nested, start), solver.solve(f, z0)
    assert isinstance(found.z, State)
    assert found.z.a.shape == (3, 2, 2)
    if solver.name != "Anderson" or solver.window != "auto":
        assert torch.equal(found.z.rest["b"], flat.z[:, 4:9])
        assert found.evaluations == flat.evaluations
    assert torch.allclose(found.z.rest["c"][0], solution[:, 9:], rtol=1e-6)


def test_parts_can_be_left_out_too():
    inner = rates_map()

    class Parts:
        def __init__(self, f):
            self.f = f

        def __call__(self, state):
            value = self.f(torch.cat(list(state.values()), dim=1))
            return {"x": value[:, :1], "y": value[:, 1:]}

        def subset(self, samples, rows):
            return Parts(self.f.subset(samples, rows))

    z0 = torch.zeros_like(inner.shift)
    found = fixed_point(Parts(inner), {"x": z0[:, :1], "y": z0[:, 1:]}, Anderson(rtol=1e-8, max_steps=200))
    assert found.all_converged
    assert min(inner.log) < 6


@pytest.mark.parametrize(
    ("f", "z0", "message"),
    [
        (lambda z: z, {"a": torch.zeros(2, 3), "b": torch.zeros(3, 3)}, "same dimension 0"),
        (lambda z: z, {"a": torch.zeros(2, 3), "b": torch.zeros(2, 3, device="meta")}, "one device"),
        (lambda z: z, {}, "without a tensor"),
        (lambda z: z, {"a": torch.zeros(2), "b": None}, "NoneType"),
        (lambda z: [z["a"]], {"a": torch.zeros(2, 3)}, "pytree like its argument"),
        (lambda z: {"a": z["a"][:, :1]}, {"a": torch.zeros(2, 3)}, "keep the shapes"),
        (lambda z: z, "state", "must be a tensor"),
    ],
)
def test_bad_pytrees(f, z0, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fixed_point(f, z0)


def test_automatic_choice_extrapolates_where_it_pays(one_thread):
    """A dear map with a real spectrum: it must come close to the best fixed choice; a trivial one: plain steps only."""
    f, z0, _ = affine(300, 4, 0.99, symmetric=True)

    def dear(z):
        for _ in range(20):
            value = f(z)
        return value

    tolerance = {"rtol": 1e-6, "max_steps": 3000}
    plain = FixedPointIteration(**tolerance).solve(dear, z0)
    chosen = Anderson("auto", **tolerance).solve(dear, z0)
    assert chosen.all_converged
    assert chosen.evaluations < 0.3 * plain.evaluations
    easy = Anderson("auto").solve(lambda z: 0.05 * z + 1.0, torch.zeros(2, 3))
    assert easy.evaluations == FixedPointIteration().solve(lambda z: 0.05 * z + 1.0, torch.zeros(2, 3)).evaluations
    diverging, start, solution = affine(8, 2, 1.4)
    assert Anderson("auto", rtol=1e-7, max_steps=500).solve(diverging, start).all_converged


@pytest.mark.parametrize("solver", [s for s in SOLVERS if getattr(s, "window", None) != "auto"], ids=str)
@pytest.mark.parametrize("ragged", [False, True])
def test_large_states_are_solved_as_small_ones(solver, ragged, monkeypatch):
    """The path of large states, by parts of two rows, on a state that is worked on in numpy as a rule."""
    f, z0 = tanh_map(20, 6, 0.9)
    offsets = torch.tensor([0, 1, 4, 6]) if ragged else None
    solver = replace(solver, rtol=1e-8, max_steps=200)
    small = solver.solve(f, z0, offsets)
    monkeypatch.setattr("andersonn.solvers.layout.SMALL", 0)
    monkeypatch.setattr("andersonn.solvers.layout.PART", 2 * 20 * 8)
    large = solver.solve(f, z0, offsets)
    assert small.all_converged
    assert torch.equal(small.steps, large.steps)
    assert torch.allclose(small.z, large.z, rtol=1e-9)
    assert torch.allclose(small.trace.residual, large.trace.residual, rtol=1e-3)


def test_half_precision_and_transposed_values():
    """Half precision and transposed values go the general way."""
    f, z0 = tanh_map(20, 4, 0.5, dtype=torch.float32)
    half = Anderson(rtol=1e-2).solve(lambda z: f(z.float()).bfloat16(), z0.bfloat16())
    assert half.all_converged
    turned = Anderson(rtol=1e-5).solve(lambda z: f(z).T.contiguous().T, z0)
    plain = Anderson(rtol=1e-5).solve(f, z0)
    assert torch.equal(turned.z, plain.z)


def test_automatic_choice_without_a_tolerance_uses_its_steps(one_thread):
    """There is always more to gain then: on a dear map it must get much further than plain steps do."""
    f, z0, _ = affine(300, 2, 0.99, symmetric=True)

    def dear(z):
        time.sleep(0.001)
        return f(z)

    budget = {"rtol": 0.0, "max_steps": 120}
    plain, chosen = FixedPointIteration(**budget).solve(f, z0), Anderson("auto", **budget).solve(dear, z0)
    assert (chosen.residual < 0.1 * plain.residual).all()


def test_the_monitor_tells_how_fast_the_worst_running_sample_falls():
    monitor = ConvergenceMonitor(Layout(torch.zeros(2, 1)), 1e-9, 0.0, None)
    z = monitor.layout.block(torch.zeros(2, 1))
    for step, sizes in enumerate([(1.0, 0.5), (0.5, 0.5), (0.1, 0.2), (0.2, 0.3)]):
        monitor.record(np.array([[size, 1.0] for size in sizes]))
        monitor.check(step, z, own=True)
    assert monitor.log_decrease(3) == pytest.approx(np.log(1.0 / 0.3) / 3)
    assert monitor.log_decrease(3, to_least=True) == pytest.approx(np.log(1.0 / 0.2) / 3)
    assert monitor.worst_excess == pytest.approx(0.3 / 1e-9)
