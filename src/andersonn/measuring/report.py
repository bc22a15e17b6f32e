"""Reports of the measurements: one HTML page each that needs nothing else, drawn from the JSON alone.

The pages are Jinja templates in ``pages/``; whatever is put into them is text, not HTML, except the figures.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from andersonn.measuring import plots
from andersonn.measuring.contenders import NAMES
from andersonn.measuring.energy import NOT_MEASURED
from andersonn.measuring.plots import in_order
from andersonn.measuring.scenario import LEVELS
from andersonn.measuring.setting import machine_line
from andersonn.measuring.training_step import LABELS
from andersonn.measuring.verdict import crossover_sentence

Table = tuple[list[str], list[list[str]]]
"""Head and body."""


def render(result: dict[str, Any]) -> str:
    """The page of a result, by its ``measure``."""
    return templates().get_template(f"{result['measure']}.html").render(r=result)


def templates() -> Environment:
    """The templates of the pages, and what they may call."""
    found = Environment(
        loader=PackageLoader("andersonn.measuring", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    functions = (
        *(inference_rows, training_rows, memory_rows, budget_rows, carbon_rows, emission_rows),
        *(plots.histogram_figure, plots.residual_figure, plots.training_figure, plots.memory_figure),
        *(plots.frontier_figure, plots.carbon_figure, in_order, energy_words, megabytes, machine_line),
        crossover_sentence,
    )
    found.globals |= {function.__name__: function for function in functions} | {"NAMES": NAMES, "LABELS": LABELS}
    return found


def inference_rows(result: dict[str, Any]) -> Table:
    """Head and body of the table of solvers."""
    body = []
    for name in in_order(result["solvers"]):
        row = result["solvers"][name]
        (low, high), (least, most) = row["seconds_quartiles"], row["speedup_time_quartiles"]
        body.append(
            [
                NAMES[name],
                f"{row['seconds']:.3g} [{low:.3g}–{high:.3g}]",
                f"{row['structures_per_second']:,.0f}",
                f"{row['solve_seconds']:.3g}",
                f"{row['evaluations_per_structure']:.2f}",
                f"{row['cell_calls']:,}",
                f"{row['row_evaluations']:,}",
                f"{row['solve_flops'] / 1e9:.3g} of {row['flops'] / 1e9:.3g}",
                str(row["unconverged"]),
                f"{100 * row['same_class_as_tight']:.2f} %",
                f"{row['speedup_solve']:.2f}",
                f"{row['speedup_explained']:.2f}",
                f"{row['speedup_time']:.2f} [{least:.2f}–{most:.2f}]",
            ]
        )
    head = [
        "", "seconds", "structures/s", "solve alone", "evaluations a structure", "cell calls", "rows evaluated",
        "GFLOP, solve of all", "unconverged", "class as at 1e-6", "solve, times forward", "which explains", "prediction, times forward",
    ]  # fmt: skip
    return head, body


def training_rows(result: dict[str, Any]) -> Table:
    """Head and body of the table of runs."""
    body = []
    for name in in_order(result["solvers"]):
        row = result["solvers"][name]
        reached = row["epochs_to_target"] is not None
        body.append(
            [
                NAMES[name],
                f"{row['epochs_to_target']}" if reached else "never",
                f"{row['seconds_to_target']:.3g}" if reached else "never",
                f"{row['evaluations_to_target']:,}" if reached else "never",
                f"{row['seconds']:.3g}",
                f"{row['evaluations']:,}",
                f"{row['forward_evaluations_per_structure']:.1f}",
                f"{row['adjoint_evaluations_per_structure']:.1f}",
                f"{row['forward_unconverged'] + row['adjoint_unconverged']} of {2 * row['solves']}",
                f"{100 * row['best_accuracy']:.1f} %",
                f"{row['radius_max']:.2f}",
            ]
        )
    head = [
        "", "epochs to the target", "seconds to it", "cell calls to it", "seconds in all", "cell calls in all",
        "evaluations a structure, forward pass", "backward pass", "unconverged solves", "best accuracy", "largest spectral radius",
    ]  # fmt: skip
    return head, body


def memory_rows(result: dict[str, Any]) -> Table:
    """Head and body of the table of depths, in MB."""
    rows, growth = result["rows"], result["growth"]
    depths = sorted({row["depth"] for row in rows})
    body = []
    for kind, name in LABELS.items():
        sizes = {row["depth"]: row["bytes"] for row in rows if row["kind"] == kind}
        if sizes:
            body.append([name, *(megabytes(sizes[depth]) for depth in depths), times(growth[kind])])
    return ["peak in MB, by depth", *(str(depth) for depth in depths), f"most, in units of {depths[0]}"], body


def budget_rows(result: dict[str, Any]) -> Table:
    """Head and body of the table of sizes: the deepest step that fits, and its peak in MB."""
    body = []
    for row in result["sizes"]:
        needed = row["needed"]["forward"]
        structures = row["ids"][0] if len(row["ids"]) == 1 else f"{len(row['ids'])} structures"
        cells = [
            structures,
            f"{sum(row['atoms']):,}",
            f"{row['rows']:,}",
            "not reached" if needed is None else str(needed),
        ]
        body.append([*cells, *(_deepest(found) for found in row["kinds"].values())])
    head = ["", "atoms", "rows", "steps needed", *(LABELS[kind] for kind in result["sizes"][0]["kinds"])]
    return head, body


def _deepest(found: dict[str, Any]) -> str:
    if found["deepest"] is None:
        return "not measured"
    if not found["deepest"]:
        return "none"
    least = "" if found["refused"] else "≥ "
    peak = found["bytes"][str(found["deepest"])]
    return f"{least}{found['deepest']} ({megabytes(peak)} MB, {times(found['growth'])})"


def megabytes(size: int | None) -> str:
    """A number of MB."""
    return "not measured" if size is None else f"{size / 1e6:,.1f}"


def times(ratio: float | None) -> str:
    """A multiple."""
    return "not measured" if ratio is None else f"{ratio:.2f}×"


def energy_words(energy: dict[str, Any] | None) -> str:
    """An energy with how it is known; never 0 for what nobody measured."""
    if energy is None:
        return "not measured (the run was made without --energy)"
    if energy["kwh"] is None:
        return f"{energy['how']} ({energy['source']})"
    rest = energy["source"] if energy["assumption"] is None else f"{energy['source']}; assumed: {energy['assumption']}"
    return f"{energy['kwh']:.3g} kWh, {energy['how']} ({rest})"


def emission_rows(run: dict[str, Any]) -> Table:
    """Head and body of the table of a run's energies."""
    body = []
    for name, row in run.items():
        grams = row["co2e_g"]
        spread = NOT_MEASURED if grams is None else f"{grams['low']:.3g} … {grams['high']:.3g}"
        body.append([NAMES[name], energy_words(row), spread])
    return ["", "energy", "g CO2 (low … high)"], body


def carbon_rows(result: dict[str, Any]) -> Table:
    """Head and body of the table of the scenario."""
    found = result["projection"]
    body = [
        [f"{each['name']}{', ' + each['unit'] if each['unit'] else ''}", *(f"{each[level]:.4g}" for level in LEVELS)]
        for each in found["assumptions"].values()
    ]
    for key, label in (("saved_twh", "saved, TWh a year"), ("saved_mt", "saved, million tonnes of CO2 a year")):
        body.append([label, *(f"{found[key][level]:.3g}" for level in LEVELS)])
    return ["", *LEVELS], body
