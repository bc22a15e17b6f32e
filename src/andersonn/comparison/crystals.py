"""The message-passing cell with the shipped weights on real crystals: a ragged batch."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from andersonn.comparison.posed import Posed
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.inference.predictor import Predictor
from andersonn.models import ImageBatch, lead
from andersonn.models.message_cell import MessageCell, MessageInput


@torch.no_grad()
def message_cell(dtype: torch.dtype, batch: int, seed: int, device: str = "cpu") -> Posed:
    """The cell of the conduction scientist on ``batch`` crystals, drawn by ``seed`` from the embedded sample (Materials
    Project); state ``[R, 128]``, R rows of all crystals together.
    """
    network = lead(Predictor.load("conduction").artifact.network).eval()
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
    return Posed(MessageMap(cell, x), cell.initial(x), cell.offsets(images).to(device))


class MessageMap(NamedTuple):
    """z ↦ cell(z, x); it can leave crystals out."""

    cell: MessageCell
    x: MessageInput

    def __call__(self, z: Tensor) -> Tensor:
        """One evaluation."""
        return self.cell(z, self.x)

    def subset(self, samples: Tensor, rows: Tensor) -> MessageMap:
        """The map of some crystals alone."""
        return MessageMap(self.cell, self.cell.select(self.x, samples, rows))


@cache
def _images(seed: int, crystals: int) -> ImageStore:
    records = Records.read(str(resources.files("andersonn.demo") / "crystals.parquet"), ("band_gap_eV",))
    chosen = np.random.default_rng(seed).permutation(len(records))[:crystals]
    return ImageStore.build(records.take(chosen), Predictor.load("conduction").recipe, workers=1)
