"""The model card: what a model was made of, what it is worth and where it fails, from ``model.json`` and ``notes.md``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from andersonn.config import TrainConfig, config_of
from andersonn.data.sources import SOURCES
from andersonn.inference.model_bundle import TREES, read_card, task_of
from andersonn.scientists.base import ScientistSpec
from andersonn.scientists.registry import registered
from andersonn.training.card_check import require_complete
from andersonn.training.card_constructed import construction_of, content_of_constructed, page_of_constructed

NOTES = "notes.md"
"""File beside the weights with what no program can tell of the model, in Markdown."""
BASELINES = {
    "random_forest": "random forest on {features}",
    "boosted_trees": "boosted trees on {features}, electrons and distances",
    "majority": "majority class",
}
MADE_OF = {
    "crystals_mp2018.parquet": ("materials-project",),
    "crystals_2018.parquet": ("materials-project",),
    "crystals_extra.parquet": ("materials-project",),
    "qmof_gaps.parquet": ("qmof",),
    "molecules_qm9.parquet": ("qm9",),
    "molecules_pereira2018.parquet": ("pereira2018",),
    "biomolecules.parquet": ("biomolecules",),
    "common_chemicals.parquet": ("common-chemicals", "qm9"),
    "small_molecules.parquet": ("small-molecules",),
    "common_smiles.parquet": ("common-chemicals", "small-molecules"),
    "qm9_smiles.parquet": ("qm9",),
    "mofs.parquet": ("core-mof", "qmof"),
}
"""File of records → names of the sources it was made of."""
OTHERS_FILE = "FILE.py"
"""Stands in commands for the file that declares a scientist which is not registered: a model does not keep its name."""
PAGES = re.compile(r"(?:; | \()\[[^\[\]]+\]\(\.\./[^()]+\)\)?")
"""Links to pages about the scientists of this package, with what joins them to the sentence."""
RARE = 50
"""An element in fewer training structures than this is named on the card."""


def content_of(folder: Path) -> dict[str, Any]:
    """The card of the model in a folder, as one JSON object.

    Raises:
        UsageError: there is no model, or ``model.json`` lacks what a card needs.
    """
    card, built = _complete(folder)
    if built is not None:
        return content_of_constructed(card, built, _notes(folder))
    return {
        "task": card["task"],
        "classes": card["classes"],
        "thresholds": card["thresholds"],
        "quantity": card["quantity"],
        "unit": card["unit"],
        "parameters": card["parameters"],
        "trained": card["trained"],
        "versions": card["versions"],
        "data": {**card["data"], "sources": _sources(card), "rare_elements": _rare(card)},
        "metrics": card["metrics"]["test"],
        "each_seed": card.get("each_seed"),
        "out_of_domain": card.get("domain"),
        "retrain": {"command": command(card), "seed": card["config"]["seed"]},
        "notes": _notes(folder),
    }


def page_of(folder: Path) -> str:
    """The card of the model in a folder, in Markdown, its links as from ``docs/cards``; that of another scientist than those
    of this package, of which these pages do not tell, has none.

    Raises:
        UsageError: as :func:`content_of`.
    """
    card, built = _complete(folder)
    if built is not None:
        return page_of_constructed(card, built, _notes(folder))
    page = _page(card, _notes(folder))
    return page if spec_of(card) is not None else PAGES.sub("", page)


def _complete(folder: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The content of ``model.json``, and what was written of the construction of a constructed model."""
    card, built = read_card(folder), construction_of(folder)
    require_complete(card, folder, constructed=built is not None)
    return card, built


def results_table(card: dict[str, Any], test: dict[str, Any]) -> str:
    """Metrics of a test beside the baselines, as a Markdown table.

    Args:
        card: content of ``model.json``.
        test: metrics with ``baselines``.
    """
    first, baselines = card["classes"][0], test["baselines"]
    cut = [f"{first} or not, balanced"] if len(card["classes"]) > 2 else []  # of two classes it is all there is to say
    features = baselines.get("random_forest", {}).get("protocol", "composition features").split(" features")[0]
    what = f"these {card['members']} networks together" if "members" in card else "this network"
    what += " and the trees beside it" if TREES in card else ""
    rows = {f"**{what}** ({card['config']['model']['cell']} cell)": test}
    titles = {f"cut_{name}": title for name, title in task_of(card).geometric_baselines.items()} | BASELINES
    rows |= {title.format(features=features): baselines[key] for key, title in titles.items() if key in baselines}
    head = ["", "accuracy", "balanced", "ROC-AUC", *cut, "calibration error"]
    lines = ["| " + " | ".join(head).lstrip() + " |", "|---" * len(head) + "|"]
    for name, row in rows.items():
        numbers = [row["accuracy"], row["balanced_accuracy"], row["roc_auc"], *(row["above"][first] for _ in cut)]
        lines.append(f"| {name} | " + " | ".join(map(_number, [*numbers, row["ece"]])) + " |")
    return "\n".join(lines)


