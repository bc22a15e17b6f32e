"""What a construction might have found, made up: of numbers and of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

MOLECULES = (
    "CCO",
    "c1ccccc1O",
    "c1ccccc1C",
    "CCCC",
    "c1ccncc1",
    "c1ccccc1CC",
    "CC(=O)O",
    "c1ccccc1N",
    "c1ccccc1Cl",
    "CCN",
)
CRYSTALS = ("NaCl", "TiO2", "Fe2O3", "Li3PO4", "Cu", "ZnS")


def of_numbers(n: int = 60) -> dict[str, Any]:
    """Content of a regression of molecules with n test rows."""
    random = np.random.default_rng(3)
    true, errors = random.normal(-3, 2, n), random.normal(0, 0.6, n)
    points = [
        {
            "id": f"row {k}", "smiles": MOLECULES[k % 10], "formula": "CH4", "n_atoms": 5 + k % 23, "true": float(true[k]),
            "estimate": float(true[k] + errors[k]), "low": float(true[k] + errors[k] - 1), "high": float(true[k] + errors[k] + 1),
            "p": {}, "distance": 0.1 * (k % 12), "inside": k % 12 < 10,
        }
        for k in range(n)
    ]  # fmt: skip
    rmse = float(np.sqrt((errors**2).mean()))
    test = {"n": n, "rmse": rmse, "mae": 0.471, "r2": 0.912, "coverage90": 0.9, "mean_width90": 2.0}
    return {
        "command": "andersonn construct mine.csv --target logS --out mine", "name": "mine", "source": "mine.csv", "target": "logS",
        "unit": "log(mol/L)", "kind": "number", "periodic": False, "classes": [], "thresholds": [],
        "understanding": {"values": "-2 to 3, median 1", "findings": ["4 outliers"], "rows": 1234, "usable": 1230, "unusable": {"no SMILES": 4}},
        "split": {"by": "scaffold", "train": 1050, "validation": 120, "test": n}, "seconds": 77.0, "cpu_seconds": 141.0,
        "candidates": [
            _candidate("network", False, True, {"rmse": 0.634, "mae": 0.512, "r2": 0.888}),
            _candidate("ridge", True, False, {"rmse": 0.951, "mae": 0.744, "r2": 0.771}),
        ],
        "test": test | {"beside": {"ridge": {"rmse": 0.987, "mae": 0.765, "r2": 0.755}, "mean": {"rmse": 2.05, "mae": 1.6, "r2": 0.0}}},
        "points": points,
        "reliability": [{"level": level, "covered": level - 0.03} for level in (0.1, 0.3, 0.5, 0.7, 0.9, 0.95)],
        "learning_curve": [{"n": k, "error": 3 * k**-0.22, "spread": 0.02} for k in (100, 300, 1050)],
        "twice": {"n": 2100, "error": 3 * 2100**-0.22},
        "applicability": {"limit": 0.95, "inside": {"n": n - n // 6, "rmse": 0.583}, "outside": {"n": n // 6, "rmse": 0.741}},
    }  # fmt: skip


def of_labels(n: int = 60) -> dict[str, Any]:
    """Content of a classification of crystals with n test rows."""
    random, classes = np.random.default_rng(4), ["low", "middle", "high"]
    points = []
    for k in range(n):
        p = random.dirichlet([1, 1, 1])
        points.append(
            {
                "id": f"crystal {k}", "smiles": None, "formula": CRYSTALS[k % 6], "n_atoms": 2 + k % 9, "true": classes[k % 3],
                "estimate": classes[int(p.argmax())], "low": None, "high": None, "p": dict(zip(classes, p.tolist(), strict=True)),
                "distance": 1.0, "inside": True,
            }
        )  # fmt: skip
    accuracy = sum(point["true"] == point["estimate"] for point in points) / n
    scores = {"accuracy": 0.611, "balanced_accuracy": 0.592, "log_loss": 0.903}
    return of_numbers() | {
        "target": "stability", "unit": "", "kind": "labels", "periodic": True, "classes": classes, "points": points,
        "candidates": [_candidate("network", False, True, scores), _candidate("majority", True, False, scores)],
        "test": {
            "n": n, "accuracy": accuracy, "balanced_accuracy": 0.571, "roc_auc": 0.731, "ece": 0.041,
            "beside": {"majority": {"accuracy": 0.402, "balanced_accuracy": 0.333}},
        },
        "reliability": [{"confidence": 0.45, "accuracy": 0.4, "n": 20}, {"confidence": 0.8, "accuracy": 1.0, "n": 40}],
        "applicability": {"limit": 2.0, "inside": {"n": n, "accuracy": 0.402}, "outside": {"n": 0}},
    }  # fmt: skip


def _candidate(name: str, baseline: bool, chosen: bool, validation: dict[str, float]) -> dict[str, Any]:
    return {
        "name": name, "what": f"A {name}.", "baseline": baseline, "chosen": chosen, "n": 1050, "validation": validation,
        "cpu_seconds": 12.3, "note": "",
    }  # fmt: skip
