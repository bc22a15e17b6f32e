"""Images that are kept with descriptors serve those who ask for none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from andersonn.data import store as stores
from andersonn.data.records import Records
from andersonn.data.store import ImageStore, image_store, keep_plain
from andersonn.structures.image import ImageRecipe

SMILES = ["CCO", "c1ccccc1", "CC(=O)N", "C#N"]
WITH = ImageRecipe(bonds=True, fold=False, descriptors="molecule")


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path))
    lists = {"atomic_numbers": pa.list_(pa.uint8()), "positions": pa.list_(pa.float64())}
    columns = {"id": SMILES, "group": SMILES, "smiles": SMILES}
    return Records.of(pa.table(columns | {name: pa.nulls(4, kind) for name, kind in lists.items()}), "four")


def test_plain_images_are_cut_from_those_with_descriptors_and_not_made_again(records, monkeypatch):
    plain = replace(WITH, descriptors="none")
    made = ImageStore.build(records, plain)
    whole = image_store(records, WITH)
    monkeypatch.setattr(stores, "_image_chunk", None)
    cut = keep_plain(records, whole)
    again = image_store(records, plain)
    for found in (cut, again):
        assert found.recipe == plain
        for name in ("offsets", "Z", "neighbor_index", "distance", "weight", "bonded", "multiplicity"):
            assert np.array_equal(getattr(found, name), getattr(made, name))
        assert np.array_equal(found.of_whole, made.of_whole)
        assert np.array_equal(found.of_row, made.of_row)
