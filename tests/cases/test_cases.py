"""Files that users of public tools brought trouble with, remade small: what each holds, or by what name it is refused.

``expected.tsv`` has a row for each structure of each file: its atoms, its charge, and what notes and warnings must say. The
atoms were worked out by hand or by independent parsers (ASE, pymatgen, RDKit), never copied from an answer unchecked.
"""

from __future__ import annotations

import csv
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.readers import sources, structures_of

HERE = Path(__file__).parent
FILES = HERE / "files"
REFUSED = "refused: "
with (HERE / "expected.tsv").open(encoding="utf-8", newline="") as stream:
    ROWS = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
EXPECTED = {file: list(rows) for file, rows in groupby(ROWS, key=lambda row: row["file"])}


def read(path: Path) -> list:
    found = []
    for name, source in sources([str(path)]):
        try:
            found += structures_of(name, source)
        except InputError as error:
            found.append(error)
    return found


def contents(structure) -> str:
    counts = Counter(elements.symbols()[z] for z in structure.Z)
    return " ".join(f"{symbol}{count}" for symbol, count in sorted(counts.items()))


@pytest.mark.parametrize("file", EXPECTED)
def test_case(file):
    found, rows = read(FILES / file), EXPECTED[file]
    assert len(found) == len(rows)
    for item, row in zip(found, rows, strict=True):
        if row["atoms"].startswith(REFUSED):
            assert isinstance(item, InputError), item
            assert item.kind == row["atoms"].removeprefix(REFUSED)
            assert item.hint
            assert row["note"] in item.message
            continue
        assert not isinstance(item, InputError), item
        assert contents(item) == row["atoms"]
        assert item.charge == int(row["charge"] or 0)
        said = "; ".join(note for note in item.notes if "ETKDG" not in note)
        assert bool(said) == bool(row["note"]), item.notes
        assert row["note"] in said
        assert bool(item.warnings) == bool(row["warning"]), item.warnings
        assert row["warning"] in "; ".join(item.warnings)


def test_every_file_has_its_row():
    here = {str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file()}
    assert here == set(EXPECTED)
