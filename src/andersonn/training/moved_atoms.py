"""Copies of crystals whose atoms and cells are moved a little: what is learned of symmetry alone does not hold for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from andersonn.data.records import Records

LEAST_A, MOST_A = 0.003, 0.08
"""Standard deviation of the displacements of a crystal, evenly in its logarithm."""
STRAIN, SWELLING = 0.004, 0.01
"""Standard deviations of each component of the strain, and of the strain that is equal in all directions."""


def moved(records: Records, indices: np.ndarray, seed: int) -> Records:
    """Some records with their atoms and cells moved at random; labels and all else stay.

    Args:
        records: of crystals.
        indices: which.
        seed: of the displacements.
    """
    generator, table = np.random.default_rng(seed), records.table.take(pa.array(indices))
    cells = np.array(table["cell"].to_pylist(), dtype=np.float64).reshape(-1, 3, 3)
    positions, deformed = [], []
    for cell, flat in zip(cells, table["positions"].to_pylist(), strict=True):
        strain = generator.normal(0.0, STRAIN, (3, 3))
        change = np.eye(3) * (1.0 + generator.normal(0.0, SWELLING)) + (strain + strain.T) / 2.0
        far = np.exp(generator.uniform(np.log(LEAST_A), np.log(MOST_A)))
        xyz = np.array(flat, dtype=np.float64).reshape(-1, 3)
        positions.append(((xyz @ change) + generator.normal(0.0, far, xyz.shape)).ravel())
        deformed.append((cell @ change).ravel())
    for name, values in (("positions", positions), ("cell", deformed)):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return Records(table, f"{records.source}, moved by {seed}")
