import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.image import imread

from andersonn.structures.picture import draw, png
from andersonn.structures.pore_picture import around, pore_of
from andersonn.structures.readers import read_file
from andersonn.structures.structure import Structure
from tests.conftest import random_structure
from tests.pictures import colors

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("case", ["crystal", "large", "molecule", "lone atom"])
def test_pictures_show_something(structures, case):
    structure = {
        "crystal": structures["SiO2"],
        "large": random_structure(np.random.default_rng(0), 60),
        "molecule": random_structure(np.random.default_rng(1), 7, periodic=False),
        "lone atom": Structure([10], [[0, 0, 0]]),
    }[case]
    figure = draw(structure)
    image = imread(io.BytesIO(png(figure, dpi=60)))
    assert image.shape[0] > 200
    assert image.shape[1] > 600
    assert colors(image) > 30
    titles = [axes.get_title() for axes in figure.axes]
    assert any("graph image" in title for title in titles)


def test_symbols_and_legend(structures):
    figure = draw(structures["NaCl"])
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"Na", "Cl"} <= texts
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["Na", "Cl"]


def test_a_framework_is_drawn_as_the_cage_around_its_largest_cavity():
    (structure,) = read_file(ROOT / "examples/frameworks/mof-5.cif")
    figure = draw(structure)
    axes = figure.axes[0]
    assert "largest cavity, 15.2 Å; ring: window, 8.0 Å" in axes.get_title()
    assert max(patch.radius for patch in axes.patches) == pytest.approx(7.6, abs=0.05)
    drawn = sum(len(each.get_offsets()) for each in axes.collections if isinstance(each, PathCollection))
    assert drawn > len(structure)  # copies in neighboring cells stand around the sphere
    before = [each.zorder for each in axes.collections]
    assert min(before) < axes.patches[0].zorder < max(before)


@pytest.mark.parametrize("name", ["structures/quartz.cif", "structures/NaCl.cif", "molecules/solvents.sdf"])
def test_dense_crystals_and_molecules_have_no_cage(name):
    assert pore_of(read_file(ROOT / "examples" / name)[0]) is None


def test_sticks_join_what_a_chemist_calls_bonded(structures):
    def sticks(structure):
        return [line for line in draw(structure).axes[0].lines if line.get_linewidth() > 3]

    assert len(sticks(structures["SiO2"])) % 4 == 0  # two halves, each with its rim
    assert sticks(structures["SiO2"])
    assert not sticks(structures["NaCl"])


def test_atoms_around_a_place_are_all_that_are_near():
    structure = random_structure(np.random.default_rng(3), 8)
    middle, reach = structure.cell.sum(axis=0) * 0.4, 5.0
    xyz, atoms = around(structure, middle, reach)
    shifts = np.array(list(np.ndindex(9, 9, 9))) - 4
    places = (structure.xyz + (shifts @ structure.cell)[:, None]).reshape(-1, 3)
    near = np.linalg.norm(places - middle, axis=1)
    assert len(xyz) == (near <= reach).sum()
    assert np.allclose(np.sort(np.linalg.norm(xyz - middle, axis=1)), np.sort(near[near <= reach]))
    assert np.allclose(((xyz - structure.xyz[atoms]) @ np.linalg.inv(structure.cell) + 0.5) % 1.0, 0.5, atol=1e-6)
