"""That the maps are what they are named after: closed forms, conserved quantities, equations that solutions satisfy."""

import pytest
import torch

from andersonn.measuring.problems import FixedPointProblem
from andersonn.solvers import Anderson
from contest import cells, games, graphs, physics
from contest import random_maps as maps

DOUBLE = torch.float64


def solution(posed: FixedPointProblem, rtol: float = 1e-11) -> torch.Tensor:
    found = Anderson(window=60, rtol=rtol, max_steps=600).solve(posed.f, posed.z0)
    assert found.all_converged
    return found.z


def jacobian(posed: FixedPointProblem, z: torch.Tensor, sample: int = 0) -> torch.Tensor:
    this = torch.tensor([sample])
    full = torch.autograd.functional.jacobian(posed.f.subset(this, this), z[this])
    return full.reshape(z[0].numel(), z[0].numel())


@pytest.mark.parametrize(
    ("matrix", "real"),
    [
        (maps.two_sided_matrix, True),
        (maps.rotation_matrix, False),
        (maps.triangular_matrix, True),
        (maps.gaussian_matrix, False),
    ],
)
def test_affine_maps_have_their_radius_and_the_solution_of_the_linear_system(matrix, real):
    posed = maps.affine_map(DOUBLE, 2, 0, radius=0.9, matrix=matrix, size=20)
    A, b = posed.f.own
    values = torch.linalg.eigvals(A)
    torch.testing.assert_close(values.abs().amax(dim=1), torch.tensor([0.9, 0.9], dtype=DOUBLE))
    assert (values.imag.abs().max() < 1e-8) == real
    exact = torch.linalg.solve(torch.eye(20, dtype=DOUBLE) - A, b)
    torch.testing.assert_close(solution(posed), exact, rtol=1e-7, atol=1e-7)


def test_rotations_are_normal_and_the_triangle_is_not():
    turn, upper = maps.rotation_matrix(20, 0), maps.triangular_matrix(20, 0)
    torch.testing.assert_close(turn.T @ turn, torch.eye(20, dtype=DOUBLE))
    assert torch.equal(upper, upper.triu())
    growth = torch.linalg.matrix_norm(torch.linalg.matrix_power(0.9 * upper, 3), 2)
    assert growth > 2  # although the radius is 0.9


def test_pagerank_is_a_probability():
    posed = graphs.pagerank(DOUBLE, 2, 0, nodes=30)
    z = solution(posed)
    assert (z > 0).all()
    torch.testing.assert_close(z.sum(dim=1), torch.ones(2, dtype=DOUBLE))
    P, v = posed.f.own
    torch.testing.assert_close(z, torch.linalg.solve(torch.eye(30, dtype=DOUBLE) - P, v))


def test_the_graph_network_contracts():
    posed = graphs.graph_network(DOUBLE, 2, 0, nodes=30)
    one, other = (3 * torch.randn(posed.z0.shape, dtype=DOUBLE) for _ in range(2))
    assert (posed.f(one) - posed.f(other)).norm() <= 0.97 * (one - other).norm()


def test_no_player_of_the_logit_game_gains_from_another_answer():
    """A logit response maximizes payoff plus entropy."""
    posed = games.logit_game(DOUBLE, 1, 0, actions=10)
    z = solution(posed)
    torch.testing.assert_close(z.sum(dim=-1), torch.ones(1, 2, dtype=DOUBLE))
    payoff = posed.f.own[0][0, 0] @ z[0, 1]
    value = payoff @ z[0, 0] - torch.special.xlogy(z[0, 0], z[0, 0]).sum()
    for other in torch.distributions.Dirichlet(torch.ones(10, dtype=DOUBLE)).sample((50,)):
        assert payoff @ other - torch.special.xlogy(other, other).sum() < value


def test_a_zero_sum_game_turns():
    posed = games.logit_game(DOUBLE, 1, 0, zero_sum=True)
    A, B = posed.f.own[0][0]
    assert torch.equal(B, -A.T)
    values = torch.linalg.eigvals(jacobian(posed, solution(posed)))
    assert values.real.abs().max() < 1e-7 < values.imag.max()


def test_sinkhorn_transports_all_mass():
    posed = games.sinkhorn(DOUBLE, 2, 0, points=20, regularization=0.05)
    kernel, transposed, log_a, log_b = posed.f.own
    g = solution(posed)
    f = log_a - torch.logsumexp(kernel + g[:, None, :], dim=-1)
    plan = torch.exp(f[:, :, None] + kernel + g[:, None, :])
    mass = plan.sum(dim=(1, 2), keepdim=True)  # setting the mean of g to 0 scales the plan
    torch.testing.assert_close((plan / mass).sum(dim=2), log_a.exp(), rtol=1e-7, atol=0)
    torch.testing.assert_close((plan / mass).sum(dim=1), log_b.exp(), rtol=1e-7, atol=0)


def test_em_raises_the_likelihood():
    posed = games.mixture(DOUBLE, 3, 0)
    points = posed.f.own[0]

    def likelihood(state: torch.Tensor) -> torch.Tensor:
        weight, center, scale = state[..., 0], state[..., 1:-1], (state[..., -1] / 2).exp()
        normal = torch.distributions.Normal(center[:, None], scale[:, None, :, None])
        return torch.logsumexp(weight[:, None] + normal.log_prob(points[:, :, None]).sum(dim=-1), dim=-1).sum(dim=1)

    z = posed.z0
    torch.testing.assert_close(posed.f(z)[..., 0].exp().sum(dim=1), torch.ones(3, dtype=DOUBLE))
    for _ in range(20):
        z, before = posed.f(z), z
        assert (likelihood(z) > likelihood(before)).all()


