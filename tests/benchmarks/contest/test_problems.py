import math

import numpy as np
import pytest
import torch

from andersonn.errors import UsageError
from andersonn.implicit import spectral_radius
from andersonn.measuring.problems import FixedPointProblem, Formula, gaussian_matrix, poisson, tanh_map
from andersonn.solvers import Anderson
from contest import equations, images
from contest.contestants import reference
from contest.crystals import message_cell
from contest.peers import in_one
from contest.problems import PROBLEMS, Case, full_cases, only, quick_cases
from contest.random_maps import outlier_matrix, symmetric_matrix

SMALL = {
    "tanh": lambda *a: tanh_map(*a, size=40),
    "poisson": lambda *a: poisson(*a, grid=7),
    "bratu": lambda *a: equations.bratu(*a, grid=7),
    "value iteration": lambda *a: equations.value_iteration(*a, states=30),
    "logistic": equations.logistic_regression,
    "cell": lambda *a: images.random_cell(*a, side=4),
}


def jacobian(posed: FixedPointProblem) -> torch.Tensor:
    n = posed.z0[0].numel()
    full = torch.autograd.functional.jacobian(posed.f, posed.z0[:1])
    return full.reshape(n, n)


@pytest.mark.parametrize("name", SMALL)
def test_the_same_problem_in_both_precisions_and_in_parts(name):
    double, single = (SMALL[name](dtype, 3, 0) for dtype in (torch.float64, torch.float32))
    z = torch.rand(double.z0.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    value = double.f(z)
    assert value.shape == z.shape
    torch.testing.assert_close(single.f(z.float()).double(), value, rtol=1e-4, atol=1e-4)
    some = torch.tensor([2, 0])
    torch.testing.assert_close(double.f.subset(some, some)(z[some]), value[some])
    other = SMALL[name](torch.float64, 3, 5)
    if name not in ("bratu", "logistic"):  # these are given by physics and by data
        assert not torch.equal(other.f(z), value)


@pytest.mark.parametrize("matrix", [gaussian_matrix, symmetric_matrix, outlier_matrix])
def test_tanh_maps_have_the_radius_they_say(matrix):
    posed = tanh_map(torch.float64, 1, 0, radius=1.5, matrix=matrix, drive=0.0, size=40)
    values = torch.linalg.eigvals(jacobian(posed))
    assert values.abs().max().item() == pytest.approx(1.5)
    if matrix is outlier_matrix:
        assert values.real.min().item() == pytest.approx(-1.5)
        assert values.abs().sort().values[-2].item() <= 0.5 + 1e-12


def test_rescaling_changes_nothing_but_the_scale():
    plain, large = (tanh_map(torch.float64, 2, 0, size=40, scale=s) for s in (1.0, 1e3))
    z = torch.rand(2, 40, dtype=torch.float64)
    torch.testing.assert_close(large.f(1e3 * z), 1e3 * plain.f(z))


def test_poisson_is_the_five_point_stencil():
    posed = poisson(torch.float64, 1, 0, grid=7)
    assert torch.linalg.eigvals(jacobian(posed)).abs().max().item() == pytest.approx(math.cos(math.pi / 8))
    u = Anderson(window=50, rtol=1e-13, max_steps=200).solve(posed.f, posed.z0).z[0]
    padded = torch.nn.functional.pad(u, (1, 1, 1, 1))
    neighbors = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    torch.testing.assert_close(4 * u - neighbors, posed.f.own[0][0], rtol=1e-8, atol=1e-12)


def test_bratu_finds_the_lower_branch():
    posed = equations.bratu(torch.float64, 1, 0)
    solution = Anderson(window=30, rtol=1e-8, max_steps=400).solve(posed.f, posed.z0)
    assert solution.all_converged
    u = solution.z[0]
    padded = torch.nn.functional.pad(u, (1, 1, 1, 1))
    neighbors = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    torch.testing.assert_close(4 * u - neighbors, 6 / 32**2 * u.exp(), rtol=1e-4, atol=0)
    assert u.max().item() < 1.39  # what it is at the fold, λ = 6.81


def test_value_iteration_is_a_contraction_by_the_discount():
    posed = equations.value_iteration(torch.float64, 2, 0, states=30, discount=0.9)
    a, b = (torch.randn(2, 30, dtype=torch.float64) for _ in range(2))
    assert (posed.f(a) - posed.f(b)).abs().max() <= 0.9 * (a - b).abs().max()
    shifted = posed.f(a + 1.0) - posed.f(a)
    torch.testing.assert_close(shifted, torch.full_like(shifted, 0.9))


def test_logistic_regression_ends_where_scikit_learn_does():
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    posed = equations.logistic_regression(torch.float64, 1, 0)
    features, target = load_breast_cancer(return_X_y=True)
    X = np.c_[(features - features.mean(0)) / features.std(0), np.ones(len(features))]
    model = LogisticRegression(C=1 / (0.01 * len(X)), fit_intercept=False, tol=1e-10, max_iter=2000).fit(X, target)
    solution = torch.from_numpy(model.coef_)
    step = posed.f(solution) - solution
    assert step.norm() < 1e-5 * (posed.f(posed.z0) - posed.z0).norm()


def test_crystals_are_a_ragged_batch():
    posed = message_cell(torch.float64, 4, 0)
    assert posed.samples == 4
    assert posed.offsets[-1] == len(posed.z0)
    assert Anderson(rtol=1e-6).solve(posed.f, posed.z0, posed.offsets).all_converged
    f, z0 = in_one(posed)
    assert len(z0) == 1
    torch.testing.assert_close(f(z0).reshape(posed.z0.shape), posed.f(posed.z0))


@pytest.mark.slow
def test_training_makes_the_cell_harder(one_thread):
    network, held_out = images.train(0)
    assert held_out.shape == (512, 1, 16, 16)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    random, trained = (make(torch.float32, 4, 0) for make in (images.random_cell, images.trained_cell))
    radii = []
    for posed in (random, trained):
        z = Anderson(rtol=1e-3, max_steps=100).solve(posed.f, posed.z0).z
        radii.append(spectral_radius(posed.f, z).max().item())
    assert radii[1] > radii[0]


def test_training_reaches_the_cell(monkeypatch):
    """A step of the recipe changes every weight of the cell: the tutorial's implicit gradient reaches it."""
    monkeypatch.setattr(images, "TRAINING_STEPS", 1)
    monkeypatch.setattr(images, "TRAINING_BATCH", 4)
    images.train.cache_clear()
    network, _ = images.train(1)
    torch.manual_seed(1)
    before = images.DigitNetwork()
    for trained, fresh in zip(network.cell.parameters(), before.cell.parameters(), strict=True):
        assert not torch.equal(trained, fresh)
    images.train.cache_clear()
    torch.testing.assert_close(images.train(1)[0].cell.first.weight, network.cell.first.weight)  # the same each time
    images.train.cache_clear()


def test_sets_and_names():
    names = [problem.name for problem in PROBLEMS]
    assert len(set(names)) == len(names)
    quick, full = quick_cases(), full_cases()
    assert {case.problem.group for case in quick} == {case.problem.group for case in full}
    assert {case.problem.name for case in full} == set(names)
    assert {case.dtype for case in quick} == {"float32", "float64"}
    assert [str(case) for case in only(quick, ["tanh 0.99"])] == ["tanh 0.99, float32, batch 4"]
    with pytest.raises(UsageError, match="tanh 0.99"):
        only(quick, ["tanh 0.98"])


def test_a_case_has_a_twin_in_double_precision():
    case = Case(next(problem for problem in PROBLEMS if problem.name == "Poisson 31²"), "float32", 2)
    assert isinstance(case.pose(0).f, Formula)
    assert case.pose(0).z0.dtype == torch.float32
    twin = case.pose(0, dtype="float64")
    assert twin.z0.dtype == torch.float64
    assert reference(50, 1e-6).solver.window == 50
