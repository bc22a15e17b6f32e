"""``andersonn demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from andersonn.cli.console import Bars

if TYPE_CHECKING:
    from rich.console import Console

HELP = """Trains and tests a model on embedded real data, compares solvers, writes an HTML report.

About a minute and a half on an idle core.

Example: andersonn demo --epochs 1"""


def demo(
    out: Path = typer.Option(Path("runs/demo"), help="Folder for report.html and report.json."),
    seed: int = typer.Option(0, help="Seed of weights, order and dropout."),
    epochs: int | None = typer.Option(None, min=1, help="Passes over the training data; fewer for a quick look."),
) -> None:
    """Runs the demonstration."""
    from rich.console import Console

    from andersonn.cli.tables import print_metrics
    from andersonn.demo import experiment, report
    from andersonn.io.files import require_writable, write_json, write_text
    from andersonn.measuring.verdict import crossover_sentence
    from andersonn.scientists.conduction import CONDUCTION

    require_writable(out)  # before minutes of training
    bars = Bars()
    result = experiment.run(seed, epochs, bars)
    bars.start("report", 1)
    write_json(out / "report.json", result)
    write_text(out / "report.html", report.render(result))
    bars.finish()

    console = Console()
    console.print()
    print_metrics({**result["test"]["anderson"], "baselines": result["baselines"]}, CONDUCTION)
    console.print()
    _print_solvers(console, result)
    console.print(crossover_sentence(result["curve"]), highlight=False)
    console.print(f"\nreport: {out / 'report.html'} ({result['seconds']:.0f} s)", highlight=False, markup=False)


def _print_solvers(console: Console, result: dict) -> None:
    from rich.table import Table

    from andersonn.demo.compare import MIXING, SOLVERS
    from andersonn.demo.report import verdict
    from andersonn.measuring.contenders import DAMPED, FORWARD

    names = {"anderson": "Anderson", FORWARD: "Picard", DAMPED: f"damped {MIXING:g}"}
    table = Table(
        "to the same tolerance", *(names[name] for name in SOLVERS), box=None, header_style="bold", pad_edge=False
    )
    table.add_column("times less")
    ratios = verdict(result)

    def row(label: str, values: list[float], digits: int, ratio: str) -> None:
        table.add_row(label, *(f"{v:.{digits}f}" for v in values), f"{ratios[ratio]:.2f}")

    training = [result["training"][name] for name in SOLVERS]
    both = [t["forward_evaluations"] + t["adjoint_evaluations"] for t in training]
    row("training: evaluations a crystal", both, 1, "training_evaluations")
    row("training: cell calls a batch", [t["cell_calls"] for t in training], 1, "training_cell_calls")
    row("training: seconds", [t["seconds"] for t in training], 1, "training_seconds")
    for k, rtol in enumerate(result["inference"]["tolerances"]):
        rows = [result["inference"][name][k] for name in SOLVERS]
        to = f"{rtol:.0e}"
        row(f"to {to}: evaluations a crystal", [r["evaluations"] for r in rows], 1, f"evaluations_to_{to}")
        row(f"to {to}: milliseconds", [1e3 * r["seconds"] for r in rows], 0, f"seconds_to_{to}")
    console.print(table)
    console.print("times less: the better of both Picard iterations divided by Anderson; below 1 Anderson loses")