def test_hartree_keeps_its_electrons_and_solves_schroedinger():
    posed = physics.hartree(DOUBLE, 2, 0, repulsion=0.3)
    density = solution(posed)
    torch.testing.assert_close(posed.z0.sum(dim=1), torch.full((2,), 4.0, dtype=DOUBLE))
    torch.testing.assert_close(density.sum(dim=1), torch.full((2,), 4.0, dtype=DOUBLE))
    assert (density > 0).all()
    kinetic, repel, _, _ = posed.f.shared
    operator = kinetic + torch.diag(posed.f.own[0][0] + repel @ density[0])
    levels, orbitals = torch.linalg.eigh(operator)
    torch.testing.assert_close(2 * orbitals[:, :2].square().sum(dim=1), density[0], rtol=1e-6, atol=1e-8)
    x = torch.sin(torch.pi * torch.arange(1, 33, dtype=DOUBLE) / 33)  # of a free particle, between walls 10 apart
    torch.testing.assert_close(kinetic @ x, torch.pi**2 / 200 * x, rtol=1e-3, atol=0)


def test_hartree_sloshes_more_the_more_electrons_repel():
    lowest = []
    for repulsion in (0.1, 0.3):
        posed = physics.hartree(DOUBLE, 1, 0, repulsion=repulsion)
        lowest.append(torch.linalg.eigvals(jacobian(posed, solution(posed))).real.min().item())
    assert lowest[1] < 2 * lowest[0] < 0


def test_fisher_is_a_steady_state():
    posed = physics.fisher(DOUBLE, 1, 0, grid=8)
    u = solution(posed)[0]
    assert (u > 0).all()
    padded = torch.nn.functional.pad(u[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    laplace = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * u
    torch.testing.assert_close(4 * laplace, u * (u - posed.f.own[0][0]), rtol=1e-6, atol=1e-8)


def test_turing_is_a_steady_state():
    posed = physics.turing(DOUBLE, 1, 0, grid=8)
    u, v = solution(posed)[0]
    for density, diffusion, reaction in ((u, 1.0, posed.f.own[0][0] - u + u * u * v), (v, 40.0, 0.9 - u * u * v)):
        padded = torch.cat([density[:1], density, density[-1:]])
        laplace = padded[2:] + padded[:-2] - 2 * density
        torch.testing.assert_close(-diffusion * laplace, reaction, rtol=1e-6, atol=1e-8)


def test_the_transformer_is_torch_s():
    """Its attention, against torch.nn.functional.scaled_dot_product_attention."""
    posed = cells.transformer(DOUBLE, 2, 0)
    qkv, out, up, down = posed.f.shared
    (x,) = posed.f.own
    z = torch.randn(x.shape, dtype=DOUBLE)
    q, k, v = (part.unflatten(-1, (cells.HEADS, -1)).transpose(1, 2) for part in (z @ qkv).chunk(3, dim=-1))
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    y = torch.nn.functional.layer_norm(z + x + mixed @ out, (cells.WIDTH,))
    y = torch.nn.functional.layer_norm(y + torch.tanh(y @ up) @ down, (cells.WIDTH,))
    torch.testing.assert_close(posed.f(z), y)


def test_each_resolution_depends_on_both():
    posed = cells.multiscale(DOUBLE, 1, 0)
    z = torch.randn(posed.z0.shape, dtype=DOUBLE)
    fine = cells.CHANNELS * cells.SIDE**2
    for part in (slice(0, fine), slice(fine, None)):
        changed = z.clone()
        changed[:, part] += torch.randn(changed[:, part].shape, dtype=DOUBLE)
        difference = (posed.f(changed) - posed.f(z))[0].abs()
        assert difference[:fine].max() > 1e-3
        assert difference[fine:].max() > 1e-3


def test_the_monotone_operator_is_monotone_and_expands():
    posed = cells.monotone_cell(DOUBLE, 1, 0, size=40)
    W = posed.f.shared[0].T
    assert torch.linalg.eigvalsh(torch.eye(40, dtype=DOUBLE) - (W + W.T) / 2).min() >= 0.1 - 1e-12
    assert torch.linalg.matrix_norm(W, 2) > 1.2
    z = solution(posed)
    torch.testing.assert_close(z, torch.relu(z @ W.T + posed.f.own[0]), rtol=1e-8, atol=1e-8)


def test_relu_cells_circle_in_some_samples():
    posed = cells.relu_cell(DOUBLE, 12, 2)
    z = posed.z0
    for _ in range(400):
        z, before = posed.f(z), z
    moving = (z - before).norm(dim=1) > 1e-3 * z.norm(dim=1)
    assert z.isfinite().all()
    assert 0 < moving.sum() < 12


def test_inexact_maps_are_inexact():
    rounded = cells.rounded_map(DOUBLE, 2, 0)
    value = rounded.f(torch.rand_like(rounded.z0))
    torch.testing.assert_close((value / cells.GRAIN).round() * cells.GRAIN, value, rtol=0, atol=1e-15)
    half = cells.bfloat16_map(DOUBLE, 2, 0)
    product = half.f(torch.rand_like(half.z0)).atanh() - half.f.x
    torch.testing.assert_close(product.bfloat16().double(), product, rtol=1e-9, atol=1e-9)
