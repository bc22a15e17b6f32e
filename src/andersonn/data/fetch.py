"""A source's files in the cache: fetched once, checked at each use."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

from andersonn import launch
from andersonn.data.download import Patience, Progress, digest, fetch_file, fetch_json
from andersonn.data.sources import Source
from andersonn.errors import InputError, UsageError
from andersonn.io.files import from_json, write_json, write_whole
from andersonn.io.places import cache_folder
from andersonn.sanitize import lines_of

FIGSHARE = "https://api.figshare.com/v2"
MANIFEST = "manifest.json"
NO_NAME = re.compile(r"^\.|^$|[/\\:\x00-\x1f\x7f]")
"""File names in a listing that are refused: paths on any system, hidden files, control characters."""


def offline_wanted() -> bool:
    """Whether ``ANDERSONN_OFFLINE`` forbids the network."""
    return os.environ.get("ANDERSONN_OFFLINE", "").lower() not in ("", "0", "false", "no")


def folder_of(source: Source) -> Path:
    """Where a source's files are kept."""
    return cache_folder() / "data" / source.name


def cached(source: Source, check: bool = True) -> list[Path] | None:
    """The files of a source, if all are there as they were fetched; ``check`` compares their hashes too."""
    folder = folder_of(source)
    try:
        manifest = from_json((folder / MANIFEST).read_text(encoding="utf-8"))
        found = [(folder / name, facts) for name, facts in manifest["files"].items()]
        sound = all(
            path.stat().st_size == facts["size"] and (not check or digest(path) == facts["sha256"])
            for path, facts in found
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    same = manifest.get("location") == source.location
    return [path for path, _ in found] if sound and same and found else None


def get(
    source: Source,
    offline: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
    again: bool = False,
    figshare: str = FIGSHARE,
) -> list[Path]:
    """The files of a source, from the cache or fetched into it.

    Args:
        source: what.
        offline: use the cache only; ``ANDERSONN_OFFLINE`` does so too.
        patience: tries and pauses.
        progress: called with (bytes or parts done, in all).
        again: fetch even if they are there.
        figshare: address of figshare's API.

    Raises:
        InputError: it is not in the cache and may not be fetched, or cannot be.
        UsageError: something the source needs is missing on this machine.
    """
    if source.how == "shipped":
        return [_shipped(source)]
    found = None if again else cached(source)
    if found:
        return found
    if offline or offline_wanted():
        raise InputError(
            "offline",
            f"{source.name} is not in the cache ({folder_of(source)}), or damaged, and the network is off",
            "run without --offline and ANDERSONN_OFFLINE once",
        )
    patience = patience or Patience()
    folder = folder_of(source)
    if source.how == "package":
        paths = [_by_pip(source, folder, patience)]
    elif source.how == "figshare":
        paths = _by_figshare(source, folder, patience, progress, figshare)
    elif source.how == "url":
        checksum = f"sha256:{source.sha256}" if source.sha256 else None
        fetch_file(source.location, folder / source.files[0], checksum, source.size, patience, progress)
        paths = [folder / source.files[0]]
    else:
        from andersonn.data.materials_project import fetch

        paths = [fetch(folder, source.files[0], progress)]
    _note(source, folder, paths)
    return paths


def _note(source: Source, folder: Path, paths: list[Path]) -> None:
    files = {path.name: {"size": path.stat().st_size, "sha256": digest(path)} for path in paths}
    content: dict[str, Any] = {"source": source.name, "location": source.location, "files": files}
    write_json(folder / MANIFEST, content | {"fetched": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})


def _shipped(source: Source) -> Path:
    path = Path(str(resources.files("andersonn.data").joinpath(source.location)))
    if not path.is_file():
        raise InputError("missing_file", f"{source.location} is not in this installation", "install it again")
    return path


def _by_pip(source: Source, folder: Path, patience: Patience) -> Path:
    """The wheel that pip brings, as the user has set pip up; it is not installed."""
    if importlib.util.find_spec("pip") is None:
        raise UsageError("missing_package", f"{source.name} comes by pip, which is not here", "python -m ensurepip")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"]
        options += ["--retries", str(patience.tries), "--timeout", f"{patience.seconds:g}", "--dest", fresh]
        words = ("download", *options, source.location)
        done = launch.run("pip", *words, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode:
            reasons = [line for line in lines_of(done.stderr) if line.startswith("ERROR")] or ["no reason given"]
            raise InputError(
                "unreachable",
                f"pip cannot download {source.location}: {reasons[-1]}",
                "check pip's index and connection",
            )
        path = Path(fresh, source.files[0])
        if not path.is_file():
            raise InputError("bad_answer", f"pip brought no {source.files[0]}", "report it")
        found = digest(path)
        if source.sha256 and found != source.sha256:
            raise InputError(
                "wrong_checksum", f"{path.name} has sha256 {found}, not {source.sha256}", "do not trust that index"
            )
        final = folder / path.name
        write_whole(final, lambda name: shutil.copyfile(path, name))
        return final


def _by_figshare(
    source: Source, folder: Path, patience: Patience, progress: Progress | None, figshare: str
) -> list[Path]:
    """All files of a figshare article, each checked against the MD5 that figshare computed."""
    article = fetch_json(f"{figshare}/articles/{source.location}", patience)
    try:
        files = [
            (str(f["name"]), str(f["download_url"]), int(f["size"]), str(f["computed_md5"] or f["supplied_md5"]))
            for f in article["files"]
            if not f["is_link_only"]
        ]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            "bad_answer", f"figshare's article {source.location} is not as expected", "report it"
        ) from None
    if not files or any(NO_NAME.search(name) or name == MANIFEST for name, *_ in files):
        raise InputError("bad_answer", f"figshare's article {source.location} lists no usable files", "report it")
    paths = []
    for name, url, size, md5 in files:
        path = folder / name
        if not (path.is_file() and path.stat().st_size == size and digest(path, "md5") == md5):
            fetch_file(url, path, f"md5:{md5}", size, patience, progress)
        paths.append(path)
    return paths
