from itertools import pairwise

import pytest
import torch
from torch import nn

from andersonn.implicit.equilibrium import Equilibrium
from andersonn.implicit.gradient import ImplicitGradient
from andersonn.implicit.schedule import SHAPES, ToleranceSchedule
from andersonn.solvers import Anderson


class Scale(nn.Module):
    def forward(self, z, x):
        return 0.5 * z + x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("start", "end", "over"), [(0.1, 1e-3, 1000), (0.3, 1e-7, 7), (1e-2, 1e-2, 50), (0.1, 0.01, 1)]
)
def test_falls_from_start_to_end(shape, start, end, over):
    schedule = ToleranceSchedule(start, end, over, shape)
    values = [schedule.at(step) for step in range(over + 3)]
    assert values[0] == start
    assert values[over:] == [end] * 3
    assert all(a >= b for a, b in pairwise(values))
    assert all(a > b for a, b in pairwise(values[: over + 1])) == (start > end)


def test_shapes_halfway():
    halfway = {shape: ToleranceSchedule(0.1, 0.001, 100, shape).at(50) for shape in SHAPES}
    assert halfway == pytest.approx({"geometric": 0.01, "linear": 0.0505, "cosine": 0.0505})
    quarter = {shape: ToleranceSchedule(0.1, 0.001, 100, shape).at(25) for shape in SHAPES}
    assert quarter == pytest.approx({"geometric": 10**-1.5, "linear": 0.07525, "cosine": 0.001 + 0.099 * 0.85355339})


def test_steers_the_solver_of_a_layer_and_nothing_else():
    layer = Equilibrium(Scale(), Anderson(window=3, rtol=1e-6, max_steps=17))
    schedule = ToleranceSchedule(start=0.1, end=1e-4, over=10)
    residuals = []
    for step in (0, 10):
        assert schedule.apply(layer, step) == layer.solver.rtol
        layer(torch.ones(2, 3) * torch.tensor([[1.0], [2.0]]))
        residuals.append(layer.last.residual.max())
    assert (layer.solver.window, layer.solver.max_steps, layer.solver.rtol) == (3, 17, 1e-4)
    assert residuals[1] <= 1e-4
    assert ImplicitGradient().adjoint_solver(layer.solver).rtol == 1e-4  # the adjoint follows
    same = layer.solver
    schedule.apply(layer, 11)
    assert layer.solver is same


def test_bad_use():
    with pytest.raises(TypeError, match="did you mean 'shape'"):
        ToleranceSchedule(shap="linear")
    with pytest.raises(ValueError, match="no shape 'cosin'; did you mean 'cosine'"):
        ToleranceSchedule(shape="cosin")
    with pytest.raises(ValueError, match=r"end = 0\.1 is looser than start = 0\.01"):
        ToleranceSchedule(start=0.01, end=0.1)
    for bad in ({"start": 0}, {"end": -1.0}, {"over": 0}, {"over": 2.5}, {"start": float("nan")}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
            ToleranceSchedule(**bad)
    for step in (-1, 1.5, True, None):
        with pytest.raises(ValueError, match="step must be a whole number, at least 0"):
            ToleranceSchedule().at(step)
    with pytest.raises(TypeError, match="Linear has no solver whose tolerance"):
        ToleranceSchedule().apply(nn.Linear(2, 2), 0)
