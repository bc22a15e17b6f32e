"""The folder a model is trained into: whether it is free, half way or finished."""

from __future__ import annotations

from pathlib import Path

from andersonn.config import TrainConfig, differing
from andersonn.data.records import Records
from andersonn.data.splits import split_digest
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import CARD, ModelBundle
from andersonn.progress import Progress

CHECKPOINT = "checkpoint.safetensors"
SPLIT_KEY = "sha256_of_split"
"""Where a model's provenance keeps, under ``data``, the :func:`~andersonn.data.splits.split_digest` of its records."""

LABELS_KEY = "sha256_of_labels"
"""Beside it, the :meth:`~andersonn.data.records.Records.label_digest` of the task's quantity; older models have none."""


def is_finished(out: Path) -> bool:
    """Whether a folder holds a model that nothing is left to do for: the checkpoint goes last."""
    return (out / CARD).exists() and not (out / CHECKPOINT).exists()


def finished(out: Path, task: Task, records: Records, config: TrainConfig, progress: Progress) -> ModelBundle:
    """The finished model in a folder, if a run of this task, these records and options made it.

    Raises:
        UsageError: another run made it, or it is damaged.
    """
    bundle = ModelBundle.load(out)
    changed, made_of = differing(config, bundle.config), bundle.provenance["data"]
    if bundle.task.name != task.name:
        other = "task"
    elif changed:
        other = f"options {', '.join(changed)}"
    elif made_of.get(SPLIT_KEY) != split_digest(records, config.split):
        other = "data: structures or split"
    elif made_of.get(LABELS_KEY) not in (None, records.label_digest(task.quantity)):
        other = f"data: values of {task.quantity}"
    else:
        progress.say(f"{out} holds the finished model of this run: nothing is left to do")
        return bundle
    raise UsageError(
        "taken", f"{str(out)!r} holds a model made with other {other}", "choose another --out or delete it"
    )


def check_free(out: Path, resume: bool) -> None:
    """Checks that a folder holds no run, unless that is to be resumed.

    Raises:
        UsageError: it does.
    """
    if (out / CARD).exists() and not resume:
        raise UsageError("taken", f"{str(out)!r} already holds a model", "choose another --out or delete it")
    if (out / CHECKPOINT).exists() and not resume:
        raise UsageError(
            "unfinished", f"{str(out)!r} holds an unfinished run", "add --resume to go on, or choose another --out"
        )
