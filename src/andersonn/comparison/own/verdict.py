"""What a comparison says, in words, also where Anderson extrapolation does not pay."""

from __future__ import annotations

from typing import Any

from andersonn.comparison.own.contenders import FORWARD, NAMES

ENOUGH = 3
"""Rounds under which quartiles say nothing."""
USE = {
    "anderson": "use Anderson (model.solver.name=anderson)",
    "auto": 'use Anderson("auto"), which decides by itself',
    FORWARD: "use forward iteration (model.solver.name=forward)",
}


def crossover_sentence(curve: dict[str, Any], name: str = "anderson") -> str:
    """Where mixing is paid back, in words."""
    if name not in curve["mixing_penalties"]:
        return "One evaluation was enough: there is nothing to extrapolate, and nothing to tell of costs."
    penalty = (
        f"A step of {NAMES[name]} costs {100 * curve['mixing_penalties'][name]:+.0f} % of a step of forward iteration"
    )
    point = curve["crossovers"][name]
    if point is None:
        return (
            f"{penalty}, and on this cell the evaluations it saves never pay for that for good: forward iteration is "
            "first at the lowest residual reached."
        )
    return (
        f"{penalty}. That is paid back after {1e3 * point['seconds']:.1f} ms: for every residual under "
        f"{point['residual']:.2g}, {NAMES[name]} is there first."
    )


def inference_verdict(result: dict[str, Any]) -> dict[str, str]:
    """``recommendation``, a solver's name, and ``verdict``, why; from the other numbers of the result alone."""
    rows = result["solvers"]
    plain = rows[FORWARD]
    best = max((name for name in rows if name != FORWARD), key=lambda name: rows[name]["speedup_time"])
    row = rows[best]
    parts = []
    if plain["unconverged"] > row["unconverged"]:
        choice = best
        parts.append(
            f"Forward iteration left {plain['unconverged']} of {result['n']} structures unsolved within "
            f"{result['max_steps']} steps, {NAMES[best]} {row['unconverged']}: the speed-ups compare unequal work."
        )
    else:
        choice, words = _faster(best, row)
        parts.append(words)
    if row["unconverged"] > plain["unconverged"]:
        choice = FORWARD
        parts.append(
            f"{NAMES[best]} left {row['unconverged']} structures unsolved, forward iteration {plain['unconverged']}."
        )
    if result["agreement"] < 1.0:
        changed = round((1.0 - result["agreement"]) * result["n"])
        parts.append(
            f"{changed} of {result['n']} structures get another class with Anderson than with forward iteration: at a "
            f"tolerance of {result['rtol']:.0e} their classes hang on the solve."
        )
    parts.append(f"For this model and these structures: {USE[choice]}.")
    return {"recommendation": choice, "verdict": " ".join(parts)}


def _faster(best: str, row: dict[str, Any]) -> tuple[str, str]:
    """The choice by time, and its reason."""
    low, high = row["speedup_time_quartiles"]
    ratio = f"{row['speedup_time']:.2f} times [{low:.2f}–{high:.2f}]"
    saved = f"{row['speedup_evaluations']:.2f} times fewer evaluations a structure"
    solve = f"solver and cell alone {row['speedup_solve']:.2f} times"
    if row["repeats"] < ENOUGH:
        return FORWARD, f"So few rounds ({row['repeats']}) cannot tell times apart; {saved} with {NAMES[best]}."
    if low > 1.0:
        return best, f"{NAMES[best]} pays: predictions are {ratio} as fast ({solve}), with {saved}."
    if high < 1.0:
        return FORWARD, (
            f"Anderson does not pay here: with {NAMES[best]}, the faster of its two forms, predictions are {ratio} as fast "
            f"as with forward iteration ({solve}), since {saved} do not make up for what a mixing step costs."
        )
    return FORWARD, (
        f"Anderson makes no difference that can be told from noise: predictions are {ratio} as fast ({solve}), with {saved}. "
        "Forward iteration is the simpler one."
    )


