"""Images → torch batches. Rows of all structures are concatenated; nothing is padded to the largest structure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from andersonn.data.store import ImageStore
from andersonn.errors import UsageError

PRECISIONS = (torch.float32, torch.float64)
"""Of a network's weights."""


class Neighbors(NamedTuple):
    """Which rows point to which, in both directions. :meth:`gather` reads the neighbors' values, :meth:`collect` sums what is
    sent back; each is the transpose of the other, and so its gradient.

    Attributes:
        index: row that entry (i, k) points to, int64 ``[R, K]``.
        order: the entries, as positions in the flattened ``index``, sorted by the row they point to, int64 ``[R K]``.
        starts: where the entries that point to row j begin in ``order``, int64 ``[R]``.
    """

    index: Tensor  # type: ignore[assignment]  # hides the method of tuples, which nothing calls
    order: Tensor
    starts: Tensor

    @classmethod
    def from_index(cls, index: np.ndarray) -> Neighbors:
        """Both directions from ``index [R, K]``."""
        flat = index.ravel()
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(len(index)))
        return cls(*(torch.from_numpy(np.ascontiguousarray(a, dtype=np.int64)) for a in (index, order, starts)))

    def to(self, device: torch.device | str) -> Neighbors:
        """The same on another device."""
        return Neighbors(*(tensor.to(device, non_blocking=True) for tensor in self))

    def select(self, rows: Tensor) -> Neighbors:
        """The same of some rows alone, int64 ``[R']``, which must be closed: none may point to a row left out, nor be
        pointed to by one. Each row's entries keep their order, so that sums over them stay the same to the last bit.
        """
        columns = self.index.shape[1]
        place = torch.zeros_like(self.starts)
        place[rows] = torch.arange(len(rows), device=rows.device)
        counts = self.starts.diff(append=self.starts.new_tensor([len(self.order)]))[rows]
        starts = counts.cumsum(0) - counts
        # All sizes are known beforehand, so that a device need not be waited for.
        shift = torch.repeat_interleave(self.starts[rows] - starts, counts, output_size=len(rows) * columns)
        entries = self.order[torch.arange(len(shift), device=rows.device) + shift]
        order = place[entries.div(columns, rounding_mode="floor")] * columns + entries % columns
        return Neighbors(place[self.index.index_select(0, rows)], order, starts)

    def gather(self, values: Tensor) -> Tensor:
        """Values of the neighbors: ``[R, D]`` → ``[R, K, D]``, entry (i, k) from row ``index[i, k]``."""
        return _Gather.apply(values, self)

    def collect(self, entries: Tensor) -> Tensor:
        """Sums of the entries that point to each row: ``[R, K, D]`` → ``[R, D]``."""
        return _Collect.apply(entries, self)

    def exchange(self, filters: Tensor, sent: Tensor) -> Tensor:
        """The messages that each row receives from its neighbors and from the rows whose neighbor it is, summed, ``[R, D]``: a row
        that entry (i, k) points to sends ``filters[i, k] · sent`` to i, and i sends as much to it.

        Args:
            filters: ``[R, K, D]``.
            sent: ``[R, D]``.
        """
        neighbors = self.gather(sent)
        # A batch of gradients, as of ``is_grads_batched``, has no memory of its own to write to.
        own = all(torch._C._has_storage(tensor) for tensor in (filters, neighbors))
        reusable = own and not torch.is_grad_enabled() and neighbors.dtype == filters.dtype
        room = neighbors if reusable else None  # for the products: allocating it takes as long as computing them
        heard = torch.mul(filters, neighbors, out=room).sum(dim=1)
        return heard + self.collect(torch.mul(filters, sent.unsqueeze(1), out=room))


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """B images, R rows, K columns.

    Attributes:
        Z: atomic numbers, int64 ``[R]``.
        neighbors: rows of the batch that the entries point to, ``[R, K]``.
        distance: Å, float32 ``[R, K]``.
        weight: 0 … 1, float32 ``[R, K]``.
        multiplicity: atoms a row stands for, float32 ``[R]``.
        offsets: image b owns rows ``offsets[b]`` to ``offsets[b + 1]``, int64 ``[B + 1]``.
        sample: image of each row, int64 ``[R]``.
        position: Å, float32 ``[R, 3]``, and
        charge: total charge in units of e, float32 ``[B]``: both None unless the images' recipe asks for positions.
        of_row: the recipe's ``node_channels``, float32 ``[R, C]``, and
        of_whole: its ``graph_channels``, float32 ``[B, G]``: both None if there are none.
        counted: atoms of each element over which electrons are counted, int64 ``[B, 104]``; None for those of the rows.
    """

    Z: Tensor
    neighbors: Neighbors
    distance: Tensor
    weight: Tensor
    multiplicity: Tensor
    offsets: Tensor
    sample: Tensor
    position: Tensor | None = None
    charge: Tensor | None = None
    of_row: Tensor | None = None
    of_whole: Tensor | None = None
    counted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def from_store(cls, store: ImageStore, indices: np.ndarray) -> ImageBatch:
        """The batch of the structures at ``indices``; rejected ones must not be among them."""
        lengths = store.n_rows[indices]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        sample = np.repeat(np.arange(len(indices)), lengths)
        rows = np.arange(offsets[-1]) - offsets[sample] + store.offsets[indices][sample]
        neighbor = store.neighbor_index[rows].astype(np.int64) + offsets[sample][:, None]
        return cls(
            Z=torch.from_numpy(store.Z[rows].astype(np.int64)),
            neighbors=Neighbors.from_index(neighbor),
            distance=torch.from_numpy(store.distance[rows]),
            weight=torch.from_numpy(store.weight[rows]),
            multiplicity=torch.from_numpy(store.multiplicity[rows].astype(np.float32)),
            offsets=torch.from_numpy(offsets),
            sample=torch.from_numpy(sample),
            **{
                name: torch.from_numpy(values[chosen].astype(np.float32, copy=False))
                for names, chosen in ((("position", "of_row"), rows), (("charge", "of_whole"), indices))
                for name in names
                if (values := getattr(store, name)) is not None
            },
        )

    def to(self, device: torch.device | str) -> ImageBatch:
        """The batch on another device."""
        values = (getattr(self, field.name) for field in fields(self))
        moved: Iterator[Any] = (None if value is None else value.to(device) for value in values)
        return ImageBatch(*moved)

    def in_precision_of(self, weights: Tensor) -> ImageBatch:
        """The batch in the precision of a network's weights.

        Raises:
            UsageError: the weights are in neither single nor double precision.
        """
        dtype = weights.dtype
        if dtype not in PRECISIONS:
            raise UsageError(
                "weights_dtype",
                f"the network's weights are {str(dtype).removeprefix('torch.')}; bounds of norms and small distances need "
                "float32 or float64",
                "keep them in float32 (network.float()) and call it under torch.autocast(device, torch.bfloat16)",
            )
        if dtype == self.distance.dtype:
            return self
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        floats: dict[str, Any] = {
            n: v.to(dtype) for n, v in values.items() if isinstance(v, Tensor) and v.is_floating_point()
        }
        return replace(self, **floats)

    def neighbor_vectors(self) -> Tensor:
        """Å, from each atom to its neighbors, ``[R, K, 3]``; zeros where there is no neighbor.

        Raises:
            UsageError: the images hold no positions.
        """
        if self.position is None:
            raise UsageError(
                "no_positions", "the images hold no positions", "set image.positions=true, image.fold=false"
            )
        vectors = self.position[self.neighbors.index] - self.position.unsqueeze(1)
        return vectors * (self.weight > 0).unsqueeze(2)

    def sum_rows(self, values: Tensor) -> Tensor:
        """Sums rows to images: ``[R, C]`` → ``[B, C]``."""
        return values.new_zeros(len(self), values.shape[1]).index_add_(0, self.sample, values)

    def largest_row(self, values: Tensor) -> Tensor:
        """Largest value of each channel in each image: ``[R, C]`` → ``[B, C]``."""
        index = self.sample.unsqueeze(1).expand_as(values)
        lowest = values.new_full((len(self), values.shape[1]), -torch.inf)
        return lowest.scatter_reduce(0, index, values, "amax")


