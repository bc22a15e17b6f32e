"""The paper's reading on frameworks: the graph image without a probe of pores, beside a forest on composition and density.

    python benchmarks/graph_alone.py mofs.parquet [--runs NAME …] [--options key=value …] [--test NAME] [--out runs/graph_alone]

Trains what :data:`RUNS` names on the training side, calibrates and compares on the validation side, and writes OUT.json; runs that
are there already are not repeated. Beside them stands a forest on composition and density, and one on what the networks read, each atom's
numbers as mean, spread, least and greatest. Each equilibrium is also read after few plain evaluations of its cell from zeros, calibrated anew:
the networks are the same, none is trained for its depth. With --test, the test side is answered by one run, already trained and chosen
by validation, and by the forest.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from andersonn.config import TrainConfig, config_of
from andersonn.data.records import Records
from andersonn.implicit import Equilibrium
from andersonn.inference.fitted import Calibration
from andersonn.inference.forward import forward
from andersonn.io.files import write_json
from andersonn.models import EquilibriumNetwork, Stack
from andersonn.scientists.registry import find
from andersonn.training.baselines import baselines, forest_metrics
from andersonn.training.calibrate_and_test import answer_metrics
from andersonn.training.calibration_fitting import fit_calibration
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer

SHARED = (
    "image.voids=false", "image.filling=true", "model.voids=none", "model.encoder=lean", "model.initializer=false",
    "model.width=32", "learning_rate=5e-3", "epochs=10", "device=cpu",
)  # fmt: skip
"""What differs in all runs from the recipe of the shipped weights."""
RUNS: dict[str, tuple[float, tuple[str, ...]]] = {
    "graph": (1.0, ("model.filling=none",)),
    "whole": (1.0, ("model.filling=whole",)),
    "by_atom": (1.0, ("model.filling=by_atom",)),
    "by_atom, quarter": (0.25, ("model.filling=by_atom",)),
    "by_atom, half": (0.5, ("model.filling=by_atom",)),
}
"""Name → share of the training side and options."""
DEPTHS = (1, 2, 4, 8)
"""Evaluations of the cell after which an equilibrium is also read."""
TASK = find("porosity").task


def configured(name: str, options: list[str]) -> TrainConfig:
    """The configuration of a run."""
    return config_of(find("porosity"), overrides=[*SHARED, *RUNS[name][1], *options])


def part(dataset: Dataset, share: float) -> Dataset:
    """The dataset with a share of its training records, always the same ones."""
    train = dataset.sides["train"]
    chosen = np.random.default_rng(0).permutation(len(train))[: int(share * len(train))]
    return replace(dataset, sides={**dataset.sides, "train": np.sort(train[chosen])})


def run(dataset: Dataset, name: str, config: TrainConfig, weights: Path) -> dict[str, Any]:
    """Trains a network, keeps its weights, and gives metrics of the validation side at each depth."""
    dataset = part(dataset, RUNS[name][0])
    trainer = Trainer(dataset, TASK, config)
    while not trainer.done:
        row = trainer.run_epoch()
        print(f"{name}, epoch {row['epoch']}: validation accuracy {row['validation_accuracy']:.3f}", flush=True)
    trainer.use_best()
    torch.save(trainer.network.state_dict(), weights)
    network, found = trainer.network.eval(), {"train": len(dataset.sides["train"]), "seed": config.seed}
    found["validation"] = metrics(network, dataset, "validation", fitted(network, dataset, trainer.scale))
    layer = network.equilibrium
    if isinstance(layer, Equilibrium):
        found["by_depth"] = {}
        for depth in DEPTHS:
            network.equilibrium = Stack([layer.cell], depth)
            calibration = fitted(network, dataset, trainer.scale)
            found["by_depth"][depth] = metrics(network, dataset, "validation", calibration)
        network.equilibrium = layer
    return found | {"history": trainer.history, "config": config.model_dump(mode="json")}


def fitted(network: EquilibriumNetwork, dataset: Dataset, scale: float) -> Calibration:
    """The calibration on the validation side."""
    chosen = dataset.sides["validation"]
    outputs = forward(network, dataset.store, chosen)
    return fit_calibration(outputs.scores, outputs.quantiles, dataset.values[chosen], TASK, scale)


def metrics(network: EquilibriumNetwork, dataset: Dataset, side: str, calibration: Calibration) -> dict[str, Any]:
    """Metrics of a side, also of each source."""
    chosen = dataset.sides[side]
    outputs = forward(network, dataset.store, chosen)
    found = answer_metrics(outputs, calibration, dataset.values[chosen], TASK)
    right = calibration.probabilities(outputs.scores).argmax(axis=1) == dataset.labels[chosen]
    sources = np.array(dataset.records.table["source"].to_pylist())[chosen]
    return found | {"by_source": {name: float(right[sources == name].mean()) for name in sorted(set(sources.tolist()))}}


def forests(dataset: Dataset, side: str) -> dict[str, Any]:
    """Metrics of forests grown on the training side, by what they read."""
    train, chosen = dataset.sides["train"], dataset.sides[side]
    found = {"composition and density": baselines(dataset, TASK)(chosen)["random_forest"]}
    forest = forest_metrics(described(dataset, train), dataset.labels[train], TASK.classes)
    return found | {"what the networks read": forest(described(dataset, chosen), dataset.labels[chosen])}


def described(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Composition, numbers of the whole, and statistics of the numbers of each atom, ``[n, F]``."""
    store = dataset.store
    assert store.of_row is not None
    assert store.of_whole is not None
    rows = []
    for i in indices:
        own = slice(store.offsets[i], store.offsets[i + 1])
        values, atoms = store.of_row[own].astype(float), store.multiplicity[own]
        mean = np.average(values, axis=0, weights=atoms)
        spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=atoms))
        rows.append(np.concatenate([mean, spread, values.min(axis=0), values.max(axis=0)]))
    return np.hstack([dataset.composition(indices), store.of_whole[indices], np.stack(rows)])