def training_verdict(result: dict[str, Any]) -> dict[str, str]:
    """``recommendation`` and ``verdict``, as for inference."""
    rows = result["solvers"]
    ours, plain = rows["anderson"], rows[FORWARD]
    low, high = result["speedup_epoch_quartiles"]
    ratio = f"{result['speedup_epoch']:.2f} times [{low:.2f}–{high:.2f}]"
    saved = f"{result['speedup_epoch_evaluations']:.2f} times fewer evaluations of the cell in both passes together"
    choice = FORWARD
    if len(ours["history"]) < ENOUGH:
        words = f"So few epochs ({len(ours['history'])}) cannot tell times apart; {saved} with Anderson."
    elif low > 1.0:
        choice, words = "anderson", f"Anderson pays: an epoch is {ratio} as fast, with {saved}."
    elif high < 1.0:
        words = (
            f"Anderson does not pay here: an epoch is {ratio} as fast as with forward iteration; {saved} do not make up for "
            "what mixing costs."
        )
    else:
        words = f"Anderson makes no difference that can be told from noise: an epoch is {ratio} as fast, with {saved}."
    parts = [words, _race(result)]
    failed = {name: rows[name]["forward_unconverged"] + rows[name]["adjoint_unconverged"] for name in rows}
    if any(failed.values()):
        parts.append(
            f"Solves that did not reach their tolerance: {failed['anderson']} with Anderson, {failed[FORWARD]} with forward "
            f"iteration, of {2 * plain['solves']}."
        )
    parts.append(f"For this network and these data: {USE[choice]}.")
    return {"recommendation": choice, "verdict": " ".join(parts)}


def _race(result: dict[str, Any]) -> str:
    """Who was at the target when."""
    goal = f"a validation accuracy of {100 * result['target']:.1f} %"
    missing = [NAMES[name] for name, row in result["solvers"].items() if row["epochs_to_target"] is None]
    if missing:
        return f"{' and '.join(missing)} never reached {goal}, so there is no speed-up to it."
    epochs = {name: row["epochs_to_target"] for name, row in result["solvers"].items()}
    return (
        f"To {goal} it took {result['speedup_evaluations']:.2f} times fewer evaluations and {result['speedup_time']:.2f} times "
        f"less time (epoch {epochs['anderson']} with Anderson, {epochs[FORWARD]} with forward iteration; one run, told in whole "
        "epochs)."
    )


def memory_verdict(result: dict[str, Any]) -> dict[str, str]:
    """``verdict``: how memory grows with depth, and from where on the layer needs less."""
    sizes = {
        kind: {row["depth"]: row["bytes"] for row in result["rows"] if row["kind"] == kind and row["bytes"] is not None}
        for kind in ("anderson", "stack")
    }
    layer, stack = sizes["anderson"], sizes["stack"]
    if not layer or not stack:
        reason = next((row["why"] for row in result["rows"] if row["why"]), "not measured")
        return {"verdict": f"The two cannot be compared: {reason}."}
    first, last = min(layer), max(layer)
    parts = [
        f"From {first} to {last} steps the layer with Anderson grows from {_megabytes(layer[first])} to "
        f"{_megabytes(layer[last])} MB."
    ]
    deepest = max(stack)
    parts.append(f"A stack of {deepest} takes {_megabytes(stack[deepest])} MB.")
    even = result["break_even"]
    if even is None:
        parts.append("At no depth measured does the layer need less: at these depths a stack is the thrifty choice.")
    else:
        parts.append(f"From a depth of {even} on, of those measured, the layer needs less; below that a stack does.")
    return {"verdict": " ".join(parts)}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}" if size >= 1e7 else f"{size / 1e6:.1f}"


def carbon_verdict(result: dict[str, Any]) -> dict[str, str]:
    """``verdict``: what the projection comes to, beside the paper's."""
    found = result["projection"]
    saved, ceiling = found["saved_mt"], found["ceiling_mt"]
    if saved["high"] <= 0:
        parts = [
            "Nothing is saved at these numbers: Anderson would cost energy here. For this work use forward iteration."
        ]
    else:
        parts = [
            f"Saved, under the assumptions listed: {saved['mid']:.3g} million tonnes of CO2 a year, from {saved['low']:.3g} to "
            f"{saved['high']:.3g}."
        ]
    paper, sector = found["paper_gt"], found["power_sector_gt"]
    parts.append(
        f"The {paper:g} gigatons a year of the paper are {paper / sector:.1f} times the CO2 of all electricity generation "
        f"({sector:g} gigatons in 2024); all data centers together emit {ceiling['low'] / 1e3:.2g} to "
        f"{ceiling['high'] / 1e3:.2g} gigatons in this scenario. The paper's number is set beside, not adopted."
    )
    return {"verdict": " ".join(parts)}
