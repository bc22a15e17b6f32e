"""The demonstration's report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
from importlib import resources
from typing import Any

from andersonn.comparison.own.contenders import NAMES
from andersonn.comparison.own.page import cards, items, page, table
from andersonn.comparison.own.plots import residual_figure, training_figure
from andersonn.comparison.own.verdict import crossover_sentence
from andersonn.demo.experiment import demo_records
from andersonn.demo.figures import confusion_figure
from andersonn.scientists.conduction import CONDUCTION
from andersonn.structures.image import ImageRecipe
from andersonn.structures.picture import draw, png

CLASSES = CONDUCTION.classes
TITLE = "Deep AndersoNN: metal, semiconductor or insulator?"


def render(result: dict[str, Any]) -> str:
    """The whole page."""
    parts = {
        "summary": _summary(result),
        "accuracy": _accuracy_table(result),
        "confusion": confusion_figure(result["test"]["anderson"]["confusion"], CLASSES),
        "training": _training_table(result) + training_figure(result["training"]),
        "inference": _inference_table(result["inference"]),
        "curve": residual_figure(result["curve"]) + f"<p>{crossover_sentence(result['curve'])}</p>",
        "examples": "".join(_example(example, result["config"]["image"]) for example in result["examples"]),
        "method": _method(result),
    }
    body = resources.files("andersonn.demo").joinpath("report.html").read_text(encoding="utf-8")
    for name, content in parts.items():
        body = body.replace("{{" + name + "}}", content)
    return page(TITLE, body)


def verdict(result: dict[str, Any]) -> dict[str, float]:
    """Ratios forward ÷ Anderson, above 1 where Anderson needs less."""
    training = result["training"]
    work = {n: training[n]["forward_evaluations"] + training[n]["adjoint_evaluations"] for n in training}
    ratios = {
        "training_time": training["forward"]["seconds"] / training["anderson"]["seconds"],
        "training_evaluations": work["forward"] / work["anderson"],
    }
    for k, rtol in enumerate(result["inference"]["tolerances"]):
        rows = {name: result["inference"][name][k] for name in ("anderson", "forward")}
        ratios[f"time_to_{rtol:.0e}"] = rows["forward"]["seconds"] / rows["anderson"]["seconds"]
        ratios[f"evaluations_to_{rtol:.0e}"] = rows["forward"]["evaluations"] / rows["anderson"]["evaluations"]
    return ratios


def _summary(result: dict[str, Any]) -> str:
    test, forest = result["test"]["anderson"], result["baselines"]["random_forest"]
    ratios = verdict(result)
    tightest = max(result["inference"]["tolerances"][-1:], default=1e-5)
    numbers = [
        (f"{100 * test['accuracy']:.1f} %", f"of {test['n']} crystals with formulas never seen in training"),
        (f"{100 * forest['accuracy']:.1f} %", "random forest on composition"),
        (f"{ratios['training_evaluations']:.2f}×", "fewer cell evaluations in training than forward iteration"),
        (f"{ratios[f'evaluations_to_{tightest:.0e}']:.2f}×", f"fewer in inference, to a residual of {tightest:.0e}"),
    ]
    return cards(numbers)


def _accuracy_table(result: dict[str, Any]) -> str:
    rows = {
        "equilibrium network, Anderson": result["test"]["anderson"],
        "equilibrium network, forward iteration": result["test"]["forward"],
        "random forest on composition": result["baselines"]["random_forest"],
        "majority class": result["baselines"]["majority"],
    }
    body = [
        [name, *(_number(row[key]) for key in ("accuracy", "balanced_accuracy", "roc_auc", "ece"))]
        for name, row in rows.items()
    ]
    return table(["", "accuracy", "balanced accuracy", "ROC-AUC", "calibration error"], body)


def _training_table(result: dict[str, Any]) -> str:
    body = [
        [
            NAMES[name],
            f"{row['forward_evaluations']:.1f}",
            f"{row['adjoint_evaluations']:.1f}",
            f"{row['seconds']:.1f}",
            f"{100 * row['unconverged']:.2f} %",
            f"{row['radius']:.2f}",
        ]
        for name, row in result["training"].items()
    ]
    head = ["", "evaluations a batch, forward", "backward", "seconds in all", "unconverged", "median spectral radius"]
    return table(head, body)


def _inference_table(inference: dict[str, Any]) -> str:
    body = []
    for k, rtol in enumerate(inference["tolerances"]):
        for name in ("anderson", "forward"):
            row = inference[name][k]
            low, high = row["seconds_quartiles"]
            body.append(
                [
                    f"{rtol:.0e}" if name == "anderson" else "",
                    NAMES[name],
                    str(row["evaluations"]),
                    f"{row['mean_steps']:.1f}",
                    str(row["most_steps"]),
                    f"{1e3 * row['seconds']:.0f} ({1e3 * low:.0f} … {1e3 * high:.0f})",
                    f"{100 * row['converged']:.1f} %",
                ]
            )
    head = [
        "tolerance", "solver", "evaluations in all", "steps a crystal, mean", "most", "milliseconds (quartiles)", "converged"
    ]  # fmt: skip
    return table(head, body)


def _example(example: dict[str, Any], recipe: dict[str, Any]) -> str:
    structure = demo_records()[example["record"]]
    picture = base64.b64encode(png(draw(structure, ImageRecipe(**recipe)), dpi=85)).decode()
    best = max(range(len(CLASSES)), key=lambda c: example["probabilities"][c])
    right = CLASSES[best] == example["truth"]
    low, high = example["interval90"]
    bars = "".join(
        f"<div class=bar><span>{name}</span><i style='width:{100 * p:.1f}%'></i><em>{100 * p:.0f} %</em></div>"
        for name, p in zip(CLASSES, example["probabilities"], strict=True)
    )
    return (
        f"<article><img alt='{structure.formula}: structure, network and graph image' "
        f"src='data:image/png;base64,{picture}'><div class=answer><h3>{structure.formula} "
        f"<small>{html.escape(structure.id)}</small></h3>{bars}<p><strong class={'right' if right else 'wrong'}>"
        f"{'✓' if right else '✗'} {CLASSES[best]}</strong>, DFT: {example['truth']}, gap {example['gap']:.2f} eV. "
        f"Estimate {example['value']:.2f} eV (90 %: {low:.2f} … {high:.2f}).</p></div></article>"
    )


def _method(result: dict[str, Any]) -> str:
    data, machine, config = result["data"], result["machine"], result["config"]
    solver = config["model"]["solver"]
    classes = ", ".join(f"{n} {count}" for n, count in data["classes"].items())
    lines = [
        f"{data['crystals']} crystals of the Materials Project with DFT-PBE band gaps ({classes}; metal: gap 0, "
        f"insulator: gap ≥ 3 eV), {data['train']} for training, {data['validation']} for validation and calibration, "
        f"{data['test']} for the test, touched once. No formula stands on two sides.",
        f"{data['atoms']} atoms fold to {data['rows']} image rows, since atoms with equal surroundings share one; "
        f"made in {data['imaging_seconds']:.1f} s (less if they were made before).",
        f"Both runs have the same seed ({result['seed']}), weights at the start, batches and tolerances (forward "
        f"{solver['rtol']:.0e}, backward {config['model']['adjoint_rtol']:.0e}); they alternate, an epoch each. Anderson: "
        f"window {solver['window']}, mixing {solver['mixing']:g}. The forest is grown on the same training crystals.",
        f"Inference times: medians of {result['inference']['repeats']} interleaved repeats after one warm-up, solver and "
        "cell only, on the network trained with Anderson.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, PyTorch "
        f"{machine['torch']}, Python {machine['python']}; the whole run took {result['seconds']:.0f} s.",
        "Data: Materials Project, A. Jain et al., APL Materials 1, 011002 (2013), CC BY 4.0; PBE gaps of the 2018 release "
        "as in C. Chen et al., Chem. Mater. 31, 3564 (2019). PBE underestimates gaps: silicon has 0.6 eV here.",
        "The sample is a tenth of the file that the shipped weights were trained on: they are more accurate than this run.",
    ]
    return items(lines)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
