"""Predictions and failures: one object an input."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from andersonn.errors import InputError


@dataclass(frozen=True)
class DomainScore:
    """Distance of a structure from those of the training. Within ``limit`` it is inside the applicability domain, unless it has
    a charge or an unpaired electron and the training had none.
    """

    distance: float
    limit: float
    trained_electrons: bool = True

    @property
    def inside(self) -> bool:
        """Whether the structure is inside the applicability domain."""
        return self.trained_electrons and self.distance <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        return {"distance": self.distance, "limit": self.limit, "inside": self.inside}


@dataclass(frozen=True, repr=False)
class Prediction:
    """The answer to one structure.

    Attributes:
        input: the file or the position of the object in the call.
        id: the structure's name.
        formula: of a molecule its Hill formula, of a crystal the reduced one.
        task: name of the task.
        label: the most probable class. Of kind ``"number"`` it is not part of the answer.
        probabilities: of each class, in rising order of the quantity.
        calibrated: whether they were calibrated on validation data.
        quantity, value, interval90: the estimate, its unit in the name, and its 90 % interval. Of kind ``"label"`` they are
            not part of the answer.
        thresholds: cuts between the classes; of kind ``"class"`` alone they are part of the answer.
        model: the model's name or folder.
        n_atoms: in the structure.
        solver: name, steps, evaluations, residual and status of the fixed-point solve; of several conformers, the worst. Of
            an explicit stack of layers: name ``"explicit"``, its layers as steps and evaluations, residual None, and status
            ``"unjudged"``, or ``"nonfinite"`` where the states are not finite.
        notes: how the structure was read or generated, and over how many conformers the answer was averaged.
        warnings: reasons to trust the answer less.
        voids: what was computed, not learned, of the room between the atoms; empty where none was probed.
        pores: of answers by the geometry of pores, what was measured, as
            :class:`~andersonn.structures.pores.geometry.PoreGeometry` names it; else empty.
        network: of these answers, what the network says: class, probabilities, calibrated, estimate, thresholds, domain and
            warnings, for the classes it was trained on. It does not change the answer. Else empty.
        kind: what the model answers with, as :attr:`andersonn.data.tasks.Task.answer`; of ``"number"`` label and probabilities
            are those of the two halves of the training labels, of ``"label"`` estimate and interval say nothing.
        domain: how far the structure is from those of the training, see :mod:`andersonn.inference.fitted`; None if the
            model cannot tell.
    """

    input: str
    id: str
    formula: str
    task: str
    label: str
    probabilities: dict[str, float]
    calibrated: bool
    quantity: str
    value: float
    interval90: tuple[float, float]
    thresholds: tuple[float, ...]
    model: str
    n_atoms: int
    solver: dict[str, Any]
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    voids: dict[str, float] = field(default_factory=dict)
    domain: DomainScore | None = None
    pores: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    kind: str = "class"
    ok: ClassVar[Literal[True]] = True

    @property
    def has_class(self) -> bool:
        """Whether the answer has a class."""
        return self.kind != "number"

    @property
    def has_estimate(self) -> bool:
        """Whether the answer has an estimate."""
        return self.kind != "label"

    def __repr__(self) -> str:
        """The attributes that are part of the answer."""
        left_out = {"kind"} if self.kind == "class" else {"thresholds"}
        left_out |= set() if self.has_class else {"label", "probabilities"}
        left_out |= set() if self.has_estimate else {"quantity", "value", "interval90"}
        told = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.name not in left_out)
        return f"{type(self).__name__}({', '.join(told)})"

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract of ``predict``."""
        answer = {
            "input": self.input,
            "id": self.id,
            "formula": self.formula,
            "task": self.task,
            "class": self.label,
            "probabilities": self.probabilities,
            "calibrated": self.calibrated,
            "estimate": {"quantity": self.quantity, "value": self.value, "interval90": list(self.interval90)},
            "thresholds": list(self.thresholds),
            "model": self.model,
            "n_atoms": self.n_atoms,
            "solver": self.solver,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "domain": self.domain and self.domain.as_dict(),
        }
        if self.kind == "number":
            answer |= {"class": None, "probabilities": {}, "thresholds": []}
        elif self.kind == "label":
            answer |= {"estimate": None, "thresholds": []}
        more = {"voids": self.voids, "pores": self.pores, "network": self.network}
        return answer | {name: content for name, content in more.items() if content}


@dataclass(frozen=True)
class Failure:
    """An input that could not be answered.

    Attributes:
        input: the file or the position of the object in the call.
        error: ``kind``, ``message`` (the cause) and ``hint`` (the cure).
    """

    input: str
    error: dict[str, str]
    ok: ClassVar[Literal[False]] = False

    @classmethod
    def of_defect(cls, name: str, error: Exception) -> Self:
        """Of an input that a defect of ours kept from being answered."""
        unexpected = InputError("internal", f"{type(error).__name__}: {error}", "this is a defect; please report it")
        return cls(name, unexpected.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract of ``predict`` for a failed input."""
        return {"input": self.input, "error": self.error}
