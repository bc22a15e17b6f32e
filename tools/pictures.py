"""Draws the pictures of the gallery and the README from the shipped weights: docs/pictures/*.png.

python tools/pictures.py            all
python tools/pictures.py answers    these

Those of notebooks are taken from the notebooks as they are; `python tools/notebooks.py` runs them anew. Pictures of benchmarks are drawn
by the benchmarks, from runs that take longer.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import andersonn as an
from andersonn.structures.picture import INK, draw, draw_structure, png
from andersonn.structures.readers import read_file
from andersonn.structures.readers.molecules.smiles import from_smiles

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
EXAMPLES = ROOT / "examples"
PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"
BLUE, GRAY, LINE = "#1f6fb2", "#c3cad2", "#9aa5b1"
OKABE = ("#333333", "#e69f00", "#0072b2")
NOTEBOOKS = {
    "notebook_map": ("screening", "first component"),
    "notebook_boiling": ("construct", "measured boiling point"),
    "notebook_map_solvers": ("does_anderson_pay", "evaluations of f"),
    "notebook_layer": ("equilibrium_layer", "layer.last.trace.plot"),
}
"""Picture → notebook, and what the cell that drew it says."""


def answers() -> bytes:
    """What each scientist is asked, and what it answers."""
    asked = [
        ("polarity", PARACETAMOL, "Paracetamol: how polar?"),
        ("conduction", EXAMPLES / "structures/SrTiO3.vasp", "Strontium titanate: does it conduct?"),
        ("porosity", EXAMPLES / "frameworks/mof-5.cif", "MOF-5: how wide are its pores?"),
    ]
    figure = Figure(figsize=(13.0, 5.4), layout="constrained", facecolor="white")
    for part, (task, question, title) in zip(figure.subfigures(1, 3), asked, strict=True):
        (answer,) = an.Scientist.load(task).predict([question])
        (structure,) = read_file(question) if isinstance(question, Path) else [from_smiles(question)]
        above, below = part.subplots(2, 1, height_ratios=[3.8, 1.0])
        draw_structure(above, structure)
        if above.get_legend():
            above.get_legend().remove()
        above.set_title("")
        if task == "porosity":
            above.text(
                0.5, -0.03, "sphere: largest cavity; ring: window", transform=above.transAxes, ha="center", color=INK
            )
        part.suptitle(title, fontsize=13.5, color=INK, fontweight="bold")
        _bars(below, answer)
    return png(figure, 120)


def _bars(axes: Any, answer: Any) -> None:
    """Probabilities of the classes, and the estimate with its interval above them."""
    names = list(answer.probabilities)
    values = [answer.probabilities[name] for name in names]
    colors = [BLUE if name == answer.label else GRAY for name in names]
    axes.barh(range(len(names)), values, color=colors, height=0.62)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=11)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.16)
    for row, value in enumerate(values):
        axes.text(value + 0.015, row, f"{100 * value:.0f} %", va="center", fontsize=10.5, color=INK)
    quantity, _, unit = answer.quantity.rpartition("_")
    low, high = answer.interval90
    unit = {"A": "Å"}.get(unit, unit)
    told = f"{quantity.replace('_', ' ')} {answer.value:.1f} {unit} (90 %: {low:.1f} to {high:.1f})"
    axes.set_title(told.replace("dipole", "dipole moment"), fontsize=11.5, color=INK)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_visible(False)


def quartz() -> bytes:
    """The command draw on quartz."""
    return png(draw(read_file(EXAMPLES / "structures/quartz.cif")[0]))


def mof_5() -> bytes:
    """The command draw on MOF-5."""
    return png(draw(read_file(EXAMPLES / "frameworks/mof-5.cif")[0]))


def _explained(task: str, question: Any, **options: str) -> bytes:
    figure = Figure(figsize=(11.0, 5.6), layout="constrained", facecolor="white")
    (why,) = an.Scientist.load(task, **options).explain([question])
    why.plot(figure=figure)
    return png(figure)


def paracetamol_explained() -> bytes:
    """The command explain polarity."""
    return _explained("polarity", PARACETAMOL)


def paracetamol_groups() -> bytes:
    """The command explain polarity --geometry none."""
    return _explained("polarity", PARACETAMOL, geometry="none")


def salt_explained() -> bytes:
    """The command explain conduction on rock salt."""
    return _explained("conduction", EXAMPLES / "structures/NaCl.cif")


def races() -> dict[str, Any]:
    """Residuals of plain, damped and Anderson iteration on maps that contract less and less: radius → name → residuals."""
    torch.manual_seed(0)
    n = 200
    basis = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0]
    found: dict[str, Any] = {}
    for radius in (0.5, 0.9, 0.99):
        spread = torch.linspace(-0.3, radius, n, dtype=torch.float64)
        weight = basis @ torch.diag(spread) @ basis.T
        shift = torch.randn(1, n, dtype=torch.float64)

        def f(z: torch.Tensor, weight: torch.Tensor = weight, shift: torch.Tensor = shift) -> torch.Tensor:
            return z @ weight + shift

        solvers = {
            "Picard iteration": an.FixedPointIteration(rtol=1e-6, max_steps=3000),
            "Picard, damped 0.7": an.FixedPointIteration(rtol=1e-6, max_steps=3000, mixing=0.7),
            "Anderson, window 5": an.Anderson(window=5, rtol=1e-6, max_steps=3000),
        }
        start = torch.zeros(1, n, dtype=torch.float64)
        found[f"{radius:g}"] = {
            name: an.fixed_point(f, start, solver).trace.residual[:, 0].tolist() for name, solver in solvers.items()
        }
    return found


def race() -> bytes:
    """Where Anderson begins to pay: linear maps of spectral radius 0.5, 0.9 and 0.99."""
    figure = Figure(figsize=(11.0, 3.4), layout="constrained", facecolor="white")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (radius, lines) in zip(panels, races().items(), strict=True):
        for color, (name, residuals) in zip(OKABE, lines.items(), strict=True):
            axes.semilogy(range(1, len(residuals) + 1), residuals, color=color, linewidth=2, label=name)
        axes.set_title(f"spectral radius {radius}", fontsize=11, color=INK)
        axes.set_xlabel("evaluations of f")
        axes.set_xlim(0, 3.5 * len(lines["Anderson, window 5"]))
        axes.grid(axis="y", color="#e5e8ec", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("relative residual")
    panels[2].legend(frameon=False, fontsize=10)
    return png(figure)


def from_notebook(name: str) -> bytes:
    """The picture of a notebook's cell."""
    notebook, words = NOTEBOOKS[name]
    cells = json.loads((EXAMPLES / f"notebooks/{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        pictures = [
            output["data"]["image/png"] for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
        ]
        if words in "".join(cell["source"]) and pictures:
            return base64.b64decode("".join(pictures[-1]))
    raise LookupError(f"{notebook}.ipynb has no picture of a cell with {words!r}")


DRAWN = {
    function.__name__: function
    for function in (answers, quartz, mof_5, paracetamol_explained, paracetamol_groups, salt_explained, race)
}


def main() -> None:
    """Draws those named, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or [*DRAWN, *NOTEBOOKS]:
        content = DRAWN[name]() if name in DRAWN else from_notebook(name)
        (PICTURES / f"{name}.png").write_bytes(content)
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
