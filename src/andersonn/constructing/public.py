"""``andersonn.construct``: the command as a function."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from andersonn.constructing.material import Start
from andersonn.constructing.run import construct as construct_in
from andersonn.constructing.understanding import understand
from andersonn.progress import Progress
from andersonn.scientist import Scientist

BUDGET = 600.0
"""Seconds, as of the command."""


def construct(
    table: Any,
    target: str,
    out: str | os.PathLike[str] | None = None,
    *,
    name: str | None = None,
    unit: str | None = None,
    thresholds: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    structures: Any = None,
    split: str = "auto",
    budget: float = BUDGET,
    seed: int = 0,
    resume: bool = False,
    start: str | os.PathLike[str] | Scientist | None = None,
    progress: Progress | None = None,
) -> Scientist:
    """Makes a scientist of your own from a table: looks at it, tries last layers on shipped networks, trains one further, compares
    with simple baselines, chooses by structures that they have not seen, calibrates and tests once.

    Args:
        table: path of a CSV, TSV, Excel, Parquet, SDF or extended xyz file, or of a folder with ``id_prop.csv``; or a DataFrame or
            a list of dicts.
        target: column of what is to be predicted.
        out: folder for the model, with ``report.html``; None: nothing is kept on disk.
        name: of the scientist; default: made of ``target``.
        unit: of the numbers; default: as the table says.
        thresholds: that cut numbers into classes, rising.
        classes: names of the classes, in rising order.
        structures: column of SMILES, files or objects, or folder of files; default: found by its name.
        split: ``"random"``, ``"scaffold"``, ``"group"``, a column, or ``"auto"``, see
            :func:`andersonn.constructing.understanding.understand`.
        budget: seconds that trying may take, about; with 0 no network is trained further.
        seed: of split and draws.
        resume: go on with an unfinished construction in ``out``.
        start: a scientist to start from, or its folder; None: all shipped ones of that kind of structure.
        progress: listener.

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
    understood = understand(
        table, target, name=name, unit=unit, thresholds=thresholds, classes=classes, structures=structures,
        split=split, seed=seed, progress=progress,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="andersonn-") as scratch:
        folder = Path(scratch) / "model" if out is None else Path(out)
        given = None if start is None else _start(start, Path(scratch))
        construct_in(understood, folder, budget_s=budget, seed=seed, resume=resume, progress=progress, start=given)
        made = Scientist.load(folder)
        return made if out is not None else Scientist(made.bundle, understood.name)


def _start(start: str | os.PathLike[str] | Scientist, scratch: Path) -> Start:
    """Where the files of a start lie; those of a scientist in memory are written to ``scratch``."""
    found = start if isinstance(start, Scientist) else Scientist.load(start)
    if found.folder is not None:
        return Start(found.task.name, found.folder)
    found.bundle.save(scratch / "start")
    return Start(found.task.name, scratch / "start")
