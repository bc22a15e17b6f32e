"""Files of a trained model and of an unfinished run. No pickle: tensors as safetensors, the rest as JSON."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from andersonn.config import TrainConfig, differing
from andersonn.errors import UsageError
from andersonn.io.files import from_json, require_format, write_whole
from andersonn.sanitize import first_line
from andersonn.scientists.registry import registered
from andersonn.training.trainer import Trainer
from andersonn.version import __version__

CHECKPOINT_FORMAT = 2


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Writes one row an epoch as CSV."""

    def write(name: str) -> None:
        with open(name, "w", newline="", encoding="utf-8") as stream:
            columns = dict.fromkeys(name for row in history for name in row)  # with more processes there are more
            writer = csv.DictWriter(stream, fieldnames=list(columns))
            writer.writeheader()
            writer.writerows(history)

    write_whole(path, write)


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Everything a run needs to go on after its last whole epoch, in one file."""
    tensors = {f"network/{name}": value.contiguous() for name, value in trainer.network.state_dict().items()}
    tensors |= {f"average/{name}": value.contiguous() for name, value in trainer.average.state_dict().items()}
    tensors |= {f"best/{name}": value.contiguous() for name, value in trainer.best.items()}
    for index, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items()}
    notes = {
        "format": CHECKPOINT_FORMAT,
        "andersonn": __version__,
        "epoch": trainer.epoch,
        "history": trainer.history,
        "best_loss": trainer.best_loss if math.isfinite(trainer.best_loss) else None,
        "config": trainer.config.model_dump(mode="json"),
        "task": trainer.task.name,
        "thresholds": list(trainer.task.thresholds),
        "data": trainer.dataset.digest,
    }
    write_whole(path, lambda name: save_file(tensors, name, metadata={"notes": json.dumps(notes)}))


def load_checkpoint(path: Path, trainer: Trainer) -> None:
    """Puts a trainer where the checkpoint left off.

    Raises:
        UsageError: there is no checkpoint, it is unreadable, of another version whose files this one does not read, or
            belongs to another configuration or data.
    """
    try:
        with safe_open(path, "pt", device=str(trainer.device)) as file:
            notes = _notes(file.metadata()["notes"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise UsageError("no_checkpoint", f"there is no checkpoint {str(path)!r}", "train without --resume") from None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise UsageError("bad_checkpoint", f"cannot read {str(path)!r}: {error}", "delete it to start anew") from None
    require_format(notes.get("format"), CHECKPOINT_FORMAT, f"the checkpoint {str(path)!r}")
    other = _what_differs(notes, trainer)
    if other:
        raise UsageError(
            "other_run",
            f"the checkpoint was made with other {other}",
            "resume with what it was started with, or start anew",
        )
    try:
        _restore(trainer, notes, tensors)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        reason = first_line(error)
        raise UsageError("bad_checkpoint", f"{str(path)!r} is damaged: {reason}", "train without --resume") from None


def _notes(text: str) -> dict[str, Any]:
    """The notes of a checkpoint, which hold what this version wrote if they are of its format.

    Raises:
        ValueError: they are no notes.
    """
    notes = from_json(text)
    if not isinstance(notes, dict):
        raise ValueError("its notes are no names with values")
    lacking = {"epoch", "history", "best_loss", "config", "task", "data"} - notes.keys()
    if notes.get("format") == CHECKPOINT_FORMAT and lacking:
        raise ValueError(f"its notes lack {', '.join(sorted(lacking))}")
    return notes


def _restore(trainer: Trainer, notes: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    part = {key: _with_prefix(tensors, key) for key in ("network/", "average/", "best/")}
    trainer.network.load_state_dict(part["network/"])
    trainer.average.load_state_dict(part["average/"])
    trainer.best = part["best/"]
    trainer.best_loss = math.inf if notes["best_loss"] is None else notes["best_loss"]
    trainer.epoch, trainer.history = notes["epoch"], notes["history"]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _with_prefix(tensors, "optimizer/").items():
        index, _, field = name.partition("/")
        state.setdefault(int(index), {})[field] = value
    trainer.optimizer.load_state_dict({"state": state, "param_groups": trainer.optimizer.state_dict()["param_groups"]})


def _earlier_thresholds(task: str) -> tuple[float, ...] | None:
    """Those of a task when checkpoints did not name them, if they have moved since."""
    spec = registered().get(task)
    return None if spec is None else spec.earlier_thresholds


def _what_differs(notes: dict[str, Any], trainer: Trainer) -> str | None:
    """In what the run of a checkpoint differs from this one, for a message; None if in nothing."""
    try:
        # Classes are compared by where they are cut: the option may be left out, and the task's own may have moved.
        options = notes["config"] | {"thresholds": trainer.config.thresholds}
        changed = differing(trainer.config, TrainConfig.make(options))
    except UsageError as error:  # it has options that this version does not know
        maker = notes.get("andersonn")
        return f"program version{f' ({maker}, this is {__version__})' if maker else ''}: {error.message}"
    if changed:
        return f"options {', '.join(changed)}"
    if notes["task"] != trainer.task.name:
        return "task"
    cuts = notes.get("thresholds") or notes["config"].get("thresholds") or _earlier_thresholds(notes["task"])
    if cuts is not None and list(cuts) != list(trainer.task.thresholds):
        return f"thresholds: add thresholds={json.dumps(list(cuts))}"
    return None if notes["data"] == trainer.dataset.digest else "data: structures, labels or split"


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
