"""What comes of the inputs of a request before a model is asked: refusals, errors and structures that are ready."""

from __future__ import annotations

from typing import Any

from andersonn.errors import InputError
from andersonn.web.inputs import Item
from andersonn.web.limits import Limits, Refusal, too_many
from andersonn.web.packing import unpacked


def require_few(items: list[Item], limits: Limits) -> None:
    """Checks that there are neither too few inputs nor too many.

    Raises:
        Refusal: there are.
    """
    if not items:
        raise Refusal(422, "no_input", "there is nothing to ask about", "send files, text or smiles")
    if len(items) > limits.files:
        raise too_many("inputs", len(items), limits.files)


def error_of(part: dict[str, Any]) -> InputError:
    """What is wrong with a part, as it was found when it was split off."""
    error = InputError(**part["error"])
    return error.within(part["within"]) if "within" in part else error


def row_of(shown: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """What came of one structure: what can be asked about, or an error in its place."""
    try:
        return {"ready": unpacked(row["ready"])} if "ready" in row else {**shown, **row}
    except InputError as error:
        return {**shown, "error": error.as_dict()}
