import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from andersonn import Anderson, Equilibrium, FixedPointIteration, Status
from andersonn.implicit import DriftMonitor, LinearInitializer, WarmStarts, WellPosednessWarning
from tests.implicit.cells import TIGHT, Tanh, inputs, unrolled
from tests.tape import tape_bytes


@pytest.mark.parametrize("solver", TIGHT, ids=str)
def test_gradcheck(solver):
    layer = Equilibrium(Tanh(), solver)

    def run(weight, x):
        return torch.func.functional_call(layer, {"cell.weight": weight}, (x,))

    assert torch.autograd.gradcheck(run, (layer.cell.weight, inputs()))
    assert layer.last.all_converged
    assert layer.last_adjoint.all_converged


def test_gradcheck_with_ragged_samples():
    offsets = torch.tensor([0, 2, 3, 6])
    block = torch.block_diag(*(0.6 * torch.eye(n, dtype=torch.float64).roll(1, 0) for n in (2, 1, 3)))

    class Graph(Tanh):
        def forward(self, z, x):
            return torch.tanh(block @ z @ self.weight.T + x)

    layer = Equilibrium(Graph(width=3), TIGHT[0])

    def run(weight, x):
        return torch.func.functional_call(layer, {"cell.weight": weight}, (x,), {"offsets": offsets})

    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (layer.cell.weight, x))


@pytest.mark.parametrize("solver", TIGHT, ids=str)
def test_gradient_equals_that_of_the_unrolled_network(solver):
    layer, x = Equilibrium(Tanh(radius=0.9), solver), inputs()
    weights = torch.randn(4, 6, dtype=torch.float64)
    (layer(x) * weights).sum().backward()
    implicit = (x.grad.clone(), layer.cell.weight.grad.clone())
    x.grad = layer.cell.weight.grad = None
    (unrolled(layer.cell, x, steps=800) * weights).sum().backward()
    assert torch.allclose(implicit[0], x.grad, rtol=1e-8)
    assert torch.allclose(implicit[1], layer.cell.weight.grad, rtol=1e-8)


def test_memory_does_not_grow_with_steps():
    """Bytes that autograd keeps for the backward pass, after 2 and after 200 solver steps, and of an unrolled stack."""
    cell, x = Tanh(width=64, radius=0.99), inputs(width=64, batch=32)

    def layer_bytes(steps):
        layer = Equilibrium(cell, FixedPointIteration(rtol=0.0, max_steps=steps))
        kept = tape_bytes(lambda: layer(x))
        assert layer.last.evaluations == steps + 1
        return kept

    def stack_bytes(steps):
        def run():
            z = torch.zeros_like(x)
            for _ in range(steps):
                z = cell(z, x)
            return z

        return tape_bytes(run)

    trace = 8 * (32 + 1)  # of a step: a residual for each sample, and the time
    assert layer_bytes(200) - layer_bytes(2) <= 198 * trace
    state = x.numel() * x.element_size()
    assert stack_bytes(200) - stack_bytes(2) >= 198 * state


def test_without_gradients_it_returns_the_solution():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    with torch.no_grad():
        z = layer(x)
    assert not z.requires_grad
    assert torch.equal(z, layer.last.z)
    assert torch.equal(layer(x).detach(), z)
    z.zero_()
    layer(x).mul_(0.0).sum().backward()
    assert layer.last.z.abs().max() > 0


def test_nothing_to_learn_means_nothing_to_solve():
    """Frozen weights and a constant input: no backward pass is attached, though f was recorded with respect to z."""
    layer = Equilibrium(Tanh().requires_grad_(False), TIGHT[0])
    z = layer(inputs().detach())
    assert not z.requires_grad
    assert torch.equal(z, layer.last.z)


def test_no_gradient_is_left_on_the_solution():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    seen = []
    layer.cell.register_forward_pre_hook(lambda cell, arguments: seen.append(arguments[0]))
    layer(x).sum().backward()
    assert seen[-1].requires_grad
    assert all(z.grad is None for z in seen if z.is_leaf)
    assert x.grad is not None