class _Gather(torch.autograd.Function):
    """``values[index]``; its gradient is a collection, ten times faster on a CPU than the scattered additions of plain
    indexing, and summed in a fixed order.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, neighbors: Neighbors) -> Tensor:
        ctx.neighbors = neighbors
        return functional.embedding(neighbors.index, values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.neighbors.collect(gradient), None


class _Collect(torch.autograd.Function):
    """One bag of embeddings a row, the entries being sorted by the row they point to."""

    @staticmethod
    def forward(ctx: Any, entries: Tensor, neighbors: Neighbors) -> Tensor:
        ctx.neighbors = neighbors
        _, order, starts = neighbors
        return functional.embedding_bag(order, entries.reshape(len(order), -1), starts, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.neighbors.gather(gradient), None


def row_batches(n_rows: np.ndarray, indices: np.ndarray, max_rows: int, max_images: int = 256) -> Iterator[np.ndarray]:
    """Cuts ``indices`` into consecutive batches of at most ``max_rows`` rows (a larger structure goes alone)."""
    start, rows = 0, 0
    for position, size in enumerate(n_rows[indices]):
        if position > start and (rows + size > max_rows or position - start >= max_images):
            yield indices[start:position]
            start, rows = position, 0
        rows += size
    if start < len(indices):
        yield indices[start:]
