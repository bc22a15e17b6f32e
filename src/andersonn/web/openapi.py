"""The API's description for machines: what FastAPI makes of the routes, and what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from andersonn.scientists.registry import registered

if TYPE_CHECKING:
    from andersonn.web.lab import Lab

CONTENT = ("files", "file", "text", "smiles")
"""A form must have one of these fields."""


def described(make: Callable[[], dict[str, Any]], lab: Lab) -> dict[str, Any]:
    """The description with the names of the tasks, and with forms that need some content.

    Args:
        make: gives FastAPI's.
        lab: whose tasks can be asked about.
    """
    found = make()
    names = sorted(lab.scientists or registered())
    for operation in (each for path in found["paths"].values() for each in path.values()):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "task":
                parameter["schema"]["enum"] = names
    for schema in found["components"]["schemas"].values():
        fields = [name for name in CONTENT if name in schema.get("properties", {})]
        if schema.get("title", "").startswith("Body_") and fields:
            schema["anyOf"] = [{"required": [name]} for name in fields]
    return found


def methods_at(paths: dict[str, Any], path: str) -> list[str]:
    """The methods that an address takes, from the described paths; empty of one that is none of them."""
    if path in paths:  # rather than those of a template that fits it, too
        return sorted(method.upper() for method in paths[path])
    found: set[str] = set()
    for template, operations in paths.items():
        if _fits(template.split("/"), path.split("/")):
            found |= {method.upper() for method in operations}
    return sorted(found)


def _fits(template: list[str], path: list[str]) -> bool:
    """Whether the parts of an address are those of a template; a part ``{name}`` stands for any that is not empty."""
    pairs = zip(template, path, strict=False)
    return len(template) == len(path) and all(part if wanted[:1] == "{" else part == wanted for wanted, part in pairs)
