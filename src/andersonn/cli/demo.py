"""``andersonn demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from andersonn.cli.console import Bars

if TYPE_CHECKING:
    from rich.console import Console

HELP = """Trains and tests a model on embedded real data, compares solvers, writes an HTML report.

2 to 3 minutes on two idle cores."""


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

    from andersonn.demo.compare import SOLVERS
    from andersonn.measuring.contenders import NAMES

    names = [NAMES[name] for name in SOLVERS]
    table = Table("to the same tolerance", *names, "ratio", box=None, header_style="bold", pad_edge=False)

    def row(label: str, values: list[float], digits: int) -> None:
        table.add_row(label, *(f"{v:.{digits}f}" for v in values), f"{values[1] / values[0]:.2f}")

    training = [result["training"][name] for name in SOLVERS]
    row("training, evaluations a batch", [t["forward_evaluations"] + t["adjoint_evaluations"] for t in training], 1)
    row("training, seconds", [t["seconds"] for t in training], 1)
    for k, rtol in enumerate(result["inference"]["tolerances"]):
        rows = [result["inference"][name][k] for name in SOLVERS]
        row(f"inference to {rtol:.0e}, evaluations", [r["evaluations"] for r in rows], 0)
        row(f"inference to {rtol:.0e}, milliseconds", [1e3 * r["seconds"] for r in rows], 1)
    console.print(table)
