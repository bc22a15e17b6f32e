"""Writing files whole or not at all, and reading JSON that may be anything."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[str], None]) -> None:
    """Writes a file under a temporary name beside its place and renames it, so that it is never seen half written.

    Args:
        path: where the file shall stand; folders are made as needed.
        write: writes the content to the name it is given.

    Raises:
        OSError: that is not possible, or there is a pipe or a device, which a file would take the place of.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EEXIST, "there is a pipe or a device", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files private
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def try_writing(folder: Path) -> None:
    """Writes a file to a folder, which is made if needed, and removes it.

    Raises:
        OSError: that is not possible.
    """
    write_whole(folder / ".writable", lambda name: None)
    (folder / ".writable").unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file."""
    write_whole(path, lambda name: Path(name).write_text(text, encoding="utf-8"))


def from_json(text: str | bytes) -> Any:
    """What JSON from a file or the network says.

    Raises:
        ValueError: it is no JSON, or nested so deeply that reading it would exhaust the stack.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON with two spaces of indentation; NaN is an error, not invalid JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
