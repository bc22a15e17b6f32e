"""The demonstration's report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

from andersonn.demo.compare import SOLVERS
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
    """Ratios better baseline ÷ Anderson, above 1 where Anderson needs less. The baselines are plain and damped Picard
    iteration; in each number the better of the two counts.
    """

    def ratio(rows: dict[str, dict[str, Any]], key: str) -> float:
        return min(row[key] for name, row in rows.items() if name != "anderson") / rows["anderson"][key]

    training = {
        name: row | {"evaluations": row["forward_evaluations"] + row["adjoint_evaluations"]}
        for name, row in result["training"].items()
    }
    ratios = {f"training_{key}": ratio(training, key) for key in ("seconds", "evaluations", "cell_calls")}
    for k, rtol in enumerate(result["inference"]["tolerances"]):
        rows = {name: result["inference"][name][k] for name in SOLVERS}
        ratios |= {f"{key}_to_{rtol:.0e}": ratio(rows, key) for key in ("seconds", "evaluations", "cell_calls")}
    return ratios


def _structure(example: dict[str, Any]) -> Any:
    return demo_records()[example["record"]]


def _picture(example: dict[str, Any], recipe: dict[str, Any]) -> str:
    """PNG of structure, network and image, base64."""
    return base64.b64encode(png(draw(_structure(example), ImageRecipe(**recipe)), dpi=85)).decode()
