"""Drawing, looking up, and what can be taken from the cards, in a real browser."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.web.conftest import EXAMPLES, needs_browser

pytestmark = needs_browser
QUARTZ = EXAMPLES / "structures/quartz.cif"


def test_a_drawn_molecule_is_asked_about(opened, server):
    page = opened(server)
    page.get_by_role("button", name="Draw a molecule").click()
    page.wait_for_function("() => document.querySelector('#sketch iframe')?.contentWindow.sketcher")
    page.get_by_role("button", name="Ask about it").click()
    assert page.inner_text("#sketch-told") == "Nothing is drawn yet."
    box = page.locator("#sketch iframe").bounding_box()
    page.mouse.click(box["x"] + 205, box["y"] + 36)  # benzene
    page.mouse.click(box["x"] + 300, box["y"] + 220)
    page.wait_for_function("() => document.querySelector('#sketch-told').textContent === 'c1ccccc1'")
    page.get_by_role("button", name="Ask about it").click()
    page.wait_for_selector("#formula svg")
    assert page.is_checked("#tasks input[value=polarity]"), "a molecule was asked of a task about crystals"
    assert page.inner_text("#answer h2") == page.input_value("#text") == "c1ccccc1"
    assert page.locator("#known tbody tr").count() == 5
    page.get_by_role("button", name="Draw a molecule").click()
    page.wait_for_function(
        "() => document.querySelector('#sketch iframe').contentWindow.sketcher.smiles() === 'c1ccccc1'"
    )
    page.frame_locator("#sketch iframe").locator("body").press("Escape")
    page.wait_for_selector("#sketch", state="hidden")


def test_known_substances_are_looked_up_by_keys_alone(opened, server):
    page = opened(server)
    page.fill("#find", "aspi")
    page.wait_for_selector("#found button")
    page.press("#find", "Enter")
    page.wait_for_selector("#formula svg")
    assert page.inner_text("#answer h2").endswith("aspirin")
    assert "Reference of this molecule: 1.50 D" in page.inner_text("#truth")
    page.fill("#find", "NaCl")
    page.wait_for_selector("#found button:has-text('mp-22862')")
    page.press("#find", "ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#answer h2')?.textContent === 'mp-22862.cif'")
    page.wait_for_selector("#known")
    assert page.is_checked("#tasks input[value=conduction]")
    page.locator("#known button.link").nth(1).click()
    page.wait_for_function("() => document.querySelector('#answer h2')?.textContent === 'mp-28657.cif'")
    page.fill("#find", "nothing like it")
    page.wait_for_selector("#found:has-text('Nothing known')")
    page.press("#find", "Escape")
    assert not page.is_visible("#found")


def test_an_atom_is_shown_in_all_views_at_once(opened, server):
    page = opened(server)
    page.get_by_role("button", name="paracetamol").click()
    page.wait_for_selector("#explanation .row-of")
    shown = "() => document.querySelector('#formula .halo').getAttribute('opacity')"
    before = page.eval_on_selector("#structure canvas", "c => c.toDataURL()")
    assert page.evaluate(shown) == "0"
    page.focus("#explanation .row-of >> nth=1")
    assert page.evaluate(shown) == "0.3"
    page.wait_for_function("old => document.querySelector('#structure canvas').toDataURL() !== old", arg=before)
    numbers = page.locator("#formula .numbers")
    assert not numbers.is_visible()
    page.get_by_role("button", name="atom numbers").click()
    assert numbers.is_visible()
    before = page.eval_on_selector("#structure canvas", "c => c.toDataURL()")
    for name in ("Labels of atoms", "Zoom in"):
        page.get_by_role("button", name=name).click()
        page.wait_for_function("old => document.querySelector('#structure canvas').toDataURL() !== old", arg=before)
        before = page.eval_on_selector("#structure canvas", "c => c.toDataURL()")


def test_cards_are_taken_along(opened, server, tmp_path):
    page = opened(server, color_scheme="dark")
    page.get_by_role("button", name="quartz").click()
    page.wait_for_selector("#explanation .take")
    found = {}
    for button in page.locator("#detail .take > button").all():
        with page.expect_download() as download:
            button.click()
        found[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
        page.wait_for_timeout(300)  # a browser takes many in a moment for an attack, and drops the eleventh
    kinds = sorted(name.rpartition(".")[2] for name in found)
    assert kinds == ["cif", *["json"] * 7, *["png"] * 3, *["svg"] * 3, "xyz"]
    for name, content in found.items():
        if name.endswith(".json"):
            assert json.loads(content)
        elif name.endswith(".svg"):
            ElementTree.fromstring(content)
            assert b"var(--" not in content
        elif name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
    answer = server.send("again.cif", found["quartz.cif"]).json()["answers"][0]
    assert (answer["formula"], answer["n_atoms"], answer["class"]) == ("SiO2", 9, "insulator")


@pytest.mark.parametrize("what", ["quartz", "paracetamol", "solvents"])
def test_the_same_in_python_is_the_same(opened, server, what, monkeypatch, tmp_path):
    """Every snippet runs; that of the answer prints it."""
    page = opened(server)
    page.get_by_role("button", name=what).click()
    if what == "solvents":
        page.get_by_role("button", name="acetonitrile").click()
    page.wait_for_selector("#explanation .take")
    codes = page.locator("#detail .python code").all_text_contents()
    assert len(codes) == 6
    monkeypatch.chdir(tmp_path)
    for file in (QUARTZ, EXAMPLES / "molecules/solvents.sdf"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    printed = []
    for code in codes:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(code, "snippet", "exec"), {})
        printed.append(said.getvalue())
    assert printed[0].replace("_", " ").startswith(page.inner_text("#class"))
    value = float(
        re.search(r"dipole moment: ([\d.]+)|band gap: ([\d.]+)", page.inner_text("#answer"))[
            1 if what != "quartz" else 2
        ]
    )
    assert any(abs(float(number) - value) < 0.02 for number in re.findall(r"\d+\.\d+", printed[0]))


def test_iterations_race_and_the_crossover_is_drawn(opened, server):
    page = opened(server)
    page.get_by_role("button", name="quartz").click()
    page.get_by_role("button", name="Race: plain, damped and Anderson iteration").click()
    page.wait_for_selector("#crossover")
    assert page.locator(".race polyline").count() == 3
    assert "Anderson is ahead" in page.inner_text("#crossover")
    assert page.locator(".race .crossover").count() == 1
    before = page.locator(".race tbody .number").all_inner_texts()
    assert int(before[0]) < int(before[1])
    for _ in range(7):
        page.get_by_role("slider", name="a plain step multiplies").press("ArrowRight")
    assert page.locator(".race output").first.inner_text() == "1.3"
    assert "diverges" in page.inner_text("#crossover")
    page.get_by_role("slider", name="window of Anderson").press("Home")
    assert page.locator(".race output").nth(1).inner_text() == "1"
    assert page.locator(".race tbody .number").all_inner_texts() != before


def test_the_pores_of_a_framework_are_drawn(opened, server):
    page = opened(server)
    page.get_by_role("button", name="MOF-5").click()
    page.wait_for_selector("#pore-legend")
    assert "largest sphere that fits, 15.23 Å" in page.inner_text("#pore-legend")
    before = page.eval_on_selector("#structure canvas", "c => c.toDataURL()")
    page.get_by_role("button", name="pores", exact=True).click()
    page.wait_for_function("old => document.querySelector('#structure canvas').toDataURL() !== old", arg=before)


def test_cells_of_a_crystal_are_repeated_by_key_and_touch_and_kept_in_the_address(opened, server):
    page = opened(server, viewport={"width": 390, "height": 844}, has_touch=True)
    page.get_by_role("button", name="quartz").tap()
    page.wait_for_selector("#structure canvas")
    picture = "c => c.toDataURL()"
    before = page.eval_on_selector("#structure canvas", picture)
    page.focus("#cells")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"old => ({picture})(document.querySelector('#structure canvas')) !== old", arg=before)
    page.wait_for_function("() => location.hash.includes('cells=2')")
    address = page.evaluate("location.hash")
    other = opened(server, f"/{address}", viewport={"width": 390, "height": 844})
    other.wait_for_selector("#cells")
    assert other.input_value("#cells") == "2"
    for wrong in ("7", "0", "x", "1.5"):
        other = opened(server, "/" + address.replace("cells=2", f"cells={wrong}"))
        other.wait_for_selector("#cells")
        assert other.input_value("#cells") == "1"


def test_repeated_cells_hold_all_atoms_and_bonds(opened, server):
    page = opened(server)
    counted = """async ([view, size]) => {
      const { repeated } = await import('/static/supercell.js');
      const { balls, halves, edges } = repeated(view, size);
      const of = (ball) => balls[ball];
      const long = ({ ball, end }) => Math.hypot(...end.map((x, k) => x - of(ball).at[k]));
      return { own: balls.filter((one) => one.own).length, all: balls.length, bonds: halves.filter(({ ball }) => of(ball).own).length,
        edges: edges.length, lengths: [...new Set(halves.map((half) => long(half).toFixed(2)))] };
    }"""
    for name in ("NaCl", "quartz", "Cu"):
        found = server.ask("inspect", "conduction", EXAMPLES / f"structures/{name}.cif").json()
        view, atoms, bonds = found["structure"], found["answer"]["n_atoms"], sum(found["graph"]["coordination"])
        for size in (1, 2, 3):
            told = page.evaluate(counted, [view, size])
            assert (told["own"], told["bonds"], told["edges"]) == (atoms * size**3, bonds * size**3, 12 * size**3)
            assert told["all"] > told["own"]
        inner = page.evaluate(
            """async (view) => {
              const { repeated } = await import('/static/supercell.js');
              const { halves } = repeated(view, 2);
              return halves.length;
            }""",
            view,
        )
        assert inner > 8 * bonds
    large = {**view, "atoms": ["Cu"] * 93}
    fits = "async (view) => { const { fits } = await import('/static/supercell.js'); return [1, 2, 3].map((size) => fits(view, size)); }"
    assert page.evaluate(fits, large) == [True, True, False]
    assert page.evaluate(fits, {**view, "atoms": ["Cu"] * 5000}) == [True, False, False]
