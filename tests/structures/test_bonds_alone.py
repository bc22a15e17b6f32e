"""Molecules read by their bonds alone: what is told of them, and that nothing depends on how they are written."""

import threading
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.errors import InputError, UsageError
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.molecular_graph import (
    AROMATIC,
    BY_ATOM,
    CONJUGATED,
    DOUBLE,
    FARTHER,
    OTHER,
    SINGLE,
    TRIPLE,
    MolecularGraph,
)
from andersonn.structures.readers import as_structure, from_smiles, read_content
from andersonn.structures.readers.molecules import embedding, reading
from andersonn.structures.readers.molecules.bonds_alone import HOW, ISOMERS, MOST_NODES
from andersonn.structures.structure import Structure

RECIPE = ImageRecipe(bonds=True, fold=False, columns=4)
MOLECULES = [
    "CCO",
    "c1ccccc1[N+](=O)[O-]",
    "CC(=O)Nc1ccc(O)cc1",
    "C1CC2CC1CN2",
    "FS(F)(F)(F)(F)F",
    "C",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
]


@pytest.fixture(autouse=True)
def _no_geometry(monkeypatch):
    """None may be made."""

    def made(*given):
        raise AssertionError("a geometry was made")

    monkeypatch.setattr(embedding, "placed", made)


def read(text: str) -> MolecularGraph:
    with reading.reading(bonds=True):
        found = from_smiles(text)
    assert isinstance(found, MolecularGraph)
    return found


def image_of(text: str, columns: int = 4) -> NodeNeighborImage:
    return NodeNeighborImage.from_structure(read(text), ImageRecipe(bonds=True, fold=False, columns=columns))


def told(graph: MolecularGraph, name: str) -> list[float]:
    return graph.by_atom[:, BY_ATOM.index(name)].tolist()


def surroundings(image: NodeNeighborImage) -> list:
    """What each node shows, in an order of its own."""

    def own(k: int) -> tuple:
        return (int(image.Z[k]), *image.of_row[k].tolist())

    def slots(k: int) -> list:
        shown = np.flatnonzero(image.mask[k])
        return sorted((float(image.distance[k, c]), own(image.neighbor_index[k, c])) for c in shown)

    return sorted((own(k), slots(k)) for k in range(len(image)))


def test_what_is_told_of_atoms():
    graph = read("C#CC[N+](C)(C)[O-]")
    assert graph.formula == "C5H9NO"
    assert graph.charge == 0
    assert told(graph, "hydrogens") == [1, 0, 2, 0, 3, 3, 0]
    assert told(graph, "formal_charge") == [0, 0, 0, 1, 0, 0, -1]
    assert told(graph, "sp") == [1, 1, 0, 0, 0, 0, 0]
    assert graph.notes == (HOW,)
    rings = read("C1CC1c1ccoc1C1CCC1C1CCCCCC1")
    assert [sum(told(rings, name)) for name in BY_ATOM[6:]] == [3, 4, 5, 0, 7]
    assert sum(told(rings, "aromatic")) == 5
    assert rings.by_molecule.tolist() == [len(rings.by_atom), 4]
    assert sum(told(read("C=O"), "sp2")) == 2
    assert told(read("[CH3]"), "unpaired") == [1]


def test_kinds_of_bonds_and_numbers_of_bonds_between():
    graph = read("C#CC=CC(=O)c1ccccc1CC")
    n = len(graph.by_atom)
    bonds = {(0, 1): TRIPLE, (1, 2): CONJUGATED, (2, 3): DOUBLE, (6, 7): AROMATIC, (11, 12): SINGLE, (12, 13): SINGLE}
    for (i, j), length in bonds.items():
        assert graph.length[i, j] == graph.length[j, i] == np.float32(length)
    assert graph.length[0, 2] == np.float32(FARTHER[0])
    assert graph.bonds_between[0, 13] == 8
    assert graph.length[0, 13] == np.float32(FARTHER[-1])
    assert np.array_equal(graph.length, graph.length.T)
    assert graph.length[np.arange(n), np.arange(n)].tolist() == [0.0] * n
    assert read("N->[Pt]").length[0, 1] == np.float32(OTHER)


@pytest.mark.parametrize("smiles", MOLECULES)
@pytest.mark.parametrize("columns", [1, 4, 8])
def test_nothing_depends_on_how_a_molecule_is_written(smiles, columns):
    mol = Chem.MolFromSmiles(smiles)
    rng = np.random.default_rng(0)
    if columns == 1:  # an atom with more bonds than slots shows some of them alone
        smiles = "CC" if smiles != "C" else "C"
        mol = Chem.MolFromSmiles(smiles)
    expected = surroundings(image_of(smiles, columns))
    texts = [Chem.MolToSmiles(mol, kekuleSmiles=kekule, doRandom=True) for kekule in (False, True) for _ in range(3)]
    texts += [Chem.MolToSmiles(Chem.AddHs(mol), allHsExplicit=True), Chem.MolToSmiles(mol, allBondsExplicit=True)]
    for text in texts:
        assert surroundings(image_of(text, columns)) == expected, text
    order = rng.permutation(mol.GetNumAtoms()).tolist()
    with reading.reading(bonds=True):
        other = as_structure(Chem.RenumberAtoms(mol, order))
    recipe = ImageRecipe(bonds=True, fold=False, columns=columns)
    assert surroundings(NodeNeighborImage.from_structure(other, recipe)) == expected


