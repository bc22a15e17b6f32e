"""Image → encoder → equilibrium (or its explicit twin) → pooling → class scores and an estimate with an interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from andersonn.implicit import Equilibrium, ImplicitGradient
from andersonn.models.batch import ImageBatch
from andersonn.models.config import ModelConfig
from andersonn.models.convolution_cell import ConvolutionCell
from andersonn.models.encoder import Expansion, Features, ImageEncoder, graph_channels, node_channels
from andersonn.models.heads import DipoleHead
from andersonn.models.message_cell import MessageCell
from andersonn.models.stack import Cell, Stack
from andersonn.solvers import FixedPoint

QUANTILES = (0.05, 0.5, 0.95)
POOLINGS = 5
CELLS: dict[str, Callable[[ModelConfig], Cell]] = {
    "message": lambda config: MessageCell(config.width, config.gain, lean=config.encoder == "lean"),
    "convolution": lambda config: ConvolutionCell(config.width, config.gain),
}


class Output(NamedTuple):
    """Of B structures: class scores (logits) ``[B, C]`` and quantiles 5, 50, 95 % of the scaled quantity ``[B, 3]``,
    rising, or with ``model.answer=distribution`` scores of its masses ``[B, E]`` (:mod:`andersonn.models.distribution`) and no
    quantiles ``[B, 0]``; the input of the head ``[B, S]``, called states; and the record of the solve.
    """

    scores: Tensor
    quantiles: Tensor
    states: Tensor
    solution: FixedPoint


class EquilibriumNetwork(nn.Module):
    """The classifier of every task.

    The pooled head takes means over atoms, so a supercell gives the answer of its primitive cell and the number of
    atoms cannot be a shortcut; the dipole head adds up a vector.

    Args:
        config: options.
        n_classes: C.

    Attributes:
        equilibrium: an :class:`~andersonn.implicit.Equilibrium`, or a :class:`~andersonn.models.stack.Stack` if the options
            ask for layers.
    """

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = ImageEncoder(
            width,
            config.radial,
            config.embedding_dropout,
            config.spacing,
            config.directions,
            node_channels(config),
            lean=config.encoder == "lean",
            electrons=config.electrons,
            rounds=config.rounds,
        )
        self.equilibrium = _core(config)
        self.n_scores = config.scores_for(n_classes)
        of_distribution = config.answer == "distribution"
        if config.head == "dipole":
            self.dipole = DipoleHead(width, self.n_scores, config.dropout, of_distribution)
            return
        outputs = self.n_scores + (0 if of_distribution else len(QUANTILES))
        self.attention = nn.Linear(width, 1)
        whole = graph_channels(config)
        counted = self.encoder.electrons.features if self.encoder.electrons else 0
        self.head = nn.Sequential(
            nn.Linear((POOLINGS + bool(whole or counted)) * width, 2 * width),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, outputs),
        )
        self.whole = Expansion(whole) if whole else None
        if whole or counted:
            expanded = (self.whole.features if self.whole else 0) + (width if config.filling != "none" else 0)
            self.from_whole = nn.Sequential(nn.Linear(expanded + counted, width), nn.SiLU())
            self.past_head = nn.Linear(len(whole) + counted, outputs)  # a linear skip connection, for large lengths

    def set_units(self, unit: float, cuts: Sequence[float]) -> None:
        """Sets the unit of the estimate and the cuts between the scores (thresholds of the classes, or all edges of the
        distribution but the last), both in the unit of the task's quantity, for a head that needs them.
        """
        if self.config.head == "dipole":
            self.dipole.set_units(unit, cuts)

    @property
    def n_features(self) -> int:
        """S: width of the input of the head."""
        first = self.dipole.to_spread[0] if self.config.head == "dipole" else self.head[0]
        return cast("nn.Linear", first).in_features

    @property
    def solver_name(self) -> str:
        """Name of the solver, or of the stack, as predictions give it."""
        return self.equilibrium.name if isinstance(self.equilibrium, Stack) else self.equilibrium.solver.name

    def solved(self, batch: ImageBatch, keys: np.ndarray | None = None) -> tuple[Tensor, Features, FixedPoint]:
        """States of the rows ``[R, D]``, what the cell read, and the record of the solve; ``keys`` as in :meth:`forward`."""
        cell, batch = cast("Cell", self.equilibrium.cell), batch.in_precision_of(self.encoder.centers)
        features = self.encoder(batch)
        if isinstance(self.equilibrium, Stack):
            z, solution = self.equilibrium(features, batch)
        else:
            x = cell.prepare(features, batch)
            z = self.equilibrium(x, offsets=cell.offsets(batch), keys=cast("Sequence[int] | None", keys))
            solution = cast("FixedPoint", self.equilibrium.last)
        return cell.rows(z, batch, features), features, solution

    def forward(self, batch: ImageBatch, keys: np.ndarray | None = None) -> Output:
        """Scores and quantiles of a batch.

        Args:
            batch: B images.
            keys: that identify them in every epoch, int ``[B]``, for warm starts.

        Raises:
            UsageError: the weights are in neither single nor double precision.
        """
        batch = batch.in_precision_of(self.encoder.centers)
        rows, features, solution = self.solved(batch, keys)
        if self.config.head == "dipole":
            scores, quantiles, states = self.dipole(rows, features, batch)
            return Output(scores, quantiles, states, solution)
        values, states = self._answer(self._pool(rows, features.rows, batch), features.electrons, batch)
        if self.config.answer == "distribution":
            return Output(values, values[:, :0], states, solution)
        low, middle, high = values[:, self.n_scores :].split(1, dim=1)
        spread = torch.nn.functional.softplus
        quantiles = torch.cat([middle - spread(low), middle, middle + spread(high)], dim=1)
        return Output(values[:, : self.n_scores], quantiles, states, solution)

    def _answer(self, pooled: Tensor, electrons: Tensor | None, batch: ImageBatch) -> tuple[Tensor, Tensor]:
        """Raw outputs ``[B, C + 3]`` or ``[B, E]`` from pooled states ``[B, 5 D]`` and, by the options, features of the whole;
        and the input of the head.
        """
        expanded, scaled = ([], []) if electrons is None else ([electrons], [electrons])
        if self.whole is not None:
            assert batch.of_whole is not None  # by the recipe that goes with these options
            expanded.insert(0, self.whole(batch.of_whole))
            scaled.insert(0, self.whole.scaled(batch.of_whole))
        if not expanded:
            return self.head(pooled), pooled
        if self.config.filling != "none":
            expanded.append(self._composition(batch))
        read = torch.cat([pooled, self.from_whole(torch.cat(expanded, dim=1))], dim=1)
        return self.head(read) + self.past_head(torch.cat(scaled, dim=1)), read

    def _composition(self, batch: ImageBatch) -> Tensor:
        """Mean of what is learned of the elements over the atoms, ``[B, D]``: linear in their fractions."""
        encoder, count = self.encoder, batch.multiplicity.unsqueeze(1)
        of_elements = encoder.dropout(encoder.embedding(batch.Z)) + encoder.from_properties(encoder.properties[batch.Z])
        return batch.sum_rows(of_elements * count) / batch.sum_rows(count)

    def _pool(self, rows: Tensor, injected: Tensor, batch: ImageBatch) -> Tensor:
        """Over a structure's atoms: mean, attention-weighted mean, spread and maximum of the states, and the mean of
        what was injected: ``[B, 5 D]``.
        """
        count = batch.multiplicity.unsqueeze(1)
        attention = count * torch.exp(8.0 * torch.tanh(self.attention(rows) / 8.0))

        def mean(values: Tensor, weight: Tensor) -> Tensor:
            return batch.sum_rows(values * weight) / batch.sum_rows(weight)

        center = mean(rows, count)
        spread = (mean((rows - center.index_select(0, batch.sample)).square(), count) + 1e-6).sqrt()
        pooled = [center, mean(rows, attention), spread, batch.largest_row(rows), mean(injected, count)]
        return torch.cat(pooled, dim=1)


def _core(config: ModelConfig) -> Equilibrium | Stack:
    """The module that turns features into states."""
    make = CELLS[config.cell]
    if config.layers:
        cells = [make(config) for _ in range(1 if config.tied else config.layers)]
        return Stack(cells, config.layers)
    cell = make(config)
    guess = StateGuess(cell, config.width) if config.initializer else None
    return Equilibrium(cell, config.solver.build(), ImplicitGradient(rtol=config.adjoint_rtol), initializer=guess)


class StateGuess(nn.Module):
    """z₀ = s + W s, from the state s that the cell makes of zeros; W is 0 until the network has been trained, and then fitted to
    its solutions (:func:`~andersonn.training.first_state.fit_first_state`). Only the number of evaluations depends on it.

    Args:
        cell: gives s by its method ``initial``. It stays the network's.
        width: D.
    """

    def __init__(self, cell: Cell, width: int) -> None:
        super().__init__()
        self._first: Callable[[Any], Tensor] = cell.initial
        # No bias, so that blank pixels stay blank. The other weights do not depend on the option, since the state of the random
        # numbers is put back. (nn.utils.skip_init draws none, but imports sympy: most of a second for each command.)
        with torch.random.fork_rng(devices=[]):
            self.linear = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.linear.weight).requires_grad_(False)

    def forward(self, x: object) -> Tensor:
        """The guess, shaped as the state."""
        first = self._first(x)
        return first + self.linear(first)
