"""Hooks of mkdocs: what pages written for a code host need to become a site of their own.

Files of the repository that a page links to, such as an example, come along under ``repository/``, so that no link leaves
the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)")


def repository_file(page: str, link: str) -> str | None:
    """The repository's path of a file outside ``docs`` that a page (a path in ``docs``) links to; None if it is inside."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return path if not path.startswith("docs/") and (ROOT / path).is_file() else None


def indented(markdown: str) -> str:
    """Indents what follows a blank line in a list item by the four columns that mkdocs wants, where code hosts take two."""
    lines, fenced, inside = [""], False, False
    for line in markdown.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        before, inside = inside, not fenced and re.match(r"  \S", line) is not None and (inside or not lines[-1])
        if before and not inside and line:
            lines.append("")  # or the next item would be taken for the paragraph's next line
        lines.append(f"  {line}" if inside else line)
    return "\n".join(lines)


def on_files(files, config):
    """Adds the files that pages link to outside ``docs``."""
    wanted = set()
    for file in files.documentation_pages():
        wanted |= {repository_file(file.src_uri, link) for link in LINK.findall(file.content_string)}
    for path in sorted(wanted - {None}):
        files.append(File.generated(config, f"repository/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads links to repository files to their copies, and keeps blocks in their list items."""

    def redirect(match):
        path = repository_file(page.file.src_uri, match[1])
        if path is None:
            return match[0]
        return "](" + posixpath.relpath(f"repository/{path}", posixpath.dirname(page.file.src_uri) or ".")

    return indented(LINK.sub(redirect, markdown))
