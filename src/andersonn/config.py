"""Options of a training run: typed defaults, checks and documentation; unknown names are refused with a suggestion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from andersonn.data.splits import SplitRule
from andersonn.errors import UsageError
from andersonn.io.files import from_json
from andersonn.io.near_names import where_it_may_be
from andersonn.models import ModelConfig
from andersonn.overrides import apply, described, flat, merged, plain_copy, readable
from andersonn.scientists.base import ScientistSpec
from andersonn.structures.image import ImageRecipe

AFTER_TRAINING = frozenset({"conformers", "model.initializer"})
"""Options that do not affect training, only calibration, tests and predictions."""


class SolvingConfig(BaseModel):
    """How fixed points are solved for during training, besides ``model.solver``; predictions do not depend on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start_rtol: float | None = Field(
        None, gt=0, lt=1, description="tolerance at the first step, tightened to model.solver.rtol; default: the same"
    )
    tightened: float = Field(0.5, gt=0, le=1, description="fraction of the run over which it is tightened")
    one_step: float = Field(
        0.0, ge=0, le=1, description="fraction of the run, at its beginning, with one-step gradients"
    )
    warm_starts: bool = Field(False, description="start each solve from the last epoch's solution for that structure")
    bfloat16: bool = Field(False, description="forward pass in half precision, gradients of the solve in full")


