"""The contest's report in Markdown: claims, tables of problems × solvers, and how it was held."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from andersonn.io.installed import how_to_install
from contest.claims import Case, cases, power
from contest.contestants import INSTALL

VERDICTS = {True: "met", False: "**not met**", None: "not measured"}


def markdown(result: dict[str, Any], command: str, picture: str | None = None) -> str:
    """The whole page.

    Args:
        result: of :func:`~contest.contest.run`.
        command: what reproduces it.
        picture: path of the plot, relative to the page.
    """
    parts = ["# The solver contest", _intro(result, command), "## Claims", claims_table(result["claims"])]
    if picture:
        parts += ["## Residual against evaluations", f"![Residual against evaluations]({picture})"]
    for rtol in result["setting"]["tolerances"]:
        parts.append(f"## To a relative residual of {power(rtol)}")
        parts += _tables([row for row in result["rows"] if row["rtol"] == rtol], result["solvers"])
    parts += ["## How it was held", _method(result)]
    return "\n\n".join(parts) + "\n"


def _intro(result: dict[str, Any], command: str) -> str:
    rows = len({(row["problem"], row["dtype"], row["batch"]) for row in result["rows"]})
    text = (
        f"Fixed-point problems ({rows} cases) × {len(result['solvers'])} solvers: evaluations of f, time and status. "
        f"Written by `{command}`; do not edit.\n\n"
    )
    return text + setting_lines(result["setting"])


def setting_lines(setting: dict[str, Any]) -> str:
    """Hardware and versions."""
    versions = ", ".join(f"{name} {number or 'not installed'}" for name, number in setting["versions"].items())
    gpu = setting["gpu"] or "not measured"
    return (
        f"CPU: {setting['cpu']}, {setting['cores']} cores, {setting['threads']} torch threads. GPU: {gpu}. "
        f"Python {setting['python']}; {versions}.\n\nSeed {setting['seed']}, {setting['repeats']} timed repeats, at most "
        f"{setting['max_evaluations']} evaluations; the contest took {setting['seconds']:.0f} s."
    )


def claims_table(claims: Iterable[dict[str, Any]]) -> str:
    """One line a claim."""
    lines = ["| claim | whose | target | measured | |", "|---|---|---|---|---|"]
    for claim in claims:
        cells = (claim["claim"], claim["whose"], claim["target"], claim["measured"], VERDICTS[claim["met"]])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _tables(rows: list[dict[str, Any]], solvers: list[str]) -> list[str]:
    parts = []
    for group in dict.fromkeys(row["group"] for row in rows):
        parts.append(f"### {group[0].upper()}{group[1:]}")
        lines = ["| problem | full window | " + " | ".join(solvers) + " |", "|---" * (len(solvers) + 2) + "|"]
        for case in cases(row for row in rows if row["group"] == group):
            lines.append(_line(case, solvers))
        parts.append("\n".join(lines))
    return parts


def _line(case: Case, solvers: list[str]) -> str:
    first = case.rows[0]
    optimal = first["optimal_evaluations"]
    by_name = {row["solver"]: row for row in case.rows}
    fewest = case.least("evaluations", lambda row: True)
    fastest = case.least("seconds", lambda row: True)
    name = f"{first['problem']}, {first['dtype']}, {first['batch']}"
    cells = [name, "–" if optimal is None else str(optimal)]
    cells += [_cell(by_name[solver], fewest, fastest) for solver in solvers]
    return "| " + " | ".join(cells) + " |"


def _cell(row: dict[str, Any], fewest: float, fastest: float) -> str:
    if row["evaluations"] is None:
        return _short(row["status"])
    count = f"**{row['evaluations']}**" if row["evaluations"] == fewest else str(row["evaluations"])
    if row["seconds"] is None:
        return count
    time = spell(row["seconds"])
    return f"{count} · " + (f"**{time}**" if row["seconds"] == fastest else time)


def _short(status: str) -> str:
    if status == INSTALL:
        return "not installed"
    if status.startswith("not applicable"):
        return "n/a"
    if status.startswith("error"):
        return status.split(":")[1].strip()
    return status.replace("|", "/")


def spell(seconds: float) -> str:
    """Seconds with three digits and a unit."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def _method(result: dict[str, Any]) -> str:
    missing = {row["solver"] for row in result["rows"] if row["status"] == INSTALL}
    limit = result["setting"]["max_evaluations"]
    lines = [
        "A cell holds evaluations of f · median time; bold is the best of a line. The name of a case is problem, precision, "
        "batch. “Full window” is Anderson over its whole history (up to 200 states) in float64: for "
        "linear maps the fewest evaluations that a method which combines past values can need.",
        "- **One criterion.** Solvers are watched from inside f. A sample is solved at the first evaluation whose relative "
        "residual ‖f(z) − z‖ / ‖f(z)‖ meets the tolerance, a batch when its last sample is. No solver is judged by its own "
        "stopping rule.",
        "- **Time.** All solvers of a case in turn in one process, one round uncounted, median of the others. Ours run with "
        "their own tests, statuses and trace until they stop by themselves. Peers run exactly as many evaluations as they "
        "need, so they pay for no test beyond their own loop's.",
        "- **Ours** may leave solved samples out of the batch where the map allows it (`subset`); a peer evaluates all of them "
        "until the last is solved.",
        "- **Ragged batches** (message cell): peers that know none see all rows as one sample.",
        "- **jaxopt** runs the same formula, compiled, compilation not counted, with the batch as one vector; it "
        "chooses its own threads. Its f is another program than torch's. Compare its forward iteration with ours to see what that alone makes. Compare our times with the peers that evaluate the same f. **scipy** takes one sample only. **torchdeq's Broyden** keeps all its steps, but at most 2 GiB of them.",
        f"- “not in {limit}”: not solved within {limit} evaluations. With a smaller number, the solver gave up by itself. "
        "“overflow”: NaN or infinity. “n/a”: the solver does not take such a problem. “not each "
        "time”: solved when watched, not in every timed run.",
        "- **Honest**: a status says “converged” for exactly the samples whose residual, computed again, meets the tolerance, "
        "and no number returned is NaN or infinite.",
    ]
    if missing:
        lines.append(f"- Not installed here: {', '.join(sorted(missing))} (`{how_to_install('peers')}`).")
    return lines[0] + "\n\n" + "\n".join(lines[1:])
