"""Options as people write them: ``key=value`` words with short names, files, and errors that name the option.

A library does not replace this: OmegaConf's dotlists and pydantic-settings' command line parse ``model.width=96``, but know
no short names (``width=96``), make no suggestion for a misspelt one, and bring their own types of values and errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ValidationError

from andersonn.errors import UsageError, did_you_mean, unknown

HINT = "andersonn train --options lists what options take"


def described(model: type) -> dict[str, tuple[Any, str]]:
    """Dotted name → default and description of each option of a pydantic model, those of its groups included.

    Args:
        model: whose groups are pydantic models, or dataclasses with fields of type ``Annotated[..., Field(description=...)]``.
    """
    found: dict[str, tuple[Any, str]] = {}
    for name, default, description in _fields(model):
        if isinstance(default, BaseModel) or is_dataclass(default):
            found |= {f"{name}.{part}": option for part, option in described(type(default)).items()}
        else:
            found[name] = default, description
    return found


def _fields(model: type[Any]) -> list[tuple[str, Any, str]]:
    if issubclass(model, BaseModel):
        return [(name, field.default, field.description or "") for name, field in model.model_fields.items()]
    hints = get_type_hints(model, include_extras=True)
    return [(field.name, field.default, hints[field.name].__metadata__[0].description) for field in fields(model)]


def plain_copy(values: Any) -> dict[str, Any]:
    """A copy of nested options, as JSON would have them.

    Raises:
        UsageError: they are no options by name, or a value has no place in JSON, such as a date in TOML.
    """
    if not isinstance(values, Mapping):
        raise UsageError("bad_config", f"options are {values!r}, not names with values", "write them as epochs = 3")
    try:
        return json.loads(json.dumps(dict(values)))
    except TypeError as error:
        raise UsageError("bad_config", f"an option has an impossible value: {error}", HINT) from None


def merged(base: Mapping[str, Any], values: Any) -> Any:
    """Nested options: those of ``values``, and those of ``base`` where ``values`` says nothing."""
    if not isinstance(values, Mapping):
        return values
    return {**base, **{k: merged(base[k], v) if isinstance(base.get(k), Mapping) else v for k, v in values.items()}}


def flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Nested options by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        found |= {f"{name}.{k}": v for k, v in flat(value).items()} if isinstance(value, Mapping) else {name: value}
    return found


def apply(words: Iterable[str], nested: dict[str, Any], names: Iterable[str]) -> None:
    """Writes ``key=value`` words into nested options.

    Args:
        words: such as ``"epochs=3"``; values are JSON, or else text. A short name must belong to one option alone.
        nested: changed in place.
        names: dotted names of all options.

    Raises:
        UsageError: a word is no option, or its name is unknown or not of one option alone.
    """
    names = list(names)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError("bad_option", f"{word!r} is no option", "write options as key=value, such as epochs=3")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        _put(nested, _full_name(key.strip(), names), value)


def _full_name(name: str, names: list[str]) -> str:
    matches = [name] if name in names else [full for full in names if full.endswith(f".{name}")]
    if not matches:
        raise unknown("option", name, _all_names(names))
    if len(matches) > 1:
        raise UsageError("bad_option", f"option {name!r} could be {' or '.join(matches)}", "write the full name")
    return matches[0]


def _all_names(names: Iterable[str]) -> set[str]:
    return {part for full in names for part in (full, full.rpartition(".")[2])}


def _put(nested: dict[str, Any], name: str, value: Any) -> None:
    *groups, last = name.split(".")
    for depth, group in enumerate(groups, start=1):
        nested = nested.setdefault(group, {})
        if not isinstance(nested, dict):
            whole = ".".join(groups[:depth])
            raise UsageError("bad_option", f"option {whole} is a group of options, not {nested!r}", f"write {name}=…")
    nested[last] = value


def readable(error: ValidationError, names: Iterable[str]) -> UsageError:
    """The first of pydantic's complaints as a :class:`~andersonn.errors.UsageError`."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        hint = did_you_mean(name.rpartition(".")[2], _all_names(names))
        return UsageError("unknown_option", f"there is no option {name!r}", hint)
    if first["type"] == "value_error":  # options that do not fit each other
        return UsageError("bad_option", first["msg"].removeprefix("Value error, "), HINT)
    hint = f"write [0,2]; {HINT}" if first["type"] == "tuple_type" else HINT
    return UsageError("bad_option", f"option {name}: {first['msg']}, got {first['input']!r}", hint)
