"""The regressor."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal

import numpy as np
from sklearn.base import RegressorMixin

from andersonn.data.tasks import Task
from andersonn.estimators.base import EquilibriumEstimator
from andersonn.estimators.options import Options
from andersonn.estimators.targets import number_targets, one_column
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.forward import Outputs
from andersonn.models import QUANTILES
from andersonn.training.trainer import Trainer


class NumberTrainer(Trainer):
    """Keeps the epoch whose quantiles fit best, not the one whose classes do."""

    def validation_loss(self, outputs: Outputs, indices: np.ndarray, p: np.ndarray) -> float:
        """Mean pinball loss of the three quantiles, in units of the training values' standard deviation."""
        levels, quantiles = np.array(QUANTILES), outputs.quantiles
        if isinstance(self.raw_calibration, DistributionCalibration):
            found = self.raw_calibration.distributions(outputs.scores)
            quantiles = np.stack([found.quantile(level) for level in QUANTILES], axis=1) / self.scale
        error = self.dataset.values[indices, None] / self.scale - quantiles
        return float(np.maximum(levels * error, (levels - 1.0) * error).sum(axis=1).mean())


class EquilibriumRegressor(RegressorMixin, EquilibriumEstimator):
    """Numbers of structures by an equilibrium network, with intervals, as a scikit-learn regressor.

    Samples and parameters as for :class:`EquilibriumClassifier`.

    Args:
        task: y is that task's quantity in its unit, which bounds it, and the network is built as that task's; None: any
            number.
        epochs: passes over the training samples.
        learning_rate: highest rate, after the warm-up.
        weight_decay: of AdamW.
        width: D, numbers in the state of an atom (message cell) or of a pixel (convolution cell).
        dropout: in the head, while training.
        cell: ``"message"`` or ``"convolution"``: how the network reads the image.
        columns: K, neighbors an atom shows at most.
        options: any other option that ``andersonn train --options`` lists: words such as ``"model.solver.window=3"``, or a
            dict such as ``{"max_rows": 900}``.
        validation_fraction: of the samples, kept apart to choose the epoch and to calibrate.
        device: ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``.
        n_jobs: processes that make images, as scikit-learn counts them.
        random_state: a number gives the same network each time; None or a generator draws one.
        verbose: print a line an epoch.
        from_shipped: start from the weights and options of a shipped scientist, such as ``"conduction"``, or ``"polarity/none"``
            for molecules by their bonds; or from a folder that ``train`` wrote.

    Attributes:
        offset_: taken from y before learning and added to answers.
        artifact_: the network with its calibration, a :class:`~andersonn.inference.model_bundle.ModelBundle`.
        history_: one row an epoch.
        seed_: the number that ``random_state`` gave.
        split_by_: what was kept together when validation samples were drawn: ``"group"``, ``"formula"`` or ``"sample"``.

    Examples:
        >>> import andersonn as an
        >>> an.EquilibriumRegressor("conduction", epochs=2).get_params()["epochs"]
        2
    """

    _trainer = NumberTrainer
    _own_defaults = ("estimate_weight=2",)

    def __init__(
        self,
        task: str | Task | None = None,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        width: int | None = None,
        dropout: float | None = None,
        cell: Literal["message", "convolution"] | None = None,
        columns: int | None = None,
        options: Options = (),
        validation_fraction: float = 0.15,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        n_jobs: int | None = None,
        random_state: Any = 0,
        verbose: bool = False,
        from_shipped: str | PathLike[str] | None = None,
    ) -> None:
        self.task = task
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.width = width
        self.dropout = dropout
        self.cell = cell
        self.columns = columns
        self.options = options
        self.validation_fraction = validation_fraction
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.from_shipped = from_shipped

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> EquilibriumRegressor:
        """Trains a new network.

        Args:
            X: n samples.
            y: numbers ``[n]``.
            groups: samples of one group stay on one side of the inner validation; by default those of one formula.

        Raises:
            ValueError, UsageError: a parameter is unknown or impossible, or X and y do not fit together or the task.
            InputError: a sample cannot be read; the message says which.
        """
        config = self._config()
        samples = self._samples(X, config)
        targets = number_targets(one_column(y, len(samples)), self._task())
        self.offset_ = float(np.median(targets.values)) if self.task is None else 0.0
        if self.offset_:
            targets = number_targets(targets.values - self.offset_, None)
        self._learn(samples, targets, groups, config)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The estimated median of each sample ``[n]``."""
        return self._estimates(X)[0]

    def predict_interval(self, X: Any) -> np.ndarray:
        """Ends of the 90 % interval of each sample ``[n, 2]``, made to cover on the validation samples."""
        return self._estimates(X)[1]

    def _estimates(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        outputs, made = self._ask(X)
        values, intervals = self.artifact_.calibration.estimates(outputs.scores, outputs.quantiles, made)
        return values + self.offset_, intervals + self.offset_

    def _found(self) -> dict[str, Any]:
        return super()._found() | {"offset": self.offset_}

    def _restore(self, found: dict[str, Any]) -> None:
        super()._restore(found)
        self.offset_ = float(found["offset"])
