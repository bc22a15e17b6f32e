"""Skeletal formulas, small pictures for a notebook, and how a structure shows itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from andersonn import Structure
from andersonn.structures.picture import draw, written
from andersonn.structures.readers import one_structure, read_file
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.skeletal import MOST_ATOMS, molecule_of, skeletal_pixels
from andersonn.structures.small_picture import balls_svg, small_picture
from tests.conftest import random_structure

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"
SVG = "{http://www.w3.org/2000/svg}"


def smiles_of(structure: Structure) -> str | None:
    from rdkit.Chem import MolToSmiles

    mol = molecule_of(structure)
    return None if mol is None else MolToSmiles(mol)


@pytest.mark.parametrize(
    "smiles",
    [
        "CCO",
        "c1ccncc1",
        "CC#N",
        "C[N+](=O)[O-]",
        "C",
        "O",
        "C=C",
        "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
        "C[N+](C)(C)C",
        "CS(C)(=O)=O",
        "Cn1cccc1",
        "C[n+]1ccccc1",
    ],
)
def test_a_molecule_is_drawn_as_it_was_written(smiles):
    """Also where it is known by its bonds alone, by a list of bonds and positions, or by positions."""
    made = one_structure(smiles, 0)
    with reading(True, 1):
        graph = one_structure(smiles, 0)
    listed = replace(made, source_mol=None, further_xyz=None, generated_geometry=False)
    bare = replace(listed, bonds=None, bond_orders=None)
    canonical = smiles_of(made)
    assert canonical is not None
    for other in (graph, listed, bare):
        assert smiles_of(other) == canonical, other


def test_stereo_is_kept():
    assert "@" in smiles_of(one_structure("N[C@@H](C)C(=O)O", 0))


def test_no_formula_of_what_has_none(structures):
    assert molecule_of(structures["Si"]) is None
    argon = Structure([18], [[0.0, 0.0, 0.0]])
    assert molecule_of(argon) is None
    far = Structure([8, 8, 8], [[0, 0, 0], [4, 0, 0], [8, 0, 0]])  # no bonds can be found
    assert molecule_of(far) is None
    assert molecule_of(random_structure(np.random.default_rng(0), MOST_ATOMS + 1, periodic=False)) is None
    assert "circle" in small_picture(argon)


@pytest.mark.parametrize("name", ["Cu", "NaCl", "SiO2", "SrTiO3"])
def test_crystals_are_balls_in_the_cell(structures, name):
    structure = structures[name]
    page = ElementTree.fromstring(small_picture(structure, 150, 110))
    assert (page.get("width"), page.get("height")) == ("150", "110")
    circles = list(page.iter(f"{SVG}circle"))
    assert len(circles) >= len(structure)
    for circle in circles:
        x, y, r = (float(circle.get(key)) for key in ("cx", "cy", "r"))
        assert x - r >= 0
        assert x + r <= 150
        assert y - r >= 0
        assert y + r <= 110
    assert len(list(page.iter(f"{SVG}line"))) >= 12
    fills = {element.get("id") for element in page.iter(f"{SVG}radialGradient")}
    assert {circle.get("fill")[5:-1] for circle in circles} == fills
    assert len(fills) == len(set(structure.Z.tolist()))


def test_pictures_stay_small():
    for path in sorted(FRAMEWORKS.glob("*.cif")):
        (structure,) = read_file(path)
        assert len(small_picture(structure)) < 60_000
    large = random_structure(np.random.default_rng(0), 5000)
    assert small_picture(large).count("<circle") == 2500
    assert "line" in small_picture(large)  # the cell


def test_atoms_in_other_colors(structures):
    page = balls_svg(structures["NaCl"], ["#ff0000", "#00ff00"])
    assert 'id="ballff0000"' in page
    assert 'id="ball00ff00"' in page


def test_a_formula_in_pixels():
    pixels = skeletal_pixels(molecule_of(one_structure("c1ccccc1O", 0)), 300, 200)
    assert pixels.shape == (200, 300, 3)
    dark = (pixels < 100).all(axis=2)
    assert 0.005 < dark.mean() < 0.2
    assert not dark[0].any()
    assert not dark[:, 0].any()
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 100)
    assert red.any()  # the oxygen


def test_a_structure_in_a_line(structures):
    assert repr(structures["NaCl"]) == "Structure(NaCl, 2 atoms in 44.85 Å³)"
    assert repr(one_structure("CCO", 0)) == "Structure(C2H6O, 9 atoms, 'CCO')"
    with reading(True, 1):
        assert (
            repr(one_structure("CC[NH3+]", 0))
            == "MolecularGraph(C2H8N, 11 atoms, by its bonds alone, charge +1, 'CC[NH3+]')"
        )
    assert len(repr(replace(structures["Si"], id="x" * 500))) < 120


def test_a_structure_as_a_card(structures):
    page = structures["NaCl"]._repr_html_()
    assert page.count("<svg") == 1
    assert "2 atoms" in page
    assert "MMFF94" in one_structure("CCO", 0)._repr_html_()  # how its geometry was made


def test_a_structure_as_a_plot(structures):
    for structure in (structures["NaCl"], one_structure("CCO", 0)):
        axes = Figure().subplots()
        assert structure.plot(axes) is axes
        assert axes.patches or axes.images
    assert structures["Si"].plot().figure is not None


def test_files_of_pictures_are_the_same_again(structures):
    for ending, begin in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        first, second = (written(draw(structures["NaCl"]), ending) for _ in range(2))
        assert first.startswith(begin)
        assert first == second
