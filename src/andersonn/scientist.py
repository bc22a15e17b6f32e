"""The public class: a model that answers, with doors to training and export."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from andersonn.config import TrainConfig, config_of
from andersonn.data.records import Records
from andersonn.inference.predictor import Predictor
from andersonn.progress import Progress, Silent
from andersonn.scientists.base import ScientistSpec
from andersonn.scientists.registry import find


class Scientist(Predictor):
    """An artificial scientist: a trained model that answers questions about structures in its task's own terms.

    Examples:
        >>> import andersonn as an
        >>> scientist = an.Scientist.load("polarity")  # the shipped weights; no network is used
        >>> (answer,) = scientist.predict(["CC#N"])
        >>> answer.label, answer.formula
        ('strongly_polar', 'C2H3N')
    """

    @classmethod
    def train(
        cls,
        task_name: str | ScientistSpec,
        records: Records | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        config: TrainConfig | None = None,
        out: str | os.PathLike[str] = "model",
        resume: bool = False,
        progress: Progress | None = None,
        start: Predictor | None = None,
    ) -> Scientist:
        """Trains a new scientist and saves it in ``out``; see :func:`andersonn.training.run.train`.

        Args:
            task_name: such as ``"conduction"``, the path of a Python file that declares a scientist, or a declaration.
            records: a table of labelled structures, or the file or files that hold it (Parquet, CSV, TSV, Excel), see
                :func:`andersonn.data.tables.read_table`.
            config: options; the task's own defaults if None.
            out: folder for the model.
            resume: go on with an unfinished run in ``out``.
            progress: listener.
            start: a scientist whose weights the new one starts from (fine-tuning).
        """
        from andersonn.data.merging import read_records  # imported here: a prediction does without these
        from andersonn.training.run import train

        spec = find(task_name)
        if isinstance(records, (str, os.PathLike)):
            records = [records]
        if not isinstance(records, Records):
            records = read_records(records, (spec.task.quantity,), say=(progress or Silent()).say)
        out = Path(out)
        first = None if start is None else start.bundle
        bundle = train(spec.task, records, config or config_of(spec), out, resume, progress, first)
        return cls(bundle, str(out), out)

    def fine_tune(
        self,
        table: Any,
        target: str | None = None,
        out: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Scientist:
        """A new scientist that starts from this one and learns from a table; this one stays as it is.

        Args:
            table: as for :func:`andersonn.construct`.
            target: column; default: this scientist's own quantity, with its classes and thresholds.
            out: folder for the model; None: nothing is kept on disk.
            **options: as for :func:`andersonn.construct`.

        Raises:
            UsageError: as of :func:`andersonn.construct`.
        """
        from andersonn.constructing.public import construct  # imported here: a prediction does without it

        if target is None:
            task = self.bundle.task
            target, own = task.quantity, {"unit": task.unit, "name": f"own_{task.name}"}
            cuts = {} if task.answer != "class" else {"thresholds": task.thresholds, "classes": task.classes}
            options = own | cuts | options
        return construct(table, target, out, start=self, **options)

    def export(self, folder: str | os.PathLike[str], licence: str = "mit") -> None:
        """Writes a folder that a model hub takes as it is and :meth:`load` reads: weights as safetensors, ``model.json``, a
        README with metadata, results and a snippet, and the licence; see :func:`andersonn.training.export.export`.

        Raises:
            UsageError: the folder holds a model already, or cannot be written to.
        """
        from andersonn.training.export import export

        export(self.bundle, self.folder, Path(folder), licence)
