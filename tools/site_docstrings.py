"""Docstrings for the site, changed before they are cut into sections.

Sphinx roles such as ``:class:`` become links to the API reference, plain code where it has no entry; the names that share a
line of a section (``rtol, atol: …``) get an entry each; and the star of z* is a star, no emphasis.
"""

import re

from griffe import Extension

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
STAR = re.compile(r"(`+[^`]*`+)|(?<=z)\*")
SHARED = re.compile(r"^( +)((?:\w+, )+)(\w+): ", re.M)


def public(path: str) -> str:
    """The name under which the reference would list an object: ``a.b.Thing.method`` is ``andersonn.Thing.method``."""
    words = path.split(".")
    first = next((i for i, word in enumerate(words) if word[0].isupper()), len(words) - 1)
    return ".".join(["andersonn", *words[first:]])


def with_links(text: str) -> str:
    """The docstring with every role as an optional reference, by its last word if the role says so with ``~``."""

    def link(match):
        name = match[2].rpartition(".")[2] if match[1] else match[2]
        return f'<autoref optional identifier="{public(match[2])}"><code>{name}</code></autoref>'

    return ROLE.sub(link, text)


def with_entries(text: str) -> str:
    """The docstring with an entry for each of several names on one line: the text stays with the last."""

    def entries(match):
        indent, others, last = match.groups()
        pointers = [f"{indent}{name}: see ``{last}``.\n" for name in others.rstrip(", ").split(", ")]
        return "".join(pointers) + f"{indent}{last}: "

    return SHARED.sub(entries, text)


def with_stars(text: str) -> str:
    """The docstring with the stars of z* escaped, those in code left alone."""
    return STAR.sub(lambda match: match[1] or r"\*", text)


class Docstrings(Extension):
    """Passes every docstring through all three."""

    def on_object(self, *, obj, **_):
        if obj.docstring:
            obj.docstring.value = with_entries(with_links(with_stars(obj.docstring.value)))
