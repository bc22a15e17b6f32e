"""Draws the demo's embedded sample from the full crystal file.

    python tools/make_demo_sample.py crystals_mp2018.parquet

Groups (reduced formulas) are drawn by a hash of their names, and at most three crystals of each, so that no formula
with dozens of polymorphs decides a small test; the split column is the default split of training,
so a crystal that is held out in the demo is held out from the shipped weights as well.
"""

import hashlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.records import Records
from andersonn.data.splits import SplitRule

FRACTION = 0.115
MOST_OF_A_GROUP = 3
TARGET = Path(__file__).parent.parent / "src/andersonn/demo/crystals.parquet"


def main():
    records = Records.read(sys.argv[1], labels=("band_gap_eV",))
    position = {
        group: int.from_bytes(hashlib.blake2b(f"demo:{group}".encode(), digest_size=8).digest(), "big") / 2**64
        for group in set(records.groups)
    }
    taken = Counter()
    chosen = []
    for index, group in enumerate(records.groups):
        if position[group] < FRACTION and taken[group] < MOST_OF_A_GROUP:
            taken[group] += 1
            chosen.append(index)
    chosen = np.array(chosen)
    table = records.take(chosen).table.replace_schema_metadata()
    split = SplitRule().sides([str(g) for g in table["group"].to_pylist()])
    table = table.append_column("split", pa.array(split.tolist()))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, TARGET, compression="zstd", compression_level=19)
    print(len(table), "crystals,", TARGET.stat().st_size / 1e6, "MB", dict(zip(*np.unique(split, return_counts=True))))


if __name__ == "__main__":
    main()
