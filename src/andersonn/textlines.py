"""Lines of text from files: they end with a line feed, a carriage return, or both, and nowhere else."""

from __future__ import annotations


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
