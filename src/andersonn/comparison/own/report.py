"""Reports of the comparisons: one HTML page each, drawn from the JSON alone."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from andersonn.comparison.own.contenders import FORWARD, NAMES
from andersonn.comparison.own.memory_report import budget_page, memory_page
from andersonn.comparison.own.page import cards, items, machine_line, page, table
from andersonn.comparison.own.plots import (
    carbon_figure,
    histogram_figure,
    in_order,
    residual_figure,
    training_figure,
)
from andersonn.comparison.own.verdict import crossover_sentence
from andersonn.measuring.energy import NOT_MEASURED
from andersonn.measuring.scenario import LEVELS


def render(result: dict[str, Any]) -> str:
    """The page of a result, by its ``measure``."""
    title, parts = PAGES[result["measure"]](result)
    return page(title, f"<h1>{html.escape(title)}</h1>" + "".join(parts))


def _inference(result: dict[str, Any]) -> tuple[str, list[str]]:
    rows = result["solvers"]
    low, high = result["speedup_time_quartiles"]
    numbers = [
        (f"{result['speedup_time']:.2f}×", f"as fast as forward iteration, whole predictions [{low:.2f}–{high:.2f}]"),
        (
            f"{result['speedup_solve']:.2f}×",
            f"solver and cell alone, which explains {result['speedup_explained']:.2f} of a prediction",
        ),
        (f"{result['speedup_evaluations']:.2f}×", "fewer evaluations a structure"),
        (f"{100 * result['agreement']:.1f} %", f"of {result['n']} structures in the same class"),
    ]
    parts = [
        f"<p class=lead>{html.escape(result['verdict'])}</p>",
        f"<div class=cards>{cards(numbers)}</div>",
        "<h2>Side by side</h2>",
        inference_table(rows),
        "<h2>Evaluations of each structure</h2>",
        histogram_figure(rows),
        "<h2>Residual against evaluations and against time</h2>",
        residual_figure(result["curve"]),
        *(f"<p>{html.escape(crossover_sentence(result['curve'], name))}</p>" for name in rows if name != FORWARD),
        "<h2>Energy</h2>",
        _energies(rows, "a pass over all structures"),
        "<h2>What was done</h2>",
        items(_inference_method(result)),
    ]
    return f"Inference with {result['model']}: Anderson beside forward iteration", parts


def inference_rows(rows: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of solvers."""
    body = []
    for name in in_order(rows):
        row = rows[name]
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


def inference_table(rows: dict[str, Any]) -> str:
    """The same as HTML."""
    return table(*inference_rows(rows))


def _inference_method(result: dict[str, Any]) -> list[str]:
    leaving = "leave the batch as they converge" if result["compact"] else "stay in the batch until all have converged"
    return [
        f"{result['n']} structures ({result['side']} records of {result['data']}; {result['unusable']} unusable), "
        f"{result['image_rows']} image rows in {result['batches']} batches, all to a relative residual of "
        f"{result['rtol']:g} or {result['max_steps']} steps; structures {leaving}, with every solver. Forward iteration is "
        "undamped.",
        "Seconds are those of whole predictions from graph images in memory: batches, encoder, solve and head. Reading files "
        "and making images, which no solver speeds up, are not in them. Rounds in turn in one process after one that does not "
        "count; medians [quartiles]; ratios are taken round by round.",
        "“Which explains”: what the solves alone make of a whole prediction when all else, the same work with every solver, takes "
        "its median time; what the measured ratio has beyond it is noise. A gain counts as told from noise if evaluations are "
        "fewer and both solve and prediction were ahead in so many rounds that chance would do it in one case of twenty at most "
        "(sign test).",
        "Evaluations a structure: until this structure had converged. Cell calls: each for all structures still in the batch. "
        "Rows evaluated: rows in a call, summed over calls: the work of the cell.",
        "GFLOP: matrix products only, which torch can count; products and sums by element, a large part of the message "
        "cell's and of a mixing step's work, are not in it. Counted in a run of its own.",
        "Class as at 1e-6: share of structures in the class that a solve to a residual of 1e-6 gives.",
        f"Curves: the first batch, {result['curve']['structures']} structures, none leaving, so that every evaluation costs "
        "the same; the residual is the slowest structure's.",
        "The automatic choice watches the clock and may take other steps in another run.",
        machine_line(result["setting"]),
    ]


def _training(result: dict[str, Any]) -> tuple[str, list[str]]:
    low, high = result["speedup_epoch_quartiles"]
    to_target = f"to a validation accuracy of {100 * result['target']:.1f} %"
    numbers = [
        (_times(result["speedup_time"]), f"less time {to_target}"),
        (_times(result["speedup_evaluations"]), f"fewer evaluations {to_target}"),
        (_times(result["speedup_epoch"]), f"as fast an epoch as with forward iteration [{low:.2f}–{high:.2f}]"),
        (f"{100 * result['agreement']:.1f} %", f"of {result['validation']} validation structures in the same class"),
    ]
    parts = [
        f"<p class=lead>{html.escape(result['verdict'])}</p>",
        f"<div class=cards>{cards(numbers)}</div>",
        "<h2>Accuracy against time</h2>",
        training_figure(result["solvers"], result["target"]),
        "<h2>Side by side</h2>",
        table(*training_rows(result["solvers"])),
        "<h2>Energy</h2>",
        _energies(result["solvers"], "all epochs, validation included"),
        "<h2>What was done</h2>",
        items(_training_method(result)),
    ]
    return f"Training for {result['task']}: Anderson beside forward iteration", parts


def _times(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}×"


