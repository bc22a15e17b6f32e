"""A trained model as files: ``model.safetensors`` (weights), ``domain.safetensors`` (applicability domain; older models have
none), ``beside.safetensors`` (a network of bonds alone; few have it), ``plausibility.safetensors`` (what sound crystals look like; few have it) and ``model.json`` (everything else).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from andersonn.config import TrainConfig
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.bonds_beside import BondsBeside
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.early_exit import EarlyExit
from andersonn.inference.fitted import Calibration, Domain, is_number
from andersonn.io.files import from_json, require_format, write_json, write_whole
from andersonn.models import Ensemble, EquilibriumNetwork, KernelNetwork, ModelConfig, network_of
from andersonn.models.device import pick_device
from andersonn.models.trees_beside import NetworkWithTrees
from andersonn.sanitize import first_line
from andersonn.scientists.registry import by_name, find, registered, shipped
from andersonn.structures.plausibility.model import Plausibility

FORMAT = 1
WEIGHTS, CARD, DOMAIN = "model.safetensors", "model.json", "domain.safetensors"
TREES = "trees"
"""Where a card describes :class:`~andersonn.models.trees_beside.BoostedTrees`, if the network has some beside it."""
LAST_LAYER = "last_layer"
"""Where a card describes a :class:`~andersonn.models.kernel_layer.KernelLayer`, if the network ends in one."""
PLAUSIBILITY = "plausibility.safetensors"
BESIDE = "beside.safetensors"
FILES = (CARD, WEIGHTS, DOMAIN, PLAUSIBILITY, BESIDE)
"""All that there may be."""
OWN_TASK = "own_task"
"""Where a card describes its task, unless that is one of this package."""
NOT_PROVENANCE = frozenset(
    {
        "format",
        "task",
        "classes",
        "thresholds",
        "quantity",
        "unit",
        "calibration",
        "config",
        "members",
        LAST_LAYER,
        TREES,
        OWN_TASK,
    }
)
MOST_MEMBERS = 100
NEEDED = (
    "task", "classes", "thresholds", "quantity", "unit", "config", "calibration", "elements", "largest_image_rows", "data",
    "majority_class",
)  # fmt: skip
"""What a card must hold for the model to be read."""
DAMAGE = (UsageError, TypeError, ValueError, KeyError, AttributeError, OSError, RuntimeError, SafetensorError)
"""What reading a damaged model can raise."""


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """A network with all that a prediction needs, and its provenance.

    Attributes:
        network: in evaluation mode; an ensemble if several were joined.
        task: with the thresholds it was trained for.
        config: it was trained with.
        calibration: of its outputs.
        provenance: data, split, versions, metrics, training elements: goes into ``model.json`` as it is.
        domain: the applicability domain; None for models from before there was one.
        plausibility: tells corrupted crystals from sound ones; None of most models, see ``tools/fit_plausibility.py``.
        beside: a network of bonds alone that helps where a geometry was generated; None of most models, see ``tools/join_bonds.py``.
    """

    network: EquilibriumNetwork | Ensemble
    task: Task
    config: TrainConfig
    calibration: Calibration | DistributionCalibration
    provenance: dict[str, Any]
    domain: Domain | None = None
    plausibility: Plausibility | None = None
    beside: BondsBeside | None = None

    @property
    def anytime(self) -> EarlyExit | None:
        """The early-exit rule; None if the model has none."""
        values = self.provenance.get("anytime")
        return None if values is None else EarlyExit.from_dict(values)

    def save(self, folder: Path) -> None:
        """Writes the files, each whole or not at all."""
        state = {name: _narrowest(value) for name, value in self.weights().items()}
        write_whole(folder / WEIGHTS, lambda name: save_file(state, name))
        if self.domain is None:
            (folder / DOMAIN).unlink(missing_ok=True)
        else:
            self.domain.save(folder / DOMAIN, sha256_of(folder / WEIGHTS))
        parts = ((PLAUSIBILITY, self.plausibility), (BESIDE, self.beside))
        for name, part in parts:
            if part is None:
                (folder / name).unlink(missing_ok=True)
            else:
                write_whole(folder / name, part.save)
        write_json(folder / CARD, self.card())

    def weights(self) -> dict[str, torch.Tensor]:
        """The network's parameters and buffers by name, on the CPU."""
        return {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}

    def card(self) -> dict[str, Any]:
        """Everything but the tensors: what ``model.json`` holds."""
        return {
            "format": FORMAT,
            "task": self.task.name,
            "classes": list(self.task.classes),
            "thresholds": list(self.task.thresholds),
            "quantity": self.task.quantity,
            "unit": self.task.unit,
            "calibration": self.calibration.as_dict(),
            "config": self.config.model_dump(mode="json"),
            **({} if _is_shipped(self.task) else {OWN_TASK: self.task.as_dict()}),
            **({"members": len(self.network.members)} if isinstance(self.network, Ensemble) else {}),
            **({LAST_LAYER: self.network.described()} if isinstance(self.network, KernelNetwork) else {}),
            **({TREES: self.network.described()} if isinstance(self.network, NetworkWithTrees) else {}),
            **self.provenance,
        }

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> ModelBundle:
        """Reads the files.

        Raises:
            UsageError: a file is missing, unreadable or damaged, or was written by a newer version; or there is no such
                device.
        """
        card = read_card(folder)
        try:
            bundle = cls.of(card, _finite_weights(folder / WEIGHTS))
            has_domain = "domain" in card or (folder / DOMAIN).exists()
            domain = Domain.load(folder / DOMAIN, sha256_of(folder / WEIGHTS)) if has_domain else None
            own = folder / PLAUSIBILITY
            plausibility = Plausibility.load(own) if own.exists() else None
            own = folder / BESIDE
            beside = BondsBeside.load(own) if own.exists() else None
            if beside is not None and not isinstance(bundle.calibration, DistributionCalibration):
                raise ValueError(f"{BESIDE} goes with a model that answers by one distribution")
        except FileNotFoundError:
            missing = DOMAIN if (folder / WEIGHTS).exists() else WEIGHTS
            raise UsageError("no_model", f"{str(folder)!r} has no {missing}", "copy the whole model folder") from None
        except DAMAGE as error:
            raise UsageError(
                "bad_model", f"the model in {str(folder)!r} is damaged: {_reason(error)}", "copy it again"
            ) from None
        try:
            for network in (bundle.network, *([] if beside is None else [beside.network])):
                network.to(pick_device(str(device)))
        except RuntimeError as error:
            told = f"the network cannot be moved to the device {str(device)!r}: {str(error).partition(chr(10))[0]}"
            raise UsageError("no_device", told, "use device='cpu', 'cuda' or 'auto'") from None
        return replace(bundle, domain=domain, plausibility=plausibility, beside=beside)

    @classmethod
    def of(cls, card: dict[str, Any], weights: dict[str, torch.Tensor]) -> ModelBundle:
        """The model that :meth:`card` and :meth:`weights` describe, on the CPU, without a domain.

        Raises:
            UsageError, TypeError, ValueError, AttributeError, RuntimeError: they describe none.
        """
        missing = [name for name in NEEDED if name not in card]
        if missing:
            raise ValueError(f"{CARD} has no {missing[0]}")
        chosen = task_of(card)
        config = TrainConfig.make(card["config"])
        _require_size(config.model, _members(card), weights)
        network = _network(card, config, chosen, weights)
        network.load_state_dict(weights)
        if isinstance(network, KernelNetwork | NetworkWithTrees):
            network.check()
        of_number = network.layer.of_number if isinstance(network, KernelNetwork) else None
        if of_number or (of_number is None and config.model.answer == "distribution"):
            calibration: Calibration | DistributionCalibration = DistributionCalibration.from_dict(
                card["calibration"], chosen
            )
        else:
            calibration = Calibration.from_dict(card["calibration"])
        _check_provenance(card, chosen)
        provenance = {name: value for name, value in card.items() if name not in NOT_PROVENANCE}
        return cls(network.eval(), chosen, config, calibration, provenance)


