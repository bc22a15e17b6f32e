"""What classifier and regressor share: training on samples in memory, and asking."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from andersonn.config import TrainConfig
from andersonn.data.records import Records
from andersonn.data.tasks import Task
from andersonn.estimators.files import read_estimator, write_estimator
from andersonn.estimators.options import PATHS, config_from, shipped_start, task_given
from andersonn.estimators.samples import Samples, samples_of
from andersonn.estimators.targets import OWN, Sides, Targets, divided
from andersonn.inference.forward import Outputs, forward_conformers
from andersonn.inference.model_bundle import ModelBundle
from andersonn.scientist import Scientist
from andersonn.training.calibrate_and_test import fitted_to
from andersonn.training.dataset import Dataset
from andersonn.training.provenance import about
from andersonn.training.trainer import Trainer


class EquilibriumEstimator(BaseEstimator):
    """Base of the estimators; its parameters and attributes are described there."""

    _trainer = Trainer
    _own_defaults: tuple[str, ...] = ()

    def save(self, folder: str | PathLike[str]) -> None:
        """Writes the fitted estimator to a folder: weights as safetensors, the rest as JSON, no pickle. If it has a
        task and learned of numbers, :meth:`andersonn.Scientist.load` reads the folder too.

        Raises:
            NotFittedError: it was not fitted.
            UsageError: the folder cannot be written to.
        """
        check_is_fitted(self)
        write_estimator(Path(folder), type(self).__name__, self, self._found())

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Self:
        """The estimator that :meth:`save` wrote to a folder.

        Raises:
            UsageError: a file is missing or damaged, or the estimator is of another kind.
        """
        parameters, found, bundle = read_estimator(Path(folder), cls.__name__)
        estimator = cls(**parameters)
        estimator._restore(found)
        estimator.artifact_ = bundle
        return estimator

    def scientist(self) -> Scientist:
        """The fitted network as a scientist, for predictions with warnings, and for explanations.

        Raises:
            NotFittedError: it was not fitted.
            UsageError: it has no task or learned of labels alone, so that there is no quantity to estimate.
        """
        check_is_fitted(self)
        return Scientist(self.artifact_, type(self).__name__)

    def _found(self) -> dict[str, Any]:
        """What fitting found besides the model, as JSON."""
        return {"seed": self.seed_, "split_by": self.split_by_}

    def _restore(self, found: dict[str, Any]) -> None:
        self.seed_, self.split_by_ = found["seed"], found["split_by"]

    def _task(self) -> Task | None:
        return task_given(self.task)

    def _config(self) -> TrainConfig:
        given = {name: getattr(self, name) for name in PATHS}
        return config_from(self._task(), given, self.options, self._own_defaults, self._start())

    def _start(self) -> ModelBundle | None:
        return shipped_start(self.from_shipped, self._task())

    def _samples(self, X: Any, config: TrainConfig) -> Samples:
        return samples_of(X, config.image, self._task(), config.conformers, self.n_jobs)

    def _learn(self, samples: Samples, targets: Targets, groups: Sequence[Any] | None, config: TrainConfig) -> None:
        """Trains, keeps the best epoch, calibrates; sets the attributes."""
        self.seed_ = _seed(self.random_state)
        config = config.model_copy(update={"seed": self.seed_})
        if not targets.measured:
            config = config.model_copy(update={"estimate_weight": 0.0})
        sides = divided(targets.labels, groups, samples.formulas, self.validation_fraction, self.seed_)
        cuda = torch.cuda.is_available() and config.device != "cpu"
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else []):
            trainer = self._trainer(_dataset(samples, targets, sides), targets.task, config, start=self._start())
            while not trainer.done:
                row = trainer.run_epoch()
                if self.verbose:
                    print(" ".join(f"{name}={value:.4g}" for name, value in row.items()))
        trainer.use_best()
        self.artifact_ = _bundle(trainer, samples, targets, sides)
        self.history_ = trainer.history
        self.split_by_ = sides.by

    def _ask(self, X: Any) -> tuple[Outputs, np.ndarray]:
        """Raw outputs of the samples of X, and whose geometry was made."""
        check_is_fitted(self)
        samples = self._samples(X, self.artifact_.config)
        outputs = forward_conformers(self.artifact_.network, samples.store, np.arange(len(samples)), samples.further)
        return outputs, samples.made

    def __getstate__(self) -> dict[str, Any]:
        """The network as plain tensors: modules with bounded weights do not pickle themselves."""
        state = dict(super().__getstate__())
        if "artifact_" in state:
            state["artifact_"] = (self.artifact_.card(), self.artifact_.weights())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        parts = state.get("artifact_")
        super().__setstate__(state if parts is None else state | {"artifact_": ModelBundle.of(*parts)})

    def __sklearn_tags__(self) -> Any:
        """Samples are structures, not rows of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is a network."""
        return hasattr(self, "artifact_")


def _seed(random_state: Any) -> int:
    """A number for the trainer: the one given, or one drawn."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _dataset(samples: Samples, targets: Targets, sides: Sides) -> Dataset:
    n, numbers = len(samples), (("atomic_numbers", pa.uint8()), ("positions", pa.float64()), ("cell", pa.float64()))
    names = pa.array([str(i) for i in range(n)])
    nulls = {name: pa.nulls(n, pa.list_(kind)) for name, kind in numbers}
    records = Records(pa.table({"id": names, "group": names, **nulls}), "samples in memory")
    parts = {"train": sides.train, "validation": sides.validation, "test": np.zeros(0, dtype=np.int64)}
    return Dataset(records, samples.store, targets.values, targets.labels, parts, {})


def _bundle(trainer: Trainer, samples: Samples, targets: Targets, sides: Sides) -> ModelBundle:
    network, side, task = trainer.network.eval(), sides.validation, targets.task
    outputs = forward_conformers(network, samples.store, side, samples.further)
    made = samples.made[side]
    known = targets.values if targets.measured else np.zeros(0)
    calibration = fitted_to(trainer.raw_calibration, outputs, targets.values[side], task, made, known)
    counts = {"train": len(sides.train), "validation": len(side), "test": 0}
    data = {"file": "samples in memory", "records": len(samples), **counts, "split_by": sides.by}
    named = targets.measured and task.name != OWN
    provenance = {"data": data, "has_quantity": named, **about(trainer)}
    return ModelBundle(network, task, trainer.config, calibration, provenance)
