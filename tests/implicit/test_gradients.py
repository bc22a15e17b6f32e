import pytest
import torch
from torch import nn

from andersonn import Anderson, Equilibrium, FixedPointIteration, ImplicitGradient
from andersonn.implicit import NeumannGradient, OneStepGradient, PhantomGradient
from andersonn.solvers import GMRES
from tests.implicit.cells import TIGHT, Tanh, inputs, unrolled


def gradients(layer, x, **options):
    """Of x and the weights, of a loss that treats coordinates differently."""
    z = layer(x, **options)
    return torch.autograd.grad((z * weights_of(z)).sum(), [x, layer.cell.weight])


def weights_of(z):
    return torch.arange(1.0, 1 + z.numel(), dtype=torch.float64).view(z.shape).sin().to(z.dtype)


def close(ours, theirs, rtol=1e-8):
    return all(torch.allclose(a, b, rtol=rtol, atol=1e-10) for a, b in zip(ours, theirs, strict=True))


def exact(cell, x):
    z = unrolled(cell, x, steps=600)
    return torch.autograd.grad((z * weights_of(z)).sum(), [x, cell.weight])


@pytest.mark.parametrize(
    "gradient",
    [
        ImplicitGradient(),
        ImplicitGradient(solver=GMRES(rtol=1e-12, max_steps=100)),
        NeumannGradient(terms=300),
        PhantomGradient(steps=300, mixing=1.0),
        PhantomGradient(steps=600, mixing=0.5),
    ],
    ids=str,
)
def test_the_limit_is_the_gradient_of_the_unrolled_network(gradient):
    cell, x = Tanh(radius=0.9), inputs()
    layer = Equilibrium(cell, TIGHT[0], gradient)
    assert close(gradients(layer, x), exact(cell, x))
    assert torch.allclose(layer(x), layer.last.z, atol=1e-11)


def test_short_rules_are_what_they_are_defined_as():
    cell, x = Tanh(), inputs()
    with torch.no_grad():
        solution = Equilibrium(cell, TIGHT[0])(x)

    def slopes(z):
        return torch.autograd.grad((z * weights_of(z)).sum(), [x, cell.weight])

    def ours(gradient):
        return gradients(Equilibrium(cell, TIGHT[0], gradient), x)

    once = slopes(cell(solution, x))
    assert close(ours(OneStepGradient()), once)
    assert close(ours(NeumannGradient(terms=1)), once)
    assert close(ours(PhantomGradient(steps=1, mixing=1.0)), once)
    z = solution
    for _ in range(3):
        z = 0.4 * cell(z, x) + 0.6 * z
    assert close(ours(PhantomGradient(steps=3, mixing=0.4)), slopes(z))
    assert close(ours(NeumannGradient(terms=3)), slopes(unrolled(cell, x, z0=solution, steps=3)))


