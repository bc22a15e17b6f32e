"""Writes docs/cards/TASK.md and the results table of the README from the shipped model.json, so that no number is typed.

python tools/make_card.py conduction
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LABELS = {"conduction": "DFT", "porosity": "Zeo++"}


def percent(value):
    return f"{100 * value:.1f} %"


def results_table(card):
    test = card["metrics"]["test"]
    first, baselines = card["classes"][0], test["baselines"]
    features = baselines["random_forest"]["protocol"].split(" features")[0]
    named = {
        "cut_pld_A": "geometry alone: computed PLD, cut",
        "cut_pld_touching_A": "geometry alone: computed PLD against surfaces, cut",
        "random_forest": f"random forest on {features}",
        "majority": "majority class",
    }
    rows = {f"**this network** ({card['config']['model']['cell']} cell)": test}
    rows |= {title: baselines[name] for name, title in named.items() if name in baselines}
    lines = [
        f"| | accuracy | balanced | ROC-AUC | {first} or not, balanced | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['accuracy']:.3f} | {row['balanced_accuracy']:.3f} | {row['roc_auc']:.3f} | "
            f"{row['above'][first]:.3f} | {row['ece']:.3f} |"
        )
    return "\n".join(lines)


def confusion_table(card):
    classes = card["classes"]
    lines = [
        f"| {LABELS[card['task']]} \\ predicted | " + " | ".join(classes) + " |",
        "|---" * (len(classes) + 1) + "|",
    ]
    for name, counts in zip(classes, card["metrics"]["test"]["confusion"], strict=True):
        lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def changed_options(card):
    from andersonn.scientists.recipes import recipe
    from andersonn.training.config import TrainConfig

    usual, found = TrainConfig.make(recipe(card["task"])).model_dump(mode="json"), []
    for name, _, _ in TrainConfig.describe():
        value, default = card["config"], usual
        for part in name.split("."):
            value, default = value.get(part), default[part]
        if value is not None and value != default:
            found.append(f"{name}={json.dumps(value)}")
    return " ".join(found)  # empty if all options are the defaults


def write_card(task, card):
    test, data = card["metrics"]["test"], card["data"]
    rare = [symbol for symbol, count in card["elements"].items() if count < 50]
    notes = (ROOT / f"docs/cards/{task}.notes.md").read_text()
    page = f"""# Model card: {task}

Classes by `{card["quantity"]}`: {", ".join(card["classes"])}, cut at {", ".join(f"{t:g}" for t in card["thresholds"])}
{card["unit"]}. {card["parameters"]:,} parameters; trained {card["trained"]} with andersonn {card["versions"]["andersonn"]},
torch {card["versions"]["torch"]}.

## Test ({test["n"]} structures, groups never seen in training or tuning)

{results_table(card)}

Estimate of the quantity: mean absolute error {test["mae"]:.3f} {card["unit"]}; the 90 % interval covers
{percent(test["interval90_coverage"])} and is {test["interval90_width"]:.2f} {card["unit"]} wide on average.

{confusion_table(card)}

## Data

`{data["file"]}`: {data["records"]:,} records, {data["unusable"]} unusable; {data["train"]:,} for training,
{data["validation"]:,} for tuning and calibration, {data["test"]:,} for the test; divided by {data["split_by"]}. Sources and
licences: [data.md](../data.md). Elements in fewer than 50 training structures: {", ".join(rare) or "none"}.

## Make it again

```sh
{f"andersonn train {task} --data {data['file']} --out my-model {changed_options(card)}".rstrip()}
```

{notes}"""
    (ROOT / f"docs/cards/{task}.md").write_text(page)


def main():
    task = sys.argv[1]
    card = json.loads((ROOT / f"src/andersonn/scientists/weights/{task}/model.json").read_text())
    write_card(task, card)
    readme = ROOT / "README.md"
    mark = "results" if task == "conduction" else f"results of {task}"
    block = f"<!-- {mark} -->\n{results_table(card)}\n<!-- /{mark} -->"
    text = re.sub(rf"<!-- {mark} -->(.*?<!-- /{mark} -->)?", lambda _: block, readme.read_text(), count=1, flags=re.S)
    readme.write_text(text)


if __name__ == "__main__":
    main()
