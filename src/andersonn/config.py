"""Options of a training run: typed defaults, checks and documentation; unknown names are refused with a suggestion."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from andersonn.data.splits import SplitRule
from andersonn.errors import UsageError, did_you_mean, unknown
from andersonn.io.files import from_json
from andersonn.models import ModelConfig
from andersonn.scientists.base import ScientistSpec
from andersonn.structures.image import ImageRecipe

AFTER_TRAINING = frozenset({"conformers", "model.initializer"})
"""Options that do not enter training, only calibration, tests and answers."""
OPTIONS_HINT = "andersonn train --options lists what options take"


class ImageConfig(BaseModel):
    """How graph images are made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    columns: int = Field(16, ge=1, le=255, description="K, neighbors an atom shows at most")
    reach: float = Field(8.0, gt=0, description="Å beyond which nothing is a neighbor")
    fade: float = Field(0.15, gt=0, lt=1, description="fraction of the cut-off over which weights fall to zero")
    fold: bool = Field(True, description="one row for all atoms with equal surroundings")
    positions: bool = Field(False, description="keep atomic positions, for vectors such as a dipole; needs fold=false")
    voids: bool = Field(False, description="probe the room between the atoms too; crystals only")
    oxidation: bool = Field(False, description="count electrons over the formula too: oxidation states that balance")

    def recipe(self) -> ImageRecipe:
        """The recipe these options describe."""
        return ImageRecipe(**self.model_dump())


