"""Checks the prose of the pages: sentences that are too long, and words that the glossary has retired.

python tools/prose.py                         all pages; fails where something is found
python tools/prose.py README.md docs/faq.md   these
python tools/prose.py --over 25               lists sentences over 25 words, too, without failing for them

Own code, because no package on PyPI does both offline: ``vale`` downloads its program from a code host at its first start,
and ``proselint`` counts no words and asks for curly quotation marks.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
LIMIT = 35
"""Words of the longest sentence that passes. Aim at 25."""
ALLOWED = {
    "docs/solver_contest.md": {"forward iteration", "judged"},  # written by a program from a measured run
}
"""Retired words that a page may hold, because something outside of it pins them."""
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|et al|etc|vs|cf|approx|Fig|eq|pp?|No|St|Dr)|(?<![\d\s)]\s)\b[A-Z])\.$")
"""What a full stop may follow within a sentence; a capital is an initial, but not behind a number: it is a unit there."""
END = re.compile(r"(?<=[.!?])[\"”’)\]]*\s+(?=\S)")
WORD = re.compile(r"\S*[^\W_]\S*")
ELEMENTS = re.compile(r"\b(?:[A-Z][a-z]?, ){3,}[A-Z][a-z]?\b")
CODE = "Code"
"""Stands for a piece of code, which counts as one word and may begin a sentence."""


def pages() -> list[Path]:
    """All pages with prose: at the top, in docs, in the package, and the notebooks; not the glossary's list itself."""
    folders = [
        (ROOT, "*.md"),
        (ROOT / "docs", "**/*.md"),
        (ROOT / "src/andersonn", "**/*.md"),
        (ROOT / "examples", "**/*.md"),
    ]
    notebooks = (ROOT / "examples/notebooks").glob("*.ipynb")
    return sorted({path for folder, pattern in folders for path in folder.glob(pattern)} | set(notebooks))


def retired() -> dict[str, str]:
    """Retired word or phrase → what to write, from the glossary's last table."""
    table = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").partition("## Retired words")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, flags=re.M)[1:]
    return {word.strip(): better for words, better in rows for word in words.split(",")}


WORDS = retired()
PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, WORDS), key=len, reverse=True)) + r")\b", re.I)


def retired_words(text: str, allowed: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """Retired words of a text, with their replacements."""
    hits = (match[1].lower() for match in PATTERN.finditer(re.sub(r"\s+", " ", text)))
    return [f"{word!r}: write {WORDS[word]}" for word in hits if word not in allowed]


def plain(inline: Token) -> str:
    """The words of a paragraph, heading or cell as a reader sees them, with pieces of code as one word each."""
    shown = {
        "text": lambda t: t.content,
        "code_inline": lambda t: CODE,
        "softbreak": lambda t: " ",
        "hardbreak": lambda t: " ",
    }
    return "".join(shown[token.type](token) for token in inline.children or [] if token.type in shown)


def blocks(path: Path) -> Iterator[tuple[int, str]]:
    """Line (or cell of a notebook) and words of each paragraph, list item, heading and table cell."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        texts = [
            (number, "".join(cell["source"])) for number, cell in enumerate(cells) if cell["cell_type"] == "markdown"
        ]
    else:
        text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
        if path.name == "glossary.md":
            text = text.partition("## Retired words")[0]
        texts = [(1, text)]
    for first, source in texts:
        line = first
        for token in MarkdownIt("commonmark").enable("table").parse(source):
            line = first + token.map[0] if token.map and path.suffix != ".ipynb" else line
            if token.type == "inline":
                yield line, plain(token)


def sentences(text: str) -> list[str]:
    """A paragraph's sentences; a full stop of an abbreviation or an initial ends none."""
    found, start = [], 0
    for end in END.finditer(text):
        if not ABBREVIATION.search(text[start : end.start()]):
            found.append(text[start : end.start()])
            start = end.end()
    return [*found, text[start:]]


def length(sentence: str) -> int:
    """Number of words. A sign alone, such as an arrow or a dash, is none; a list of elements is one."""
    return len(WORD.findall(ELEMENTS.sub("elements", sentence)))


def faults(path: Path, limit: int = LIMIT) -> list[str]:
    """What is wrong with a page, a line each."""
    name, found = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name, []
    for line, text in blocks(path):
        found += [
            f"{name}:{line}: {hit}" for hit in retired_words(text.replace(CODE, " "), ALLOWED.get(name, frozenset()))
        ]
        for sentence in sentences(text):
            if (words := length(sentence)) > limit:
                found.append(f"{name}:{line}: {words} words: {sentence}")
    return found


def main(words: list[str]) -> int:
    over = int(words[words.index("--over") + 1]) if "--over" in words else LIMIT
    named = [Path(word).resolve() for word in words if word.endswith((".md", ".ipynb"))]
    paths = named or pages()
    found = [fault for path in paths for fault in faults(path, over)]
    print("\n".join(found) if found else f"{len(paths)} pages: no sentence over {over} words, no retired word")
    return int(bool(found) and over == LIMIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
