"""States on the way to a fixed point: values and gradients against an unrolled twin, for all kinds of states and batches."""

import pytest
import torch
from torch import nn

import andersonn as an
from andersonn import GMRES, Anderson, Broyden, Equilibrium, FixedPointIteration, NewtonKrylov, OneStepGradient
from andersonn.solvers import Status
from andersonn.solvers.costs import _known
from tests.implicit.cells import TIGHT, Tanh, inputs, unrolled
from tests.solvers.test_guard import Hiccup

DOUBLE = torch.float64
PICARD = FixedPointIteration(rtol=1e-12, max_steps=900)


class Spy(nn.Module):
    """A cell that keeps the states at which a solver evaluated it."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.seen, self.calls = cell, [], 0

    def forward(self, z, x):
        self.calls += 1
        if not torch.is_grad_enabled():
            self.seen.append(z.clone())
        return self.cell(z, x)


class Rates(nn.Module):
    """A map of two parts; samples contract at rates of their own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.9, dtype=DOUBLE))

    def initial(self, x):
        return {"a": torch.zeros(len(x["rate"]), 2, dtype=DOUBLE), "b": torch.zeros(len(x["rate"]), dtype=DOUBLE)}

    def forward(self, z, x):
        rate = self.scale * x["rate"]
        a = rate.unsqueeze(1) * z["a"] + x["shift"].unsqueeze(1)
        return {"a": a, "b": rate * torch.tanh(z["b"]) - x["shift"]}


def ragged():
    """Three samples of 2, 1 and 3 rows: the second one stops first, the third one last."""
    rate = torch.tensor([0.5, 0.5, 0.05, 0.95, 0.95, 0.95], dtype=DOUBLE)
    shift = torch.linspace(0.3, 0.8, 6, dtype=DOUBLE).requires_grad_()
    return {"rate": rate, "shift": shift}, torch.tensor([0, 2, 3, 6])


def part(x, first, last):
    return {name: leaf[first:last] for name, leaf in x.items()}


@pytest.mark.parametrize("gradient", [None, OneStepGradient()], ids=["exact", "one step"])
def test_states_and_gradients_are_those_of_an_unrolled_twin(gradient):
    cell, x = Tanh(), inputs()
    layer = Equilibrium(cell, PICARD, gradient)
    first, third, z = layer.states(x, at=(1, 3))
    twins, state = [], torch.zeros_like(x)
    for n in range(1, 4):
        state = cell(state.detach(), x)  # detached at the state, one recorded application
        twins += [state] if n in (1, 3) else []
    twins.append(unrolled(cell, x, steps=600) if gradient is None else cell(z.detach(), x))
    for ours, twin in zip((first, third, z), twins, strict=True):
        weights = torch.linspace(-1, 1, twin.numel(), dtype=DOUBLE).view(twin.shape)
        found, expected = (torch.autograd.grad((each * weights).sum(), [x, cell.weight]) for each in (ours, twin))
        assert torch.allclose(ours, twin, rtol=1e-9)
        assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-10) for a, b in zip(found, expected, strict=True))


def test_gradcheck_where_the_state_does_not_depend_on_the_input():
    cell, x = Tanh(), inputs()
    start = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=DOUBLE)

    def first(x, weight):
        layer = Equilibrium(lambda z, x: torch.tanh(z @ x["weight"].T + x["shift"]), TIGHT[0])
        return layer.states({"weight": weight, "shift": x}, (1,), z0=start)[0]

    assert torch.autograd.gradcheck(first, [x, cell.weight])
    assert torch.autograd.gradgradcheck(first, [x, cell.weight])


@pytest.mark.parametrize(
    "solver",
    [
        Anderson(rtol=1e-10, max_steps=100),
        Anderson("auto", rtol=1e-10, max_steps=100),
        Anderson(rtol=1e-10, max_steps=100, joint=True),
        Broyden(rtol=1e-10, max_steps=100),
        PICARD,
    ],
    ids=str,
)
def test_states_are_the_values_that_the_solver_saw(solver):
    x = inputs().detach()
    plain = Equilibrium(Spy(Tanh()), solver)
    plain(x)
    layer = Equilibrium(Spy(Tanh()), solver)
    states = layer.states(x, at=(1, 2, 5))
    assert all(torch.equal(a, b) for a, b in zip(plain.cell.seen, layer.cell.seen, strict=True))  # the same solve
    assert layer.last.evaluations == plain.last.evaluations
    assert layer.cell.calls == plain.cell.calls + 3  # one evaluation a state
    assert torch.equal(states[-1], plain(x))
    for n, state in zip((1, 2, 5), states, strict=False):
        assert torch.equal(state, layer.cell.cell(layer.cell.seen[n - 1], x))