def require_task(found: str, asked: str, model: str | os.PathLike[str]) -> None:
    """Checks that a model in a folder is of the task that was asked for.

    Args:
        found: task of the model.
        asked: name of a task, or the Python file that declares it.
        model: the folder.

    Raises:
        UsageError: it is not, or there is no such task.
    """
    of_folder = found not in registered() and not asked.endswith(".py")  # no list of tasks has its name to suggest
    if found != asked and (of_folder or found != find(asked).name):  # which tells a misspelt name as such
        raise UsageError(
            "wrong_task", f"the model in {str(model)!r} is for {found}, not {asked}", f"name its own task: {found}"
        )


def _is_shipped(task: Task) -> bool:
    """Whether every installation knows the task. One of another package, or of a user's file, goes with its model."""
    known = shipped().get(task.name)
    return known is not None and known.task.same_but_for_thresholds(task)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def task_of(card: dict[str, Any]) -> Task:
    """The task of a model card, with the card's thresholds.

    Raises:
        UsageError, TypeError, ValueError: the card, which has all names of :data:`NEEDED`, does not describe one.
    """
    thresholds = card["thresholds"]
    if not (isinstance(thresholds, list) and all(is_number(t) for t in thresholds)):
        raise ValueError(f"its thresholds are {thresholds!r}, not numbers")
    own = card.get(OWN_TASK)
    known = by_name(card["task"]).task if own is None else Task.from_dict(own)
    if own is not None and known.name != card["task"]:
        raise ValueError(f"its own task is named {known.name!r}, and its task {card['task']!r}")
    chosen = known.with_thresholds(tuple(thresholds))
    for name, expected in (("classes", list(chosen.classes)), ("quantity", chosen.quantity), ("unit", chosen.unit)):
        if card[name] != expected:
            raise ValueError(f"its {name} is {card[name]!r}, that of {chosen.name} is {expected!r}")
    return chosen


