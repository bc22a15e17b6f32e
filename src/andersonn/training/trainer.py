"""The training loop, one epoch at a time, so that runs can be interleaved, stopped and resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from andersonn.config import TrainConfig
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.implicit import spectral_radius
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.fitted import Calibration
from andersonn.inference.forward import Outputs
from andersonn.models import QUANTILES, EquilibriumNetwork, ImageBatch, Stack, row_batches
from andersonn.models.device import pick_device
from andersonn.models.distribution import class_scores, crps, edges_for
from andersonn.solvers import FixedPoint
from andersonn.training.dataset import Dataset
from andersonn.training.fine_tuning import start_from
from andersonn.training.forward import forward_distributed
from andersonn.training.metrics import classification_metrics, log_loss
from andersonn.training.process_group import SINGLE, ProcessGroup
from andersonn.training.rank_shard import RankShard, synchronized_dropout
from andersonn.training.showing import shown
from andersonn.training.shown_geometries import ShownGeometries
from andersonn.training.solver_schedule import SolverSchedule

if TYPE_CHECKING:
    from andersonn.inference.model_bundle import ModelBundle
    from andersonn.models.stack import Cell

BatchProgress = Callable[[float], None]
RADIUS_SAMPLE = 32
"""Structures on which the spectral radius is estimated each epoch."""


class Trainer:
    """Trains one network.

    Randomness comes from the seed and the epoch's number alone, so a resumed run repeats the undisturbed one (with
    ``solving.warm_starts`` to within the tolerance: solutions are not in a checkpoint, so the first epoch begins cold).

    Several processes, each with a trainer of its own, train one network together: batches, random numbers and
    decisions are those of one process, and weights too, up to rounding.

    Args:
        dataset: what to learn from; the same on all processes.
        task: gives the classes.
        config: options.
        processes: that train it together.
        start: a trained model whose weights the network starts from, where they fit; its answer may be read otherwise.

    Raises:
        UsageError: the device is not there, batches are too small for so many processes, or the start is another network.

    Attributes:
        network: being trained.
        average: its parameters averaged over the last steps (exponentially): what is validated and kept. The average
            answers better than the last step, which still follows the noise of its batches.
        shown: indices of the training records that make an epoch, some perhaps several times.
        geometries: their images; ``drawn`` says which of them this epoch shows.
        history: one row an epoch.
        epoch: epochs done.
        best: averaged parameters of the epoch with the lowest validation loss, or of the last.
        raw_calibration: how the network's outputs are read before anything is fitted to them.
    """

    def __init__(
        self,
        dataset: Dataset,
        task: Task,
        config: TrainConfig,
        processes: ProcessGroup = SINGLE,
        start: ModelBundle | None = None,
    ) -> None:
        self.dataset, self.task, self.config, self.processes = dataset, task, config, processes
        self.device = processes.device or pick_device(config.device)
        torch.manual_seed(config.seed)
        self.network = EquilibriumNetwork(config.model, len(task.classes)).to(self.device)
        self.scale = float(np.std(dataset.values[dataset.sides["train"]])) or 1.0
        if start is not None:
            start_from(self.network, start, config)
        self.raw_calibration = self._raw_calibration()
        self.network.set_units(self.scale, self._cuts())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.shown = shown(dataset, config)
        self.geometries = ShownGeometries.of(dataset)
        self.drawn = self.geometries.drawn(config.seed, 0)
        sizes = [len(batch) for batch in self._batches(self.shown)]
        self._require_work_for_all(max(sizes))
        decay = max(0.0, 1.0 - 1.0 / (config.averaging * len(sizes))) if config.averaging else 0.0
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay)).eval()
        layer = self.network.equilibrium
        self.solver_schedule = None if isinstance(layer, Stack) else SolverSchedule(layer, config)
        self.history: list[dict[str, float]] = []
        self.epoch = 0
        self.best_loss = math.inf
        self.best: dict[str, Tensor] = {}

    @property
    def done(self) -> bool:
        """Whether all epochs have run."""
        return self.epoch >= self.config.epochs

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights are kept, counted from 1."""
        if self.config.kept_epoch == "last":
            return self.epoch
        return 1 + int(np.argmin([row["validation_loss"] for row in self.history]))

    def run_epoch(self, progress: BatchProgress | None = None) -> dict[str, float]:
        """Trains for one epoch and validates; returns the new row of the history.

        Args:
            progress: called with the fraction of the epoch done.

        Raises:
            UsageError: the loss or the weights are no longer finite.
        """
        self._align()
        begin = time.perf_counter()
        row: dict[str, float] = {"epoch": self.epoch + 1, "learning_rate": self._rate(0.0)}
        try:
            row |= self._train(progress)
            row["train_seconds"] = time.perf_counter() - begin
            row |= self._waiting(row["train_seconds"])
            row |= self._validate()
            row |= self._watch_stability()
        except torch.linalg.LinAlgError as error:  # the cell takes the norm of its weights, which NaN has not
            raise self._diverged() from error
        row["seconds"] = time.perf_counter() - begin
        self.epoch += 1
        self.history.append(row)
        if row["validation_loss"] < self.best_loss or self.config.kept_epoch == "last":
            self.best_loss = row["validation_loss"]
            self.best = {name: value.detach().clone() for name, value in self.average.module.state_dict().items()}
        return row

    def _train(self, progress: BatchProgress | None) -> dict[str, float]:
        torch.manual_seed(self.config.seed * 100_003 + self.epoch)
        self.processes.comm_seconds = 0.0
        order = np.random.default_rng([self.config.seed, self.epoch]).permutation(self.shown)
        self.drawn = self.geometries.drawn(self.config.seed, self.epoch)
        self.network.train()
        seen, total, tally = 0, 0.0, _SolverTally()
        for indices in self._batches(order):
            self._set_rate(seen / len(order))
            if self.solver_schedule is not None:
                self.solver_schedule.at((self.epoch + seen / len(order)) / self.config.epochs)
            total += self._step(indices, tally) * len(indices)
            seen += len(indices)
            if progress:
                progress(seen / len(order))
        return {"train_loss": total / seen, **tally.means(self.processes)}

    def _step(self, indices: np.ndarray, tally: _SolverTally) -> float:
        """One step of the optimizer by the structures of a batch; the loss before it."""
        shard = self.processes.shard(indices, self.dataset.store.n_rows)
        with synchronized_dropout(self.network, shard):
            loss = self._loss(shard) * shard.weight  # times one, if this process has all
        self.optimizer.zero_grad()
        if math.isfinite(loss.detach()):  # an adjoint is not solved for from NaN; others are told by the sum
            loss.backward()
        value = self.processes.sum_gradients(list(self.network.parameters()), loss.detach())
        if not math.isfinite(value):
            raise self._diverged()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        tally.add(self.network, shard.weight)
        return value

    def _waiting(self, seconds: float) -> dict[str, float]:
        """Fraction of the training time in which processes waited for gradients of others, or sent them, on average; nothing
        of one alone.
        """
        if self.processes.is_single:
            return {}
        return {
            "waiting": float(self.processes.sum(np.array([self.processes.comm_seconds / seconds]))[0])
            / self.processes.size
        }

    def _raw_calibration(self) -> Calibration | DistributionCalibration:
        if self.config.model.answer == "classes":
            return Calibration(self.scale)
        values = self.dataset.values[self.dataset.sides["train"]]
        edges = edges_for(values, self.task.thresholds, self.task.lowest, self.config.model.bins)
        return DistributionCalibration.raw(edges, values, self.task)

    def _cuts(self) -> tuple[float, ...]:
        """What the network's scores lie between, in the task's unit."""
        raw = self.raw_calibration
        return raw.edges[:-1] if isinstance(raw, DistributionCalibration) else self.task.thresholds

    def _align(self) -> None:
        """Gives all ranks the weights and the optimizer's state of rank 0."""
        modules = [*self.network.state_dict().values(), *self.average.state_dict().values()]
        moments = [value for state in self.optimizer.state.values() for name, value in state.items() if name != "step"]
        self.processes.broadcast_from_rank0([tensor for tensor in (*modules, *moments) if tensor.is_floating_point()])

    def _require_work_for_all(self, largest: int) -> None:
        """Checks that a batch of so many structures gives every process something to do."""
        if largest < self.processes.size:
            raise UsageError(
                "too_many_processes",
                f"no batch holds more than {largest} structure{'s' * (largest > 1)}, too few for {self.processes.size} processes "
                f"(max_rows={self.config.max_rows}, max_images={self.config.max_images})",
                "raise max_rows and max_images, or start fewer processes",
            )

    def _batches(self, order: np.ndarray) -> Any:
        return row_batches(self.dataset.store.n_rows, order, self.config.max_rows, self.config.max_images)

    def _loss(self, shard: RankShard) -> Tensor:
        """Mean over the structures of a shard."""
        indices = shard.indices
        images = ImageBatch.from_store(self.geometries.store, self.drawn[indices]).to(self.device)
        batch = self._strained(images, shard)
        keys = indices if self.solver_schedule is not None and self.solver_schedule.remembers else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.solving.bfloat16):
            output = self.network(batch, keys)
        labels = torch.from_numpy(self.dataset.labels[indices]).to(self.device)
        values = torch.from_numpy(self.dataset.values[indices] / self.scale).to(self.device, torch.float32)
        raw = self.raw_calibration
        if isinstance(raw, DistributionCalibration):
            edges = torch.tensor(raw.edges, device=self.device, dtype=torch.float32) / self.scale
            of_classes, scores = class_scores(output.scores.float(), raw.class_positions()), output.scores.float()
            classes = functional.cross_entropy(of_classes, labels, label_smoothing=self.config.label_smoothing)
            return classes + self.config.estimate_weight * crps(scores, edges, values).mean()
        levels = torch.tensor(QUANTILES, device=self.device)
        error = values.unsqueeze(1) - output.quantiles
        pinball = torch.maximum(levels * error, (levels - 1.0) * error).sum(dim=1).mean()
        classes = functional.cross_entropy(output.scores, labels, label_smoothing=self.config.label_smoothing)
        return classes + self.config.estimate_weight * pinball

    def _strained(self, batch: ImageBatch, shard: RankShard) -> ImageBatch:
        """The shard's structures, each expanded or compressed a little: lattice parameters of PBE and of experiment, which
        users bring, differ by a percent or two.
        """
        if not self.config.strain:
            return batch
        noise = torch.randn(shard.batch_size, device=self.device)
        factor = 1.0 + self.config.strain * noise[shard.positions.to(self.device)]
        return replace(batch, distance=batch.distance * factor[batch.sample].unsqueeze(1))

    def _rate(self, fraction: float) -> float:
        """Learning rate: a linear warm-up, then half a cosine to 1 % of the highest."""
        done, config = (self.epoch + fraction) / self.config.epochs, self.config
        if done < config.warmup:
            return config.learning_rate * (0.05 + 0.95 * done / config.warmup)
        phase = (done - config.warmup) / (1.0 - config.warmup)
        return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(phase, 1.0))))

    def _set_rate(self, fraction: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(fraction)

    def _validate(self) -> dict[str, float]:
        indices = self.dataset.sides["validation"]
        labels = self.dataset.labels[indices]
        average = cast("EquilibriumNetwork", self.average.module)
        outputs = forward_distributed(average, self.dataset.store, indices, self.processes)
        if not (np.isfinite(outputs.scores).all() and np.isfinite(outputs.quantiles).all()):
            raise self._diverged()
        p = self.raw_calibration.probabilities(outputs.scores)
        metrics = classification_metrics(labels, p, self.task.classes)
        return {
            "validation_loss": self.validation_loss(outputs, indices, p),
            "validation_accuracy": metrics["accuracy"],
            "validation_balanced_accuracy": metrics["balanced_accuracy"],
        }

    def validation_loss(self, outputs: Outputs, indices: np.ndarray, p: np.ndarray) -> float:
        """What the epoch that is kept has least of: here the negative log likelihood of the class
        (:func:`~andersonn.training.metrics.log_loss`).

        Args:
            outputs: of the validation side.
            indices: its records.
            p: probabilities of the classes by these outputs, uncalibrated, ``[n, C]``.
        """
        return log_loss(self.dataset.labels[indices], p)

    def _watch_stability(self) -> dict[str, float]:
        """Spectral radius of the cell at the fixed points of some validation structures; nothing of an explicit stack,
        which has none.
        """
        if self.config.model.layers:
            return {}
        indices = self.dataset.sides["validation"][:RADIUS_SAMPLE]
        batch = ImageBatch.from_store(self.dataset.store, indices).to(self.device)
        network = cast("EquilibriumNetwork", self.average.module)
        cell = cast("Cell", network.equilibrium.cell)
        with torch.no_grad():
            x, offsets = cell.prepare(network.encoder(batch), batch), cell.offsets(batch)
            z = network.equilibrium(x, offsets=offsets)
        radius = spectral_radius(lambda z: cell(z, x), z, offsets, iterations=12)
        return {"radius_median": float(radius.median()), "radius_max": float(radius.max())}

    def _diverged(self) -> UsageError:
        return UsageError(
            "diverged",
            f"training diverged in epoch {self.epoch + 1}: the loss or the weights are no longer finite",
            f"lower learning_rate, which is {self.config.learning_rate:g}, and start anew",
        )

    def use_best(self) -> None:
        """Puts the parameters of the best epoch back, and the solver and gradient of the configuration."""
        self.network.load_state_dict(self.best)
        if self.solver_schedule is not None:
            self.solver_schedule.end()


class _SolverTally:
    """Means over the batches of an epoch of what the solver did; of an explicit stack, which solves nothing, its layers
    alone. ``…_evaluations`` are calls of the cell for a batch (of one that several processes share, those of the process that
    needed most), ``…_evaluations_per_structure`` the mean of what its structures needed.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.weights: list[float] = []

    def add(self, network: EquilibriumNetwork, weight: float) -> None:
        """Adds what the solver did in a step on a shard of this weight."""
        layer = network.equilibrium
        self.weights.append(weight)
        if isinstance(layer, Stack):
            self.rows.append({"forward_evaluations": layer.layers})
            return
        forward, adjoint = layer.last, layer.last_adjoint
        assert forward is not None  # a step solves
        self.rows.append(
            {
                "forward_evaluations": forward.evaluations,
                "forward_evaluations_per_structure": _each(forward),
                # A gradient of one step solves nothing.
                "adjoint_evaluations": 0 if adjoint is None else adjoint.evaluations,
                "adjoint_evaluations_per_structure": 0.0 if adjoint is None else _each(adjoint),
                "forward_unconverged": float((~forward.converged).double().mean()),
                "adjoint_unconverged": 0.0 if adjoint is None else float((~adjoint.converged).double().mean()),
            }
        )

    def means(self, processes: ProcessGroup) -> dict[str, float]:
        """Means over the batches, over all processes."""
        found = {}
        for name in self.rows[0]:
            values = np.array([row[name] for row in self.rows], dtype=float)
            of_structures = not name.endswith("evaluations")
            found[name] = float(
                np.mean(processes.sum(values * self.weights) if of_structures else processes.max(values))
            )
        return found


def _each(solve: FixedPoint) -> float:
    """Mean evaluations of a structure in a solve: until it had converged, the last check included."""
    return float(solve.steps.double().mean()) + 1.0