def test_threads_get_their_own_records():
    layer = Equilibrium(Tanh(radius=0.9), Anderson(rtol=1e-10, max_steps=200))
    batches = [inputs(batch=n).detach() for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(torch.no_grad()(layer.solve), batches))
    for batch, (z, solution) in zip(batches, found, strict=True):
        assert torch.equal(z, solution.z)
        assert len(solution.status) == len(batch)


def test_copies_leave_records_behind():
    layer, x = Equilibrium(Tanh(), TIGHT[0]), inputs()
    layer(x).sum().backward()
    twin = copy.deepcopy(layer)
    assert twin.last is None
    assert twin.last_adjoint is None
    assert torch.equal(twin(x), layer(x))


def test_status_of_an_unfinished_solve_is_kept():
    layer = Equilibrium(Tanh(radius=0.99), Anderson(max_steps=1, rtol=1e-12))
    layer(inputs()).sum().backward()
    assert (layer.last.status == Status.MAX_STEPS).all()
    assert (layer.last_adjoint.status == Status.MAX_STEPS).all()


def test_a_cell_that_ignores_the_state():
    class Constant(nn.Module):
        def forward(self, z, x):
            return x

    x = inputs()
    Equilibrium(Constant())(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_warm_start_takes_fewer_steps():
    layer, x = Equilibrium(Tanh(radius=0.95), Anderson(rtol=1e-8, max_steps=200)), inputs()
    with torch.no_grad():
        z = layer(x)
        cold = layer.last.evaluations
        layer(x + 1e-6, z0=z)
    assert layer.last.evaluations < cold


def test_first_state():
    class Shy(nn.Module):
        def forward(self, z, x):
            return torch.tanh(0.5 * z + x["value"])

    with pytest.raises(TypeError, match="give z0"):
        Equilibrium(Shy())({"value": torch.ones(2, 3)})
    assert Equilibrium(Shy())({"value": torch.ones(2, 3)}, z0=torch.zeros(2, 3)).shape == (2, 3)


def test_bad_use():
    cell = Tanh()
    for arguments, options, match in [
        (("tanh",), {}, "cell must be a module"),
        ((Tanh,), {}, "cell must be a module"),
        ((cell, Anderson), {}, r"solver must be a solver such as Anderson\(\)"),
        ((cell, None, "implicit"), {}, r"gradient must be a rule such as ImplicitGradient\(\)"),
        ((cell,), {"compact": "yes"}, "compact must be True, False or None, not 'yes'"),
        ((cell,), {"freeze_randomness": 1}, "freeze_randomness must be True, False or None, not 1"),
        ((cell,), {"warm_starts": True}, r"warm_starts must be a store such as WarmStarts\(\), not True"),
        ((cell,), {"initializer": 3}, r"initializer must be a module such as LinearInitializer\(width\), not 3"),
        ((cell,), {"initializer": LinearInitializer}, "initializer must be a module such as"),
        ((cell,), {"monitor": 3}, r"monitor must be a monitor such as DriftMonitor\(\), not 3"),
    ]:
        with pytest.raises(TypeError, match=match):
            Equilibrium(*arguments, **options)
    with pytest.raises(ValueError, match="give it warm_starts="):
        Equilibrium(cell)(inputs(), keys=range(4))
    with pytest.raises(RuntimeError, match="give the layer initializer="):
        Equilibrium(cell).initializer_loss()


def test_states_of_several_parts():
    """A damped oscillator, its position and velocity apart, against the same equations as one state."""

    class Parts(Tanh):
        def initial(self, x):
            return {"fast": torch.zeros_like(x), "slow": torch.zeros_like(x[:, :2])}

        def forward(self, z, x):
            fast, slow = z["fast"], z["slow"]
            return {"fast": torch.tanh(fast @ self.weight.T + x), "slow": 0.5 * torch.sin(slow + fast[:, :2])}

    class Whole(Parts):
        def initial(self, x):
            return torch.zeros_like(x[:, [*range(6), 0, 1]])

        def forward(self, z, x):
            return torch.cat(list(super().forward({"fast": z[:, :6], "slow": z[:, 6:]}, x).values()), dim=1)

    x, found = inputs(), []
    for cell in (Parts(), Whole()):
        layer = Equilibrium(cell, TIGHT[0])
        z = layer(x)
        if isinstance(z, dict):
            assert z["slow"].shape == layer.last.z["slow"].shape == (4, 2)
            z = torch.cat(list(z.values()), dim=1)
        (first,) = torch.autograd.grad(z.square().sum(), x, create_graph=True)
        found.append([z, first, *torch.autograd.grad(first.square().sum(), [x, cell.weight])])
    for parts, whole in zip(*found, strict=True):
        assert torch.allclose(parts, whole, rtol=1e-8)


class Counting(WarmStarts):
    """Remembers how often it was asked and told, by name."""

    def clear(self):
        super().clear()
        self.calls = []

    def get(self, keys, template, offsets=None, name="state"):
        self.calls.append(("get", name))
        return super().get(keys, template, offsets, name)

    def put(self, keys, state, offsets=None, name="state", keep=None):
        self.calls.append(("put", name))
        super().put(keys, state, offsets, name, keep)


def test_warm_starts_of_both_passes():
    layer = Equilibrium(Tanh(radius=0.95), Anderson(rtol=1e-8, max_steps=300), warm_starts=Counting())
    x, keys, evaluations = inputs(), torch.tensor([7, 3, 11, 5]), []
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        layer(x[order], keys=keys[order]).square().sum().backward()
        evaluations.append((layer.last.evaluations, layer.last_adjoint.evaluations))
    (cold, cold_adjoint), (warm, warm_adjoint) = evaluations
    assert cold > 10
    assert cold_adjoint > 10
    assert warm <= 2
    assert warm_adjoint <= 2
    assert layer.warm_starts.calls == 2 * [("get", "state"), ("put", "state"), ("get", "adjoint"), ("put", "adjoint")]
    layer(x).sum().backward()
    assert len(layer.warm_starts.calls) == 8  # no keys, no warm start
    layer.eval()
    layer(x, keys=keys).sum().backward()
    assert layer.last.evaluations <= 2
    assert layer.warm_starts.calls[8:] == [("get", "state"), ("put", "state")]


def test_warm_starts_of_ragged_samples_by_name():
    offsets, x = torch.tensor([0, 1, 3, 6]), inputs(batch=6)
    layer = Equilibrium(Tanh(radius=0.95), Anderson(rtol=1e-8, max_steps=300), warm_starts=WarmStarts())
    z = layer(x, offsets=offsets, keys=["a", "b", "c"])
    with torch.no_grad():
        again = layer(x[[3, 4, 5, 0]], offsets=torch.tensor([0, 3, 4]), keys=["c", "a"])
    assert layer.last.evaluations == 1
    assert torch.equal(again, z[[3, 4, 5, 0]])


def test_warm_adjoint_does_not_hide_a_gradient_that_is_not_finite():
    layer, x = Equilibrium(Tanh(), Anderson(rtol=1e-8), warm_starts=WarmStarts()), inputs()
    for bad in (1.0, float("nan"), float("inf")):
        x.grad = None
        weight = torch.ones(4, 1, dtype=torch.float64)
        weight[2] = bad
        (layer(x, keys=range(4)) * weight).sum().backward()
        assert x.grad[[0, 1, 3]].isfinite().all()
        assert bool(x.grad[2].isfinite().all()) == (bad == 1.0)
        assert len(layer.warm_starts) == 8


class Affine(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.linear = nn.Linear(width, width, dtype=torch.float64)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.linear(x)


@pytest.mark.parametrize("offsets", [None, torch.tensor([0, 1, 4])])
def test_initializer_learns_the_solution(offsets):
    torch.manual_seed(0)
    layer, x = Equilibrium(Tanh(radius=0.9), Anderson(rtol=1e-9, max_steps=200), initializer=Affine()), inputs()
    z = layer(x, offsets=offsets)
    guess = layer.initializer.linear(x)
    sums = [((a - b).square().sum(), b.square().sum()) for a, b in zip(guess, layer.last.z)]
    if offsets is not None:
        sums = [sums[0], tuple(map(sum, zip(*sums[1:])))]
    expected = sum(error / size for error, size in sums) / len(sums)
    assert torch.allclose(layer.initializer_loss(), expected)
    (layer.initializer_loss() + 0 * z.sum()).backward()
    assert x.grad.abs().sum() == layer.cell.weight.grad.abs().sum() == 0
    assert layer.initializer.linear.weight.grad.abs().sum() > 0
    optimizer, before = torch.optim.Adam(layer.initializer.parameters(), lr=0.05), layer.last.evaluations
    for _ in range(150):
        optimizer.zero_grad()
        layer(x.detach(), offsets=offsets)
        layer.initializer_loss().backward()
        optimizer.step()
    assert layer.initializer_loss() < 1e-2 * expected
    assert layer.last.evaluations < before


def test_which_first_state_goes_first():
    layer, x = Equilibrium(Tanh(), TIGHT[0], initializer=Affine(), warm_starts=Counting()), inputs()
    seen = []
    layer.cell.register_forward_pre_hook(lambda cell, arguments: seen.append(arguments[0].detach().clone()))

    def first(**options):
        seen.clear()
        layer(x, **options)
        return seen[0]

    guess = layer.initializer(x)
    assert torch.equal(first(), guess)
    assert torch.equal(first(keys=range(4)), guess)
    mixed = first(keys=[0, 9, 2, 8])
    assert torch.equal(mixed[[0, 2]], layer.last.z[[0, 2]])
    assert torch.equal(mixed[[1, 3]], guess[[1, 3]])
    asked = layer.initializer.calls
    assert torch.equal(first(z0=torch.ones_like(x), keys=range(4)), torch.ones_like(x))
    assert layer.initializer.calls == asked
    with pytest.raises(RuntimeError, match="call the layer without z0"):
        layer.initializer_loss()


def test_monitor_sees_solves_in_training_mode():
    monitor = DriftMonitor(every=1, limit=0.5)
    layer = Equilibrium(Tanh(radius=0.9), TIGHT[0], monitor=monitor)
    with pytest.warns(WellPosednessWarning, match="spectral radius"):
        layer(inputs())
    layer.eval()(inputs())
    assert monitor.calls == 1
    assert monitor.history[0].converged == 1.0


def test_stores_and_records_stay_out_of_copies_and_state_dicts():
    plain = Equilibrium(Tanh(), TIGHT[0])
    layer = Equilibrium(
        Tanh(), TIGHT[0], warm_starts=WarmStarts(), monitor=DriftMonitor(), initializer=Affine(), compact=True
    )
    assert plain.state_dict().keys() == {"cell.weight"}
    assert layer.state_dict().keys() == {"cell.weight", "initializer.linear.weight", "initializer.linear.bias"}
    z = layer(inputs(), keys=range(4))
    z.sum().backward()
    twin = pickle.loads(pickle.dumps(layer))
    assert twin.last is twin.last_adjoint is None
    with pytest.raises(RuntimeError, match="initializer_loss needs a solve"):
        twin.initializer_loss()
    assert len(layer.warm_starts) == 8
    assert len(twin.warm_starts) == 0
    assert torch.allclose(twin(inputs()), z)


def test_training_lowers_a_loss():
    torch.manual_seed(0)
    layer = nn.Sequential(Equilibrium(Tanh(dtype=torch.float32)), nn.Linear(6, 1))
    x, y = torch.randn(64, 6), torch.randn(64, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = (layer(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    assert "solver=Anderson" in repr(layer)


def test_what_a_layer_shows():
    shown = repr(Equilibrium(Tanh(), monitor=DriftMonitor(every=7), compact=True))
    assert "solver=Anderson(rtol=0.001" in shown
    assert "gradient=ImplicitGradient(" in shown
    assert "compact=True, monitor=DriftMonitor(every=7" in shown
    assert "warm_starts" not in shown