class SplitConfig(BaseModel):
    """How groups are divided, unless the file has a ``split`` column."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    split_seed: int = Field(0, description="another seed gives another split")
    validation: float = Field(0.1, gt=0, lt=0.5, description="fraction of groups for tuning and calibration")
    test: float = Field(0.1, gt=0, lt=0.5, description="fraction of groups kept for the final test")

    def rule(self) -> SplitRule:
        """The rule these options describe."""
        return SplitRule(self.split_seed, self.validation, self.test)


class SolvingConfig(BaseModel):
    """How fixed points are solved for while training, beside ``model.solver``; answers never depend on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start_rtol: float | None = Field(
        None, gt=0, lt=1, description="tolerance at the first step, tightened to model.solver.rtol; default that one"
    )
    tightened: float = Field(0.5, gt=0, le=1, description="fraction of the run over which it is tightened")
    one_step: float = Field(
        0.0, ge=0, le=1, description="fraction of the run, its first, with gradients through one evaluation alone"
    )
    warm_starts: bool = Field(False, description="begin each solve with what the last epoch found for that structure")
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

    seed: int = Field(0, ge=0, lt=2**32, description="of weights, order and dropout")
    epochs: int = Field(26, ge=1, description="passes over the training data")
    learning_rate: float = Field(2e-3, gt=0, le=1e9, description="highest rate, after the warm-up")
    weight_decay: float = Field(0.2, ge=0, le=1e9, description="of AdamW")
    warmup: float = Field(0.1, ge=0, lt=1, description="fraction of the run over which the rate rises")
    max_rows: int = Field(1280, ge=1, description="image rows a batch holds at most")
    max_images: int = Field(128, ge=1, description="structures a batch holds at most")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="share of a label spread over all classes")
    strain: float = Field(0.01, ge=0, lt=0.2, description="relative size of random swelling of training structures")
    averaging: float = Field(1.0, ge=0, description="epochs over which the weights that are kept are averaged; 0: none")
    estimate_weight: float = Field(0.6, ge=0, description="weight of the estimate's loss beside the class loss")
    balance: float = Field(0.0, ge=0, le=1, description="how much oftener a smaller one of several files is shown")
    limit: int | None = Field(None, ge=10, description="use only this many records, drawn by the seed")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU if there is one")
    thresholds: tuple[float, ...] | None = Field(None, description="cuts between classes; default: the task's own")
    conformers: int = Field(
        1, ge=1, le=100, description="geometries made of a molecule that has none, over which answers are averaged"
    )
    image: ImageConfig = ImageConfig()
    model: ModelConfig = ModelConfig()
    split: SplitConfig = SplitConfig()
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
        if model.oxidation != image.oxidation:
            raise ValueError("model.oxidation and image.oxidation go together")
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
        nested = _plain({} if values is None else values)
        paths = _leaf_paths(cls)
        for word in overrides:
            name, equals, text = word.partition("=")
            if not equals:
                raise UsageError("bad_option", f"{word!r} is no option", "write options as key=value, such as epochs=3")
            _set(nested, _full_path(name.strip(), paths), _value(text))
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise _readable(error, paths) from None

    @classmethod
    def read(
        cls, path: str | Path, overrides: Iterable[str] = (), base: Mapping[str, Any] | None = None
    ) -> TrainConfig:
        """A configuration from a TOML or JSON file, over the nested options ``base``; see :meth:`make`."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            values = from_json(text) if path.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            raise UsageError("missing_file", f"cannot read {str(path)!r}: {error.strerror}", "check the path") from None
        except (ValueError, RecursionError) as error:
            raise UsageError("bad_config", f"{str(path)!r} is not valid: {error}", "give TOML or JSON") from None
        if values is None:
            raise UsageError("bad_config", f"{str(path)!r} holds no options, but null", "give TOML or JSON")
        return cls.make(_over(base or {}, values), overrides)

    @classmethod
    def describe(cls) -> list[tuple[str, Any, str]]:
        """All options as (name, default, description)."""
        return [(name, *leaf) for name, leaf in _leaves(cls).items()]


def config_of(
    scientist: ScientistSpec | None, file: str | Path | None = None, overrides: Iterable[str] = ()
) -> TrainConfig:
    """The configuration of a scientist's training.

    Args:
        scientist: its preset holds where neither file nor overrides say otherwise; None: the defaults.
        file: TOML or JSON of options.
        overrides: ``key=value`` words, which come last.

    Raises:
        UsageError: the file is missing or an option is unknown or impossible.
    """
    words = [f"{name}={json.dumps(value)}" for name, value in (scientist.preset if scientist else {}).items()]
    own = TrainConfig.make(overrides=words).model_dump(mode="json", exclude_unset=True)
    return TrainConfig.make(own, overrides) if file is None else TrainConfig.read(file, overrides, base=own)


def differing(first: TrainConfig, other: TrainConfig) -> list[str]:
    """Full names of the options that enter training and are not the same in two configurations."""
    mine, theirs = (_values(each.model_dump(mode="json")) for each in (first, other))
    return [name for name in mine if name not in AFTER_TRAINING and mine[name] != theirs[name]]


def _values(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in nested.items():
        found |= _values(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def _leaves(model: type[BaseModel], prefix: str = "") -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= _leaves(type(field.default), f"{prefix}{name}.")
        else:
            found[prefix + name] = (field.default, field.description or "")
    return found


def _leaf_paths(model: type[BaseModel]) -> list[str]:
    return list(_leaves(model))


def _full_path(name: str, paths: list[str]) -> str:
    if name in paths:
        return name
    matches = [path for path in paths if path.endswith("." + name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError("bad_option", f"option {name!r} could be {' or '.join(matches)}", "write the full name")
    raise unknown("option", name, _short_names(paths))


def _short_names(paths: list[str]) -> list[str]:
    return sorted({*paths, *(path.rpartition(".")[2] for path in paths)})


def _set(nested: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    for depth, parent in enumerate(parents, start=1):
        nested = nested.setdefault(parent, {})
        if not isinstance(nested, dict):
            group = ".".join(parents[:depth])
            raise UsageError("bad_option", f"option {group} is a group of options, not {nested!r}", f"write {path}=…")
    nested[leaf] = value


def _over(base: Mapping[str, Any], values: Any) -> Any:
    """Nested options, those of ``base`` where ``values`` says nothing."""
    if not isinstance(values, Mapping):
        return values
    return {**base, **{k: _over(base[k], v) if isinstance(base.get(k), Mapping) else v for k, v in values.items()}}


def _plain(values: Any) -> dict[str, Any]:
    """A copy of nested options, as JSON would have them."""
    if not isinstance(values, Mapping):
        raise UsageError("bad_config", f"options are {values!r}, not names with values", "write them as epochs = 3")
    try:
        return json.loads(json.dumps(dict(values)))
    except TypeError as error:  # such as a date, which TOML knows
        raise UsageError("bad_config", f"an option has an impossible value: {error}", OPTIONS_HINT) from None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _readable(error: ValidationError, paths: list[str]) -> UsageError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        leaf = name.rpartition(".")[2]
        return UsageError("unknown_option", f"there is no option {name!r}", did_you_mean(leaf, _short_names(paths)))
    if first["type"] == "value_error":  # options that do not fit each other
        return UsageError("bad_option", first["msg"].removeprefix("Value error, "), OPTIONS_HINT)
    hint = f"write [0,2]; {OPTIONS_HINT}" if first["type"] == "tuple_type" else OPTIONS_HINT
    return UsageError("bad_option", f"option {name}: {first['msg']}, got {first['input']!r}", hint)
