"""Stores of further conformers: of which records, kept, and with gaps where one could not be made."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from andersonn.data import conformers
from andersonn.data.conformers import ExtraConformers, extra_conformers_of
from andersonn.data.records import Records
from andersonn.data.store import ImageStore, cache_folder, image_store
from andersonn.structures import conformer_images
from andersonn.structures.conformer_images import further_images
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import from_smiles
from andersonn.structures.readers.molecules.from_rdkit import further_conformers

RECIPE = ImageRecipe(columns=8, fold=False, positions=True)
SMILES = ["NCCO", "CCO", "C", "OCCCO", "CC(N)C(=O)O"]
EVERY = np.arange(len(SMILES))


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def records() -> Records:
    """Molecules, the second of them with a geometry of its own."""
    own = from_smiles(SMILES[1])
    table = {
        "id": SMILES,
        "group": SMILES,
        "smiles": SMILES,
        "atomic_numbers": pa.array([own.Z if s == SMILES[1] else None for s in SMILES], pa.list_(pa.uint8())),
        "positions": pa.array([own.xyz.ravel() if s == SMILES[1] else None for s in SMILES], pa.list_(pa.float64())),
    }
    return Records(pa.table(table), "x")


def test_of_records_whose_geometry_is_made(records):
    found = extra_conformers_of(records, np.array([3, 1, 0]), RECIPE, 2)
    assert found.of.tolist() == [3, 3, 0, 0]
    for position, smiles, k in ((0, "OCCCO", 0), (1, "OCCCO", 1), (3, "NCCO", 1)):
        image = NodeNeighborImage.from_structure(further_conformers(from_smiles(smiles), 2)[k], RECIPE)
        rows = slice(*found.store.offsets[position : position + 2])
        assert np.array_equal(found.store.distance[rows], image.distance)
        assert np.array_equal(found.store.position[rows], image.position)
    assert extra_conformers_of(records, np.array([1]), RECIPE, 2) is None
    assert extra_conformers_of(records, EVERY, RECIPE, 0) is None


def test_kept_apart_from_the_images_of_the_records(records, monkeypatch):
    image_store(records, RECIPE)
    made, real = [], conformers.further_images
    monkeypatch.setattr(conformers, "further_images", lambda *a: made.append(1) or real(*a))
    first = extra_conformers_of(records, EVERY, RECIPE, 2)
    assert len(made) == 4
    second = extra_conformers_of(records, EVERY, RECIPE, 2)
    assert len(made) == 4
    assert np.array_equal(first.store.distance, second.store.distance)
    assert np.array_equal(first.of, second.of)
    extra_conformers_of(records, EVERY, RECIPE, 3)
    extra_conformers_of(records, EVERY[:3], RECIPE, 2)
    extra_conformers_of(records, EVERY, ImageRecipe(columns=6), 2)
    monkeypatch.setattr(conformers, "FURTHER_PROTOCOL", "another")
    extra_conformers_of(records, EVERY, RECIPE, 2)
    assert len(made) == 4 + 4 + 2 + 4 + 4
    names = {path.name for path in (cache_folder() / "images").iterdir()}
    assert len(names) == 6
    assert f"{records.made_digest[:24]}-{RECIPE.key}.safetensors" in names  # as without further conformers


def test_progress_and_workers(records):
    many = records.take(np.tile(EVERY, 8))
    told = []
    extra_conformers_of(many, np.arange(len(many)), RECIPE, 1, lambda done, of: told.append((done, of)))
    assert told == [(32, 32)]
    part, make = many.take(np.arange(10)), partial(conformers._image_chunk, count=1)
    one, two = (ImageStore.build(part, RECIPE, workers=n, make=make, chunk=3) for n in (1, 2))
    assert np.array_equal(one.offsets, two.offsets)
    assert np.array_equal(one.distance, two.distance)


def test_those_that_cannot_be_made_leave_gaps(records, monkeypatch):
    real = conformer_images.further_conformers
    monkeypatch.setattr(conformer_images, "further_conformers", lambda s, n: [] if s.id == "C" else real(s, n)[: n - 1])
    found = extra_conformers_of(records, EVERY, RECIPE, 2)
    assert (found.store.n_rows > 0).tolist() == [True, False, False, False, True, False, True, False]
    assert found.store.rejected.keys() == {1, 2, 3, 5, 7}
    images, owner = found.those_of(np.array([4, 2, 0, 1]))
    assert sorted(zip(images.tolist(), owner.tolist(), strict=True)) == [(0, 2), (6, 0)]
    assert [len(a) for a in found.those_of(np.array([2, 1]))] == [0, 0]


def test_those_of():
    store = ImageStore.from_images(further_images(from_smiles("CCO"), RECIPE, 5), RECIPE)
    found = ExtraConformers(store, np.array([7, 3, 7, 9, 0]))
    images, owner = found.those_of(np.array([9, 2, 7]))
    assert images.tolist() == [0, 2, 3]
    assert owner.tolist() == [2, 2, 0]
