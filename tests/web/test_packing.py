"""What the reading processes send is what the server gets, bit for bit, and nothing else is believed."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from andersonn.errors import InputError
from andersonn.structures.conformer_images import images_for
from andersonn.structures.image import ImageRecipe
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.readers import from_smiles, read_file
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure
from andersonn.web.packing import packed, unpacked

EXAMPLES = Path(__file__).parents[2] / "examples"


def made(name):
    if name == "molecule":
        structure = from_smiles("CC(=O)NCCO")
        return (
            "smiles",
            structure,
            images_for(structure, ImageRecipe(fold=False, positions=True), 3),
        )
    if name == "solvent":  # bonds and their orders come from the file
        structure = read_file(EXAMPLES / "molecules/solvents.sdf")[0]
        return (
            "sdf",
            structure,
            images_for(structure, ImageRecipe(fold=False, positions=True), 1),
        )
    structure = read_file(EXAMPLES / "frameworks/calcium-oxalate.cif")[0]
    return "cif", structure, images_for(structure, ImageRecipe(voids=True, oxidation=True), 1)


def same(a, b):
    for field in fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            assert left.shape == right.shape, field.name
            assert left.tobytes() == right.tobytes(), field.name
        else:
            assert left == right, field.name
            assert type(left) is type(right), field.name


@pytest.mark.parametrize("name", ["molecule", "solvent", "crystal"])
def test_structures_and_images_come_back_bit_for_bit(name):
    ready = made(name)
    shown, structure, images = unpacked(json.loads(json.dumps(packed(ready))))
    assert shown == ready[0]
    same(structure, ready[1])
    assert not structure.xyz.flags.writeable
    assert len(images) == len(ready[2])
    for image, original in zip(images, ready[2], strict=True):
        same(image, original)


def test_what_no_reader_sends_is_an_error():
    sound = packed(made("crystal"))
    overlapping = Structure(np.array([6, 6]), np.array([[0.0, 0, 0], [0, 0, 1.5]]))
    overlapping.xyz.flags.writeable = True
    overlapping.xyz[1, 2] = 0.1
    without = {key: value for key, value in sound["notes"]["structure"].items() if key != "notes"}
    for row in (
        None, {}, "gASVGAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU", {"arrays": "gASVGAAAAAAA", "notes": sound["notes"]},
        sound | {"arrays": sound["arrays"][:-8]}, sound | {"notes": 3}, sound | {"notes": sound["notes"] | {"structure": without}},
        sound | {"notes": sound["notes"] | {"images": [{"recipe": {"columns": 1, "unknown": 2}}]}},
        packed(("x", overlapping, [])),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            unpacked(row)
        assert caught.value.kind in ("bad_answer", "overlapping_atoms")


def test_graphs_of_molecules():
    recipe = ImageRecipe(bonds=True, fold=False, columns=4)
    with reading(bonds=True):
        graph = from_smiles("CC(=O)Nc1ccc(O)cc1")
    shown, found, images = unpacked(json.loads(json.dumps(packed(("x", graph, images_for(graph, recipe, 1))))))
    assert isinstance(found, MolecularGraph)
    assert (shown, found.formula, found.notes) == ("x", graph.formula, graph.notes)
    assert np.array_equal(found.by_atom, graph.by_atom)
    assert np.array_equal(images[0].of_row, graph.by_atom)
