"""Files over HTTP: retried, resumed after an interruption, checked, and moved into place only when complete."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andersonn.errors import InputError
from andersonn.io.files import from_json

Progress = Callable[[int, int], None]
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which a second try makes sense."""
PIECE = 1 << 18


@dataclass(frozen=True)
class Patience:
    """How long a download is tried.

    Attributes:
        tries: in all; a try that brought new bytes does not count.
        pause: seconds before the second try, doubled before each further one.
        seconds: without a byte, after which a try is given up.
    """

    tries: int = 5
    pause: float = 1.0
    seconds: float = 30.0


class _Retry(Exception):
    """A failure that another try may cure."""


def fetch_json(url: str, patience: Patience) -> Any:
    """The JSON that a URL answers with.

    Raises:
        InputError: no answer after all tries, or one that is no JSON.
    """

    def once() -> Any:
        try:
            with _open(url, {"Accept": "application/json"}, patience) as answer:
                return from_json(answer.read())
        except ValueError as error:
            raise InputError("bad_answer", f"{url} did not answer with JSON: {error}", "try again later") from None

    return _retried(once, url, patience, lambda: 0)


def fetch_file(
    url: str,
    path: Path,
    checksum: str | None = None,
    size: int | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> None:
    """Brings a file; one that broke off goes on from its ``.part``, if the server still has the same.

    Args:
        url: http or https.
        path: where to write; the file appears complete and checked, or not at all.
        checksum: ``"sha256:…"`` or ``"md5:…"``.
        size: bytes it must have.
        patience: tries and pauses.
        progress: called with (bytes, bytes in all; 0 if unknown).

    Raises:
        InputError: the server refuses, no try succeeds, or size or checksum are wrong; then the partial file is deleted.
    """
    patience = patience or Patience()
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    _retried(lambda: _go_on(url, part, patience, progress), url, patience, lambda: _length(part))
    try:
        _require_right(part, url, checksum, size)
    except InputError:
        part.unlink()
        raise
    finally:
        _tag_file(part).unlink(missing_ok=True)
    os.replace(part, path)


def digest(path: Path, kind: str = "sha256") -> str:
    """Hash of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _go_on(url: str, part: Path, patience: Patience, progress: Progress | None) -> None:
    """One attempt: appends the missing bytes to the partial file."""
    have, tag = _length(part), _tag_file(part)
    headers = {}
    if have and tag.exists():
        headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    with _open(url, headers, patience) as answer:
        resumed = answer.status == 206 and _start_of(answer) == have
        if answer.status == 206 and not resumed:
            tag.unlink(missing_ok=True)
            raise _Retry("the server sent another part than asked for")
        start = have if resumed else 0
        stated = answer.headers.get("Content-Length")
        total = start + int(stated) if stated else 0
        strong = answer.headers.get("ETag") or ""
        mark = strong if strong and not strong.startswith("W/") else answer.headers.get("Last-Modified")
        if mark:  # without one it cannot be told whether the rest is of the same file
            tag.write_text(mark, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        with part.open("ab" if resumed else "wb") as stream:
            while piece := answer.read(PIECE):
                stream.write(piece)
                if progress:
                    progress(stream.tell(), total)
    if total and _length(part) < total:
        raise _Retry(f"it broke off after {_length(part)} of {total} bytes")


def _open(url: str, headers: dict[str, str], patience: Patience) -> http.client.HTTPResponse:
    if not url.startswith(("http://", "https://")):
        raise InputError("bad_url", f"{url!r} is no web address", "this is a defect; please report it")
    request = urllib.request.Request(url, headers={"User-Agent": "andersonn", **headers})
    try:
        return urllib.request.urlopen(request, timeout=patience.seconds)
    except urllib.error.HTTPError as error:
        if error.code in AGAIN or error.code == 416:
            raise _Retry(f"the server answered {error.code} {error.reason}") from None
        raise InputError(
            "refused", f"{url} answered {error.code} {error.reason}", "see `andersonn data info` for the page"
        ) from None


def _retried(once: Callable[[], Any], url: str, patience: Patience, length: Callable[[], int]) -> Any:
    """What ``once`` returns, tried again after failures that may pass."""
    failures, pause = 0, patience.pause
    while True:
        before = length()
        try:
            return once()
        except (_Retry, http.client.HTTPException, OSError) as error:  # URLError and timeouts are OSErrors
            if isinstance(error, OSError) and error.errno in (13, 28, 30):  # permission, full disk, read-only
                raise InputError("not_writable", f"cannot write: {error}", "set ANDERSONN_CACHE") from None
            grown = length() > before
            failures = 1 if grown else failures + 1
            if failures >= patience.tries:
                raise InputError(
                    "unreachable",
                    f"{url}: {error} (tried {failures} times without progress)",
                    "check the connection; the same command goes on where it broke off",
                ) from None
            pause = patience.pause if grown else pause * 2
            time.sleep(pause / 2)


def _require_right(part: Path, url: str, checksum: str | None, size: int | None) -> None:
    if size is not None and part.stat().st_size != size:
        raise InputError(
            "wrong_size", f"{url} gave {part.stat().st_size} bytes instead of {size}", "it changed; report it"
        )
    if checksum:
        kind, _, wanted = checksum.partition(":")
        found = digest(part, kind)
        if found != wanted:
            raise InputError(
                "wrong_checksum", f"{url} has {kind} {found}, not {wanted}", "try again; if it stays, do not trust it"
            )


def _start_of(answer: http.client.HTTPResponse) -> int:
    words = (answer.headers.get("Content-Range") or "").removeprefix("bytes").strip()
    first = words.partition("-")[0]
    return int(first) if first.isdigit() else -1


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")
