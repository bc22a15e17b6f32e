"""What a comparison says, in words, also where Anderson extrapolation does not pay."""

from __future__ import annotations

from typing import Any

from andersonn.measuring.clock import ahead_by_more_than_chance
from andersonn.measuring.contenders import FORWARD, NAMES

ENOUGH = 5
"""Rounds under which no sign test can tell times apart."""
USE = {
    "anderson": "use Anderson (model.solver.name=anderson)",
    "auto": 'use Anderson("auto"), which decides by itself',
    FORWARD: "use Picard iteration (model.solver.name=forward)",
}


def crossover_sentence(curve: dict[str, Any], name: str = "anderson") -> str:
    """From when on the solver leads, in words."""
    if name not in curve["mixing_penalties"]:
        return "One evaluation was enough: there is nothing to extrapolate, and nothing to tell of costs."
    more = 100 * curve["mixing_penalties"][name]
    took = (
        f"{more:.0f} % longer than" if more >= 0.5 else "no longer than" if more > -0.5 else f"{-more:.0f} % less than"
    )
    penalty = f"A step of {NAMES[name]} took {took} a step of Picard iteration"
    point = curve["crossovers"][name]
    if point is None:
        return (
            f"{penalty}, and on this cell it never leads to the end: Picard iteration is first at the lowest residual "
            "reached."
        )
    return (
        f"{penalty}. From {1e3 * point['seconds']:.1f} ms on it leads: for every residual under "
        f"{point['residual']:.2g}, {NAMES[name]} is there first."
    )


def inference_verdict(result: dict[str, Any]) -> dict[str, Any]:
    """``recommendation``, a solver's name, ``pays``, and ``verdict``, why; from the other numbers of the result alone."""
    rows, plain = result["solvers"], result["solvers"][FORWARD]
    others = [name for name in rows if name != FORWARD]
    paying = [name for name in others if _pays(rows[name]) and rows[name]["unconverged"] <= plain["unconverged"]]
    best = max(paying or others, key=lambda name: rows[name]["speedup_explained"])
    solving = min(others, key=lambda name: (rows[name]["unconverged"], name != best))
    parts = []
    if plain["unconverged"] > rows[solving]["unconverged"]:
        choice = solving
        parts.append(
            f"Picard iteration left {plain['unconverged']} of {result['n']} structures unsolved within "
            f"{result['max_steps']} steps, {NAMES[choice]} {rows[choice]['unconverged']}: the speed-ups compare unequal work."
        )
    else:
        choice = best if paying else FORWARD
        parts.append(_by_time(NAMES[best], rows[best], bool(paying)))
    if rows[best]["unconverged"] > plain["unconverged"]:
        parts.append(
            f"{NAMES[best]} left {rows[best]['unconverged']} structures unsolved, Picard iteration {plain['unconverged']}."
        )
    if result["agreement"] < 1.0:
        changed = round((1.0 - result["agreement"]) * result["n"])
        parts.append(
            f"{changed} of {result['n']} structures get another class with Anderson than with Picard iteration: at a "
            f"tolerance of {result['rtol']:.0e} their class depends on how exactly the fixed point is solved."
        )
    parts.append(f"For this model and these structures: {USE[choice]}.")
    return {"recommendation": choice, "pays": bool(paying), "verdict": " ".join(parts)}


def _pays(row: dict[str, Any]) -> bool:
    """Fewer evaluations, and a solve and a prediction faster than Picard iteration's by more than chance."""
    by_time = all(ahead_by_more_than_chance(row[key], row["repeats"]) for key in ("rounds_won", "solve_rounds_won"))
    return row["speedup_evaluations"] > 1.0 and by_time


def _by_time(name: str, row: dict[str, Any], pays: bool) -> str:
    """Why a solver is chosen by time, or not."""
    low, high = row["speedup_time_quartiles"]
    ratio = f"{row['speedup_time']:.2f} times [{low:.2f}–{high:.2f}]"
    ratio += f" as fast as with Picard iteration in {row['repeats']} rounds"
    solve = f"solver and cell alone {row['speedup_solve']:.2f} times, which explains {row['speedup_explained']:.2f}"
    saved = f"{row['speedup_evaluations']:.2f} times fewer evaluations a structure"
    if pays:
        return f"{name} pays: predictions are {ratio} ({solve}), with {saved}."
    if row["repeats"] < ENOUGH:
        return f"{row['repeats']} rounds are too few to compare times; {saved} with {name}."
    if ahead_by_more_than_chance(row["rounds_lost"], row["repeats"]):
        return (
            f"Anderson does not pay here: with {name}, the better of its two forms, predictions are {ratio} ({solve}); {saved} "
            "do not make up for what mixing costs."
        )
    return (
        f"No gain in time is distinguishable from noise: with {name}, the better of Anderson's two forms, predictions are {ratio} "
        f"({solve}), with {saved}. More --repeats, or a quieter machine, may tell."
    )


