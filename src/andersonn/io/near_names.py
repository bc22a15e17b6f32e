"""What a name of a file that does not exist may mean: a neighbor of almost that name."""

from __future__ import annotations

import difflib
import os
from itertools import islice
from pathlib import Path, PurePath

MOST_LOOKED_AT = 1_000
"""Names of a folder that are looked at: a table may name thousands of missing files, and a folder hold millions."""
LIKENESS = 0.75
"""Least likeness of two names, endings aside: quarz and quartz have 0.91, NaCl and KCl 0.57."""
PACKED = (".gz", ".bz2", ".xz")


def where_it_may_be(path: str | os.PathLike[str]) -> str:
    """The cure for a file that is missing: a neighbor whose name differs in a few letters, in its ending or in capitals,
    also where a folder on the way is missing; else to check the path.
    """
    path = Path(path)
    missing = path
    try:
        while not (folder := missing.parent).is_dir():
            if folder == missing:
                return "check the path"
            missing = folder
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MOST_LOOKED_AT) if not entry.name.startswith(".")]
    except (OSError, ValueError):  # it may not be read, or a name is too long or holds a zero
        return "check the path"
    near = _nearest(missing.name, names)
    if near and missing == path:
        return f"did you mean {str(folder / near)!r}?"
    if missing != path:
        return f"there is no folder {str(missing)!r}" + (f"; did you mean {str(folder / near)!r}?" if near else "")
    return "check the path"


def _nearest(name: str, names: list[str]) -> str:
    """The name most like another, endings aside; among equals one of the same ending. Empty if none is like it."""
    stem, ending = _parts(name)
    matcher = difflib.SequenceMatcher(None, b=stem, autojunk=False)
    found = []
    for other in names:
        its_stem, its_ending = _parts(other)
        matcher.set_seq1(its_stem)
        if other == name or min(matcher.real_quick_ratio(), matcher.quick_ratio()) < LIKENESS:
            continue
        found.append((-matcher.ratio(), its_ending != ending, other))
    found = [near for near in found if -near[0] >= LIKENESS]
    return min(found)[2] if found else ""


def _parts(name: str) -> tuple[str, str]:
    """A name without its ending, and the ending, that of packing left out, in small letters."""
    path = PurePath(name.lower())
    path = path.with_suffix("") if path.suffix in PACKED and path.stem else path
    return path.stem, path.suffix