@pytest.mark.parametrize("smiles", MOLECULES)
def test_atoms_that_are_equally_far_are_all_shown_or_none(smiles):
    graph, image = read(smiles), image_of(smiles)
    for k in range(len(image)):
        shown = set(image.neighbor_index[k][image.mask[k]].tolist())
        others = np.delete(graph.bonds_between[k], k)
        if (others == 1).sum() > 4:
            assert len(shown) == 4
            continue
        farthest = max(d for d in range(0, 10) if (others <= d).sum() <= 4)
        assert shown == {j for j in range(len(image)) if j != k and graph.bonds_between[k, j] <= farthest}


def test_the_image_counts_all_atoms():
    image = image_of("CCO")
    assert (len(image), image.n_atoms) == (3, 9)
    assert image.atom_row.tolist() == [0, 1, 2, 0, 0, 0, 1, 1, 2]
    assert image.weight[image.mask].tolist() == [1.0] * 6
    assert image.bonded.sum() == 4
    assert set(image.channels()) >= {"distance_A", *(f"atom_{name}" for name in BY_ATOM), "whole_rings"}
    lone = image_of("C")
    assert (len(lone), lone.n_atoms, lone.mask.any()) == (1, 5, False)


@pytest.mark.parametrize(
    "text", ["[2H]C([2H])([2H])O", "[H]C([H])([H])O[H]", "[CH3:7][OH:1]", "CO methanol", "CO\tmethanol"]
)
def test_hydrogens_and_names_are_no_atoms_of_their_own(text):
    assert surroundings(image_of(text)) == surroundings(image_of("CO"))


def test_hydrogen_itself():
    assert [(len(image_of(text)), read(text).formula) for text in ("[H][H]", "[H]", "[H+]")] == [
        (2, "H2"),
        (1, "H"),
        (1, "H"),
    ]


def test_isomers_are_told_to_be_one():
    for text in ("C/C=C/C", "C[C@H](N)O"):
        assert read(text).notes == (HOW, ISOMERS)
        assert surroundings(image_of(text)) == surroundings(image_of(text.replace("@", "").replace("/", "")))


def test_files_with_a_geometry_are_read_by_their_bonds():
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)N"))
    AllChem.Compute2DCoords(mol)
    with_positions = Chem.MolToMolBlock(mol).encode()
    with reading.reading(bonds=True):
        (found,) = read_content(with_positions, Path("a.mol"))
        by_object = as_structure(mol)
    for graph in (found, by_object):
        assert surroundings(NodeNeighborImage.from_structure(graph, RECIPE)) == surroundings(image_of("CC(N)=O"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("C.C", "several_molecules"), ("[Na+].[Cl-]", "several_molecules"), ("CC(", "bad_smiles"), ("", "bad_smiles"),
        ("C(C)(C)(C)(C)C", "bad_valence"), ("c1cccc1", "bad_valence"), ("*C", "unknown_element"), ("[Rf]", "unknown_element"), ("[#0]C", "unknown_element"), ("C~C", "bad_bonds"),
        ("C" * (MOST_NODES + 1), "too_large"), ("C" * 6000, "bad_smiles"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_ever(text, kind):
    with pytest.raises(InputError) as caught, reading.reading(bonds=True):
        from_smiles(text)
    assert caught.value.kind == kind


def test_what_has_no_list_of_bonds_is_refused():
    water = Structure([8, 1, 1], [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]], id="water")
    with pytest.raises(InputError, match="water has no list of bonds") as caught:
        NodeNeighborImage.from_structure(water, RECIPE)
    assert caught.value.kind == "no_bonds"
    with reading.reading(bonds=True):
        (read_,) = read_content(b"1\n\nNe 0 0 0\n", Path("a.xyz"))
    assert not isinstance(read_, MolecularGraph)


def test_the_setting_ends_with_its_block_and_stays_in_its_thread():
    seen = []

    def look():
        seen.append((reading.is_bonds_alone(), reading.conformers_at_once()))

    def fail():
        with reading.reading(bonds=True, conformers=3):
            other = threading.Thread(target=look)
            other.start()
            other.join()
            with reading.reading():
                look()
            look()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    look()
    assert seen == [(False, 1), (False, 1), (True, 3), (False, 1)]


def test_options_that_need_a_geometry_are_refused():
    for options in ({"positions": True, "fold": False}, {"fold": True}, {"voids": True, "fold": False}):
        with pytest.raises(UsageError, match="bonds alone"):
            ImageRecipe(bonds=True, **options)
    assert ImageRecipe(fold=False).key != ImageRecipe(fold=False, bonds=True).key