def command(card: dict[str, Any]) -> str:
    """The words that train the model of a card again, one command a line; :data:`OTHERS_FILE` stands for a file that declares
    the scientist.
    """
    data = " ".join(f"--data {name}" for name in card["data"]["file"].split(" + "))
    ours = spec_of(card) is not None
    geometry = " --geometry none" if ours and _reads_bonds(card) else ""
    train = f"andersonn train {card['task'] if ours else OTHERS_FILE}{geometry} {data} --out"
    options = _changed_options(card)
    if "members" not in card:
        return f"{train} my-model {options}".rstrip()
    seeds = [run["seed"] for run in card["each_seed"]]
    lines = [f"{train} seed-{seed} {options} seed={seed}".replace("  ", " ") for seed in seeds]
    folders = " ".join(f"seed-{seed}" for seed in seeds)
    return "\n".join([*lines, f"python tools/join_models.py {folders} {data} --out my-model"])


def _page(card: dict[str, Any], notes: str) -> str:
    test, data = card["metrics"]["test"], card["data"]
    return (
        f"""# Model card: {card["task"]}{", bonds alone" if _reads_bonds(card) else ""}

Classes by `{card["quantity"]}`: {", ".join(card["classes"])}, cut at {", ".join(f"{t:g}" for t in card["thresholds"])}
{card["unit"]}. {card["parameters"]:,} parameters; trained {card["trained"]} with andersonn {card["versions"]["andersonn"]},
torch {card["versions"]["torch"]}.

## Test ({test["n"]} structures, groups never seen in training or tuning)

{results_table(card, test)}

{_estimate(card, test)}

{_confusion_table(card)}

{_each_seed(card)}{_each_file(card)}## Data

`{data["file"]}`: {data["records"]:,} records, {data["unusable"]} unusable; {data["train"]:,} for training,
{data["validation"]:,} for tuning and calibration, {data["test"]:,} for the test; divided by {data["split_by"]}. {_where_sources(card)} Elements in fewer than {RARE} training structures: {", ".join(_rare(card)) or "none"}.

{licences_of(card)}

## Inputs unlike the training

{_out_of_domain(card)}

## Make it again

{_declared(card)}```sh
{command(card)}
```

{notes or f"Seed {card['config']['seed']}."}
""".rstrip()
        + "\n"
    )


def licences_of(card: dict[str, Any]) -> str:
    """Licence and citation of the data a model learned from, as Markdown."""
    sources = _sources(card)
    if not sources:
        return "Licence of the data: not known to this program."
    return "\n".join(f"- `{row['name']}`: {row['licence']}; cite {row['citation']}" for row in sources)


def _where_sources(card: dict[str, Any]) -> str:
    return "Sources and\nlicences: [data.md](../data.md)." if spec_of(card) is not None else "Licences:\nbelow."


def _declared(card: dict[str, Any]) -> str:
    """What :data:`OTHERS_FILE` in the command stands for, if it is there."""
    found = spec_of(card) is not None
    return "" if found else f"`{OTHERS_FILE}` is the Python file that declares the scientist `{card['task']}`.\n\n"


def _out_of_domain(card: dict[str, Any]) -> str:
    found = card.get("domain")
    if found is None:
        return "This model was made before models could tell; [how later ones do](../domain.md)."
    fifths = ", ".join(_number(x) for x in found["accuracy_by_fifth"])
    return f"""Answers say how far the input is from the training, and warn beyond {found["limit"]:.2f} ([how](../domain.md)).
{_percent(found["outside"])} of {found["n"]:,} test structures lie outside: accuracy {_number(found["accuracy_outside"])} there,
{_number(found["accuracy_inside"])} inside; by fifths of rising distance {fifths}."""


