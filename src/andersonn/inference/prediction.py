"""Predictions and failures: one object an input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from andersonn.errors import InputError
from andersonn.inference import html
from andersonn.inference.distribution import Distributions
from andersonn.sanitize import harmless


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
        distribution: the one from which class, probabilities, estimate and interval were read; None where they come from
            elsewhere: of models that learned classes at fixed thresholds, and of answers by the geometry of pores.
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
    distribution: Distributions | None = field(default=None, compare=False)
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

    def in_columns(self) -> dict[str, Any]:
        """Flat values by the names of columns: class, probabilities and estimate as far as the model answers with them, how the
        fixed point was found, and the distance from the training.
        """
        said: dict[str, Any] = {}
        if self.has_class:
            said |= {"class": self.label, "p": self.probabilities[self.label]}
            said |= {f"p_{name}": p for name, p in self.probabilities.items()}
        if self.has_estimate:
            said |= {self.quantity: self.value, "low90": self.interval90[0], "high90": self.interval90[1]}
        return {
            "input": self.input,
            "id": self.id,
            "formula": self.formula,
            **said,
            "n_atoms": self.n_atoms,
            **{name: self.solver[name] for name in ("status", "steps", "residual")},
            "distance": self.domain and self.domain.distance,
            "inside": self.domain and self.domain.inside,
        }

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

    def __repr__(self) -> str:
        doubts = [f"{len(self.warnings)} warning{'s' * (len(self.warnings) > 1)}"] if self.warnings else []
        told = ", ".join([*self.in_words, *doubts])
        return f"Prediction({harmless(self.id or self.input)!r}, {self.formula}: {told})"

    @property
    def in_words(self) -> list[str]:
        """The class and the estimate in words, where there are any."""
        low, high = self.interval90
        form = ".2f" if self.has_class else ".3g"
        label = [f"{self.label}, p = {self.probabilities[self.label]:.2f}"] if self.has_class else []
        estimate = f"{self.quantity} = {self.value:{form}} ({low:{form}} … {high:{form}})"
        return [*label, *([estimate] if self.has_estimate else [])]

    def _repr_html_(self) -> str:
        title = html.answer_title(self.label if self.has_class else "", self.formula, self.id or self.input)
        bar = f"{html.bar(self.probabilities, 240)}{html.key(self.probabilities)}" if self.has_class else ""
        cuts = f", classes cut at {', '.join(f'{cut:g}' for cut in self.thresholds)}" if self.kind == "class" else ""
        estimate = f"<div>{html.text(self.in_words[-1])}{cuts}</div>" if self.has_estimate else ""
        told = f"{html.lines(self.warnings, '! ')}<small>{html.lines(self.notes)}</small>"
        return f"<div>{title}{bar}{estimate}{told}</div>"


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f"Failure({harmless(self.input)!r}, {self.error['kind']}: {self.error['message']})"

    def _repr_html_(self) -> str:
        name = html.text(self.input, html.LONGEST)
        return f"<div><b>{name}</b> {html.text(self.error['message'])} <i>{html.text(self.error['hint'])}</i></div>"
