"""Runs the Matbench protocol (Dunn et al., npj Comput. Mater. 6, 138 (2020)) and writes its results file.

python benchmarks/matbench.py matbench_mp_is_metal --folds matbench_v0.1_validation.json \
    --data matbench_mp_is_metal.json.gz --out results.json epochs=10

--folds is matbench's own file of splits, ``{"splits": {task: {fold: {"train": [ids], "test": [ids]}}}}``. --data is either
the data set as matbench publishes it (JSON of pymatgen structures and targets, which is read without pymatgen) or Parquet
records whose ids are those of the folds, with the target's column named by --target. Each fold trains a new estimator on
the fold's training ids alone, which divides them itself to choose the epoch and to calibrate, and answers the test ids
once. The file is what ``MatbenchBenchmark.to_file`` of matbench 0.6 writes and ``from_file`` checks: for classes it holds
probabilities. Folds that --out already holds, made with the same options, are not trained again.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import metrics

from andersonn import EquilibriumClassifier, EquilibriumRegressor, Records, Structure
from andersonn.errors import UsageError, unknown
from andersonn.io.files import write_text
from andersonn.structures import elements

BENCHMARK, VERSION = "matbench_v0.1", "0.6"
Data = Mapping[str, tuple[Structure, Any]]
"""Id → (structure, target)."""


def folds_of(path: Path, task: str) -> dict[str, dict[str, list[str]]]:
    """Fold → its training and test ids.

    Raises:
        UsageError: the file is not of matbench's form, or has no such task.
    """
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))["splits"]
        found = splits.get(task)
        if found is not None and any(not {"train", "test"} <= fold.keys() for fold in found.values()):
            raise ValueError("a fold lacks train or test")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            "bad_folds", f"cannot read folds from {str(path)!r}: {error}", "give matbench's file"
        ) from None
    if found is None:
        raise unknown("matbench task", task, splits)
    return found


def data_of(path: Path, task: str, target: str | None) -> Data:
    """Structures and targets by id."""
    if path.suffix == ".parquet":
        if target is None:
            raise UsageError("no_target", "Parquet records have many columns", "name the target's with --target")
        records = Records.read(path, (target,))
        values = records.label(target).tolist()
        return {id: (records[i], values[i]) for i, id in enumerate(records.ids)}
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
        content = json.load(stream)
    ids = ids_of(task, content["index"])
    return {id: (of_pymatgen(row[0], id), row[1]) for id, row in zip(ids, content["data"], strict=True)}


def ids_of(task: str, index: list[int]) -> list[str]:
    """Matbench's names of the rows of a data set, such as ``mb-dielectric-0001``."""
    digits = math.floor(math.log10(len(index))) + 1
    prefix = task.replace("matbench", "mb").replace("_", "-")
    return [f"{prefix}-{i + 1:0{digits}d}" for i in index]


def of_pymatgen(content: dict[str, Any], id: str) -> Structure:
    """The structure of what pymatgen's ``Structure.as_dict`` wrote; all sites of matbench are ordered."""
    sites = content["sites"]
    if any(len(site["species"]) != 1 or site["species"][0]["occu"] != 1 for site in sites):
        raise UsageError("disordered", f"{id} has partially occupied sites", "leave it out of data and folds")
    Z = [elements.symbols().index(site["species"][0]["element"]) for site in sites]
    cell = np.array(content["lattice"]["matrix"])
    return Structure(np.array(Z), np.array([site["abc"] for site in sites]) @ cell, cell, id=id)


def fold_result(data: Data, fold: dict[str, list[str]], classes: bool, options: list[str], jobs: int) -> dict[str, Any]:
    """What matbench records of a fold: answers, scores, parameters.

    Raises:
        UsageError: an id is not in the data.
    """
    missing = [id for side in ("train", "test") for id in fold[side] if id not in data]
    if missing:
        raise UsageError("unknown_id", f"{len(missing)} ids of the folds are not in the data, as {missing[0]}", "")
    kind = EquilibriumClassifier if classes else EquilibriumRegressor
    estimator = kind(options=options, n_jobs=jobs, device="auto")
    train, test = ([data[id] for id in fold[side]] for side in ("train", "test"))
    y, truth = (np.array([target for _, target in side]) for side in (train, test))
    estimator.fit([s for s, _ in train], y.astype(bool) if classes else y)
    structures = [s for s, _ in test]
    answers = estimator.predict_proba(structures)[:, 1] if classes else estimator.predict(structures)
    return {
        "data": dict(zip(fold["test"], map(float, answers), strict=True)),
        "parameters": parameters_of(options),
        "scores": (class_scores if classes else number_scores)(truth, answers),
    }