@pytest.mark.parametrize("gradient", [OneStepGradient(), NeumannGradient(2), PhantomGradient(2)], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_short_rules_descend_on_a_contraction(gradient, seed):
    cell, x = Tanh(radius=0.6, seed=seed), inputs()
    for true, approximate in zip(exact(cell, x), gradients(Equilibrium(cell, TIGHT[0], gradient), x), strict=True):
        assert (true * approximate).sum() > 0.5 * true.norm() * approximate.norm()


@pytest.mark.parametrize("gradient", [OneStepGradient(), NeumannGradient(), PhantomGradient()], ids=str)
def test_nothing_to_learn_means_no_backward_pass(gradient):
    layer = Equilibrium(Tanh().requires_grad_(False), TIGHT[0], gradient)
    assert not layer(inputs().detach()).requires_grad


def test_bad_options():
    for make, match in [
        (lambda: PhantomGradient(steps=0), "steps must be a whole number"),
        (lambda: PhantomGradient(mixing=1.5), "mixing must be a number, greater than 0 and at most 1"),
        (lambda: NeumannGradient(terms=0), "terms must be a whole number"),
        (lambda: ImplicitGradient(rtol=-1.0), "rtol must be a number"),
        (lambda: ImplicitGradient(rtol="backward"), 'rtol must be a number, "forward" or None'),
    ]:
        with pytest.raises(ValueError, match=match):
            make()
    with pytest.raises(TypeError, match="did you mean 'terms'"):
        NeumannGradient(term=3)
    with pytest.raises(TypeError, match="did you mean 'max_steps'"):
        ImplicitGradient(max_step=3)
    with pytest.raises(TypeError, match="solver must be a solver"):
        ImplicitGradient(solver=Anderson)


def test_adjoint_options():
    gradient = ImplicitGradient(rtol=0.5, max_steps=7)
    assert gradient.adjoint_solver(Anderson(window=3)) == Anderson(window=3, rtol=0.5, max_steps=7)
    relative = ImplicitGradient().adjoint_solver(Anderson(rtol=1e-5, atol=1e-2))
    assert (relative.rtol, relative.atol) == (1e-5, 0.0)
    assert ImplicitGradient(rtol=0.0).adjoint_solver(Anderson(rtol=1e-5, atol=1e-2)).rtol == 0.0
    plain = ImplicitGradient(solver=FixedPointIteration())
    assert isinstance(plain.adjoint_solver(Anderson()), FixedPointIteration)
    loose = Equilibrium(Tanh(radius=0.9), TIGHT[0], gradient)
    loose(inputs()).sum().backward()
    assert loose.last_adjoint.evaluations < 8


@pytest.mark.parametrize(
    ("forward", "residual", "rtol"),
    [
        (Anderson(rtol=1e-4), [1e-5, 3e-5], 1e-4),
        (Anderson(rtol=1e-4), [1e-5, 2e-2], 2e-2),
        (Anderson(rtol=1e-4), [1e-5, 0.7], 0.1),
        (Anderson(rtol=1e-4), [1e-5, float("inf")], 1e-4),
        (Anderson(rtol=1e-4), [float("nan"), float("inf")], 0.1),
        (Anderson(rtol=0.3), [0.2, 0.25], 0.3),
        (Anderson(rtol=0.0, atol=1e-3), [1e-6, 1e-5], 1e-5),
        (Anderson(rtol=0.0, atol=1e-3), [0.0, 0.0], 1e-3),
    ],
)
def test_adjoint_tolerance_tied_to_the_forward_residual(forward, residual, rtol):
    found = ImplicitGradient(rtol="forward").adjoint_solver(forward, torch.tensor(residual, dtype=torch.float64))
    assert found.rtol == pytest.approx(rtol)


def test_an_unfinished_forward_solve_makes_a_loose_adjoint():
    steps = []
    for rtol in (None, "forward"):
        layer = Equilibrium(
            Tanh(radius=0.95), Anderson(rtol=1e-10, max_steps=4), ImplicitGradient(rtol=rtol, max_steps=90)
        )
        layer(inputs()).sum().backward()
        steps.append(layer.last_adjoint.evaluations)
    assert steps[1] < 0.5 * steps[0]


@pytest.mark.parametrize("solver", [Anderson(rtol=0.0, atol=1e-4), Anderson(rtol=1e-8, atol=1e-4)])
def test_gradients_are_linear_in_the_scale_of_the_loss(solver):
    """The absolute tolerance of the forward problem says nothing about the adjoint."""
    layer, x = Equilibrium(Tanh(radius=0.9), solver), inputs()
    found = []
    for scale in (1.0, 1e-6):
        x.grad = None
        (scale * layer(x)).sum().backward()
        found.append(x.grad / scale)
        assert layer.last_adjoint.evaluations > 3
    assert torch.allclose(*found, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_a_single_precision_adjoint(dtype):
    """The adjoint is solved beyond bfloat16's rounding unit, 4e-3; the products' own rounding stays."""
    cell = Tanh(width=64, radius=0.8)
    x = inputs(64, 8)
    expected = gradients(Equilibrium(cell, TIGHT[0]), x)
    layer = Equilibrium(
        Tanh(width=64, radius=0.8).to(dtype), FixedPointIteration(rtol=1e-2), ImplicitGradient(rtol=3e-3)
    )
    found = gradients(layer, x.detach().to(dtype).requires_grad_())
    assert layer.last.z.dtype == dtype
    assert layer.last_adjoint.z.dtype == torch.float32
    assert layer.last_adjoint.all_converged
    for ours, true in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - true).norm() < 0.03 * true.norm()


class Recording(Tanh):
    """Remembers the precisions in which the product of matrices came out, and whether it was recorded."""

    def __init__(self, **options):
        super().__init__(**options)
        self.register_buffer("one", torch.eye(6))
        self.seen = set()

    def forward(self, z, x):
        product = nn.functional.linear(z, self.weight)
        self.seen.add((product.dtype, torch.is_grad_enabled()))
        return torch.tanh(product + nn.functional.linear(x, self.one))


@pytest.mark.parametrize("own", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_under_autocast(autocast, own):
    """The forward solve runs in bfloat16, the evaluation that gradients go through in float32; x may come in bfloat16."""
    cell, x = Tanh(radius=0.8, dtype=torch.float32), inputs(dtype=torch.float32)
    expected = gradients(Equilibrium(cell, Anderson(rtol=1e-6)), x)
    layer = Equilibrium(Recording(radius=0.8, dtype=torch.float32), gradient=ImplicitGradient(autocast=autocast))
    x = x.detach().to(own).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        z = layer(x)
        assert layer.cell.seen == {(torch.bfloat16, False), (torch.bfloat16 if autocast else torch.float32, True)}
        assert layer.last.z.dtype == z.dtype == torch.float32
        # The cast that the solve made of the weight without gradients must not be used here.
        other = nn.functional.linear(torch.ones(1, 6), layer.cell.weight).sum()
        assert torch.autograd.grad(other, layer.cell.weight)[0].abs().sum() > 0
    found = torch.autograd.grad((z * weights_of(z)).sum(), [x, layer.cell.weight])
    assert layer.last_adjoint.z.dtype == torch.float32
    for ours, true in zip(found, expected, strict=True):
        assert (ours - true).norm() < 0.05 * true.norm()


@pytest.mark.parametrize("gradient", [OneStepGradient(), NeumannGradient(50), PhantomGradient(50)], ids=str)
def test_other_rules_under_autocast(gradient):
    cell, x = Tanh(radius=0.6, dtype=torch.float32), inputs(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        z = Equilibrium(cell, gradient=gradient)(x)
    assert z.dtype == torch.float32
    dx, dw = torch.autograd.grad(z.sum(), [x, cell.weight])
    (true,) = torch.autograd.grad(Equilibrium(cell, TIGHT[0], gradient)(x).sum(), cell.weight)
    assert (dw - true).norm() < 0.05 * true.norm()


def test_second_derivatives_under_autocast():
    cell, x = Tanh(radius=0.6, dtype=torch.float32), inputs(dtype=torch.float32)
    found = []
    for enabled in (False, True):
        layer = Equilibrium(cell, Anderson(rtol=1e-6), ImplicitGradient(rtol=1e-6))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            z = layer(x)
        (slope,) = torch.autograd.grad(z.square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [x, cell.weight]))
    for plain, ours in zip(*found, strict=True):
        assert (ours - plain).norm() < 0.05 * plain.norm()
