"""The dipole moment that is drawn over a molecule, in a real browser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from andersonn.models.heads import DEBYE_PER_E_ANGSTROM
from tests.web.conftest import needs_browser

FLUOROMETHANE = "5\nfluoromethane\nC 0 0 0\nF 1.38 0 0\nH -0.35 1.03 0\nH -0.35 -0.515 0.892\nH -0.35 -0.515 -0.892\n"
METHANE = "5\nmethane\nC 0 0 0\nH 0.63 0.63 0.63\nH -0.63 -0.63 0.63\nH -0.63 0.63 -0.63\nH 0.63 -0.63 -0.63\n"
PICTURE = "document.querySelector('#structure canvas').toDataURL()"
ENDS = """async (vector) => {
  const { ends } = await import("/static/arrow.js");
  return ends({ vector_D: vector });
}"""


def ask_about(page, text):
    page.get_by_label("polarity").check()
    page.fill("#text", text)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector("#explanation .take")


@pytest.mark.parametrize("asked", [{"text": FLUOROMETHANE}, {"smiles": "CC#N"}])
def test_vector_and_structure_are_in_one_frame(server, asked):
    """Net charges at the places where the viewer draws the atoms have the vector that it draws."""
    params = {"geometry": "one"}
    dipole = server.ask("explain", "polarity", params=params, **asked).json()["dipole"]
    balls = np.array(server.ask("inspect", "polarity", params=params, **asked).json()["structure"]["balls"])
    moment = DEBYE_PER_E_ANGSTROM * np.array(dipole["charges_e"]) @ balls[:, :3]
    assert moment == pytest.approx(dipole["vector_D"], abs=0.02)
    assert np.linalg.norm(moment) > 1.0


@needs_browser
def test_the_arrow_is_drawn_hidden_and_told(page, server):
    ask_about(page, FLUOROMETHANE)
    dipole = server.ask("explain", "polarity", text=FLUOROMETHANE).json()["dipole"]
    told = page.inner_text("#dipole-legend")
    assert "from the negative to the positive end" in told
    assert float(re.search(r"([\d.]+) D,", told)[1]) == pytest.approx(np.linalg.norm(dipole["vector_D"]), abs=0.006)
    drawn = page.evaluate(PICTURE)
    page.get_by_role("button", name="dipole", exact=True).click()
    page.wait_for_function(f"old => {PICTURE} !== old", arg=drawn)
    page.get_by_role("button", name="dipole", exact=True).click()
    page.wait_for_function(f"old => {PICTURE} === old", arg=drawn)


@needs_browser
@pytest.mark.parametrize("vector", [[0.3, 0.0, 0.0], [-2.0, 1.0, 4.0]])
def test_its_length_is_in_proportion_and_its_tip_is_the_positive_end(page, vector):
    tail, tip = np.array(page.evaluate(ENDS, vector))
    assert tip - tail == pytest.approx(0.6 * np.array(vector))
    assert tip + tail == pytest.approx(np.zeros(3))


@needs_browser
def test_no_arrow_without_a_direction_or_a_vector(page):
    ask_about(page, METHANE)
    assert "below 0.1 D" in page.inner_text("#dipole-legend")
    assert page.get_by_role("button", name="dipole", exact=True).count() == 0
    page.get_by_role("button", name="quartz").click()
    page.wait_for_selector("#explanation svg")
    assert page.locator("#dipole-legend").count() == 0
    assert page.get_by_role("button", name="dipole", exact=True).count() == 0
