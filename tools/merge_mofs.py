"""Writes one file of labelled frameworks from CoRE MOF 2019 and QMOF, with groups that hold across both.

QMOF derives in part from the crystals of CoRE. Records are of one group if they share a reduced formula or, in CoRE, a
refcode family, directly or through others: connected components. So a framework never stands on both sides of a split,
even under two names.

Structures with more than --large atoms cost most of the time; --keep of them are taken, drawn by a hash of their id; and
--fraction of all.

python tools/merge_mofs.py mofs_core2019.parquet mofs_qmof.parquet --out runs/mofs.parquet
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from andersonn.structures import elements

COLUMNS = ("id", "atomic_numbers", "positions", "cell", "pld_A", "lcd_A")


def share(name):
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


def read(path, large, keep, fraction):
    table = pq.read_table(path)
    table = table.filter(table["pld_A"].is_valid())
    ids, sizes = table["id"].to_pylist(), np.array([len(z) for z in table["atomic_numbers"].to_pylist()])
    chosen = np.array([share(id) < fraction * (keep if size > large else 1.0) for id, size in zip(ids, sizes)])
    print(f"{path}: {len(table)} with a label, {int(chosen.sum())} taken")
    return table.filter(pa.array(chosen))


def components(keys):
    """Number of the connected component of each record, given its keys."""
    known, rows, columns = {}, [], []
    for row, names in enumerate(keys):
        for name in names:
            rows.append(row)
            columns.append(len(keys) + known.setdefault(name, len(known)))
    size = len(keys) + len(known)
    return connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), (size, size)), directed=False)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--large", type=int, default=500, help="atoms from which only a part is taken")
    parser.add_argument("--keep", type=float, default=0.25, help="of the large ones")
    parser.add_argument("--fraction", type=float, default=1.0, help="of all")
    chosen = parser.parse_args()
    parts, keys, sources = [], [], []
    for path in chosen.files:
        table = read(path, chosen.large, chosen.keep, chosen.fraction)
        formulas = [elements.formula(np.array(z)) for z in table["atomic_numbers"].to_pylist()]
        keys += [{formula, f"group {group}"} for formula, group in zip(formulas, table["group"].to_pylist())]
        sources += [path.stem] * len(table)
        parts.append(table.select(COLUMNS).replace_schema_metadata())
    found = components(keys)[: len(keys)]
    merged = pa.concat_tables(parts, promote_options="default")
    names = [f"{min(keys[i])}" for i in np.unique(found, return_index=True)[1]]
    label = dict(zip(np.unique(found).tolist(), names))
    merged = merged.append_column("group", pa.array([label[k] for k in found.tolist()]))
    merged = merged.append_column("source", pa.array(sources))
    sizes = np.bincount(found)
    print(f"{len(merged)} records, {len(set(found.tolist()))} groups, the largest of {sizes.max()}")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(merged, chosen.out, compression="zstd")


if __name__ == "__main__":
    main()
