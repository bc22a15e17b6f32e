"""The dipole head: what must not change does not, what must add up does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from andersonn.config import config_of
from andersonn.data.store import ImageStore
from andersonn.errors import InputError, UsageError
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.scientists.registry import find
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import from_smiles
from andersonn.structures.structure import Structure
from tests.conftest import rotation

CONFIG = config_of(
    find("polarity"),
    overrides=["model.answer=classes", "model.width=16", "model.directions=4", "radial=8", "solver.rtol=1e-5"],
)
RECIPE = CONFIG.image
MOLECULES = ["CCO", "N", "CC(=O)Nc1ccc(O)cc1", "[NH4+]", "CC(=O)[O-]", "FC(F)F"]


@pytest.fixture(scope="module", params=[0, 2], ids=["one round", "rounds with directions"])
def network(request) -> EquilibriumNetwork:
    torch.manual_seed(0)
    network = EquilibriumNetwork(CONFIG.model.model_copy(update={"rounds": request.param}), 2).eval()
    speak(network)
    network.set_units(1.5, (2.5,))
    return network


def speak(network: EquilibriumNetwork) -> None:
    """What new rounds would write to numbers is zero: here it is not."""
    for name, weight in network.named_parameters():
        if "rounds" in name and not weight.any():
            torch.nn.init.normal_(weight, std=0.2)


def batch(*structures: Structure) -> ImageBatch:
    images = [NodeNeighborImage.from_structure(s, RECIPE) for s in structures]
    return ImageBatch.from_store(ImageStore.from_images(images, RECIPE), np.arange(len(images)))


def parts(network, images: ImageBatch):
    features = network.encoder(images)
    cell = network.equilibrium.cell
    z, _ = network.equilibrium.solve(cell.prepare(features, images), offsets=cell.offsets(images))
    return network.dipole.dipole(cell.rows(z, images, features), features, images)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), smiles=st.sampled_from(MOLECULES))
def test_length_is_invariant_and_the_vector_turns(network, seed, smiles):
    rng = np.random.default_rng(seed)
    one = from_smiles(smiles)
    turn, order = rotation(rng), rng.permutation(len(one))
    two = Structure(one.Z[order], one.xyz[order] @ turn.T + rng.normal(size=3) * 5, charge=one.charge)
    with torch.no_grad():
        a, b = network(batch(one)), network(batch(two))
        assert torch.allclose(a.quantiles, b.quantiles, atol=2e-3)
        assert torch.allclose(a.scores, b.scores, atol=2e-3)
        u, v = parts(network, batch(one)).total, parts(network, batch(two)).total
    assert np.allclose(u.numpy() @ turn.T, v.numpy(), atol=5e-3)


@torch.no_grad()
def test_charges_sum_to_the_total_charge(network):
    structures = [from_smiles(s) for s in MOLECULES]
    images = batch(*structures)
    charges = parts(network, images).charges
    sums = images.sum_rows(charges.unsqueeze(1)).squeeze(1)
    assert sums.numpy() == pytest.approx([s.charge for s in structures], abs=1e-4)


@torch.no_grad()
def test_parts_add_up(network):
    images = batch(from_smiles("CCO"))
    found = parts(network, images)
    nuclear = images.Z.float().unsqueeze(1)
    center = (nuclear * images.position).sum(0) / nuclear.sum()
    moved = 4.803205 * (found.charges.unsqueeze(1) * (images.position - center)).sum(0)
    assert torch.allclose(moved + found.local.sum(0), found.total[0], atol=1e-5)


@torch.no_grad()
def test_net_charges_alone_give_the_dipole(network):
    structures = [from_smiles(s) for s in MOLECULES]
    images = batch(*structures)
    found = parts(network, images)
    assert images.sum_rows(found.net.unsqueeze(1)).squeeze(1).numpy() == pytest.approx(
        [s.charge for s in structures], abs=1e-4
    )
    nuclear = images.Z.float().unsqueeze(1)
    center = images.sum_rows(nuclear * images.position) / images.sum_rows(nuclear)
    apart = images.position - center[images.sample]
    dipoles = images.sum_rows(4.803205 * found.net.unsqueeze(1) * apart)
    assert torch.allclose(dipoles, found.total, atol=1e-4)


@torch.no_grad()
def test_symmetric_molecules_have_no_dipole(network):
    a = 1.09 / 3**0.5
    methane = Structure([6, 1, 1, 1, 1], [[0, 0, 0], [a, a, a], [a, -a, -a], [-a, a, -a], [-a, -a, a]])
    carbon_dioxide = Structure([6, 8, 8], [[0, 0, 0], [1.16, 0, 0], [-1.16, 0, 0]])
    assert network(batch(methane, carbon_dioxide)).quantiles[:, 1].abs().max() < 1e-4


@torch.no_grad()
def test_class_probabilities_follow_the_length(network):
    output = network(batch(*map(from_smiles, MOLECULES)))
    p = output.scores.exp()
    assert torch.allclose(p.sum(dim=1), torch.ones(len(p)), atol=1e-5)
    assert ((p[:, 1] > 0.5) == (output.quantiles[:, 1] * 1.5 > 2.5)).all()
    assert (output.quantiles.diff(dim=1) > 0).all()


@torch.no_grad()
def test_three_classes():
    network = EquilibriumNetwork(CONFIG.model, 3).eval()
    network.set_units(1.5, (1.0, 2.5))
    assert torch.allclose(network(batch(from_smiles("CCO"))).scores.exp().sum(), torch.tensor(1.0), atol=1e-5)


def test_gradients_reach_every_parameter(network):
    output = network(batch(from_smiles("CCO"), from_smiles("N")))
    network.zero_grad()
    (output.quantiles.square().sum() - output.scores[:, 0].sum()).backward()
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    untouched = [name for name, p in trained if p.grad is None or not p.grad.isfinite().all()]
    assert untouched == []


@torch.no_grad()
def test_a_lone_atom():
    network = EquilibriumNetwork(CONFIG.model, 2).eval()
    output = network(batch(Structure([10], [[0.0, 0.0, 0.0]])))
    assert torch.isfinite(output.scores).all()
    assert abs(output.quantiles[0, 1]) < 1e-5


def test_what_positions_need(structures):
    with pytest.raises(UsageError, match="folded rows"):
        ImageRecipe(positions=True)
    with pytest.raises(InputError, match="repeats in space"):
        NodeNeighborImage.from_structure(structures["NaCl"], RECIPE)
    assert RECIPE.key != ImageRecipe(columns=RECIPE.columns, fold=False).key
    network = EquilibriumNetwork(ModelConfig(head="dipole", width=8), 2)
    plain = ImageRecipe(columns=8, fold=False)
    store = ImageStore.from_images([NodeNeighborImage.from_structure(from_smiles("CCO"), plain)], plain)
    with pytest.raises(UsageError, match="no positions"):
        network(ImageBatch.from_store(store, np.arange(1)))


def test_near_gaussians_are_sharper_at_bond_lengths():
    from andersonn.models.encoder import ImageEncoder

    def change(spacing, distance):
        encoder = ImageEncoder(8, 24, spacing=spacing)
        encoder.filter = torch.nn.Identity()  # so that its input comes out
        gaussians = encoder._by_distance(torch.tensor([distance, distance + 0.03]))[0]
        return float((gaussians[0] - gaussians[1]).abs().sum())

    assert change("near", 1.2) > 1.5 * change("even", 1.2)
    assert change("near", 5.0) < change("even", 5.0)


@torch.no_grad()
def test_new_rounds_say_nothing_and_trained_ones_do():
    torch.manual_seed(0)
    images = batch(*map(from_smiles, MOLECULES))
    without = EquilibriumNetwork(CONFIG.model, 2).eval()
    network = EquilibriumNetwork(CONFIG.model.model_copy(update={"rounds": 2}), 2).eval()
    missing, _ = network.load_state_dict(without.state_dict(), strict=False)
    assert missing
    assert all(name.startswith("encoder.rounds.") for name in missing)
    assert torch.equal(network(images).scores, without(images).scores)
    speak(network)
    assert (network(images).scores - without(images).scores).abs().max() > 0.05


@torch.no_grad()
def test_rounds_tell_apart_what_distances_to_neighbors_and_first_angles_do_not():
    """Two hydrogens at the ends of a chain of three atoms, cis and trans: each end has the same distances and angles about it, and
    only vectors that are passed on tell the end of the other side.
    """
    recipe = replace(RECIPE, columns=2, reach=1.8)
    ends = [[-0.5, 0.9, 0.0], [0.0, 0.0, 0.0], [1.3, 0.0, 0.0], [2.6, 0.0, 0.0]]
    both = [Structure([1, 6, 6, 6, 1], [*ends, [3.1, side * 0.9, 0.0]]) for side in (1.0, -1.0)]
    images = [NodeNeighborImage.from_structure(each, recipe) for each in both]
    pair = ImageBatch.from_store(ImageStore.from_images(images, recipe), np.arange(2))
    torch.manual_seed(0)
    network = EquilibriumNetwork(CONFIG.model.model_copy(update={"rounds": 2}), 2).eval()
    network.set_units(1.5, (2.5,))

    def rows() -> torch.Tensor:
        return network.encoder(pair).rows.unflatten(0, (2, 5))

    assert torch.allclose(*rows(), atol=1e-5)
    speak(network)
    cis, trans = rows()
    assert (cis - trans).abs().max() > 1e-3


def test_rounds_need_directions():
    with pytest.raises(ValueError, match="needs model.directions"):
        ModelConfig(rounds=1)


def test_gradients_of_rounds_are_right():
    torch.manual_seed(0)
    options = {"rounds": 2, "width": 4, "radial": 4, "directions": 2}
    encoder = EquilibriumNetwork(CONFIG.model.model_copy(update=options), 2).double().encoder
    images = batch(from_smiles("CO")).in_precision_of(encoder.centers)
    readers = [weight for name, weight in encoder.named_parameters() if "rounds" in name]
    for weight in readers:
        torch.nn.init.normal_(weight, std=0.3)

    def features(*_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = encoder(images)
        return found.rows, found.pixels

    assert torch.autograd.gradcheck(features, readers, fast_mode=True)
