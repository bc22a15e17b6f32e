"""The explicit twin: what it shares with the equilibrium, what it costs, and what it says of itself."""

import csv
import json
import math

import numpy as np
import pytest
import torch

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.measuring.problems import problems
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig, SolverConfig
from andersonn.models.stack import Stack
from andersonn.solvers import Status
from andersonn.training.evaluate import evaluate
from tests.conftest import random_structure
from tests.models.test_networks import doubled, store_of

CELLS = ["message", "convolution"]
TIGHT = SolverConfig(rtol=1e-12, max_steps=400)
TINY = ["epochs=2", "model.width=12", "columns=8", "radial=8", "model.layers=3"]


def network(cell: str, **options) -> EquilibriumNetwork:
    torch.manual_seed(0)
    return EquilibriumNetwork(ModelConfig(cell=cell, width=16, **options), 3).eval()


@pytest.fixture(scope="module")
def store(structures):
    rng = np.random.default_rng(0)
    return store_of([*structures.values(), *(random_structure(rng, n) for n in (1, 4, 9))])


def batch_of(store) -> ImageBatch:
    return ImageBatch.from_store(store, np.arange(len(store)))


@pytest.mark.parametrize("cell", CELLS)
def test_many_tied_layers_are_the_equilibrium_with_the_same_weights(cell, store):
    deep = network(cell, solver=TIGHT, adjoint_rtol=1e-12).double()
    stack = network(cell, layers=150).double()
    shallow = network(cell, layers=2).double()
    for twin in (stack, shallow):
        twin.load_state_dict(deep.state_dict())  # the same names
    batch = doubled(batch_of(store))
    found = {}
    for name, each in {"deep": deep, "stack": stack, "shallow": shallow}.items():
        output = each(batch)
        output.scores.square().sum().backward()
        found[name] = output.scores.detach(), {n: p.grad for n, p in each.named_parameters() if p.grad is not None}
    scores, gradients = found["deep"]
    assert torch.allclose(found["stack"][0], scores, rtol=0, atol=1e-9)
    assert found["stack"][1].keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(found["stack"][1][name], gradient, rtol=1e-5, atol=1e-8), name
    assert not torch.allclose(found["shallow"][0], scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_untied_layers_have_a_cell_each(cell, store):
    tied, untied = network(cell, layers=4), network(cell, layers=4, tied=False)

    def size(module):
        return sum(p.numel() for p in module.parameters())

    assert size(tied.equilibrium) == size(tied.equilibrium.cell) == size(network(cell).equilibrium)
    assert size(untied.equilibrium) == 4 * size(tied.equilibrium)
    assert size(untied) - size(untied.equilibrium) == size(tied) - size(tied.equilibrium)
    untied(batch_of(store)).scores.square().sum().backward()
    for cell in untied.equilibrium.later:
        assert all(float(p.grad.abs().max()) > 0 for p in cell.parameters())
    cells = [untied.equilibrium.cell, *untied.equilibrium.later]
    for other in cells[1:]:
        other.load_state_dict(cells[0].state_dict())
    tied.load_state_dict({n: v for n, v in untied.state_dict().items() if ".later." not in n})
    with torch.no_grad():
        assert torch.allclose(untied(batch_of(store)).scores, tied(batch_of(store)).scores, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_record_judges_nothing_but_what_is_not_finite(cell, store):
    net = network(cell, layers=2)
    with torch.no_grad():
        solution = net(batch_of(store)).solution
        assert (solution.status == Status.UNJUDGED).all()
        assert solution.residual.isnan().all()
        assert not solution.converged.any()
        assert solution.steps.tolist() == [2] * len(store)
        assert solution.evaluations == 2
        assert net.solver_name == "explicit"
        offsets = net.equilibrium.cell.offsets(batch_of(store))
        solution.z[offsets[1]] = math.inf
        spoiled = net.equilibrium._record(solution.z, offsets)
    assert spoiled.status.tolist() == [4, int(Status.NONFINITE), *[4] * (len(store) - 2)]


@pytest.mark.parametrize("options", [{"tied": False}, {"tied": False, "layers": 1}])
def test_options_that_make_no_sense_together(options):
    with pytest.raises(ValueError, match=r"needs model\.layers=2 or more"):
        ModelConfig(**options)
    with pytest.raises(UsageError, match=r"^model\.tied=false needs model\.layers=2 or more"):
        TrainConfig.make({"model": options})


def test_impossible_numbers_of_layers():
    with pytest.raises(UsageError, match=r"model\.layers"):
        TrainConfig.make(overrides=["model.layers=-1"])
    with pytest.raises(ValueError, match="3 layers take 1 cell or 3, not 2"):
        Stack([torch.nn.Identity(), torch.nn.Identity()], 3)


def test_a_stack_poses_no_fixed_point_problem(store):
    with pytest.raises(UsageError, match="stack of 2 layers"):
        problems(network("message", layers=2, tied=False), store, np.arange(2), 100)


@pytest.mark.parametrize("options", [["model.tied=false"], ["model.cell=convolution"]], ids=str)
def test_training_saving_and_answering(options, demo_sample, structures, tmp_path):
    records = demo_sample.take(np.arange(0, len(demo_sample), 12))
    trained = Scientist.train("conduction", records, TrainConfig.make(overrides=[*TINY, *options]), tmp_path / "m")
    with (tmp_path / "m/history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[1]["validation_loss"]) < float(rows[0]["validation_loss"])
    assert [float(row["forward_evaluations"]) for row in rows] == [3.0, 3.0]
    assert not [name for name in rows[0] if name.startswith(("adjoint", "radius")) or name.endswith("unconverged")]
    loaded = Scientist.load(tmp_path / "m")
    assert loaded.bundle.config == trained.bundle.config
    (first,), (answer,) = (each.predict([structures["NaCl"]]) for each in (trained, loaded))
    assert answer.probabilities == first.probabilities
    content = json.loads(json.dumps(answer.as_dict(), allow_nan=False))
    expected = {"name": "explicit", "steps": 3, "evaluations": 3, "residual": None, "status": "unjudged"}
    assert content["solver"] == expected
    assert not any("fixed point" in warning for warning in answer.warnings)
    assert evaluate(loaded, records, baselines=False)["solver"] == {
        "name": "explicit", "mean_steps": 3.0, "converged": None
    }  # fmt: skip
    (explanation,) = loaded.explain([structures["NaCl"]])
    assert np.isfinite(explanation.values).all()


def test_states_that_are_not_finite_are_told(demo_sample, structures, tmp_path):
    records = demo_sample.take(np.arange(0, len(demo_sample), 12))
    config = TrainConfig.make(overrides=[*TINY, "epochs=1"])
    scientist = Scientist.train("conduction", records, config, tmp_path / "m")
    with torch.no_grad():
        scientist.bundle.network.equilibrium.cell.inject.bias.fill_(math.inf)
    outputs = scientist.predict([structures["NaCl"]])[0]
    assert outputs.solver["status"] == "nonfinite"
    assert any("no finite state" in warning for warning in outputs.warnings)
