"""The public class: a model that answers, with doors to training and export."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andersonn.config import TrainConfig, config_of
from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.predictor import Predictor
from andersonn.io.files import path_of
from andersonn.progress import Progress, Silent
from andersonn.scientists.base import ScientistSpec
from andersonn.scientists.registry import find

if TYPE_CHECKING:
    from andersonn.constructing.material import Start


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
        if not isinstance(records, (Records, Sequence)):
            told = f"records are a table or files, not {type(records).__name__}"
            raise UsageError("no_records", told, "give Records, or the path of a Parquet, CSV, TSV or Excel file")
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

        export(self.bundle, self.folder, path_of(folder, "a model is written to a folder"), licence)


BUDGET = 600.0
"""Seconds that a construction may take by default, as of the command."""


def construct(
    table: Any,
    target: str,
    out: str | os.PathLike[str] | None = None,
    *,
    budget: float = BUDGET,
    seed: int = 0,
    resume: bool = False,
    start: str | os.PathLike[str] | Scientist | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Scientist:
    """Makes a scientist of your own from a table. It looks at the table, tries last layers on shipped networks, trains one further
    and compares with simple baselines. It chooses by structures that they have not seen, calibrates, and tests once.

    Args:
        table: path of a CSV, TSV, Excel, Parquet, SDF or extended xyz file, or of a folder with ``id_prop.csv``; or a DataFrame or
            a list of dicts.
        target: column of what is to be predicted.
        out: folder for the model, with ``report.html``; None: nothing is kept on disk.
        budget: seconds that trying may take, about; with 0 no network is trained further.
        seed: of split and draws.
        resume: go on with an unfinished construction in ``out``.
        start: a scientist to start from, or its folder; None: all shipped ones of that kind of structure.
        progress: listener.
        **how: ``name``, ``unit``, ``thresholds``, ``classes``, ``structures``, ``split`` and ``mixtures``, see
            :func:`andersonn.constructing.understanding.understand`.

    Returns:
        The scientist. ``scientist.bundle.provenance["metrics"]["test"]`` holds its test.

    Raises:
        UsageError: the table or its target cannot be used, or ``out`` is taken or cannot be written to.

    Examples:
        >>> import andersonn as an
        >>> alkanes = [{"SMILES": "C" * n, "boiling point (K)": 250 + 30 * n - 0.5 * n * n} for n in range(3, 27)]
        >>> scientist = an.construct(alkanes, "boiling point", split="random", budget=0)
        >>> (answer,) = scientist.predict(["CCCCCCCCCC"])
        >>> 450 < answer.value < 550
        True
    """
    from andersonn.constructing.run import construct as construct_in  # imported here: a prediction does without these
    from andersonn.constructing.understanding import understand

    if not isinstance(target, str):
        told = f"the target is the name of a column, not {type(target).__name__}"
        raise UsageError("no_target", told, "give the column of what is to be predicted")
    understood = understand(table, target, seed=seed, progress=progress, **how)
    with tempfile.TemporaryDirectory(prefix="andersonn-") as scratch:
        folder = Path(scratch) / "model" if out is None else Path(out)
        given = None if start is None else _start(start, Path(scratch))
        construct_in(understood, folder, budget_s=budget, seed=seed, resume=resume, progress=progress, start=given)
        made = Scientist.load(folder)
        return made if out is not None else Scientist(made.bundle, understood.name)


def _start(start: str | os.PathLike[str] | Scientist, scratch: Path) -> Start:
    """Where the files of a start lie; those of a scientist in memory are written to ``scratch``."""
    from andersonn.constructing.material import Start

    found = start if isinstance(start, Scientist) else Scientist.load(start)
    if found.folder is not None:
        return Start(found.task.name, found.folder)
    found.bundle.save(scratch / "start")
    return Start(found.task.name, scratch / "start")
