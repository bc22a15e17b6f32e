"""What tests look for in pictures."""

from __future__ import annotations

import numpy as np


def colors(image: np.ndarray) -> int:
    """How many different colors an image ``[H, W, 3 or 4]`` of numbers from 0 to 1 has."""
    red, green, blue = np.moveaxis((255 * image[..., :3]).astype(int), -1, 0)
    return len(np.unique((red << 16) + (green << 8) + blue))
