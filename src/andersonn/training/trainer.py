"""The training loop, one epoch at a time, so that runs can be interleaved, stopped and resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.implicit import spectral_radius
from andersonn.models import QUANTILES, EquilibriumNetwork, ImageBatch, Stack, row_batches
from andersonn.training.calibration import Calibration
from andersonn.training.config import TrainConfig
from andersonn.training.dataset import Dataset
from andersonn.training.inference import Outputs, ask
from andersonn.training.metrics import classification_metrics
from andersonn.training.steering import Steering

BatchProgress = Callable[[float], None]
RADIUS_SAMPLE = 32
"""Structures on which the spectral radius is estimated each epoch."""


def pick_device(name: str) -> torch.device:
    """The device of a configuration; ``"auto"`` takes a GPU if there is one.

    Raises:
        UsageError: a GPU is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            "no_device", "device=cuda, but PyTorch finds no CUDA GPU here", "use device=cpu or device=auto"
        )
    return torch.device(name)


class Trainer:
    """Trains one network.

    Randomness comes from the seed and the epoch's number alone, so a resumed run repeats the undisturbed one (with
    ``solving.warm_starts`` to within the tolerance: solutions are not in a checkpoint, so the first epoch begins cold).

    Attributes:
        network: being trained.
        average: its parameters averaged over the last steps (exponentially): what is validated and kept. The average
            answers better than the last step, which still follows the noise of its batches.
        shown: indices of the training records that make an epoch, some perhaps several times.
        history: one row an epoch.
        epoch: epochs done.
        best: averaged parameters of the epoch with the lowest validation loss.
    """

    def __init__(self, dataset: Dataset, task: Task, config: TrainConfig) -> None:
        self.dataset, self.task, self.config = dataset, task, config
        self.device = pick_device(config.device)
        torch.manual_seed(config.seed)
        self.network = EquilibriumNetwork(config.model, len(task.classes)).to(self.device)
        self.scale = float(np.std(dataset.values[dataset.sides["train"]])) or 1.0
        self.network.set_units(self.scale, task.thresholds)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.shown = dataset.shown(config.balance)
        steps = sum(1 for _ in self._batches(self.shown))
        decay = max(0.0, 1.0 - 1.0 / (config.averaging * steps)) if config.averaging else 0.0
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay)).eval()
        self.steering = None if config.model.layers else Steering(self.network.equilibrium, config)
        self.history: list[dict[str, float]] = []
        self.epoch = 0
        self.best_loss = math.inf
        self.best: dict[str, Tensor] = {}

    @property
    def done(self) -> bool:
        """Whether all epochs have run."""
        return self.epoch >= self.config.epochs

    def run_epoch(self, progress: BatchProgress | None = None) -> dict[str, float]:
        """Trains for one epoch and validates; returns the new row of the history.

        Args:
            progress: called with the fraction of the epoch done.

        Raises:
            UsageError: the loss or the weights are no longer finite.
        """
        begin = time.perf_counter()
        row: dict[str, float] = {"epoch": self.epoch + 1, "learning_rate": self._rate(0.0)}
        try:
            row |= self._train(progress)
            row["train_seconds"] = time.perf_counter() - begin
            row |= self._validate()
            row |= self._watch_stability()
        except torch.linalg.LinAlgError as error:  # the cell takes the norm of its weights, which NaN has not
            raise self._diverged() from error
        row["seconds"] = time.perf_counter() - begin
        self.epoch += 1
        self.history.append(row)
        if row["validation_loss"] < self.best_loss:
            self.best_loss = row["validation_loss"]
            self.best = {name: value.detach().clone() for name, value in self.average.module.state_dict().items()}
        return row

    def _train(self, progress: BatchProgress | None) -> dict[str, float]:
        torch.manual_seed(self.config.seed * 100_003 + self.epoch)
        order = np.random.default_rng([self.config.seed, self.epoch]).permutation(self.shown)
        self.network.train()
        seen, total, tally = 0, 0.0, _SolverTally()
        for indices in self._batches(order):
            self._set_rate(seen / len(order))
            if self.steering is not None:
                self.steering.at((self.epoch + seen / len(order)) / self.config.epochs)
            loss = self._loss(indices)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise self._diverged()
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimizer.step()
            self.average.update_parameters(self.network)
            total += value * len(indices)
            tally.add(self.network)
            seen += len(indices)
            if progress:
                progress(seen / len(order))
        return {"train_loss": total / seen, **tally.means()}

    def _batches(self, order: np.ndarray) -> Any:
        return row_batches(self.dataset.store.n_rows, order, self.config.max_rows, self.config.max_images)

    def _loss(self, indices: np.ndarray) -> Tensor:
        batch = self._strained(ImageBatch.from_store(self.dataset.store, indices).to(self.device))
        keys = indices if self.steering is not None and self.steering.remembers else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.solving.bfloat16):
            output = self.network(batch, keys)
        labels = torch.from_numpy(self.dataset.labels[indices]).to(self.device)
        values = torch.from_numpy(self.dataset.values[indices] / self.scale).to(self.device, torch.float32)
        levels = torch.tensor(QUANTILES, device=self.device)
        error = values.unsqueeze(1) - output.quantiles
        pinball = torch.maximum(levels * error, (levels - 1.0) * error).sum(dim=1).mean()
        classes = functional.cross_entropy(output.scores, labels, label_smoothing=self.config.label_smoothing)
        return classes + self.config.estimate_weight * pinball

    def _strained(self, batch: ImageBatch) -> ImageBatch:
        """The batch with each structure swollen or shrunk a little: lattice parameters of PBE and of experiment, of which
        users ask, differ by a percent or two.
        """
        if not self.config.strain:
            return batch
        factor = 1.0 + self.config.strain * torch.randn(len(batch), device=self.device)
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
        outputs = ask(self.average.module, self.dataset.store, indices)
        if not (np.isfinite(outputs.scores).all() and np.isfinite(outputs.quantiles).all()):
            raise self._diverged()
        p = Calibration().probabilities(outputs.scores)
        metrics = classification_metrics(labels, p, self.task.classes)
        return {
            "validation_loss": self.validation_loss(outputs, indices, p),
            "validation_accuracy": metrics["accuracy"],
            "validation_balanced_accuracy": metrics["balanced_accuracy"],
        }

    def validation_loss(self, outputs: Outputs, indices: np.ndarray, p: np.ndarray) -> float:
        """What the epoch that is kept has least of: here the negative log likelihood of the class.

        Args:
            outputs: of the validation side.
            indices: its records.
            p: probabilities of the classes by these outputs, uncalibrated, ``[n, C]``.
        """
        labels = self.dataset.labels[indices]
        return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12)).mean())

    def _watch_stability(self) -> dict[str, float]:
        """Spectral radius of the cell at the fixed points of some validation structures; nothing of an explicit stack,
        which has none.
        """
        if self.config.model.layers:
            return {}
        indices = self.dataset.sides["validation"][:RADIUS_SAMPLE]
        batch = ImageBatch.from_store(self.dataset.store, indices).to(self.device)
        network = self.average.module
        cell = network.equilibrium.cell
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
        if self.steering is not None:
            self.steering.end()


class _SolverTally:
    """Means over the batches of an epoch of what the solver did; of an explicit stack, which solves nothing, its layers
    alone.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def add(self, network: EquilibriumNetwork) -> None:
        layer = network.equilibrium
        if isinstance(layer, Stack):
            self.rows.append({"forward_evaluations": layer.layers})
            return
        forward, adjoint = layer.last, layer.last_adjoint
        solved = adjoint is not None  # a gradient of one step solves nothing
        self.rows.append(
            {
                "forward_evaluations": forward.evaluations,
                "adjoint_evaluations": adjoint.evaluations if solved else 0,
                "forward_unconverged": float((~forward.converged).double().mean()),
                "adjoint_unconverged": float((~adjoint.converged).double().mean()) if solved else 0.0,
            }
        )

    def means(self) -> dict[str, float]:
        return {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[0]}