def parameters_of(options: list[str]) -> dict[str, str]:
    """Options as matbench keeps them."""
    return dict(word.partition("=")[::2] for word in options)


def class_scores(truth: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Matbench's scores of a classification; probabilities are cut at 0.5 where it needs classes."""
    truth, answers = truth.astype(bool), p >= 0.5
    return {
        "accuracy": float(metrics.accuracy_score(truth, answers)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(truth, answers)),
        "f1": float(metrics.f1_score(truth, answers)),
        "rocauc": float(metrics.roc_auc_score(truth, p)),
    }


def number_scores(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """Matbench's scores of a regression; values within 1e-5 of zero stay out of the relative error."""
    error, large = np.abs(answers - truth), np.abs(truth) > 1e-5
    return {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "mape": float((error[large] / np.abs(truth[large])).mean()),
        "max_error": float(error.max()),
    }


def results_of(tasks: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]) -> dict[str, Any]:
    """Content of a results file.

    Args:
        tasks: task → fold → what :func:`fold_result` gave.
        about: free-form facts of the run.
    """
    content = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": VERSION,
        "tasks": {
            name: {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": BENCHMARK,
                "dataset_name": name,
                "results": dict(folds),
            }
            for name, folds in tasks.items()
        },
        "user_metadata": dict(about),
        "benchmark_name": BENCHMARK,
        "datestamp": datetime.now(UTC).strftime("%Y.%m.%d %H:%M.%S"),
    }
    return content | {"hash": digest_of(content)}


def digest_of(content: Mapping[str, Any]) -> str:
    """Matbench's hash of a results file without its hash: SHA-256 of the JSON with keys in order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def done_before(out: Path, options: list[str]) -> dict[str, dict[str, Any]]:
    """Task → fold → result of what an earlier run with these options wrote.

    Raises:
        UsageError: the file was changed since, or is no results file.
    """
    if not out.exists():
        return {}
    try:
        content = json.loads(out.read_text(encoding="utf-8"))
        if content.pop("hash") != digest_of(content):
            raise ValueError("its hash does not fit")
        tasks = {name: dict(task["results"]) for name, task in content["tasks"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("bad_results", f"cannot go on with {str(out)!r}: {error}", "give another --out") from None
    parameters = parameters_of(options)
    if any(fold["parameters"] != parameters for task in tasks.values() for fold in task.values()):
        raise UsageError("other_run", f"{str(out)!r} was made with other options", "give another --out")
    return tasks


def main(words: list[str] | None = None) -> None:
    """Runs the folds of a task that are not done, and writes the results after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="such as matbench_mp_is_metal")
    parser.add_argument("options", nargs="*", help="key=value words, as of andersonn train")
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", help="column of Parquet records")
    parser.add_argument("--kind", choices=["classification", "regression"], help="default: by the targets")
    parser.add_argument("--jobs", type=int, default=1, help="processes that make images")
    given = parser.parse_intermixed_args(words)
    folds, tasks = folds_of(given.folds, given.task), done_before(given.out, given.options)
    data = data_of(given.data, given.task, given.target)
    classes = given.kind == "classification" if given.kind else all(isinstance(y, bool) for _, y in data.values())
    about = {"algorithm": "Deep AndersoNN", "options": " ".join(given.options)}
    for name, fold in folds.items():
        if name not in tasks.setdefault(given.task, {}):
            tasks[given.task][name] = fold_result(data, fold, classes, given.options, given.jobs)
            write_text(given.out, json.dumps(results_of(tasks, about)))
        scores = tasks[given.task][name]["scores"]
        print(name, " ".join(f"{key}={value:.4f}" for key, value in scores.items()), flush=True)


if __name__ == "__main__":
    main()