def test_costs_of_a_watched_cell_are_counted_once():
    layer, x = Equilibrium(Spy(Tanh()), Anderson("auto")), inputs().detach()
    layer.states(x, at=(1, 2))
    before = dict(_known[layer.cell])
    layer.states(x, at=(1, 2))
    assert len(before) == 1
    assert _known[layer.cell] == before


@pytest.mark.parametrize(("compact", "share"), [(True, 0.7), (True, 0.0), (False, 0.7)])
def test_ragged_trees_whose_samples_stop_at_different_times(compact, share):
    """They leave the batch, stay in it and go on, or stay in it and are held."""
    x, offsets = ragged()
    layer = Equilibrium(Rates(), FixedPointIteration(rtol=1e-6, max_steps=400, compact=share), compact=compact)
    layer(x, offsets=offsets)
    steps = layer.last.steps.tolist()
    assert 3 < steps[1] < steps[0] - 3 < steps[2] - 6
    at = sorted({1, 3, *(step + n for step in steps for n in (0, 1, 2, 3))})
    *states, z = layer.states(x, at, offsets=offsets)
    value = layer.cell(z, x)
    for sample in range(3):
        rows = slice(*offsets[sample : sample + 2].tolist())
        alone = layer.cell.initial(part(x, rows.start, rows.stop))
        for n, state in zip(at, states, strict=True):
            while n - 1 <= steps[sample] and (seen := alone.setdefault("n", 0)) < n:
                alone = {**layer.cell(alone, part(x, rows.start, rows.stop)), "n": seen + 1}
            for name in ("a", "b"):
                twin = alone[name] if n - 1 <= steps[sample] else value[name][rows]
                assert torch.allclose(state[name][rows], twin, rtol=1e-12)
    assert layer.last.all_converged


def test_gradients_reach_samples_that_have_left_the_batch():
    x, offsets = ragged()
    layer = Equilibrium(Rates(), FixedPointIteration(rtol=1e-6, max_steps=400), compact=True)
    late = layer.states(x, (60,), offsets=offsets)[0]
    (slope,) = torch.autograd.grad(late["a"].sum() + late["b"].sum(), x["shift"])
    assert torch.allclose(slope, torch.ones_like(slope))  # two coordinates of a, one of −b: of one application


def test_after_the_end_of_the_solve_states_are_those_of_the_solution():
    cell, x = Tanh(), inputs()
    layer = Equilibrium(cell, Anderson(rtol=1e-4))
    late, z = layer.states(x, at=(1000,))
    assert layer.last.evaluations < 1000
    assert torch.equal(late, cell(z, x))


def test_a_sample_out_of_steps_keeps_its_own_states_and_a_failed_one_its_best():
    x = torch.tensor([[0.5], [-1.5]], dtype=DOUBLE)
    layer = Equilibrium(lambda z, x: x * z + 1.0, FixedPointIteration(rtol=1e-30, max_steps=8))
    states = layer.states(x, at=(2, 4))
    assert layer.last.status.tolist() == [Status.MAX_STEPS] * 2
    assert [state.flatten().tolist() for state in states[:2]] == [[1.5, -0.5], [1.875, -1.625]]
    assert layer.last.steps[1] == 0
    layer = Equilibrium(lambda z, x: torch.exp(x * z) + 1.0, FixedPointIteration(rtol=1e-9, max_steps=30))
    states = layer.states(torch.tensor([[-0.5], [0.5]], dtype=DOUBLE), at=(3, 9))
    assert layer.last.status[1] == Status.NONFINITE
    assert all(state.isfinite().all() for state in states)


def test_evaluations_without_a_value_give_no_states():
    hiccup = Hiccup(8, 30)
    layer = Equilibrium(lambda z, x: hiccup(z), Anderson(rtol=1e-8, max_steps=600))
    *states, z = layer.states(None, (7, 8, 30), z0=hiccup.z0)
    assert layer.last.all_converged  # the sample has recovered
    assert not torch.allclose(states[0][1], z[1], rtol=1e-4)
    for state in states[1:]:
        assert torch.equal(state[1], hiccup(z)[1])
        assert not torch.allclose(state[0], z[0], rtol=1e-12)  # others have theirs


