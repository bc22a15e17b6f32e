import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from andersonn.data.store import ImageStore
from andersonn.implicit import spectral_radius
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig, SolverConfig, row_batches
from andersonn.models.batch import Neighbors
from andersonn.models.convolution_cell import convolution_norm
from andersonn.models.network import CELLS
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import as_structure
from tests.conftest import random_structure

RECIPE = ImageRecipe(columns=8)
TIGHT = SolverConfig(rtol=1e-6, max_steps=200)


def test_every_cell_can_be_chosen():
    assert get_args(ModelConfig.model_fields["cell"].annotation) == tuple(CELLS)


def network(cell: str, **options) -> EquilibriumNetwork:
    torch.manual_seed(0)
    config = ModelConfig(cell=cell, width=16, **({"solver": TIGHT} | options))
    return EquilibriumNetwork(config, 3).eval()


def store_of(structures, recipe=RECIPE) -> ImageStore:
    return ImageStore.from_images([NodeNeighborImage.from_structure(s, recipe) for s in structures], recipe)


def scores(net, store) -> np.ndarray:
    with torch.no_grad():
        return net(ImageBatch.from_store(store, np.arange(len(store)))).scores.numpy()


def doubled(batch: ImageBatch) -> ImageBatch:
    """In double precision."""
    floats = {name: getattr(batch, name).double() for name in ("distance", "weight", "multiplicity")}
    return replace(batch, **floats)


@pytest.fixture(scope="module")
def mixed(structures):
    rng = np.random.default_rng(0)
    return [*structures.values(), *(random_structure(rng, n) for n in (1, 4, 9, 15))]


@pytest.mark.parametrize("cell", CELLS)
def test_a_structure_is_answered_alike_in_any_company(cell, mixed):
    net = network(cell)
    together = scores(net, store_of(mixed))
    alone = np.concatenate([scores(net, store_of([s])) for s in mixed])
    backward = scores(net, store_of(mixed[::-1]))[::-1]
    assert np.allclose(together, alone, atol=2e-5)
    assert np.allclose(together, backward, atol=2e-5)
    assert together.std() > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_a_supercell_is_answered_as_its_primitive_cell(cell, atoms):
    names = ["NaCl", "SrTiO3", "SiO2"]
    small = store_of([as_structure(atoms[n]) for n in names])
    large = store_of([as_structure(atoms[n].repeat((2, 2, 1))) for n in names])
    net = network(cell)
    assert np.allclose(scores(net, small), scores(net, large), atol=1e-3)


