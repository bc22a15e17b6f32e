"""The README as a page of a package index, where its relative links and its picture lead nowhere; hatchling asks for it.

The repository has no published address yet, so the pages are named without links, and where they are is said once.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]+\)\n\n", re.M)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)")
COMMENT = re.compile(r"^<!--.*-->\n", re.M)
WHERE = "The pages, pictures and programs named here come with the source distribution and every clone: `docs/`, `examples/`.\n\n"


def index_page(readme):
    """The text without relative links and pictures."""
    text = LINK.sub(r"\1", PICTURE.sub("", COMMENT.sub("", readme)))
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{WHERE}{rest}"


class IndexPage(MetadataHookInterface):
    """Sets the readme."""

    def update(self, metadata):
        text = index_page(Path(self.root, "README.md").read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
