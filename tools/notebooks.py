"""Runs the notebooks in examples/notebooks and writes what they show into them.

    python tools/notebooks.py [NAME ...]

Needs nbclient and ipykernel (`pip install -e ".[test]"`). Times and progress bars are not kept, so that a second run changes nothing
where the numbers are the same.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples/notebooks"
LONGEST_CELL = 300
"""Seconds."""


def executed(path: Path) -> Any:
    """A notebook, run from the top in a new kernel; an error in a cell is raised."""
    import nbformat
    from nbclient import NotebookClient

    environment = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"} | os.environ  # of the kernel alone
    book = nbformat.read(path, as_version=4)
    options = {"timeout": LONGEST_CELL, "kernel_name": "python3", "record_timing": False}
    NotebookClient(book, resources={"metadata": {"path": str(path.parent)}}, **options).execute(env=environment)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = joined([kept(output) for output in cell.outputs if output.get("name") != "stderr"])
    return book


def kept(output: Any) -> Any:
    """An output without the text that stands for a picture."""
    if "image/png" in output.get("data", {}):
        output.data = {"image/png": output.data["image/png"]}
    return output


def joined(outputs: list[Any]) -> list[Any]:
    """The outputs, printed text that came in pieces as one."""
    found: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and found and found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def main() -> None:
    """Runs those named, or all."""
    import nbformat

    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    for name in names:
        path = FOLDER / f"{name}.ipynb"
        nbformat.write(executed(path), path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