def test_folding_changes_no_answer(atoms):
    """One row a color gives every atom the state it has on the whole image: message passing on both."""
    crystals = [as_structure(atoms[n].repeat((2, 1, 1))) for n in ("NaCl", "SrTiO3", "SiO2", "Si")]
    whole = store_of(crystals, ImageRecipe(columns=12, fold=False))
    folded = store_of(crystals, ImageRecipe(columns=12))
    assert len(folded.Z) < len(whole.Z) / 2
    for solver in (TIGHT, SolverConfig()):  # a solver weighs a folded row as the atoms it stands for
        net = network("message", solver=solver)
        assert np.allclose(scores(net, whole), scores(net, folded), atol=2e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_all_parameters_against_the_unrolled_network(cell, mixed):
    net = network(cell, solver=SolverConfig(rtol=1e-12, max_steps=400), adjoint_rtol=1e-12).double()
    batch = ImageBatch.from_store(store_of(mixed), np.arange(len(mixed)))
    batch = doubled(batch)
    net(batch).scores.square().sum().backward()
    assert net.equilibrium.last.all_converged
    implicit = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()

    def unrolled(x, offsets, keys=None):
        z = net.equilibrium.cell.initial(x)
        for _ in range(150):
            z = net.equilibrium.cell(z, x)
        return z

    net.equilibrium.forward = unrolled
    net(batch).scores.square().sum().backward()
    unrolled_names = {name for name, p in net.named_parameters() if p.grad is not None}
    assert unrolled_names == implicit.keys()
    for name, p in net.named_parameters():
        if p.grad is not None:
            assert torch.allclose(implicit[name], p.grad, rtol=1e-5, atol=1e-8), name


@pytest.mark.parametrize("cell", CELLS)
def test_cells_stay_contractive_when_weights_grow(cell, mixed):
    """Weights a hundred times too large: the bounds of the cell must hold the spectral radius under 1."""
    net = network(cell)
    with torch.no_grad():
        for p in net.equilibrium.cell.parameters():
            p.mul_(100.0)
        batch = ImageBatch.from_store(store_of(mixed), np.arange(len(mixed)))
        features = net.encoder(batch)
        x = net.equilibrium.cell.prepare(features, batch)
        offsets = net.equilibrium.cell.offsets(batch)
        z = net.equilibrium(x, offsets=offsets)
    assert net.equilibrium.last.all_converged
    radius = spectral_radius(lambda z: net.equilibrium.cell(z, x), z, offsets, iterations=20)
    assert (radius < 1.0).all()


@pytest.mark.parametrize("fold", [True, False])
def test_message_cell_is_a_contraction_with_real_eigenvalues(fold, mixed, atoms):
    net = network("message").double()
    crystals = [*mixed, as_structure(atoms["NaCl"].repeat((2, 1, 1)))]
    batch = doubled(
        ImageBatch.from_store(store_of(crystals, ImageRecipe(columns=8, fold=fold)), np.arange(len(crystals)))
    )
    assert (batch.multiplicity.max() > 1) == fold
    cell = net.equilibrium.cell
    with torch.no_grad():
        for p in cell.parameters():
            p.mul_(10.0)
        x = cell.prepare(net.encoder(batch), batch)
        x = x._replace(injection=x.injection + 100.0)  # every relu open: the whole Jacobian shows
    z = torch.zeros_like(x.injection)
    jacobian = torch.autograd.functional.jacobian(lambda z: cell(z, x), z).reshape(z.numel(), z.numel())
    assert torch.allclose(jacobian, jacobian.T, atol=1e-10)
    norm = float(torch.linalg.matrix_norm(jacobian, 2))
    assert 0.3 < norm <= cell.gain + 1e-9
    half_closed = (torch.arange(z.numel()) % 2).double().unsqueeze(1) * jacobian
    assert torch.linalg.eigvals(half_closed).imag.abs().max() < 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_leaving_out_what_has_converged_changes_no_answer_and_no_gradient(cell, mixed):
    net = network(cell, solver=SolverConfig(rtol=1e-9, max_steps=200), adjoint_rtol=1e-9).double()
    batch = doubled(ImageBatch.from_store(store_of(mixed), np.arange(len(mixed))))
    solver, rows, found = net.equilibrium.solver, [], {}
    net.equilibrium.cell.register_forward_pre_hook(lambda _, arguments: rows.append(len(arguments[0])))
    for share in (0.0, 0.7):
        net.equilibrium.solver = replace(solver, compact=share)
        net.zero_grad()
        rows.clear()
        answer = net(batch).scores
        forward = rows.copy()
        rows.clear()
        answer.square().sum().backward()
        assert net.equilibrium.last.all_converged
        assert net.equilibrium.last_adjoint.all_converged
        gradients = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
        found[share] = (answer.detach(), gradients, forward, rows.copy())
    (whole, gradients, forward, recorded), (part, part_gradients, part_forward, part_recorded) = found.values()
    assert torch.allclose(whole, part, rtol=0, atol=1e-8)
    assert gradients.keys() == part_gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, part_gradients[name], rtol=1e-6, atol=1e-6 * float(gradient.abs().max())), name
    assert set(forward) == {part_forward[-1]}  # the last one is recorded for gradients, with the whole batch
    assert part_forward[:-1] == sorted(part_forward[:-1], reverse=True)
    assert sum(part_forward) < sum(forward)
    assert recorded == []
    assert 0 < max(part_recorded) < forward[0]  # smaller tapes for the adjoint


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chosen", [[0], [1, 2, 5], [5, 0, 3]])
def test_a_selection_is_the_batch_of_the_selected(cell, chosen, mixed):
    net, store = network(cell).double(), store_of(mixed)
    inputs = []
    with torch.no_grad():
        for indices in (range(len(mixed)), chosen):
            batch = doubled(ImageBatch.from_store(store, np.array(indices)))
            inputs.append(net.equilibrium.cell.prepare(net.encoder(batch), batch))
            if len(batch) == len(mixed):
                ends = net.equilibrium.cell.offsets(batch).tolist()
        whole, alone = inputs
        rows = torch.cat([torch.arange(ends[i], ends[i + 1]) for i in chosen])
        part = net.equilibrium.cell.select(whole, torch.tensor(chosen), rows)
        z = torch.randn_like(alone.injection)
        assert torch.allclose(net.equilibrium.cell(z, part), net.equilibrium.cell(z, alone), atol=1e-12)
        again = net.equilibrium.cell.select(part, torch.arange(len(chosen)), torch.arange(len(rows)))
        assert torch.equal(net.equilibrium.cell(z, again), net.equilibrium.cell(z, part))


@pytest.mark.parametrize("rows", [[3, 4, 5], [0, 1, 2, 6], [6, 2, 0, 1]])
def test_neighbors_of_a_closed_part(rows):
    whole = Neighbors.from_index(np.array([[1, 2], [0, 0], [6, 1], [4, 4], [5, 3], [3, 3], [0, 2]]))
    part = whole.select(torch.tensor(rows))
    assert torch.equal(torch.tensor(rows)[part.index], whole.index[rows])
    fresh = Neighbors.from_index(part.index.numpy())
    assert torch.equal(part.starts, fresh.starts)
    if rows == sorted(rows):
        assert torch.equal(part.order, fresh.order)
    entries = torch.randn(len(rows), 2, 3, dtype=torch.float64)
    assert torch.allclose(part.collect(entries), fresh.collect(entries))


