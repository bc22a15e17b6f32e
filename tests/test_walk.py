"""The way through the code stays short, and the page that describes it names files that exist."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WALKS = runpy.run_path(str(ROOT / "tools/walk.py"))
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
MOST = {"predict": (370, 61, 20), "equilibrium": (101, 16, 10)}
"""Functions, files and depth of calls that a job may take: lower them when it takes less. Intervals by kind of structure took three
functions and a file; one of the functions reads tails by size, which older weights hold. Whether a crystal is strained, and
which elements are in crystals together, took one each; boosted trees beside the network seven and a file, the lengths of bonds to hydrogen one and a file, vacuum on all sides two and a file.
What is nearer than any bond is decided in one place for all readers: three and a file. Partial occupancies took one,
and so did the change of the encoder for rounds of messages. Gaussians are in a file of their own, since two parts of the encoder make them. The pool of network and trees took two, so that its share is fitted by the same code. Kinds of given geometries took one, for the same reason. What laws say whatever the network answers took three and a file, small molecules from SMILES one; a distribution that is read once saves three.
What boosted trees read of the structure took nine and a file, a second network for molecules without a geometry three.
"""


@pytest.mark.parametrize("job", MOST)
def test_the_walk_does_not_grow(job):
    walk = WALKS[job]()
    found = len(walk.functions), len(walk.files), walk.depth
    assert all(n <= most for n, most in zip(found, MOST[job], strict=True)), f"{found} where {MOST[job]} are allowed"


def test_a_walk_counts_what_runs():
    from andersonn.data.splits import SplitRule

    with WALKS["walking"]() as walk:
        sides = SplitRule().sides(["a", "b"])
    assert len(sides) == 2
    assert walk.functions == {("data/splits.py", "SplitRule.sides"), ("data/splits.py", "SplitRule.side")}
    assert walk.files == {"data/splits.py"}
    assert walk.depth == 2


def test_files_named_on_the_page_exist():
    files = set(re.findall(r"(?<![\w./])((?:\w+/)*\w+\.py)\b", PAGE))
    assert len(files) > 40
    package = ROOT / "src/andersonn"
    missing = [f for f in files if not any((at / f).is_file() for at in (package, package / "training", ROOT))]
    assert not missing


def test_floors_on_the_page_are_those_of_the_rule():
    from tests.test_architecture import FLOORS

    picture = re.search(r"## The floors.*?```\n(.*?)```", PAGE, re.S)[1]
    names = set().union(*FLOORS) - {"__main__"}
    lines = [set(line[:57].split()) for line in picture.splitlines()]
    drawn = {name: level for level, line in enumerate(reversed(lines)) for name in line}
    assert set(drawn) == names
    for low, names_below in enumerate(FLOORS):
        for names_above in FLOORS[low + 1 :]:
            for a in names_below - {"__main__"}:
                for b in names_above - {"__main__"}:
                    assert drawn[a] <= drawn[b], (a, b)
