"""Writes docs/cards/TASK.md and the task's table in the README from the shipped model.json, so that no number is typed.

python tools/make_card.py conduction
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LABELS = {"conduction": "DFT", "polarity": "DFT", "porosity": "Zeo++"}
"""Task → where its true classes come from."""
BASELINES = {
    "cut_pld_A": "geometry alone: computed PLD, cut",
    "cut_pld_touching_A": "geometry alone: computed PLD against surfaces, cut",
    "random_forest": "random forest on {features}",
    "majority": "majority class",
}


def percent(value):
    return f"{100 * value:.1f} %"


def results_table(card, test):
    first, baselines = card["classes"][0], test["baselines"]
    cut = [f"{first} or not, balanced"] if len(card["classes"]) > 2 else []  # of two classes it is all there is to say
    features = baselines["random_forest"]["protocol"].split(" features")[0]
    rows = {f"**this network** ({card['config']['model']['cell']} cell)": test}
    rows |= {title.format(features=features): baselines[key] for key, title in BASELINES.items() if key in baselines}
    titles = ["", "accuracy", "balanced", "ROC-AUC", *cut, "calibration error"]
    lines = ["| " + " | ".join(titles).lstrip() + " |", "|---" * len(titles) + "|"]
    for name, row in rows.items():
        numbers = [row["accuracy"], row["balanced_accuracy"], row["roc_auc"], *(row["above"][first] for _ in cut)]
        lines.append(f"| {name} | " + " | ".join(f"{x:.3f}" for x in [*numbers, row["ece"]]) + " |")
    return "\n".join(lines)


def estimate(card, test):
    return f"""Estimate of the quantity: mean absolute error {test["mae"]:.3f} {card["unit"]}; the 90 % interval covers
{percent(test["interval90_coverage"])} and is {test["interval90_width"]:.2f} {card["unit"]} wide on average."""


def confusion_table(card):
    classes = card["classes"]
    lines = [
        f"| {LABELS[card['task']]} \\ predicted | " + " | ".join(classes) + " |",
        "|---" * (len(classes) + 1) + "|",
    ]
    for name, counts in zip(classes, card["metrics"]["test"]["confusion"], strict=True):
        lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def each_file(card):
    """Results of each file, if the model was trained on several."""
    parts = card["metrics"]["test"].get("by_file", {})
    return "".join(
        f"### {name} ({part['n']} structures)\n\n{results_table(card, part)}\n\n{estimate(card, part)}\n\n"
        for name, part in parts.items()
    )


def changed_options(card):
    """Options that are not the task's defaults, as key=value words."""
    from andersonn.scientists.recipes import config_of
    from andersonn.training.config import TrainConfig

    default, plain, found = config_of(card["task"]).model_dump(mode="json"), TrainConfig().model_dump(mode="json"), []
    for name, *_ in TrainConfig.describe():
        value, usual, effect = card["config"], default, plain
        for part in name.split("."):
            usual, effect = usual[part], effect[part]
            value = value.get(part, effect)  # an option younger than the model had its plain default's effect
        if value != usual:
            found.append(f"{name}={json.dumps(value)}")
    return " ".join(found)  # empty if all options are the defaults


def command(card):
    data = " ".join(f"--data {name}" for name in card["data"]["file"].split(" + "))
    return f"andersonn train {card['task']} {data} --out my-model {changed_options(card)}".rstrip()


def write_card(task, card):
    test, data = card["metrics"]["test"], card["data"]
    rare = [symbol for symbol, count in card["elements"].items() if count < 50]
    notes = (ROOT / f"docs/cards/{task}.notes.md").read_text()
    page = f"""# Model card: {task}

Classes by `{card["quantity"]}`: {", ".join(card["classes"])}, cut at {", ".join(f"{t:g}" for t in card["thresholds"])}
{card["unit"]}. {card["parameters"]:,} parameters; trained {card["trained"]} with andersonn {card["versions"]["andersonn"]},
torch {card["versions"]["torch"]}.

## Test ({test["n"]} structures, groups never seen in training or tuning)

{results_table(card, test)}

{estimate(card, test)}

{confusion_table(card)}

{each_file(card)}## Data

`{data["file"]}`: {data["records"]:,} records, {data["unusable"]} unusable; {data["train"]:,} for training,
{data["validation"]:,} for tuning and calibration, {data["test"]:,} for the test; divided by {data["split_by"]}. Sources and
licences: [data.md](../data.md). Elements in fewer than 50 training structures: {", ".join(rare) or "none"}.

## Make it again

```sh
{command(card)}
```

{notes}"""
    (ROOT / f"docs/cards/{task}.md").write_text(page)


def main():
    task = sys.argv[1]
    card = json.loads((ROOT / f"src/andersonn/scientists/weights/{task}/model.json").read_text())
    write_card(task, card)
    readme = ROOT / "README.md"
    begin, end = f"<!-- results {task} -->", f"<!-- /results {task} -->"
    block = f"{begin}\n{results_table(card, card['metrics']['test'])}\n{end}"
    text = re.sub(f"{begin}(.*?{end})?", lambda _: block, readme.read_text(), count=1, flags=re.S)
    readme.write_text(text)


if __name__ == "__main__":
    main()
