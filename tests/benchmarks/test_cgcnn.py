"""The network that the throughput benchmark times beside ours does what it should."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from andersonn.data.store import ImageStore
from andersonn.structures.image import ImageRecipe, NodeNeighborImage

PATH = Path(__file__).parents[2] / "benchmarks" / "cgcnn.py"
WHOLE = ImageRecipe(fold=False)


@pytest.fixture(scope="module")
def cgcnn():
    spec = importlib.util.spec_from_file_location("cgcnn", PATH)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cgcnn", module)  # where dataclasses look up annotations
        spec.loader.exec_module(module)
        yield module


def batch_of(cgcnn, structures, recipe=WHOLE):
    store = ImageStore.from_images([NodeNeighborImage.from_structure(s, recipe) for s in structures], recipe)
    return cgcnn.EdgeBatch.from_store(store, np.arange(len(structures)))


def scores(network, batch):
    with torch.no_grad():
        return network(batch).scores


@pytest.fixture
def network(cgcnn):
    torch.manual_seed(0)
    return cgcnn.CrystalGraphNetwork(32, 3)


def test_learns(cgcnn, network, structures):
    batch, labels = batch_of(cgcnn, list(structures.values())), torch.arange(len(structures)) % 3
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    first = functional.cross_entropy(network(batch).scores, labels).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(batch).scores, labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 * first


def test_answers_do_not_depend_on_numbering(cgcnn, network, structures):
    network.eval()
    quartz = structures["SiO2"]
    batch = batch_of(cgcnn, [quartz, structures["Cu"]])
    before = scores(network, batch)
    random = torch.Generator().manual_seed(1)
    order, edges = (torch.randperm(len(t), generator=random) for t in (batch.Z, batch.source))
    place = torch.argsort(order)
    shuffled = replace(
        batch,
        Z=batch.Z[order],
        sample=batch.sample[order],
        multiplicity=batch.multiplicity[order],
        source=place[batch.source][edges],
        target=place[batch.target][edges],
        distance=batch.distance[edges],
    )
    assert torch.allclose(scores(network, shuffled), before, atol=1e-5)
    assert torch.allclose(scores(network, batch_of(cgcnn, [quartz])), before[:1], atol=1e-5)


def test_folded_rows_give_the_same_answers(cgcnn, network, structures):
    network.eval()
    whole, folded = (batch_of(cgcnn, list(structures.values()), ImageRecipe(fold=fold)) for fold in (False, True))
    assert len(folded.Z) < len(whole.Z)
    assert torch.allclose(scores(network, folded), scores(network, whole), atol=1e-4)


def test_same_neighbors_as_the_image(cgcnn, structures):
    image = NodeNeighborImage.from_structure(structures["SiO2"], WHOLE)
    batch = batch_of(cgcnn, [structures["SiO2"]])
    assert len(batch.source) == image.mask.sum()
    assert torch.equal(batch.distance, torch.from_numpy(image.distance[image.mask]))