def _sources(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Facts of the sources a model's files were made of; empty if it is not known of all of them."""
    files = card["data"]["file"].split(" + ")
    if any(name not in MADE_OF for name in files):
        return []
    names = dict.fromkeys(source for name in files for source in MADE_OF[name])  # each once, in this order
    found = [SOURCES[name].as_dict() for name in names]
    return [{key: facts[key] for key in ("name", "licence", "citation", "link")} for facts in found]


def _rare(card: dict[str, Any]) -> list[str]:
    return [symbol for symbol, count in card["elements"].items() if count < RARE]


def _notes(folder: Path) -> str:
    path = folder / NOTES
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _estimate(card: dict[str, Any], test: dict[str, Any]) -> str:
    return f"""Estimate of the quantity: mean absolute error {test["mae"]:.3f} {card["unit"]}; the 90 % interval covers
{_percent(test["interval90_coverage"])} and is {test["interval90_width"]:.2f} {card["unit"]} wide on average."""


def _confusion_table(card: dict[str, Any]) -> str:
    classes = card["classes"]
    lines = [
        f"| {task_of(card).reference or 'true'} \\ predicted | " + " | ".join(classes) + " |",
        "|---" * (len(classes) + 1) + "|",
    ]
    for name, counts in zip(classes, card["metrics"]["test"]["confusion"], strict=True):
        lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def _each_file(card: dict[str, Any]) -> str:
    """Results of each file, if the model was trained on several."""
    parts = card["metrics"]["test"].get("by_file", {})
    return "".join(
        f"### {name} ({part['n']} structures)\n\n{results_table(card, part)}\n\n{_estimate(card, part)}\n\n"
        for name, part in parts.items()
    )


def _each_seed(card: dict[str, Any]) -> str:
    """Mean and standard deviation over the seeds, if several were trained."""
    runs = card.get("each_seed")
    if not runs:
        return ""
    tests = {"": [run["test"] for run in runs]}
    for name in runs[0]["test"].get("by_file", {}):
        tests[f"`{name}`: "] = [run["test"]["by_file"][name] for run in runs]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    which = "The model is the mean of" if "members" in card else "The model is the first of"
    told = "\n".join(f"- {name}{_over_seeds(card, found)}" for name, found in tests.items())
    return (
        f"{which} {len(runs)} trainings that differ in their seed alone ({seeds}). Each by itself, mean ± standard "
        f"deviation over the seeds:\n\n{told}\n\n"
    )


def _over_seeds(card: dict[str, Any], tests: list[dict[str, Any]]) -> str:
    first = card["classes"][0]
    columns = {"accuracy": "accuracy", "balanced": "balanced_accuracy", "ROC-AUC": "roc_auc"}
    found = {title: [test[key] for test in tests] for title, key in columns.items()}
    if len(card["classes"]) > 2:
        found[f"{first} or not, balanced"] = [test["above"][first] for test in tests]
    found |= {"calibration error": [test["ece"] for test in tests]}
    words = [f"{title} {mean(values):.3f} ± {stdev(values):.3f}" for title, values in found.items()]
    errors = [test["mae"] for test in tests]
    return ", ".join([*words, f"mean error {mean(errors):.3f} ± {stdev(errors):.3f} {card['unit']}"])


def spec_of(card: dict[str, Any]) -> ScientistSpec | None:
    """The registered scientist of a model's task, for the geometry that the model reads; None if there is none, or another of
    that name.
    """
    spec = registered().get(card["task"])
    if spec is None or not spec.task.same_but_for_thresholds(task_of(card)):
        return None
    if _reads_bonds(card):
        return spec.of_geometry("none") if "none" in spec.geometries else None
    return spec


def _reads_bonds(card: dict[str, Any]) -> bool:
    """Whether a model reads molecules by their bonds alone."""
    return bool(card["config"].get("image", {}).get("bonds"))


def _changed_options(card: dict[str, Any]) -> str:
    """Options that are not the task's defaults, as key=value words; empty if all are."""
    default, plain = config_of(spec_of(card)).model_dump(mode="json"), TrainConfig().model_dump(mode="json")
    found = []
    for name, *_ in TrainConfig.describe():
        value, usual, effect = card["config"], default, plain
        for part in name.split("."):
            usual, effect = usual[part], effect[part]
            value = value.get(part, effect)  # an option younger than the model had its plain default's effect
        if value != usual and not (name == "seed" and "members" in card):
            found.append(f"{name}={json.dumps(value)}")
    return " ".join(found)
