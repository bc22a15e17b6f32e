"""A worker process: ``python -m andersonn.workers.process``. It reads and writes one JSON object a line.

The first line names the function and its limits: ``{"compute": "module:function", "settings": {...}, "gigabytes": number or
null}``; the memory limit counts from when the function's module is imported. Each further line is a payload. Every line is
answered by ``{"result": {...}}`` or ``{"error": {"kind", "message", "hint"}}``. What the function or a library prints goes
to stderr, never between the answers. If a library aborts, only this process ends.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from andersonn.errors import AndersonnError
from andersonn.workers.process_limits import kill_with_parent, limit_memory, prefer_oom_kill

Compute = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""(payload, settings) → result, all of them JSON."""


def named(compute: str) -> Compute:
    """The function that ``"module:function"`` names."""
    module, _, function = compute.partition(":")
    return getattr(importlib.import_module(module), function)


def answer(compute: Compute, payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """``{"result": ...}`` for one payload, or ``{"error": ...}`` with what the function raised."""
    try:
        return {"result": compute(payload, settings)}
    except AndersonnError as error:
        return {"error": error.as_dict()}
    except MemoryError:
        return {"error": _error("out_of_memory", "the computation ran out of memory", "use fewer --workers")}
    except Exception as error:  # libraries raise anything on a broken structure; one input must not end the run
        return {"error": _error("failed", f"{type(error).__name__}: {error}", "look at the structure in a viewer")}


def _error(kind: str, message: str, hint: str) -> dict[str, str]:
    return AndersonnError(kind, message, hint).as_dict()


def main() -> None:
    """Answers lines until stdin closes."""
    kill_with_parent()
    prefer_oom_kill()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # C++ libraries print to descriptor 1 whatever sys.stdout is
    first = json.loads(sys.stdin.readline())
    compute, settings = named(first["compute"]), first["settings"]
    if first["gigabytes"] is not None:
        limit_memory(first["gigabytes"])
    print(json.dumps({"result": {}}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(compute, json.loads(line), settings)), file=answers, flush=True)


if __name__ == "__main__":
    main()