def _members(card: dict[str, Any]) -> int:
    members = card.get("members", 1)
    if not (isinstance(members, int) and 1 <= members <= MOST_MEMBERS):
        raise ValueError(f"its members are {members!r}, not a number up to {MOST_MEMBERS}")
    return members


def _network(
    card: dict[str, Any], config: TrainConfig, task: Task, weights: dict[str, torch.Tensor]
) -> EquilibriumNetwork | Ensemble:
    """A network of the card's options, with the last layer or the trees that it describes."""
    last, trees = card.get(LAST_LAYER), card.get(TREES)
    if trees is not None:
        return NetworkWithTrees.of_description(config.model, len(task.classes), trees, weights)
    if last is None:
        return network_of(config.model, len(task.classes), _members(card))
    return KernelNetwork.of_description(config.model, last, weights)


def _require_size(options: ModelConfig, members: int, weights: dict[str, torch.Tensor]) -> None:
    """Refuses options that ask for a larger network than the weights are of, before there is one: a few bytes in a card
    could else take all memory.
    """
    largest = max((value.numel() for value in weights.values()), default=0)
    widest = options.width * max(options.width, options.radial, options.directions)
    layers = options.rounds + (1 if options.tied else options.layers)
    if widest > largest or members * layers > len(weights):
        raise ValueError("its options are of a larger network than its weights")


def _narrowest(value: torch.Tensor) -> torch.Tensor:
    """A tensor of float32 in half precision, if each of its numbers is exactly one of that precision."""
    if value.dtype != torch.float32:
        return value
    half = value.half()
    return half if torch.equal(half.float(), value) else value


def _finite_weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file as they were before they were saved: half precision saves room, never digits."""
    weights = {
        name: value.float() if value.dtype == torch.float16 else value for name, value in load_file(path).items()
    }
    broken = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise ValueError(f"weights that are not finite numbers in {broken[0]}")
    return weights


def _check_provenance(card: dict[str, Any], task: Task) -> None:
    """Checks the parts of the provenance that predictions use."""
    counts = card["elements"]
    if not (isinstance(counts, dict) and all(isinstance(n, int) for n in counts.values())):
        raise ValueError("its elements are not counts by symbol")
    if not isinstance(card["largest_image_rows"], int):
        raise ValueError(f"its largest_image_rows is {card['largest_image_rows']!r}")
    if not isinstance(card.get("charged_or_open_shell", 0), int):
        raise ValueError(f"its charged_or_open_shell is {card['charged_or_open_shell']!r}")
    if not isinstance(card["data"], dict):
        raise ValueError("its data is not a group of values")
    if card.get("anytime") is not None:
        EarlyExit.from_dict(card["anytime"])
    if card["majority_class"] not in task.classes:
        raise ValueError(f"its majority_class is {card['majority_class']!r}, not one of {', '.join(task.classes)}")


def _reason(error: Exception) -> str:
    """The first line of what went wrong, without the cure of a UsageError, which is for other occasions."""
    return error.message if isinstance(error, UsageError) else first_line(error)


def read_card(folder: Path) -> dict[str, Any]:
    """What ``model.json`` in a model's folder says.

    Raises:
        UsageError: it is missing, unreadable or of another version, or for a task that is not declared here.
    """
    try:
        card = from_json((folder / CARD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError("no_model", f"{str(folder)!r} has no {CARD}", "give the folder that train wrote") from None
    except (OSError, ValueError) as error:
        raise UsageError("bad_model", f"cannot read {CARD} in {str(folder)!r}: {error}", "copy it again") from None
    if not isinstance(card, dict):
        raise UsageError("bad_model", f"{CARD} in {str(folder)!r} holds no names with values", "copy it again")
    require_format(card.get("format"), FORMAT, f"the model in {str(folder)!r}")
    task = card.get("task")
    if isinstance(task, str) and OWN_TASK not in card and task not in registered():
        raise UsageError(
            "unknown_task",
            f"the model in {str(folder)!r} is for the task {task!r}, which this installation does not know",
            "install a version of andersonn that has it",
        )
    return card
