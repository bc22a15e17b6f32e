"""Composition features for the random-forest baseline that accuracies are compared with."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements


def composition_features(Z: np.ndarray) -> np.ndarray:
    """Fraction-weighted mean, spread, smallest and largest of each element property, and the fraction of every
    element: float64 ``[4 · 10 + 103]``. Positions do not enter.

    Args:
        Z: atomic numbers ``[n]``.
    """
    properties = elements.feature_table()[Z]
    fractions = np.bincount(Z, minlength=elements.MAX_Z + 1)[1:] / len(Z)
    statistics = [properties.mean(axis=0), properties.std(axis=0), properties.min(axis=0), properties.max(axis=0)]
    return np.concatenate([*statistics, fractions])
