"""Checks of the jaxopt peer; test_contestants runs them in a process of their own."""

import torch

from andersonn.measuring.problems import FixedPointProblem, Formula, poisson
from contest.peers import JaxoptPeer
from contest.recorder import Record

LIMIT = 60


def halve(xp, z, goal):
    return 0.5 * (z + goal)


def solves_a_linear_problem():
    z0 = torch.zeros(1, 3, dtype=torch.float64)
    posed = FixedPointProblem(Formula(halve, (), (torch.ones_like(z0),)), z0)
    assert JaxoptPeer().refusal(posed) is None
    record = Record(1, stop=1e-3, limit=LIMIT)
    JaxoptPeer().watch(posed, record, 1e-3, LIMIT)
    # It mixes from its sixth evaluation on; before that the residual is that of plain halving.
    for k in range(5):
        assert abs(record.curve[k] - 1 / (2 ** (k + 1) - 1)) < 1e-12
    assert record.evaluations(1e-3) in range(6, 10)


def forward_iteration_halves():
    z0 = torch.zeros(1, 3, dtype=torch.float64)
    record = Record(1, stop=1e-3, limit=LIMIT)
    peer = JaxoptPeer("jaxopt forward", "forward")
    peer.watch(FixedPointProblem(Formula(halve, (), (torch.ones_like(z0),)), z0), record, 1e-3, LIMIT)
    assert all(abs(r - 1 / (2 ** (k + 1) - 1)) < 1e-12 for k, r in enumerate(record.curve))
    assert record.evaluations(1e-3) == 10


def runs_the_same_formula_in_the_same_precision(dtype):
    posed = poisson(dtype, 2, 0, grid=5)
    advance, params, state, arrays = JaxoptPeer()._start(posed)
    assert params.dtype == str(dtype).removeprefix("torch.")
    after, _ = advance(params, state, 1, *arrays)
    torch.testing.assert_close(torch.tensor(after.tolist(), dtype=dtype), posed.f(posed.z0))
    at_once, _ = advance(params, state, 12, *arrays)
    z, kept = params, state
    for _ in range(12):
        z, kept = advance(z, kept, 1, *arrays)
    torch.testing.assert_close(torch.tensor(at_once.tolist()), torch.tensor(z.tolist()), rtol=1e-4, atol=1e-6)
    again, _ = JaxoptPeer().prepare(posed, 0.0, 12)()
    assert again.tolist() == at_once.tolist()


def main():
    solves_a_linear_problem()
    forward_iteration_halves()
    print("solves")
    for dtype in (torch.float32, torch.float64):
        runs_the_same_formula_in_the_same_precision(dtype)
        print(str(dtype).removeprefix("torch."))
    assert "not written in jax" in JaxoptPeer().refusal(FixedPointProblem(torch.cos, torch.zeros(1, 3)))
    print("refuses")
