"""A trained model as two files: ``model.safetensors`` (weights) and ``model.json`` (everything else)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from andersonn.data.tasks import Task, task
from andersonn.errors import UsageError
from andersonn.files import write_json, write_whole
from andersonn.models import EquilibriumNetwork
from andersonn.training.calibration import Calibration
from andersonn.training.config import TrainConfig

FORMAT = 1
WEIGHTS, CARD = "model.safetensors", "model.json"


@dataclass(frozen=True, eq=False)
class Artifact:
    """A network with all it needs to answer, and where it comes from.

    Attributes:
        network: in evaluation mode.
        task: with the thresholds it was trained for.
        config: it was trained with.
        calibration: of its outputs.
        provenance: data, split, versions, metrics, training elements: goes into ``model.json`` as it is.
    """

    network: EquilibriumNetwork
    task: Task
    config: TrainConfig
    calibration: Calibration
    provenance: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Writes both files, each whole or not at all."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        write_whole(folder / WEIGHTS, lambda name: save_file(state, name))
        card = {
            "format": FORMAT,
            "task": self.task.name,
            "classes": list(self.task.classes),
            "thresholds": list(self.task.thresholds),
            "quantity": self.task.quantity,
            "unit": self.task.unit,
            "calibration": self.calibration.as_dict(),
            "config": self.config.model_dump(mode="json"),
            **self.provenance,
        }
        write_json(folder / CARD, card)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Artifact:
        """Reads both files.

        Raises:
            UsageError: a file is missing or unreadable, or was written by a newer version.
        """
        card = _read_card(folder)
        try:
            chosen = task(card["task"]).with_thresholds(tuple(card["thresholds"]))
            chosen = replace(chosen, classes=tuple(card["classes"]), quantity=card["quantity"], unit=card["unit"])
            config = TrainConfig.make(card["config"])
            network = EquilibriumNetwork(config.model, len(chosen.classes))
            network.load_state_dict(load_file(folder / WEIGHTS))
            calibration = Calibration(**card["calibration"])
        except FileNotFoundError:
            raise UsageError("no_model", f"{str(folder)!r} has no {WEIGHTS}", "copy the whole model folder") from None
        except (KeyError, TypeError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                "bad_model", f"the model in {str(folder)!r} is damaged: {reason}", "copy it again"
            ) from None
        known = {"format", "task", "classes", "thresholds", "quantity", "unit", "calibration", "config"}
        provenance = {name: value for name, value in card.items() if name not in known}
        network.to(device).eval()
        return cls(network, chosen, config, calibration, provenance)


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError("no_model", f"{str(folder)!r} has no {CARD}", "give the folder that train wrote") from None
    except (OSError, ValueError) as error:
        raise UsageError("bad_model", f"cannot read {CARD} in {str(folder)!r}: {error}", "copy it again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise UsageError(
            "bad_model",
            f"{CARD} in {str(folder)!r} has format {found}, this version reads {FORMAT}",
            "update andersonn",
        )
    return card
