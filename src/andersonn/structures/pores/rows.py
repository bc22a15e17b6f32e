"""Products of vectors in rows, several times as fast as numpy's own for short rows."""

from __future__ import annotations

import numpy as np


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products over the last axis, ``[…]`` of two ``[…, 3]``."""
    return np.einsum("...x,...x->...", a, b)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of rows, ``[Q, 3]`` of two ``[Q, 3]``."""
    x, y, z = a.T
    u, v, w = b.T
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=1)
