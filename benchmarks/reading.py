"""How many CIF files a second become graph images, on one core.

    python benchmarks/reading.py RECORDS.parquet [--atoms 32] [--files 1000] [--repeats 5] [--json FILE]

Crystals of at most ``--atoms`` atoms are written as CIF files by ASE (all atoms listed, P 1), and, where pymatgen is
installed, also with their symmetry (`pip install pymatgen`); then read and imaged. Medians over repeats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from andersonn import NodeNeighborImage, Records
from andersonn.structures.readers import read_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--atoms", type=int, default=32)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    records = Records.read(arguments.records)
    order = np.random.default_rng(0).permutation(len(records))
    chosen = [s for s in (records[int(i)] for i in order[: 4 * arguments.files]) if len(s) <= arguments.atoms]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, write in writers().items():
            paths = [write(s, Path(folder, f"{kind}-{k}.cif")) for k, s in enumerate(chosen[: arguments.files])]
            rates = [len(paths) / seconds(paths) for _ in range(arguments.repeats + 1)][1:]
            atoms = statistics.mean(len(read_file(path)[0]) for path in paths)
            found[kind] = {"files": len(paths), "median": statistics.median(rates), "range": [min(rates), max(rates)]}
            print(
                f"{kind:<10} {len(paths)} files, {atoms:.1f} atoms on average: {statistics.median(rates):.0f} structures/s "
                f"({min(rates):.0f} … {max(rates):.0f})"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


def seconds(paths: list[Path]) -> float:
    begin = time.perf_counter()
    for path in paths:
        for structure in read_file(path):
            NodeNeighborImage.from_structure(structure)
    return time.perf_counter() - begin


def writers() -> dict:
    """Name → function that writes a structure and returns the path."""
    from ase import Atoms
    from ase.io import write

    def plain(structure, path):
        write(path, Atoms(structure.Z, structure.xyz, cell=structure.cell, pbc=True), format="cif")
        return path

    kinds = {"P 1": plain}
    try:
        from pymatgen.core import Lattice, Structure
        from pymatgen.io.cif import CifWriter
    except ImportError:
        print("pymatgen is not installed: files with symmetry are not measured")
        return kinds

    def symmetric(structure, path):
        crystal = Structure(Lattice(structure.cell), structure.Z.tolist(), structure.xyz, coords_are_cartesian=True)
        CifWriter(crystal, symprec=0.01).write_file(path)
        return path

    return kinds | {"symmetry": symmetric}


if __name__ == "__main__":
    main()
