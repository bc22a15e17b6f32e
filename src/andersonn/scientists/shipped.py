"""Where the weights that come with the package lie."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from andersonn.data.tasks import task
from andersonn.errors import UsageError


def shipped_folder(name: str) -> Path:
    """Folder of the weights shipped for a task.

    Raises:
        UsageError: there is no such task, or no weights for it.
    """
    folder = Path(str(resources.files("andersonn.scientists"))) / "weights" / task(name).name
    if not (folder / "model.json").exists():
        raise UsageError(
            "no_model", f"no weights for {name} come with this version", f"train some: andersonn train {name} --data …"
        )
    return folder
