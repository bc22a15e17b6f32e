"""States that are complex, mixed in dtype, without dimensions, or empty, in solvers and in the layer."""

import pytest
import torch
from torch import nn

import andersonn as an
from andersonn import GMRES, Anderson, Broyden, Equilibrium, FixedPointIteration
from andersonn.implicit import NeumannGradient, OneStepGradient, PhantomGradient
from andersonn.solvers import PyTree
from tests.implicit.cells import unrolled
from tests.implicit.test_cells_of_all_kinds import COMPLEX, DOUBLE, SOLVER, parameter

SOLVERS = [
    Anderson(rtol=1e-12, max_steps=300),
    Anderson(rtol=1e-12, max_steps=300, type="I", mixing=0.9),
    Anderson("auto", rtol=1e-12, max_steps=600),
    Broyden(rtol=1e-12, max_steps=300),
    FixedPointIteration(rtol=1e-12, max_steps=900),
    GMRES(rtol=1e-12, max_steps=300),
]


def rotation(size=4, batch=3):
    """A complex matrix of spectral norm 0.8, and a right-hand side."""
    A = torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=COMPLEX)
    b = torch.randn(batch, size, generator=torch.Generator().manual_seed(1), dtype=COMPLEX)
    return 0.8 * A / torch.linalg.matrix_norm(A, 2), b


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_complex_affine_maps_are_solved_by_every_solver(solver):
    A, b = rotation()
    exact = torch.linalg.solve(torch.eye(4, dtype=COMPLEX) - A, b.T).T
    found = an.fixed_point(lambda z: z @ A.T + b, torch.zeros_like(b), solver)
    assert found.all_converged
    assert found.status.shape == (3,)
    assert found.z.dtype == COMPLEX
    assert torch.allclose(found.z, exact, rtol=1e-9)
    one = an.fixed_point(lambda z: A @ z + b[0], torch.zeros_like(b[0]), solver)  # a vector is one sample
    assert one.status.shape == (1,)
    assert torch.allclose(one.z, exact[0], rtol=1e-9)
    number = an.fixed_point(lambda z: 0.5j * z + 1, torch.tensor(0j, dtype=COMPLEX), solver)
    assert number.z.shape == ()
    assert torch.allclose(number.z, torch.tensor(1 / (1 - 0.5j), dtype=COMPLEX))


def test_residuals_are_those_of_complex_numbers():
    A, b = rotation()
    found = an.fixed_point(lambda z: z @ A.T + b, torch.zeros_like(b), FixedPointIteration(rtol=0.0, max_steps=5))
    value = found.z @ A.T + b
    expected = torch.linalg.vector_norm(value - found.z, dim=1) / torch.linalg.vector_norm(value, dim=1)
    assert torch.allclose(found.residual, expected)


def test_ragged_complex_states():
    A, b = rotation()
    offsets = torch.tensor([0, 1, 3])
    found = an.fixed_point(lambda z: z @ A.T + b, torch.zeros_like(b), SOLVER, offsets)
    assert found.status.shape == (2,)
    vector = an.fixed_point(lambda z: 0.5j * z + b[:, 0], torch.zeros(3, dtype=COMPLEX), SOLVER, offsets)
    assert torch.allclose(vector.z, b[:, 0] / (1 - 0.5j))


def test_values_of_another_kind_are_refused_with_the_cure():
    for z0, f in ((torch.zeros(2, 1), lambda z: 0.5j * z + 1), (torch.zeros(2, 1) + 0j, lambda z: z.real)):
        with pytest.raises(TypeError, match="give z0 the dtype"):
            an.fixed_point(f, z0)
    with pytest.raises(TypeError, match="give z0 the dtype"):  # the first state is made from x, which is real
        Equilibrium(lambda z, x: 0.5j * z + x)(torch.ones(2, 1))
    with pytest.raises(TypeError, match=r"PyTree\(state\)\.pack\(state\)"):
        an.solvers.Layout(torch.zeros(2, 1, dtype=COMPLEX))
    with pytest.raises(TypeError, match="floating-point or complex"):
        an.fixed_point(lambda z: z, {"a": torch.zeros(2, dtype=torch.int64)})


class ComplexCell(nn.Module):
    """z ← W z / (1 + |z|²/4) + x, with complex parameters."""

    shape = (2, 3)

    def __init__(self):
        super().__init__()
        self.weight = parameter(3, 3, dtype=COMPLEX)

    def forward(self, z, x):
        return (z @ self.weight) / (1 + 0.25 * z.abs().square()) + x


