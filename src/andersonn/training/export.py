"""A trained model as a folder for a model hub: files that hubs show and index, beside those that a scientist reads."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from andersonn.errors import UsageError
from andersonn.inference.model_bundle import CARD, ModelBundle, task_of
from andersonn.io.files import require_writable, write_text
from andersonn.training.card import NOTES, licences_of, page_of
from andersonn.training.card_constructed import CONSTRUCTION

NOTICE = "NOTICE.md"
"""Where the weights of a model say what their training data ask for."""
OURS = "mit"
"""SPDX identifier, in the small letters of hubs, of the licence whose text is included."""
RELATIVE = re.compile(r"\[([^\[\]]+)\]\(\.\./[^()]+\)")
"""Links of a model card into this repository, which lead nowhere on a hub."""


def export(bundle: ModelBundle, source: Path | None, folder: Path, licence: str = OURS) -> None:
    """Writes ``model.safetensors``, ``model.json``, ``domain.safetensors`` if there is a domain, ``notes.md`` if the source
    has one, ``README.md`` (metadata in YAML, a snippet, the model card) and, for the MIT licence, its text as ``LICENSE``.

    Args:
        bundle: the model.
        source: the folder it was read from, if any.
        folder: made if needed; must not hold a model.
        licence: SPDX identifier of the licence that the weights are given under. What the training data ask for is listed in
            the README.

    Raises:
        UsageError: the folder holds a model already, or cannot be written to.
    """
    if (folder / CARD).exists():
        raise UsageError("taken", f"{str(folder)!r} already holds a model", "choose another folder or delete it")
    require_writable(folder)
    bundle.save(folder)
    for name in (NOTES, NOTICE, CONSTRUCTION):
        if source and (source / name).exists():
            write_text(folder / name, (source / name).read_text(encoding="utf-8"))
    if licence.lower() == OURS:
        text = resources.files("andersonn.scientists").joinpath("licence.txt").read_text(encoding="utf-8")
        write_text(folder / "LICENSE", text)
    write_text(folder / "README.md", readme_of(bundle, folder, licence))


def readme_of(bundle: ModelBundle, folder: Path, licence: str) -> str:
    """The README of an exported model.

    Args:
        bundle: the model.
        folder: where it was written, with its notes.
        licence: SPDX identifier.
    """
    card = bundle.card()
    tested = "test" in card.get("metrics", {})
    page = RELATIVE.sub(r"\1", page_of(folder)) if tested else _untested(card)
    metadata: dict[str, Any] = {
        "license": licence.lower(),
        "library_name": "andersonn",
        "pipeline_tag": "graph-ml",
        "tags": _tags(card),
    }
    if tested:
        metadata["model-index"] = [_index(card)]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in metadata.items()]
    return "\n".join(["---", *lines, "---", "", page.rstrip(), "", _usage(bundle), ""])


def _tags(card: dict[str, Any]) -> list[str]:
    about = {True: ["materials-science", "crystals"], False: ["chemistry", "molecules"], None: ["chemistry"]}
    return [*about[task_of(card).periodic], "deep-equilibrium-model", "anderson-acceleration", card["task"]]


def _index(card: dict[str, Any]) -> dict[str, Any]:
    """Test results as hubs index them."""
    test, data = card["metrics"]["test"], card["data"]
    named = {"accuracy": "accuracy", "balanced accuracy": "balanced_accuracy", "ROC-AUC": "roc_auc", "ECE": "ece"}
    task = task_of(card)
    found = [
        {"type": key, "name": name, "value": round(test[key], 4)}
        for name, key in named.items()
        if task.has_class and test[key] is not None
    ]
    if task.has_estimate:
        found.append({"type": "mae", "name": f"mean absolute error, {card['unit']}", "value": round(test["mae"], 4)})
    result = {
        "task": {"type": "graph-ml", "name": card["task"]},
        "dataset": {"type": Path(data["file"]).stem, "name": f"{data['file']}, test side, n = {test['n']}"},
        "metrics": found,
    }
    return {"name": f"andersonn-{card['task']}", "results": [result]}


def _untested(card: dict[str, Any]) -> str:
    """What there is to say of a model that no test side was kept for."""
    cuts = ", ".join(f"{t:g}" for t in card["thresholds"])
    answers = {
        "class": f"Classes by `{card['quantity']}`: {', '.join(card['classes'])}, cut at {cuts} {card['unit']}.",
        "number": f"Estimates of `{card['quantity']}` in {card['unit'] or 'its own unit'}.",
        "label": f"Classes: {', '.join(card['classes'])}.",
    }[task_of(card).answer]
    return f"""# Model card: {card["task"]}

{answers} {card["parameters"]:,} parameters;
trained {card["trained"]} on {card["data"]["train"]:,} structures, calibrated on {card["data"]["validation"]:,} others. **Not
tested**: no structures were kept apart for that.

{licences_of(card)}
"""


def _usage(bundle: ModelBundle) -> str:
    inputs = '["CCO", "molecule.sdf"]' if bundle.task.periodic is False else '["crystal.cif", "POSCAR"]'
    return f"""## Use

```python
import andersonn as an  # pip install deep-andersonn

scientist = an.Scientist.load("path/to/this/folder")
for answer in scientist.predict({inputs}):
    print(answer.as_dict())
```

`andersonn predict {bundle.task.name} FILES… --model path/to/this/folder` does the same in a shell."""
