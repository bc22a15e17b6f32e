"""The notebooks run from the top, and what they show is what stands in their files."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
TOOL = runpy.run_path(str(ROOT / "tools/notebooks.py"))
NOTEBOOKS = sorted((ROOT / "examples/notebooks").glob("*.ipynb"))
HOOKS = runpy.run_path(str(ROOT / "tools/site_hooks.py"))
MOST_BYTES = 250_000


def shown(book):
    """Of each cell: what kinds of things it shows, and its text without numbers, which differ between machines."""
    found = []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            words = re.sub(r"[-\d.…×e+]+", "#", text)
            found.append((cell.id, output.output_type, sorted(output.get("data", {})), " ".join(words.split())))
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_showed(path):
    committed = nbformat.read(path, as_version=4)
    nbformat.validate(committed)
    assert path.stat().st_size < MOST_BYTES
    fresh = TOOL["executed"](path)
    assert shown(fresh) == shown(committed)
    assert all(cell.get("outputs") is not None for cell in fresh.cells if cell.cell_type == "code")


def test_there_are_notebooks():
    assert {"five_minutes", "screening", "construct", "equilibrium_layer", "does_anderson_pay"} <= {
        path.stem for path in NOTEBOOKS
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_nothing_of_the_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/work/|\\u001b|<object ", text)
    for cell in nbformat.read(path, as_version=4).cells:
        assert set(cell.metadata) <= {"tags"}


def test_an_error_in_a_cell_is_raised(tmp_path):
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        TOOL["executed"](path)