class TrainConfig(BaseModel):
    """Everything that decides the outcome of a training run besides the data.

    Examples:
        >>> import andersonn as an
        >>> an.TrainConfig(epochs=3).epochs
        3
        >>> an.TrainConfig(epoch=3)
        Traceback (most recent call last):
        pydantic_core._pydantic_core.ValidationError: ...
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int = Field(0, ge=0, lt=2**32, description="random seed of weights, order and dropout")
    epochs: int = Field(26, ge=1, description="passes over the training data")
    learning_rate: float = Field(2e-3, gt=0, le=1e9, description="highest rate, after the warm-up")
    weight_decay: float = Field(0.2, ge=0, le=1e9, description="of AdamW")
    warmup: float = Field(0.1, ge=0, lt=1, description="fraction of the run over which the rate rises")
    max_rows: int = Field(1280, ge=1, description="image rows a batch holds at most")
    max_images: int = Field(128, ge=1, description="structures a batch holds at most")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="fraction of a label spread over all classes")
    strain: float = Field(
        0.01, ge=0, lt=0.2, description="standard deviation of the random relative expansion of each training structure"
    )
    averaging: float = Field(1.0, ge=0, description="epochs over which the saved weights are averaged; 0: none")
    kept_epoch: Literal["best", "last"] = Field(
        "best",
        description="whose weights are saved: of the least log loss of the class on the validation side, or the last",
    )
    estimate_weight: float = Field(0.6, ge=0, description="weight of the estimate's loss beside the class loss")
    balance: float = Field(
        0.0, ge=0, le=1, description="0: files as they are; 1: each of several files as often as the largest"
    )
    favor_small: float = Field(
        0.0, ge=0, le=1, description="0: structures as they are; p: one of n < 16 atoms (16/n)^p times as often"
    )
    favor_surprising: float = Field(
        0.0,
        ge=0,
        le=20,
        description="p: as often as 1 + p (1 − q), q being what boosted trees of the composition give its class",
    )
    shown_conformers: int = Field(
        1,
        ge=1,
        le=20,
        description="conformers of a training molecule without geometry; each epoch shows one of them, drawn at random",
    )
    limit: int | None = Field(None, ge=10, description="use only this many records, drawn by the seed")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU if there is one")
    thresholds: tuple[float, ...] | None = Field(None, description="cuts between classes; default: the task's own")
    conformers: int = Field(
        1, ge=1, le=100, description="conformers of a molecule without geometry, over which predictions are averaged"
    )
    image: ImageRecipe = ImageRecipe()
    model: ModelConfig = ModelConfig()
    split: SplitRule = SplitRule()
    solving: SolvingConfig = SolvingConfig()

    @model_validator(mode="after")
    def _options_fit_each_other(self) -> TrainConfig:
        model, image = self.model, self.image
        start = self.solving.start_rtol
        if start is not None and start < model.solver.rtol:
            raise ValueError(
                f"solving.start_rtol={start:g} is tighter than model.solver.rtol={model.solver.rtol:g}; tolerances tighten"
            )
        if model.layers and self.solving != SolvingConfig(bfloat16=self.solving.bfloat16):
            raise ValueError("an explicit stack (model.layers) solves for nothing: leave solving.* out")
        if model.voids != "none" and not image.voids:
            raise ValueError(f"model.voids={model.voids} needs image.voids=true")
        if model.filling != "none" and not image.filling:
            raise ValueError(f"model.filling={model.filling} needs image.filling=true")
        if model.oxidation != image.oxidation:
            raise ValueError("model.oxidation and image.oxidation go together")
        if model.bonds != image.bonds:
            raise ValueError("model.bonds and image.bonds go together")
        if image.bonds and (max(self.conformers, self.shown_conformers) > 1 or self.strain):
            raise ValueError(
                "without a geometry (image.bonds) there are no conformers and no strain: leave conformers, shown_conformers and strain out"
            )
        if self.shown_conformers > 1 and self.solving.warm_starts:
            raise ValueError("solving.warm_starts remembers the state of one geometry: it needs shown_conformers=1")
        if (model.head == "dipole" or model.directions) and not image.positions:
            raise ValueError("model.head=dipole and model.directions need image.positions=true, image.fold=false")
        return self

    @classmethod
    def make(cls, values: Mapping[str, Any] | None = None, overrides: Iterable[str] = ()) -> TrainConfig:
        """A configuration from nested values and ``key=value`` words.

        Args:
            values: nested options, as :meth:`model_dump` gives them.
            overrides: such as ``"epochs=3"``, ``"model.width=96"``; a name that occurs once needs no prefix.

        Raises:
            UsageError: an option is unknown or its value impossible.
        """
        nested = plain_copy({} if values is None else values)
        names = described(cls)
        apply(overrides, nested, names)
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise readable(error, names) from None

    @classmethod
    def read(
        cls, path: str | Path, overrides: Iterable[str] = (), base: Mapping[str, Any] | None = None
    ) -> TrainConfig:
        """A configuration from a TOML or JSON file, over the nested options ``base``; see :meth:`make`."""
        import tomllib

        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            values = from_json(text) if path.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            told = f"cannot read {str(path)!r}: {error.strerror}"
            raise UsageError("missing_file", told, where_it_may_be(path)) from None
        except (ValueError, RecursionError) as error:
            raise UsageError("bad_config", f"{str(path)!r} is not valid: {error}", "give TOML or JSON") from None
        if values is None:
            raise UsageError("bad_config", f"{str(path)!r} holds no options, but null", "give TOML or JSON")
        return cls.make(merged(base or {}, values), overrides)

    @classmethod
    def describe(cls) -> list[tuple[str, Any, str]]:
        """All options as (name, default, description)."""
        return [(name, *option) for name, option in described(cls).items()]


def config_of(
    scientist: ScientistSpec | None,
    file: str | Path | None = None,
    overrides: Iterable[str] = (),
    start: TrainConfig | None = None,
) -> TrainConfig:
    """The configuration of a scientist's training.

    Args:
        scientist: its preset holds where neither file nor overrides say otherwise; None: the defaults.
        file: TOML or JSON of options.
        overrides: ``key=value`` words, which come last.
        start: of the model whose weights the training starts from. Its network and images take the place of the preset's.

    Raises:
        UsageError: the file is missing or an option is unknown or impossible.
    """
    words = [f"{name}={json.dumps(value)}" for name, value in (scientist.preset if scientist else {}).items()]
    own = TrainConfig.make(overrides=words).model_dump(mode="json", exclude_unset=True)
    if start is not None:
        own |= start.model_dump(mode="json", include={"model", "image"})
    return TrainConfig.make(own, overrides) if file is None else TrainConfig.read(file, overrides, base=own)


def differing(first: TrainConfig, other: TrainConfig) -> list[str]:
    """Full names of the options that enter training and are not the same in two configurations."""
    mine, theirs = (flat(each.model_dump(mode="json")) for each in (first, other))
    return [name for name in mine if name not in AFTER_TRAINING and mine[name] != theirs[name]]
