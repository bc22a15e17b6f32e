"""Where a model errs: the test points cut by size and by family, each part with its errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from andersonn.constructing.verdict import short
from andersonn.structures.elements import atomic_number
from andersonn.structures.readers.molecules.smiles import scaffold

FEWEST = 5
"""Points of a part that is shown."""
FAMILIES = 6
"""Scaffolds or elements that are shown, the commonest first."""
LONGEST_SMILES = 400
"""Letters; longer text is not searched for rings."""
STRIP = 160
"""Pixels: width of the strip that shows the residuals of a part."""

Slice = dict[str, Any]
"""``name``, ``smiles`` (of a scaffold, else None), ``n``, and for numbers ``bias``, ``rmse``, ``covered`` and ``strip``, for labels
``accuracy``.
"""


def slices_of(points: list[dict[str, Any]], kind: str, periodic: bool) -> list[tuple[str, list[Slice]]]:
    """Title and parts of each way to cut the test points; ways that give fewer than two parts are left out.

    Args:
        points: of the test side.
        kind: ``"number"`` or ``"labels"``.
        periodic: whether they are crystals, cut by element, or molecules, cut by scaffold.
    """
    ways: list[tuple[str, list[tuple[str, str | None, list[dict[str, Any]]]]]] = [("By size", _by_size(points))]
    if periodic:
        ways.append(("By element (a crystal counts for each of its elements)", _by_element(points)))
    else:
        ways.append(("By scaffold", _by_scaffold(points)))
    found = []
    for title, parts in ways:
        parts = [part for part in parts if len(part[2]) >= FEWEST]
        if len(parts) < 2:
            continue
        scale = _scale(point for _, _, part in parts for point in part) if kind == "number" else 1.0
        found.append((title, [_measured(name, smiles, part, kind, scale) for name, smiles, part in parts]))
    return found


def _measured(name: str, smiles: str | None, part: list[dict[str, Any]], kind: str, scale: float) -> Slice:
    found: Slice = {"name": name, "smiles": smiles, "n": len(part)}
    if kind != "number":
        return found | {"accuracy": sum(point["true"] == point["estimate"] for point in part) / len(part)}
    residuals = residuals_of(part)
    spans = [point for point in part if point.get("low") is not None and point.get("high") is not None]
    return found | {
        "bias": float(residuals.mean()),
        "rmse": float(np.sqrt((residuals**2).mean())),
        "covered": sum(p["low"] <= p["true"] <= p["high"] for p in spans) / len(spans) if spans else None,
        "strip": _strip(residuals, scale),
    }


def residuals_of(points: Iterable[dict[str, Any]]) -> np.ndarray:
    """Estimate minus true value, ``[n]``."""
    return np.array([point["estimate"] - point["true"] for point in points], dtype=float)


def _by_size(points: list[dict[str, Any]]) -> list[tuple[str, str | None, list[dict[str, Any]]]]:
    """Quarters of the points by their number of atoms."""
    sized = [point for point in points if point.get("n_atoms")]
    if not sized:
        return []
    atoms = np.array([point["n_atoms"] for point in sized])
    edges = np.unique(np.quantile(atoms, [0.25, 0.5, 0.75], method="lower"))
    places = np.searchsorted(edges, atoms)  # the first part ends with the first edge
    found: list[tuple[str, str | None, list[dict[str, Any]]]] = []
    for k in np.unique(places):
        part = [point for point, place in zip(sized, places, strict=True) if place == k]
        low, high = atoms[places == k].min(), atoms[places == k].max()
        found.append((f"{low} atoms" if low == high else f"{low} to {high} atoms", None, part))
    return found


def _by_scaffold(points: list[dict[str, Any]]) -> list[tuple[str, str | None, list[dict[str, Any]]]]:
    """Molecules without rings, those of the commonest scaffolds, and the rest."""
    families: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        smiles = point.get("smiles")
        family = scaffold(smiles) if smiles and len(smiles) <= LONGEST_SMILES else None
        if family is not None:
            families.setdefault(family if _has_ring(family) else "", []).append(point)
    chains = families.pop("", [])
    order = sorted(families, key=lambda family: (-len(families[family]), family))
    common = [family for family in order[: FAMILIES - 1] if len(families[family]) >= FEWEST]
    rest = [point for family in order[len(common) :] for point in families[family]]
    return [
        ("no ring", None, chains),
        *((family, family, families[family]) for family in common),
        ("another scaffold", None, rest),
    ]


def _has_ring(smiles: str) -> bool:
    """Whether canonical SMILES closes a ring: digits outside of brackets do nothing else."""
    return bool(re.search(r"[\d%]", re.sub(r"\[[^\[\]]*\]", "", smiles)))


def elements_of(formula: str) -> list[str]:
    """Symbols of the elements in a formula, each once, in its order."""
    return [symbol for symbol in dict.fromkeys(re.findall(r"[A-Z][a-z]?", formula)) if symbol in atomic_number()]


def _by_element(points: list[dict[str, Any]]) -> list[tuple[str, str | None, list[dict[str, Any]]]]:
    """Crystals that have one of the commonest elements."""
    sets = [elements_of(point.get("formula") or "") for point in points]
    counts = Counter(symbol for symbols in sets for symbol in symbols)
    return [
        (f"with {symbol}", None, [point for point, symbols in zip(points, sets, strict=True) if symbol in symbols])
        for symbol, _ in counts.most_common(FAMILIES)
    ]


def _scale(points: Iterable[dict[str, Any]]) -> float:
    """Residual at the ends of the strips."""
    return float(np.quantile(np.abs(residuals_of(points)), 0.98)) or 1.0


def _strip(residuals: np.ndarray, scale: float) -> str:
    """Nine tenths of the residuals as a line, the middle half as a box, the median as a mark; the long tick is zero."""
    cut = np.quantile(residuals, [0.05, 0.25, 0.5, 0.75, 0.95])
    low, first, middle, third, high = (STRIP / 2 * (1 + np.clip(cut / scale, -1, 1))).tolist()
    said = f"median residual {short(cut[2])}, middle half {short(cut[1])} to {short(cut[3])}"
    return (
        f'<svg class="strip" viewBox="0 0 {STRIP} 20" role="img" aria-label="{said}">'
        f'<line x1="{STRIP / 2}" x2="{STRIP / 2}" y1="0" y2="20" stroke="var(--faint)"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="10" y2="10" stroke="var(--one)"/>'
        f'<rect x="{first:.1f}" width="{max(third - first, 1):.1f}" y="5" height="10" rx="2" fill="var(--one)" fill-opacity=".45"/>'
        f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="3" y2="17" stroke="var(--one)" stroke-width="2.5"/></svg>'
    )
