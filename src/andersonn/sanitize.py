"""Text made safe: lines of files, and what a person, a terminal, a log or a spreadsheet may be shown."""

from __future__ import annotations

import os
import re

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Controls of terminals, marks that turn the direction of text or are not seen at all, halves of characters."""
USER = re.compile(r"(?<=[a-z0-9+.-]://)[^/\s'\"]+@", re.IGNORECASE)
QUERY = re.compile(
    r"([?&;](?=[\w.%-]*?(?:signature|credential|token|secret|key|passw|auth|sig|sas))[\w.%-]+=)[^&;\s'\"#)]+",
    re.IGNORECASE,
)
"""Like every pattern of the package in time proportional to the text, whatever that is: it is tried where a name begins, and
reads the name at most twice.
"""
HEADER = re.compile(
    r"((?:authorization|x-api-key)['\"]?\s*[:=]\s*['\"]?(?:bearer |basic )?)[^\s'\",)}]+", re.IGNORECASE
)
SECRETS = re.compile(r"(?:^|_)(?:SECRET|(?:API_?KEY|ACCESS_KEY_ID|TOKEN|PASSWORD|PASSWD)$)")
"""Names of environment variables whose values are nobody's business."""
SHORTEST = 8
"""Letters of such a value, below which it could be a word of any text."""
HIDDEN = "***"
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines_of(text: str) -> list[str]:
    r"""The lines of a text, without their ends.

    Unlike ``str.splitlines``, which also ends a line at a form feed, ``\x1c`` to ``\x1e``, NEL, U+2028 and U+2029: these
    stand in comments, names and fields, and a line that is torn there is lost.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def visible(text: str) -> str:
    r"""Text whose controls are written out (``\x1b``), so that a name from a file cannot steer a terminal."""
    return UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def redacted(text: str) -> str:
    """Text without what unlocks something: users and passwords in URLs, signatures and keys in their queries and in HTTP
    headers, and the values of :data:`SECRETS` in the environment, wherever they stand.
    """
    text = HEADER.sub(rf"\1{HIDDEN}", QUERY.sub(rf"\1{HIDDEN}", USER.sub(f"{HIDDEN}@", text)))
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and value in text and SECRETS.search(name.upper()):
            text = text.replace(value, HIDDEN)
    return text


def harmless(text: str) -> str:
    """Text as anybody may see it: :func:`redacted` and :func:`visible`."""
    return visible(redacted(text))


def first_line(error: object) -> str:
    """The first line of what an error says, or of its kind if it says nothing."""
    said = lines_of(str(error).strip())
    return said[0] if said else type(error).__name__


def cell(value: object) -> object:
    """A value as a field of CSV: controls of text are written out, and text that a spreadsheet would take for a formula
    gets an apostrophe before it, as spreadsheets write text; a text that is a number stays one.
    """
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if value.startswith(FORMULA) and not _is_number(value) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