def test_running_statistics_are_updated_once_and_dropout_draws_one_mask():
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.dropout = nn.BatchNorm1d(4), nn.Dropout(0.5)

        def forward(self, z, x):
            return 0.5 * self.dropout(torch.tanh(self.norm(z))) + x

    torch.manual_seed(0)
    layer, x = Equilibrium(Cell(), FixedPointIteration(rtol=1e-6, max_steps=100)), torch.randn(8, 4)
    for train in (layer.states, lambda x, at: layer(x)):
        before = int(layer.cell.norm.num_batches_tracked)
        train(x, at=(1, 2))
        assert int(layer.cell.norm.num_batches_tracked) == before + 1
    masked = Equilibrium(lambda z, x: 0.5 * z + x, PICARD)
    masked.cell = nn.Sequential()  # a module whose dropout is active
    masked.cell.forward = lambda z, x: 0.5 * z + nn.functional.dropout(x)
    masked.freeze_randomness = True
    first, second, _ = masked.states(torch.ones(3, 5), at=(1, 2))
    assert torch.allclose(second, 1.5 * first)


def test_without_gradients_and_for_other_kinds_of_states():
    with torch.no_grad():
        state, z = Equilibrium(Tanh(), PICARD).states(inputs(), at=(2,))
    assert not state.requires_grad
    assert not z.requires_grad
    x = torch.tensor([1.0 + 1.0j, 2.0j])
    state, z = Equilibrium(lambda z, x: 0.5j * z + x, PICARD).states(x, at=(2,))
    assert torch.allclose(state, (1 + 0.5j) * x)
    vector = Equilibrium(lambda z, x: 0.5 * z + x, PICARD).states(torch.ones(3), (2,), offsets=torch.tensor([0, 1, 3]))
    assert torch.equal(vector[0], torch.full((3,), 1.5))
    shapes = Equilibrium(lambda z, x: 0.5 * z + x).states(torch.ones(3, 2, device="meta"), at=(2, 4))
    assert [tuple(each.shape) for each in shapes] == [(3, 2)] * 3
    empty = Equilibrium(lambda z, x: 0.5 * z + x).states(torch.ones(0, 2), at=(2,))
    assert [tuple(each.shape) for each in empty] == [(0, 2)] * 2


def test_what_is_no_choice_of_states_is_refused():
    x = torch.ones(2, 1)
    layer = Equilibrium(lambda z, x: 0.5 * z + x)
    for at in ((), (0, 1), (2, 2), (4, 2), (1.5,)):
        with pytest.raises(ValueError, match="at must"):
            layer.states(x, at)
    for solver in (GMRES(), NewtonKrylov()):
        with pytest.raises(TypeError, match="other points than its states"):
            Equilibrium(layer.cell, solver).states(x, (2,))
    with pytest.raises(NotImplementedError, match=r"torch\.func"):
        torch.func.grad(lambda x: layer.states(x, (2,))[0].sum())(x)


def test_correction_loss_weighs_late_states_most():
    states = [torch.tensor([float(n)]) for n in (1, 2, 4)]
    assert an.correction_loss(states, torch.sum, gamma=0.5).item() == 0.25 * 1 + 0.5 * 2 + 4
    assert an.correction_loss(states, torch.sum, gamma=1.0).item() == 7.0
    assert an.correction_loss(states, torch.sum, gamma=0.0).item() == 4.0
    with pytest.raises(ValueError, match="at least one state"):
        an.correction_loss([], torch.sum)
    with pytest.raises(ValueError, match="gamma"):
        an.correction_loss(states, torch.sum, gamma=1.5)


def test_correction_trains_a_layer_to_be_near_its_target_early():
    """Two losses on the same budget of training steps: with correction the early state's error is smaller."""

    def early_error(correct):
        torch.manual_seed(0)
        cell, x = Tanh(width=4, radius=0.9), inputs(width=4, batch=16).detach()
        target = 0.5 * torch.tanh(x.roll(1, dims=1))
        layer = Equilibrium(cell, Anderson(rtol=1e-6, max_steps=100))
        optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
        for _ in range(60):
            states = layer.states(x, at=(2,))
            loss = an.correction_loss(states, lambda z: (z - target).square().mean(), gamma=1.0 if correct else 0.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (layer.states(x, at=(2,))[0] - target).square().mean().item()

    assert early_error(True) < early_error(False)