def training_verdict(result: dict[str, Any]) -> dict[str, Any]:
    """``recommendation``, ``pays`` and ``verdict``, as for inference."""
    rows = result["solvers"]
    low, high = result["speedup_epoch_quartiles"]
    epochs = len(rows["anderson"]["history"])
    ratio = f"{result['speedup_epoch']:.2f} times [{low:.2f}–{high:.2f}] as fast as with Picard iteration"
    saved = f"{result['speedup_epoch_evaluations']:.2f} times fewer calls of the cell in both passes together"
    pays = result["speedup_epoch_evaluations"] > 1.0 and ahead_by_more_than_chance(result["epochs_won"], epochs)
    if pays:
        words = f"Anderson pays: an epoch is {ratio}, with {saved}."
    elif epochs < ENOUGH:
        words = f"{epochs} epochs are too few to compare times; {saved} with Anderson."
    elif ahead_by_more_than_chance(result["epochs_lost"], epochs):
        words = f"Anderson does not pay here: an epoch is {ratio}; {saved} do not make up for what mixing costs."
    else:
        words = f"No gain in time is distinguishable from noise: an epoch is {ratio}, with {saved}."
    parts = [words, _race(result)]
    failed = {name: rows[name]["forward_unconverged"] + rows[name]["adjoint_unconverged"] for name in rows}
    if any(failed.values()):
        parts.append(
            f"Solves that did not reach their tolerance: {failed['anderson']} with Anderson, {failed[FORWARD]} with Picard "
            f"iteration, of {2 * rows[FORWARD]['solves']}."
        )
    choice = "anderson" if pays else FORWARD
    parts.append(f"For this network and these data: {USE[choice]}.")
    return {"recommendation": choice, "pays": pays, "verdict": " ".join(parts)}


def _race(result: dict[str, Any]) -> str:
    """Who was at the target when."""
    goal = f"a validation accuracy of {100 * result['target']:.1f} %"
    missing = [NAMES[name] for name, row in result["solvers"].items() if row["epochs_to_target"] is None]
    if missing:
        return f"{' and '.join(missing)} never reached {goal}, so there is no speed-up to it."
    epochs = {name: row["epochs_to_target"] for name, row in result["solvers"].items()}
    return (
        f"To {goal} it took {result['speedup_evaluations']:.2f} times fewer calls of the cell and {result['speedup_time']:.2f} times "
        f"less time (epoch {epochs['anderson']} with Anderson, {epochs[FORWARD]} with Picard iteration; one run, told in whole "
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
        parts.append("At no depth measured does the layer need less: at these depths a stack needs less memory.")
    elif even == min(layer.keys() & stack.keys()):
        parts.append("At every depth measured the layer needs less.")
    else:
        parts.append(f"From a depth of {even} on, of those measured, the layer needs less; below that a stack does.")
    return {"verdict": " ".join(parts)}


def budget_verdict(result: dict[str, Any]) -> dict[str, str]:
    """``verdict``: where a stack no longer fits and the layer does, and whether the fixed point needs so deep a stack."""
    sizes, budget = result["sizes"], _megabytes(result["budget"])
    known = [row for row in sizes if all(row["kinds"][kind]["deepest"] is not None for kind in ("anderson", "stack"))]
    if not known:
        reason = next(found["why"] for row in sizes for found in row["kinds"].values() if found["why"])
        return {"verdict": f"The two cannot be compared: {reason}."}
    ahead = [row for row in known if row["kinds"]["anderson"]["deepest"] > row["kinds"]["stack"]["deepest"]]
    if not ahead:
        return {"verdict": f"Within {budget} MB the layer goes no deeper than a stack at any size measured."}
    first, last = ahead[0], ahead[-1]
    parts = [_beyond(first, budget)] + ([_beyond(last, budget)] if last is not first else [])
    short = [row for row in ahead if _only_the_layer(row)]
    if short:
        row = short[0]
        parts.append(
            f"Picard iteration needs {row['needed'][FORWARD]} steps to the model's own tolerance at {row['rows']:,} rows: a "
            "stack so deep does not fit there, and the layer does."
        )
    else:
        parts.append(
            "A stack as deep as Picard iteration needs steps to the model's own tolerance fits wherever that was found: at this "
            "budget no answer of this model is out of a stack's reach."
        )
    return {"verdict": " ".join(parts)}


def _only_the_layer(row: dict[str, Any]) -> bool:
    """Whether the steps that the fixed point takes fit as solver steps and not as layers of a stack."""
    layers, steps = row["needed"][FORWARD], row["needed"]["anderson"]
    if layers is None or steps is None:
        return False
    return row["kinds"]["stack"]["deepest"] < layers and steps <= row["kinds"]["anderson"]["deepest"]


def _beyond(row: dict[str, Any], budget: str) -> str:
    """How deep stack and layer go at a size where the layer goes deeper."""
    stack, layer = row["kinds"]["stack"], row["kinds"]["anderson"]
    end = f"all {layer['deepest']} steps that were tried" if layer["refused"] is None else f"{layer['deepest']} steps"
    least = f"{stack['deepest']} layers, not {stack['refused']}" if stack["deepest"] else "not even one layer"
    return f"At {row['rows']:,} rows {budget} MB hold a stack of {least}; the layer with Anderson takes {end} in either pass."


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}" if size >= 1e7 else f"{size / 1e6:.1f}"


def carbon_verdict(result: dict[str, Any]) -> dict[str, str]:
    """``verdict``: what the projection comes to, beside the paper's."""
    found = result["projection"]
    saved, ceiling = found["saved_mt"], found["ceiling_mt"]
    if saved["high"] <= 0:
        parts = [
            "Nothing is saved at these numbers: Anderson would cost energy here. For this work use Picard iteration."
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
        f"{ceiling['high'] / 1e3:.2g} gigatons in this scenario. The paper's number is shown for comparison, not adopted."
    )
    return {"verdict": " ".join(parts)}
