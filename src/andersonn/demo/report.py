"""The demonstration's report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

from andersonn.demo.experiment import demo_records
from andersonn.demo.figures import confusion_figure
from andersonn.measuring.report import templates
from andersonn.scientists.conduction import CONDUCTION
from andersonn.structures.image import ImageRecipe
from andersonn.structures.picture import draw, png


def render(result: dict[str, Any]) -> str:
    """The whole page."""
    text = resources.files("andersonn.demo").joinpath("report.html").read_text(encoding="utf-8")
    functions = {"confusion_figure": confusion_figure, "picture": _picture, "structure": _structure}
    return (
        templates()
        .from_string(text, functions)
        .render(
            r=result, ratios=verdict(result), classes=CONDUCTION.classes, tightest=result["inference"]["tolerances"][-1]
        )
    )


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


def _structure(example: dict[str, Any]) -> Any:
    return demo_records()[example["record"]]


def _picture(example: dict[str, Any], recipe: dict[str, Any]) -> str:
    """PNG of structure, network and image, base64."""
    return base64.b64encode(png(draw(_structure(example), ImageRecipe(**recipe)), dpi=85)).decode()