class MixedCell(nn.Module):
    """A pytree of a complex, a double and a single-precision part."""

    shape = (2, 3)

    def __init__(self):
        super().__init__()
        self.weight = parameter(3, 3, dtype=COMPLEX)

    def initial(self, x):
        return {"c": torch.zeros_like(x), "pair": (x.real[:, :1] * 0, torch.zeros(len(x)))}

    def forward(self, z, x):
        real, single = z["pair"]
        assert single.dtype == torch.float32
        c = torch.tanh(z["c"].real) * 0.4 + 0.3j * torch.sin(z["c"].imag) + x
        return {
            "c": c @ self.weight + 0.1 * real,
            "pair": (0.5 * torch.cos(real) * c.abs()[:, :1], 0.3 * torch.cos(single)),
        }


def double(z):
    """The parts that have double precision."""
    return z if isinstance(z, torch.Tensor) else (z["c"], z["pair"][0])


@pytest.mark.parametrize("kind", [ComplexCell, MixedCell], ids=lambda kind: kind.__name__)
def test_gradients_of_complex_and_mixed_states(kind):
    cell = kind()
    x = parameter(*cell.shape, dtype=COMPLEX, seed=3).detach().requires_grad_()
    layer, named = Equilibrium(cell, SOLVER), dict(cell.named_parameters())

    def run(x, *weights):
        named_weights = {f"cell.{name}": w for name, w in zip(named, weights, strict=True)}
        return double(torch.func.functional_call(layer, named_weights, (x,)))

    assert torch.autograd.gradcheck(run, (x, *named.values()))
    assert torch.autograd.gradgradcheck(run, (x, *named.values()), fast_mode=True)
    assert layer.last.all_converged


@pytest.mark.parametrize("kind", [ComplexCell, MixedCell], ids=lambda kind: kind.__name__)
def test_every_rule_on_complex_and_mixed_states(kind):
    cell, found = kind(), []
    x = parameter(*cell.shape, dtype=COMPLEX, seed=3).detach().requires_grad_()

    def loss(z):
        parts = double(z)
        return sum(
            part.abs().square().sum() + part.real.sin().sum() for part in ([parts] if kind is ComplexCell else parts)
        )

    twin = unrolled(cell, x, cell.initial(x) if kind is MixedCell else None, steps=80)
    expected = [double(twin), torch.autograd.grad(loss(twin), [x, cell.weight])]
    for rule in (None, NeumannGradient(80), PhantomGradient(80, mixing=1.0), OneStepGradient()):
        layer = Equilibrium(cell, SOLVER, rule)
        z = layer(x)
        found = [double(z), torch.autograd.grad(loss(z), [x, cell.weight])]
        if not isinstance(rule, OneStepGradient):
            for a, b in zip(
                torch.utils._pytree.tree_leaves(found), torch.utils._pytree.tree_leaves(expected), strict=True
            ):
                assert torch.allclose(a, b, rtol=1e-7), rule
        assert [leaf.dtype for leaf in torch.utils._pytree.tree_leaves(layer.last.z)] == [
            leaf.dtype for leaf in torch.utils._pytree.tree_leaves(z)
        ]


