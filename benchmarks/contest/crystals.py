"""The message-passing cell with the shipped weights on real crystals: a ragged batch."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
import torch

from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.implicit.bound_cell import cell_map
from andersonn.inference.predictor import Predictor
from andersonn.measuring.problems import FixedPointProblem
from andersonn.models import ImageBatch, lead


@torch.no_grad()
def message_cell(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu") -> FixedPointProblem:
    """The cell of the conduction scientist on ``batch`` crystals, drawn by ``seed`` from the embedded sample (Materials
    Project); state ``[R, 128]``, R rows of all crystals together.
    """
    network = lead(Predictor.load("conduction").bundle.network).eval()
    store = _images(seed, 2 * batch)
    usable = np.flatnonzero(store.n_rows > 0)
    if len(usable) < batch:
        raise ValueError(
            f"the sample has {len(usable)} crystals with images, {batch} asked for; ask for a smaller batch"
        )
    images = ImageBatch.from_store(store, usable[:batch])
    cell = network.equilibrium.cell
    x = cell.prepare(network.encoder(images), images)  # in single precision, also for the double-precision problem
    x = x._replace(**{name: getattr(x, name).to(device, dtype) for name in ("injection", "filters", "own", "mix")})
    x = x._replace(neighbors=x.neighbors.to(device))
    z0 = cell.initial(x)
    f = cell_map(cell, x, z0, tree=None, compact=True, frozen=False)
    return FixedPointProblem(f, z0, cell.offsets(images).to(device))


@cache
def _images(seed: int, crystals: int) -> ImageStore:
    records = Records.read(str(resources.files("andersonn.demo") / "crystals.parquet"), ("band_gap_eV",))
    chosen = np.random.default_rng(seed).permutation(len(records))[:crystals]
    return ImageStore.build(records.take(chosen), Predictor.load("conduction").recipe, workers=1)
