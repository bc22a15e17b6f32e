"""``andersonn measure carbon``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from andersonn.cli.console import FORMAT, Format, print_csv, print_json
from andersonn.cli.measure.shared import OUT, require_writable, save, show

HELP = """Energy and CO2 of a comparison that was run, and what its saving would mean for the world's data centers.

The run comes from the report.json of measure inference or measure training, made with --energy. Energy is measured,
estimated, or said to be neither. The projection is a product of assumptions: each is shown with its source, and each can be
replaced by one number or by low,mid,high.

Example: andersonn measure carbon --from runs/inference/report.json --share 0.001,0.01,0.05"""


def carbon(
    source: Path | None = typer.Option(None, "--from", help="report.json of measure inference or measure training."),
    watts: float | None = typer.Option(
        None, help="Assumed power of the machine, if the run's energy was not measured."
    ),
    saving: str | None = typer.Option(None, metavar="X|LOW,MID,HIGH", help="Fraction saved; default: from the report."),
    fleet: str | None = typer.Option(None, metavar="X|LOW,MID,HIGH", help="Energy of all data centers, TWh a year."),
    share: str | None = typer.Option(
        None, metavar="X|LOW,MID,HIGH", help="Fraction of that energy spent on fixed-point iteration."
    ),
    intensity: str | None = typer.Option(
        None, metavar="X|LOW,MID,HIGH", help="Carbon intensity of the grid, g CO2 per kWh."
    ),
    format: Format = FORMAT,
    out: Path | None = OUT,
) -> None:
    """Does the sums."""
    from andersonn.measuring import carbon as comparison
    from andersonn.measuring.report import carbon_rows

    named = {"saving": saving, "fleet": fleet, "share": share, "intensity": intensity}
    given = {name: text for name, text in named.items() if text is not None}
    require_writable(out)
    report = None if source is None else comparison.read_report(source)
    result = comparison.account(report, watts, given)
    save(result, out)
    if format is Format.json:
        print_json(result)
        return
    head, body = carbon_rows(result)
    if format is Format.csv:
        print_csv((dict(zip(["quantity", *head[1:]], row, strict=True)) for row in body), ["quantity", *head[1:]])
        return
    show(head, body, [*_energies(result["run"] or {}), result["verdict"]], out, turned=False)


def _energies(run: dict[str, Any]) -> list[str]:
    """One line a solver, or one for all of which the same is known."""
    from andersonn.measuring.contenders import NAMES
    from andersonn.measuring.report import energy_words

    who: dict[str, list[str]] = {}
    for name, row in run.items():
        who.setdefault(energy_words(row), []).append(NAMES[name])
    return [f"energy, {'; '.join(names)}: {words}" for words, names in who.items()]
