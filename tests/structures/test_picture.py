import io

import numpy as np
import pytest
from matplotlib.image import imread

from andersonn.structures.picture import draw, png
from andersonn.structures.structure import Structure
from tests.conftest import random_structure
from tests.pictures import colors


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
