"""``andersonn measure solvers``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from andersonn.cli.console import FORMAT, Bars, Format, print_csv, print_json, tell
from andersonn.cli.measure.shared import require_device, require_writable

HELP = """Compares our solvers with those of torchdeq, jaxopt, scipy and the implicit-layers tutorial.

Evaluations of f, time and status on each problem. The quick set takes one to two minutes, the full one hours.
Peers that are not installed are listed as such; `andersonn doctor` says how to get them.

Example: andersonn measure solvers --out runs/solvers"""

QUICK: dict[str, Any] = {"max_evaluations": 200, "repeats": 3, "seconds": 0.05}
"""How the quick set is kept short."""


class Set(StrEnum):
    """Which cases to run."""

    quick = "quick"
    full = "full"


def solvers(
    set: Set = typer.Option(Set.quick, "--set", help="quick: small sizes. full: all precisions and batches."),
    problem: list[str] | None = typer.Option(None, help="Only this problem; may be given several times."),
    seed: int = typer.Option(0, min=0, help="Seed of the problems."),
    device: str = typer.Option("cpu", help="Such as cpu or cuda."),
    threads: int = typer.Option(1, min=1, help="Threads of torch."),
    format: Format = FORMAT,
    out: Path | None = typer.Option(None, help="Folder for report.md, report.json and residuals.png."),
) -> None:
    """Runs the contest."""
    from andersonn.comparison import contest, problems

    cases = problems.quick_cases() if set is Set.quick else problems.full_cases()
    if problem:
        cases = problems.only(cases, problem)
    _require_cases(cases, device)
    require_writable(out)
    limits: dict[str, Any] = QUICK if set is Set.quick else {}
    result = contest.run(contest.Plan(cases, seed=seed, device=device, threads=threads, **limits), progress=Bars())
    if out:
        words = "".join(f" --problem '{name}'" for name in problem or ())
        save(
            result,
            out,
            f"andersonn measure solvers --set {set.value}{words} --seed {seed} --device {device} --threads {threads}",
        )
    if format is Format.json:
        print_json({name: value for name, value in result.items() if name != "curves"})
    elif format is Format.csv:
        print_csv(result["rows"], result["rows"][0])
    else:
        _table(result)
        if out:
            tell(f"report: {out / 'report.md'}")


def _require_cases(cases: list[Any], device: str) -> None:
    """Refuses what cannot run, before anything does."""
    from andersonn.errors import UsageError

    if not cases:
        raise UsageError("empty_set", "the quick set has no such problem: it takes too long", "use --set full")
    require_device(device)


def save(result: dict[str, Any], folder: Path, command: str) -> None:
    """Writes report.md, report.json and residuals.png."""
    from andersonn.comparison.figure import figure
    from andersonn.comparison.report import markdown
    from andersonn.io.files import write_json, write_text, write_whole

    picture = figure(result)
    write_whole(folder / "residuals.png", lambda name: Path(name).write_bytes(picture))
    write_json(folder / "report.json", result)
    write_text(folder / "report.md", markdown(result, command, "residuals.png"))


def _table(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from andersonn.comparison.claims import cases, power
    from andersonn.comparison.report import VERDICTS, spell

    console = Console()
    for rtol in result["setting"]["tolerances"]:
        table = Table("problem", "full window", box=None, header_style="bold", pad_edge=False)
        table.title, table.title_justify = f"evaluations and time to a residual of {power(rtol)}", "left"
        table.add_column("best of ours", overflow="fold")
        table.add_column("best peer", overflow="fold")
        for case in cases(row for row in result["rows"] if row["rtol"] == rtol):
            first = case.rows[0]
            cells = [
                f"{first['problem']}, {first['dtype']}, {first['batch']}",
                str(first["optimal_evaluations"] or "–"),
            ]
            for ours in (True, False):
                solved = [r for r in case.rows if r["ours"] is ours and r["seconds"] is not None]
                best = min(solved, key=lambda row: row["seconds"], default=None)
                words = "none" if best is None else f"{best['evaluations']} · {spell(best['seconds'])} {best['solver']}"
                cells.append(words)
            table.add_row(*map(escape, cells))
        console.print(table)
        console.print()
    for claim in result["claims"]:
        verdict = VERDICTS[claim["met"]].strip("*")
        line = f"{verdict:<12} {claim['claim']} ({claim['whose']}; {claim['target']}): {claim['measured']}"
        console.print(line, highlight=False, markup=False)
