"""How this package came here, and so how its extras can be had: no package index holds it. Standard library alone."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from andersonn.sanitize import redacted

NAME = "deep-andersonn"
EXTRAS = {
    "cluster": {"ray": "ray"},
    "excel": {"openpyxl": "openpyxl"},
    "energy": {"codecarbon": "codecarbon", "nvidia-ml-py": "pynvml"},
    "label": {"pyscf": "pyscf", "pyzeo": "pyzeo", "tblite": "tblite"},
    "materials-project": {"mp-api": "mp_api"},
    "notebook": {"ipykernel": "ipykernel", "pandas": "pandas"},
    "peers": {"torchdeq": "torchdeq", "jaxopt": "jaxopt", "jax": "jax"},
    "web": {
        "fastapi": "fastapi",
        "markdown-it-py": "markdown_it",
        "python-multipart": "python_multipart",
        "uvicorn": "uvicorn",
    },
}
"""Extra → package → its module."""


@cache
def how_to_install(extra: str) -> str:
    """The command that adds an extra to what is installed here, from where that came.

    Args:
        extra: one of :data:`EXTRAS`.
    """
    return f"pip install {_wanted(extra)}"


def _wanted(extra: str) -> str:
    clone = Path(__file__).parents[3]
    if _is_ours(clone):
        return f'-e "{clone}[{extra}]"'
    try:
        found = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return _packages(extra, ())
    return _from_origin(extra, _origin(found)) or _packages(extra, found.requires or ())


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a clone of the repository, or what the source distribution unpacks to."""
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(rf'^name *= *"{NAME}"', text, re.M) is not None and (folder / "src" / "andersonn").is_dir()


def _origin(found: metadata.Distribution) -> dict[str, Any]:
    """What the installer noted down about where the package came from (direct_url.json, PEP 610)."""
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) and isinstance(origin.get("url"), str) else {}


def _from_origin(extra: str, origin: dict[str, Any]) -> str | None:
    """The same place once more, with the extra; None if there is nothing any more, or nobody knows."""
    url = origin.get("url", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme == "file":
        from urllib.request import url2pathname  # imported here: with http and ssl

        path = Path(url2pathname(parts.path))
        if "dir_info" in origin:
            return f'"{path}[{extra}]"' if _is_ours(path) else None
        return f'"{NAME}[{extra}] @ {url}"' if path.exists() else None
    if "vcs_info" in origin:
        version = origin["vcs_info"]
        url = f"{version.get('vcs', 'git')}+{url}" + (f"@{version['commit_id']}" if version.get("commit_id") else "")
    if origin.get("subdirectory"):
        url += f"#subdirectory={origin['subdirectory']}"
    return f'"{NAME}[{extra}] @ {redacted(url)}"'


def _packages(extra: str, requires: tuple[str, ...] | list[str]) -> str:
    """The packages of an extra themselves, which an index has: as far as the metadata tell them, with their bounds."""
    wanted = [line.partition(";")[0].strip() for line in requires if re.search(rf"extra *== *['\"]{extra}['\"]", line)]
    return " ".join(f'"{package}"' for package in wanted or EXTRAS[extra])