def tested(dataset: Dataset, name: str, config: TrainConfig, weights: Path) -> dict[str, Any]:
    """The test side by a trained run and by the forests."""
    network = EquilibriumNetwork(config.model, len(TASK.classes))
    network.load_state_dict(torch.load(weights, weights_only=True))
    scale = float(np.std(dataset.values[part(dataset, RUNS[name][0]).sides["train"]]))
    calibration = fitted(network.eval(), dataset, scale)
    return {name: metrics(network, dataset, "test", calibration), "forests": forests(dataset, "test")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", nargs="*", choices=tuple(RUNS), default=list(RUNS))
    parser.add_argument("--options", nargs="*", default=[])
    parser.add_argument("--test", choices=tuple(RUNS))
    parser.add_argument("--out", type=Path, default=Path("runs/graph_alone"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    out = chosen.out.with_suffix(".json")
    found = json.loads(out.read_text()) if out.exists() else {"runs": {}}
    records = Records.of(pq.read_table(chosen.data), str(chosen.data))
    dataset = prepare(records, TASK, configured("by_atom", chosen.options))
    if "forests" not in found:
        found["forests"] = forests(dataset, "validation")
    for name in chosen.runs:
        if name not in found["runs"]:
            weights = chosen.out.with_name(f"{chosen.out.name}_{name.replace(', ', '_')}.pt")
            found["runs"][name] = run(dataset, name, configured(name, chosen.options), weights)
            write_json(out, found)
    if chosen.test:
        weights = chosen.out.with_name(f"{chosen.out.name}_{chosen.test.replace(', ', '_')}.pt")
        found["test"] = tested(dataset, chosen.test, configured(chosen.test, chosen.options), weights)
    write_json(out, found)


if __name__ == "__main__":
    main()
