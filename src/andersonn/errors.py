"""Errors that name the cause and the cure, in one line each.

Every error a user can cause is an :class:`AndersonnError`. It has a machine-readable ``kind``, a ``message`` (the
cause) and a ``hint`` (the cure); the command line prints it on one line, ``predict --format json`` as an object.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

from andersonn.sanitize import redacted, visible

LONGEST_TEXT = 1000
"""Characters of a message or a hint; of a longer one, which quotes its input at length, the middle is left out."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC, errno.EFBIG})
REFUSED = frozenset({errno.EACCES, errno.EPERM})
"""Numbers by which systems say that a disk is full, and that something is not allowed."""


class AndersonnError(Exception):
    """Base of all errors raised on purpose.

    Args:
        kind: short machine-readable name of the cause, such as ``"missing_file"``.
        message: what is wrong, for a person.
        hint: what to do about it.
    """

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        self.kind = kind
        self.message = _one_line(message)
        self.hint = _one_line(hint)
        super().__init__(f"{self.message}. {self.hint}".rstrip(". ") + ".")

    def as_dict(self) -> dict[str, str]:
        """The error as the JSON contract has it: ``{"kind", "message", "hint"}``."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint}


class InputError(AndersonnError):
    """One input (a file, a structure, a record) cannot be used; other inputs are not affected."""

    def within(self, part: str) -> InputError:
        """The same error, saying in which part of the input it is."""
        return InputError(self.kind, f"{part}: {self.message}", self.hint)


class UsageError(AndersonnError):
    """The call itself is wrong: an unknown task or option, a missing column. Exit status 2."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: the closest known one, or the list of all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def unknown(what: str, word: object, known: Iterable[str]) -> UsageError:
    """The error for a name that is not among the known ones; its kind is ``unknown_`` and the last word of ``what``."""
    kind = f"unknown_{what.rpartition(' ')[2]}"
    return UsageError(kind, f"there is no {what} {word!r}", did_you_mean(str(word), known))


def cure(error: OSError) -> str:
    """What to do about a failure of the operating system to read or write."""
    if error.errno in FULL:
        return "free some space and give the command again, or choose another place"
    if error.errno in REFUSED:
        return "check its permissions, or choose another place"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return "a file stands where a folder should: choose another place"
    if error.errno == errno.EROFS:
        return "that place is read-only: choose another"
    return "choose another place"


def _one_line(text: str) -> str:
    """A message as it may be printed and logged: on one line, not too long, without terminal controls, passwords and keys."""
    bounded = _cut(str(text), 20 * LONGEST_TEXT)  # a message may quote a whole file
    shown = visible(_cut(redacted(" ".join(bounded.split())), LONGEST_TEXT))
    return _cut(shown, LONGEST_TEXT)  # once more: a control takes one character in the file and up to ten when shown


def _cut(text: str, most: int) -> str:
    """A text without its middle where it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 200]} … {text[-190:]}"