def test_complex_states_with_all_that_a_layer_has():
    """Warm starts, an initializer, a monitor, compaction, autocast."""

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones((), dtype=COMPLEX))

        def forward(self, x):
            return self.scale * x

    A, b = rotation(3, 6)
    store, monitor = an.WarmStarts(), an.DriftMonitor(every=1)
    layer = Equilibrium(
        lambda z, x: z @ A.T[:3, :3] + x, SOLVER, warm_starts=store, initializer=First(), monitor=monitor, compact=True
    )
    z = layer(b, keys=range(6))
    layer.initializer_loss().backward()
    assert layer.initializer.scale.grad is not None
    assert layer(b, keys=range(6)).dtype == COMPLEX
    assert layer.last.evaluations == 1
    assert monitor.history[-1].largest == pytest.approx(torch.linalg.eigvals(A).abs().max().item(), rel=1e-3)
    assert torch.allclose(an.spectral_radius(lambda z: z @ A.T, b), torch.linalg.eigvals(A).abs().max(), rtol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(layer(b), z)


def test_mixed_precision_parts_are_solved_in_the_widest():
    z0 = {"a": torch.zeros(2, 2), "b": torch.zeros(2, 3, dtype=DOUBLE)}
    seen = []

    def f(z):
        seen.append((z["a"].dtype, z["b"].dtype))
        return {"a": torch.cos(z["a"]), "b": torch.cos(z["b"]) + 0.1 * z["a"].sum(1, keepdim=True)}

    found = an.fixed_point(f, z0, Anderson(rtol=1e-7))
    assert found.all_converged
    assert set(seen) == {(torch.float32, DOUBLE)}
    assert found.z["a"].dtype == torch.float32
    assert found.z["a"][0, 0].item() == pytest.approx(0.7390851, abs=1e-6)
    with pytest.raises(TypeError, match=r"float32 to torch\.float64; it must keep the dtype of every part"):
        an.fixed_point(lambda z: {"a": z["a"].double(), "b": z["b"]}, z0)


def test_a_part_without_dimensions_makes_the_state_one_sample():
    z0 = {"v": torch.zeros(3, dtype=DOUBLE), "s": torch.tensor(0.0, dtype=DOUBLE)}

    def f(z):
        return {"v": 0.5 * torch.cos(z["v"]) + z["s"], "s": 0.2 * z["v"].sum()}

    found = an.fixed_point(f, z0, SOLVER)
    assert found.status.shape == (1,)
    value = f(found.z)
    assert all(torch.allclose(value[name], found.z[name]) for name in z0)
    with pytest.raises(ValueError, match="a part without dimensions.*which offsets cannot divide"):
        an.fixed_point(f, z0, SOLVER, torch.tensor([0, 3]))

    x = torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    layer = Equilibrium(lambda z, x: {"v": 0.5 * torch.cos(z["v"]) + x * z["s"], "s": 0.2 * z["v"].sum() * x}, SOLVER)
    assert torch.autograd.gradcheck(lambda x: tuple(layer(x, z0=z0).values()), x)
    tree = PyTree(z0)
    assert tree.pack(z0).shape == (1, 4)


EMPTY = [
    (torch.zeros(0, 3), None),
    (torch.zeros(0, 3), torch.tensor([0])),
    (torch.zeros(0, 2, 2, dtype=DOUBLE), None),
    (torch.zeros(0, 3, dtype=COMPLEX), None),
    ({"a": torch.zeros(0, 3), "b": torch.zeros(0)}, None),
    ({"a": torch.zeros(0, 3), "b": torch.zeros(0, dtype=COMPLEX)}, torch.tensor([0])),
]


@pytest.mark.parametrize(("z0", "offsets"), EMPTY)
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_empty_batches_give_empty_results(solver, z0, offsets):
    found = an.fixed_point(lambda z: z, z0, solver, offsets)
    assert found.status.shape == found.residual.shape == found.steps.shape == (0,)
    assert found.trace.residual.shape == (0, 0)
    assert found.evaluations == 0
    assert found.all_converged
    assert found.describe() == "no samples; 0 evaluations"
    before, after = (torch.utils._pytree.tree_leaves(each) for each in (z0, found.z))
    assert [(a.shape, a.dtype) for a in before] == [(a.shape, a.dtype) for a in after]


def test_samples_without_numbers_have_converged():
    assert an.fixed_point(lambda z: z, torch.zeros(3, 0)).converged.tolist() == [True] * 3
    assert an.fixed_point(lambda z: z, torch.zeros(0)).converged.tolist() == [True]


@pytest.mark.parametrize("rule", [None, NeumannGradient(), PhantomGradient(), OneStepGradient()], ids=str)
@pytest.mark.parametrize("offsets", [None, torch.tensor([0])])
def test_empty_batches_in_the_layer(rule, offsets):
    linear = nn.Linear(3, 3)

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = linear

        def forward(self, z, x):
            return torch.tanh(0.3 * self.linear(z) + x)

    layer = Equilibrium(
        Cell(),
        Anderson(rtol=1e-6),
        rule,
        compact=True,
        warm_starts=an.WarmStarts(),
        initializer=an.LinearInitializer(3),
        monitor=an.DriftMonitor(every=1),
    )
    x = torch.zeros(0, 3, requires_grad=True)
    z, solution = layer.solve(x, offsets=offsets, keys=[])
    assert z.shape == (0, 3)
    assert len(solution.status) == 0
    (z.sum() + layer.initializer_loss()).backward()
    assert x.grad.shape == (0, 3)
    assert torch.equal(linear.weight.grad, torch.zeros(3, 3))
    assert layer.initializer_loss().item() == 0.0
    with torch.no_grad():
        assert layer(x, offsets=offsets).shape == (0, 3)
    if rule is None:
        (slope,) = torch.autograd.grad(layer(x, offsets=offsets).sum(), x, create_graph=True)
        assert torch.autograd.grad(slope.sum(), x)[0].shape == (0, 3)
    assert layer(torch.ones(2, 3)).shape == (2, 3)


def test_an_empty_batch_of_a_tree_with_gradients():
    layer = Equilibrium(lambda z, x: {"a": torch.tanh(z["a"] + x), "b": 0.5j * z["b"]})
    x = torch.zeros(0, 2, requires_grad=True)
    z = layer(x, z0={"a": torch.zeros(0, 2), "b": torch.zeros(0, 4, dtype=torch.complex64)})
    assert z["b"].shape == (0, 4)
    (z["a"].sum() + z["b"].abs().sum()).backward()
    assert x.grad.shape == (0, 2)
    assert an.spectral_radius(torch.cos, torch.zeros(0, 3)).shape == (0,)
