"""The classifier."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from andersonn.data.tasks import Task
from andersonn.estimators.base import EquilibriumEstimator
from andersonn.estimators.files import array_as_json, array_from_json
from andersonn.estimators.options import Options
from andersonn.estimators.samples import DataError
from andersonn.estimators.targets import class_indices, class_targets, one_column


class EquilibriumClassifier(ClassifierMixin, EquilibriumEstimator):
    """Classes of structures by an equilibrium network, as a scikit-learn classifier.

    A sample is one structure: a file, SMILES, a :class:`~andersonn.Structure`, an object of ASE, pymatgen or RDKit, or an
    image that :class:`GraphImager` made. What a parameter leaves at None is the task's own default.

    Args:
        task: name of a registered scientist, such as ``"conduction"``, an :class:`andersonn.Task` of your own, or None: the
            classes are the labels that y holds. With a task, y may also hold its quantity as numbers, which are cut at the
            thresholds; the network then learns to estimate it too.
        thresholds: cuts between the task's classes; None: its own.
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
        classes_: in sorted order, as columns of :meth:`predict_proba`.
        artifact_: the network with its calibration, a :class:`~andersonn.inference.model_bundle.ModelBundle`.
        history_: one row an epoch.
        seed_: the number that ``random_state`` gave.
        split_by_: what was kept together when validation samples were drawn: ``"group"``, ``"formula"`` or ``"sample"``.

    Examples:
        >>> import andersonn as an
        >>> classifier = an.EquilibriumClassifier("conduction", epochs=2)
        >>> classifier.cut([0.0, 1.1, 5.0]).tolist()
        ['metal', 'semiconductor', 'insulator']
    """

    def __init__(
        self,
        task: str | Task | None = None,
        *,
        thresholds: Sequence[float] | None = None,
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
        self.thresholds = thresholds
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

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> EquilibriumClassifier:
        """Trains a new network.

        Args:
            X: n samples.
            y: class names, labels or numbers ``[n]``, see ``task``.
            groups: samples of one group stay on one side of the inner validation; by default those of one formula.

        Raises:
            ValueError, UsageError: a parameter is unknown or impossible, or X and y do not fit together or the task.
            InputError: a sample cannot be read; the message says which.
        """
        config = self._config()
        samples = self._samples(X, config)
        self.classes_, targets = class_targets(one_column(y, len(samples)), self._task())
        self._learn(samples, targets, groups, config)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Calibrated probabilities ``[n, C]``, columns as ``classes_``."""
        outputs, made = self._ask(X)
        return self.artifact_.calibration.probabilities(outputs.scores, made)[:, self._columns()]

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample ``[n]``."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy; y as for :meth:`fit`."""
        answers = self.predict(X)
        truth = one_column(y, len(answers))
        return accuracy_score(truth if self.task is None else self.cut(truth), answers, sample_weight=sample_weight)

    def cut(self, y: Any) -> np.ndarray:
        """Names of the task's classes of numbers, cut at its thresholds, ``[n]``; names stay. What scikit-learn's own scorers
        and splitters by class need, which know no thresholds.

        Raises:
            UsageError: there is no task, or no such class.
        """
        task = self._task()
        if task is None:
            raise DataError("no_task", "without a task there are no thresholds to cut at", "give task=...")
        return np.array(task.classes)[class_indices(np.asarray(y), task)]

    def _task(self) -> Task | None:
        task = super()._task()
        return task if task is None or self.thresholds is None else task.with_thresholds(tuple(self.thresholds))

    def _columns(self) -> list[int]:
        """The network's output of each of ``classes_``."""
        names = self.artifact_.task.classes
        return [names.index(str(c)) for c in self.classes_]

    def _found(self) -> dict[str, Any]:
        return super()._found() | {"classes": array_as_json(self.classes_)}

    def _restore(self, found: dict[str, Any]) -> None:
        super()._restore(found)
        self.classes_ = array_from_json(found["classes"])
