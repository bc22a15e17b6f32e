"""Networks that count the electrons of the formula unit."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from andersonn.data.store import ImageStore
from andersonn.inference.explain import explain, left_without
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.models.electrons import ElectronCount, counted_as, formula_units
from andersonn.models.network import CELLS
from andersonn.structures import elements
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import as_structure
from andersonn.structures.structure import Structure
from tests.conftest import random_structure
from tests.models.test_networks import network, scores, store_of

BY_HAND = {  # valence and outer electrons, all electrons, atoms of groups 14 to 17
    "Ti Ni Sn": (18, 18, 100, 1),
    "Li Al Si": (8, 8, 30, 1),
    "Li Zn As": (18, 8, 66, 1),
    "Na Cl": (8, 8, 28, 1),
    "Si": (4, 4, 14, 1),
    "Mo S S": (18, 18, 74, 2),
    "S H H H": (9, 9, 19, 1),
    "Fe Fe Fe O O O O": (48, 48, 110, 4),
    "Cu Cl": (18, 8, 46, 1),
    "He": (2, 2, 2, 0),
    "U O O": (18, 18, 108, 2),
    "Eu S": (9, 9, 79, 1),
}


def batch_of(structures, recipe=None) -> ImageBatch:
    store = store_of(structures, recipe) if recipe else store_of(structures)
    return ImageBatch.from_store(store, np.arange(len(store)))


def crystal(symbols: list[str], times: int = 1) -> Structure:
    """A cubic cell of atoms in one row, repeated along another axis."""
    n = len(symbols)
    xyz = np.array([[2.5 * i, 4.0 * k, 0.0] for k in range(times) for i in range(n)])
    Z = [elements.atomic_number()[s] for s in symbols] * times
    return Structure(np.array(Z), xyz, np.diag([2.5 * n, 4.0 * times, 4.0]))


@pytest.mark.parametrize("fold", [True, False])
def test_counts_by_hand_in_cells_of_any_size(fold):
    recipe, count = ImageRecipe(columns=8, fold=fold), ElectronCount()
    for times in (1, 2, 3):
        batch = batch_of([crystal(symbols.split(), times) for symbols in BY_HAND], recipe)
        found = count.counts(formula_units(batch))
        columns = [found[name].squeeze(1).tolist() for name in ("valence", "outer", "every", "acceptor")]
        assert list(zip(*columns, strict=True)) == list(BY_HAND.values())


def test_blocks_and_open_shells():
    def of(symbol):
        counts = ElectronCount().counts(formula_units(batch_of([crystal([symbol])])))
        (block,) = (b for b in "spdf" if counts[f"{b}_block"])
        return block, int(counts["open_d"]), int(counts["open_f"])

    expected = {"H": ("s", 0, 0), "He": ("s", 0, 0), "Ne": ("p", 0, 0), "Ni": ("d", 8, 0), "Hf": ("d", 2, 0)}
    expected |= {"Zn": ("d", 10, 0), "Sn": ("p", 0, 0), "Gd": ("f", 0, 7), "Lu": ("f", 0, 0), "U": ("f", 0, 3)}
    assert {symbol: of(symbol) for symbol in expected} == expected


def test_features_of_every_element_and_of_large_formulas_are_bounded():
    count = ElectronCount()
    lone = torch.eye(elements.MAX_Z + 1, dtype=torch.int64)[1:]
    large = torch.randint(0, 50, (20, elements.MAX_Z + 1), generator=torch.Generator().manual_seed(0))
    found = count.of(torch.cat([lone, large]))
    assert found.shape[1] == count.features
    assert found.isfinite().all()
    assert found.abs().max() < 10.0
    assert len(found[: len(lone)].unique(dim=0)) > 60


@pytest.mark.parametrize("cell", CELLS)
def test_a_supercell_is_answered_as_its_primitive_cell(cell, atoms):
    names = ["NaCl", "SrTiO3", "SiO2", "Cu"]
    small = [as_structure(atoms[n]) for n in names]
    large = [as_structure(atoms[n].repeat((2, 2, 1))) for n in names]
    net = network(cell, electrons=True)
    assert np.allclose(scores(net, store_of(small)), scores(net, store_of(large)), atol=1e-3)
    count = net.encoder.electrons
    assert torch.equal(count(batch_of(small)), count(batch_of(large)))
    assert torch.equal(count(batch_of(small)), count(batch_of(small, ImageRecipe(columns=8, fold=False))))


@pytest.mark.parametrize("encoder", ["full", "lean"])
def test_order_of_atoms_and_company_do_not_matter(encoder):
    rng = np.random.default_rng(0)
    crystals = [random_structure(rng, n) for n in (1, 5, 9)]
    mixed = []
    for each in crystals:
        order = rng.permutation(len(each))
        mixed.append(Structure(each.Z[order], each.xyz[order], each.cell))
    net = network("message", encoder=encoder, electrons=True)
    together = scores(net, store_of(crystals))
    assert np.allclose(together, np.concatenate([scores(net, store_of([each])) for each in mixed]), atol=2e-5)


@pytest.mark.parametrize(
    "options", [{"encoder": "lean"}, {"cell": "convolution"}, {"layers": 2, "tied": False}, {"oxidation": True}]
)
def test_gradients_reach_every_new_parameter(options):
    torch.manual_seed(0)
    config = ModelConfig(width=16, electrons=True, **options)
    net = EquilibriumNetwork(config, 3).train()
    rng = np.random.default_rng(1)
    recipe = ImageRecipe(columns=8, oxidation=config.oxidation)
    output = net(batch_of([random_structure(rng, n) for n in (1, 4, 7)], recipe))
    (output.scores.square().sum() + output.quantiles.square().sum()).backward()
    new = ("encoder.from_electrons", "from_whole", "past_head")
    found = {name: p.grad for name, p in net.named_parameters() if name.startswith(new)}
    assert len(found) == 8
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in found.values())


def test_the_equilibrium_depends_on_the_count():
    """States of rows change too, not the answer alone."""
    rng = np.random.default_rng(2)
    batch = batch_of([random_structure(rng, 6), random_structure(rng, 8)])
    net = network("message", electrons=True)
    with torch.no_grad():
        own = net.solved(batch)[0]
        other = net.solved(counted_as(batch, np.array([22, 28, 50])))[0]
    assert ((own - other).abs().amax(dim=1) > 1e-3).all()


def test_a_network_without_the_option_has_no_part_of_it():
    names = network("message", electrons=False).state_dict().keys()
    new = network("message", electrons=True).state_dict().keys()
    assert names == network("message").state_dict().keys()
    assert {name.split(".")[0] for name in new - names} == {"encoder", "from_whole", "past_head"}


def test_an_atom_is_removed_with_the_count_held(structures):
    """A contribution is what is left with the electrons of the whole, not a change of the count."""
    structure = structures["SrTiO3"]
    net = network("message", electrons=True)
    bundle = SimpleNamespace(
        network=net,
        config=SimpleNamespace(model=net.config, image=ImageRecipe(columns=8)),
        task=SimpleNamespace(classes=("a", "b", "c")),
        calibration=SimpleNamespace(probabilities=lambda scores, made, distance=None: softmax(scores, axis=1)),
    )
    image = NodeNeighborImage.from_structure(structure, ImageRecipe(columns=8))
    explained = explain(
        bundle, SimpleNamespace(label="b", warnings=(), domain=None, has_class=True, pores={}), structure, [image]
    )
    parts = [left_without(structure, [atom], image.recipe) for atom in range(len(structure))]
    alone = [ImageBatch.from_store(ImageStore.from_images([part], part.recipe), np.arange(1)) for part in parts]
    with torch.no_grad():
        held = [net(counted_as(batch, structure.Z)).scores.softmax(dim=1)[0, 1].logit().item() for batch in alone]
        anew = [net(batch).scores.softmax(dim=1)[0, 1].logit().item() for batch in alone]
    assert explained.values == pytest.approx(explained.total - np.array(held), abs=1e-4)
    assert not np.allclose(held, anew, atol=1e-3)
