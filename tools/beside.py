"""What the tools that make a model of others save and say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from andersonn.inference.model_bundle import ModelBundle
from andersonn.io.files import write_json


def save_beside(new: ModelBundle, folder: Path, models: Mapping[str, ModelBundle]) -> None:
    """Saves a model with its metrics, and prints how each of the named models did, by side and file."""
    new.save(folder)
    write_json(folder / "metrics.json", new.provenance["metrics"])
    for side in ("validation", "test"):
        for name, bundle in models.items():
            metrics = bundle.provenance["metrics"][side]
            for file, part in {"all": metrics, **metrics.get("by_file", {})}.items():
                print(f"{side}, {file}, {name}: accuracy {part['accuracy']:.4f}, estimate {part['mae']:.4f}")