def test_gather_equals_indexing():
    index = np.random.default_rng(0).integers(0, 6, (7, 4))  # nobody points to row 6
    neighbors = Neighbors.from_index(index)
    values = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(neighbors.gather(values), values[torch.from_numpy(index)])
    assert torch.autograd.gradcheck(neighbors.gather, values)
    assert torch.autograd.gradgradcheck(neighbors.gather, values)


def test_collect_is_the_transpose_of_gather():
    index = np.random.default_rng(0).integers(0, 6, (7, 4))
    neighbors = Neighbors.from_index(index)
    values = torch.randn(7, 3, dtype=torch.float64)
    entries = torch.randn(7, 4, 3, dtype=torch.float64, requires_grad=True)
    collected = neighbors.collect(entries)
    assert torch.equal(collected[6], torch.zeros(3, dtype=torch.float64))
    assert torch.allclose((collected * values).sum(), (entries * neighbors.gather(values)).sum())
    assert torch.autograd.gradcheck(neighbors.collect, entries)
    assert torch.autograd.gradgradcheck(neighbors.collect, entries)


def test_convolution_norm_against_the_operator():
    torch.manual_seed(0)
    kernel = torch.randn(3, 3, 3, 3, dtype=torch.float64)
    eye = torch.eye(3 * 8 * 8, dtype=torch.float64).reshape(-1, 3, 8, 8)
    circular = torch.nn.functional.pad(eye, (1, 1, 1, 1), mode="circular")
    operator = torch.nn.functional.conv2d(circular, kernel).reshape(192, 192)
    zero_padded = torch.nn.functional.conv2d(eye, kernel, padding=1).reshape(192, 192)
    bound = convolution_norm(kernel)
    on_grid = bound * math.cos(math.pi / 8) ** 2  # the circular operator on 8 × 8 has just the grid's frequencies
    assert on_grid == pytest.approx(float(torch.linalg.matrix_norm(operator, 2)), rel=1e-9)
    assert torch.linalg.matrix_norm(zero_padded, 2) <= bound


def test_convolution_norm_bounds_a_wave_between_the_grid_points():
    """The worst kernel: its transfer function peaks halfway between the frequencies that are looked at."""
    wave = torch.exp(1j * (math.pi / 8) * torch.arange(-1, 2, dtype=torch.float64))
    kernel = torch.einsum("y,x->yx", wave, wave)
    # Multiplication by a complex number as a real 2 × 2 matrix: two channels in, two out.
    parts = torch.stack([torch.stack([kernel.real, -kernel.imag]), torch.stack([kernel.imag, kernel.real])])
    fine = torch.exp(1j * torch.outer(torch.linspace(-math.pi, math.pi, 721, dtype=torch.float64), torch.arange(-1, 2)))
    transfer = torch.einsum("oiyx,fy,gx->fgoi", parts.to(fine.dtype), fine, fine)
    true = float(torch.linalg.matrix_norm(transfer, 2).amax())
    assert true == pytest.approx(9.0, rel=1e-3)
    assert true <= float(convolution_norm(parts)) <= 1.18 * true


def test_convolution_lets_nothing_leak_from_one_image_to_the_next(structures):
    net = network("convolution")
    batch = ImageBatch.from_store(store_of(list(structures.values())[:3]), np.arange(3))
    cell = net.equilibrium.cell
    with torch.no_grad():
        x = cell.prepare(net.encoder(batch), batch)
    begin, end = cell.offsets(batch)[1:3].tolist()
    z = torch.randn_like(x.injection).requires_grad_()
    spoiled = torch.where((torch.arange(len(z)) == begin).view(-1, 1, 1), math.nan, z)
    value = cell(spoiled, x)
    others = torch.cat([value[:begin], value[end:]])
    assert torch.isnan(value[begin:end]).any()
    assert torch.isfinite(others).all()
    (gradient,) = torch.autograd.grad(others.sum(), z)
    assert torch.isfinite(gradient).all()
    assert gradient[begin:end].abs().max() == 0


def test_quantiles_rise(mixed):
    net = network("message")
    with torch.no_grad():
        quantiles = net(ImageBatch.from_store(store_of(mixed), np.arange(len(mixed)))).quantiles
    assert (quantiles.diff(dim=1) > 0).all()


def test_batches_cover_everything_once():
    n_rows = np.array([3, 50, 2, 7, 100, 1, 1])
    order = np.array([4, 0, 1, 2, 3, 5, 6])
    batches = list(row_batches(n_rows, order, max_rows=60))
    assert np.concatenate(batches).tolist() == order.tolist()
    assert all(n_rows[b].sum() <= 60 or len(b) == 1 for b in batches)
    assert max(len(b) for b in row_batches(n_rows, order, 10**6, max_images=2)) == 2


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="widht"):
        ModelConfig(widht=3)
