"""Hooks of mkdocs: what pages written for a code host need to become a site of their own.

Files of the repository that a page links to, such as an example, come along under ``repository/``, so that no link leaves
the site. A page in ``notebooks/`` links to a notebook, whose cells and outputs take its place.
"""

import json
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


def notebook(path: Path) -> str:
    """The cells of a notebook and what they showed, as Markdown and HTML."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join(filter(None, parts))


def shown(output: dict) -> str:
    """An output of a cell: its picture, else its HTML, else its text."""
    data = {kind: "".join(content) for kind, content in output.get("data", {}).items()}
    if "image/png" in data:
        image = (
            f'<img alt="the figure drawn by the cell above" src="data:image/png;base64,{data["image/png"].strip()}">'
        )
        return f'<div class="notebook-output">{image}</div>'
    if "text/html" in data:
        lines = filter(str.strip, data["text/html"].split("\n"))  # a blank line would end the block
        return '<div class="notebook-output">' + "\n".join(line.strip() for line in lines) + "</div>"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```" if text else ""


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

    if page.file.src_uri.startswith("notebooks/"):
        title, _, words = LINK.sub(redirect, markdown).partition("\n")
        body = notebook(ROOT / repository_file(page.file.src_uri, LINK.search(markdown)[1]))
        assert body.startswith(f"{title}\n"), f"{page.file.src_uri} and its notebook have other titles"
        return f"{title}\n{words}\n{body.removeprefix(title)}"
    return indented(LINK.sub(redirect, markdown))