def training_rows(rows: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of runs."""
    body = []
    for name in in_order(rows):
        row = rows[name]
        reached = row["epochs_to_target"] is not None
        body.append(
            [
                NAMES[name],
                f"{row['epochs_to_target']}" if reached else "never",
                f"{row['seconds_to_target']:.3g}" if reached else "never",
                f"{row['evaluations_to_target']:,}" if reached else "never",
                f"{row['seconds']:.3g}",
                f"{row['evaluations']:,}",
                f"{row['forward_evaluations_per_batch']:.1f}",
                f"{row['adjoint_evaluations_per_batch']:.1f}",
                f"{row['forward_unconverged'] + row['adjoint_unconverged']} of {2 * row['solves']}",
                f"{100 * row['best_accuracy']:.1f} %",
                f"{row['radius_max']:.2f}",
            ]
        )
    head = [
        "", "epochs to the target", "seconds to it", "evaluations to it", "seconds in all", "evaluations in all",
        "a batch, forward pass", "backward pass", "unconverged solves", "best accuracy", "largest spectral radius",
    ]  # fmt: skip
    return head, body


def _training_method(result: dict[str, Any]) -> list[str]:
    config = result["config"]
    solver, model = config["model"]["solver"], config["model"]
    return [
        f"{result['data']}: {result['train']} structures for training, {result['validation']} for validation "
        f"({result['unusable']} unusable), {config['epochs']} epochs, batches of at most {config['max_images']} structures and "
        f"{config['max_rows']} rows. The test side is not touched.",
        f"Both runs have the same seed, first weights, batches, dropout and tolerances (forward {solver['rtol']:g}, backward "
        f"{model['adjoint_rtol']:g}, at most {solver['max_steps']} steps) and alternate, an epoch each. In one both passes are "
        f"solved by Anderson (window {solver['window']}, mixing {solver['mixing']:g}), in the other by undamped forward "
        "iteration; structures that have converged leave the batch in both.",
        "Seconds are those of training: batches, encoder, solves, head, optimizer. Images made before, validation and the "
        "spectral radius are not in them. Evaluations: of the cell in the solves of training batches; the one recorded for the "
        "gradient comes on top in both runs.",
        "Times to a target come from one run each, in whole epochs: with another seed they differ. The ratio of epochs is the "
        "median over all epochs [quartiles], each beside its twin.",
        "Agreement: share of validation structures that the two networks, at their best epochs, put in the same class. It is "
        "no share of right answers: two runs that differ in rounding alone drift apart too.",
        machine_line(result["setting"]),
    ]


def energy_words(energy: dict[str, Any] | None) -> str:
    """An energy with how it is known; never 0 for what nobody measured."""
    if energy is None:
        return "not measured (the run was made without --energy)"
    if energy["kwh"] is None:
        return f"{energy['how']} ({energy['source']})"
    rest = energy["source"] if energy["assumption"] is None else f"{energy['source']}; assumed: {energy['assumption']}"
    return f"{energy['kwh']:.3g} kWh, {energy['how']} ({rest})"


def _energies(rows: dict[str, Any], of: str) -> str:
    return items(f"{NAMES[name]}: {energy_words(rows[name]['energy'])}, {of}." for name in in_order(rows))


def _carbon(result: dict[str, Any]) -> tuple[str, list[str]]:
    found = result["projection"]
    times = found["paper_over_high"]
    beside = (
        "nothing is saved, so there is no ratio to it" if times is None else f"{times:,.3g} times the high end here"
    )
    parts = [f"<p class=lead>{html.escape(result['verdict'])}</p>"]
    if result["run"] is not None:
        body = [[NAMES[name], *_emissions(row)] for name, row in result["run"].items()]
        parts += [f"<h2>The run: {html.escape(result['of'])}</h2>", table(["", "energy", "g CO2 (low … high)"], body)]
    parts += [
        "<h2>The scenario</h2>",
        table(*carbon_rows(result)),
        carbon_figure(found),
        "<h2>Where the numbers come from</h2>",
        items(f"{each['name']}: {each['source']}." for each in found["assumptions"].values()),
        "<h2>How to read it</h2>",
        items(
            [
                "Saved = energy of the fleet × share × saving; CO2 = that × grid intensity. Low and high are the extremes of all "
                "combinations. The product is no better than its weakest factor, which is the share.",
                f"{found['paper']}: {beside}. It is set beside, not adopted. {found['power_sector']}: "
                f"{found['power_sector_gt']:g} gigatons.",
                "Making and cooling the machines, and what is computed with what was saved, are not in it.",
                machine_line(result["setting"]),
            ]
        ),
    ]
    return "Energy and CO2: what the saving would mean", parts


def _emissions(row: dict[str, Any]) -> list[str]:
    grams = row["co2e_g"]
    return [energy_words(row), NOT_MEASURED if grams is None else f"{grams['low']:.3g} … {grams['high']:.3g}"]


def carbon_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of the scenario."""
    found = result["projection"]
    body = [
        [f"{each['name']}{', ' + each['unit'] if each['unit'] else ''}", *(f"{each[level]:.4g}" for level in LEVELS)]
        for each in found["assumptions"].values()
    ]
    for key, label in (("saved_twh", "saved, TWh a year"), ("saved_mt", "saved, million tonnes of CO2 a year")):
        body.append([label, *(f"{found[key][level]:.3g}" for level in LEVELS)])
    return ["", *LEVELS], body


Page = Callable[[dict[str, Any]], tuple[str, list[str]]]
PAGES: dict[str, Page] = {
    "inference": _inference,
    "memory": memory_page,
    "budget": budget_page,
    "training": _training,
    "carbon": _carbon,
}
"""Measure → function that gives title and parts of its page."""
