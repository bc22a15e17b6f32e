"""Writes the files that conduction is trained on: crystals with gaps of the 2019 release, and the frameworks of QMOF.

    python tools/relabel_crystals.py FOLDER --out runs/crystals
    andersonn train conduction --data runs/crystals/crystals_2018.parquet --data runs/crystals/crystals_extra.parquet \\
        --data runs/crystals/qmof_gaps.parquet --out my-model

crystals_2018   crystals_mp2018 with the gap of 2019 from crystals_mp_gap_versions, else that of 2018
crystals_extra  crystals_mp_extra with the gap of 2019, else the earlier one; records that were found because of their class
                (unbiased is false) only with --biased
qmof_gaps       mofs_qmof with its PBE gap

The column release says where each gap is from. Groups are reduced formulas, spelled by one function for all files, so that
none stands on both sides of a split; the spelling is that of the sources, so records keep the sides they always had.
"""

import argparse
import math
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from andersonn.data.splits import SplitRule
from andersonn.io.files import write_whole
from andersonn.structures import elements

CUTS = (0.05, 3.0)
"""eV: the classes counted in what is printed."""
COLUMNS = {
    "id": pa.string(),
    "atomic_numbers": pa.list_(pa.uint8()),
    "positions": pa.list_(pa.float32()),
    "cell": pa.list_(pa.float32()),
    "band_gap_eV": pa.float64(),
    "release": pa.string(),
}


def reduced_formula(Z):
    """Elements by rising atomic number, each with its count (``"Te1Ba1"``)."""
    numbers, counts = np.unique(np.asarray(Z), return_counts=True)
    divisor = math.gcd(*counts.tolist())
    return "".join(f"{elements.symbols()[z]}{n // divisor}" for z, n in zip(numbers.tolist(), counts.tolist()))


def labeled(table, newer, older, release_of_older):
    """The table with the newer gap where there is one, else the older, in ``band_gap_eV`` and ``release``."""
    gap, is_new = pc.coalesce(newer, older), newer.is_valid()
    release = pc.if_else(is_new, "2019", release_of_older)
    kept = table.select(["id", "atomic_numbers", "positions", "cell"])
    return kept.append_column("band_gap_eV", gap).append_column("release", release)


def crystals_2018(folder):
    table = pq.read_table(folder / "crystals_mp2018.parquet")
    versions = pq.read_table(folder / "crystals_mp_gap_versions.parquet")
    place = pc.index_in(table["id"].cast(pa.string()), versions["id"].combine_chunks())
    if place.null_count:
        raise SystemExit(f"{place.null_count} records of crystals_mp2018 are not in crystals_mp_gap_versions")
    return labeled(table, versions["band_gap_2019_eV"].take(place), table["band_gap_eV"], "2018")


def crystals_extra(folder, biased):
    table = pq.read_table(folder / "crystals_mp_extra.parquet")
    table = table if biased else table.filter(table["unbiased"])
    return labeled(table, table["band_gap_2019_eV"], table["band_gap_eV"], "2018")


def qmof_gaps(folder):
    table = pq.read_table(folder / "mofs_qmof.parquet")
    return labeled(table, pa.chunked_array([pa.nulls(len(table), pa.float64())]), table["band_gap_eV"], "QMOF")


def finished(table):
    """The table in the types of :data:`COLUMNS`, with its groups."""
    table = pa.table({name: table[name].cast(kind) for name, kind in COLUMNS.items()})
    groups = [reduced_formula(Z) for Z in table["atomic_numbers"].to_numpy()]
    return table.add_column(1, "group", pa.array(groups, pa.string()))


def without_large(table, largest):
    """The table without training records of more atoms; validation and test, by the default split, stay whole."""
    few = pc.list_value_length(table["atomic_numbers"]).to_numpy() <= largest
    return table.filter(pa.array(few | (SplitRule().sides(table["group"].to_pylist()) != "train")))


def facts(table):
    """Numbers of records, of groups, of each class at :data:`CUTS`, and percentiles of the number of atoms."""
    gap = table["band_gap_eV"].to_numpy()
    classes = np.bincount(np.searchsorted(CUTS, gap, side="right"), minlength=len(CUTS) + 1)
    atoms = pc.list_value_length(table["atomic_numbers"]).to_numpy()
    sizes = "/".join(f"{n:.0f}" for n in np.percentile(atoms, (5, 25, 50, 75, 95, 99, 100)))
    shares = ", ".join(
        f"{name} {n} ({n / len(gap):.1%})" for name, n in zip(("metal", "small gap", "insulator"), classes)
    )
    return (
        f"{len(table)} records, {len(set(table['group'].to_pylist()))} groups; {shares}; exactly 0: {(gap == 0).sum()}; "
        f"atoms at 5/25/50/75/95/99/100 %: {sizes}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with the source files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    parser.add_argument("--biased", action="store_true", help="also records that were found because of their class")
    parser.add_argument("--largest", type=int, default=10_000, help="atoms; larger ones are left out of training alone")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    made = {
        "crystals_2018": crystals_2018(chosen.folder),
        "crystals_extra": crystals_extra(chosen.folder, chosen.biased),
        "qmof_gaps": qmof_gaps(chosen.folder),
    }
    for name, table in made.items():
        table = without_large(finished(table), chosen.largest)
        write_whole(chosen.out / f"{name}.parquet", partial(pq.write_table, table, compression="zstd"))
        print(f"{name}: {facts(table)}", flush=True)


if __name__ == "__main__":
    main()
