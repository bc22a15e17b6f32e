"""Seconds and memory of reading, and answering for, very large and hostile files: each in a process of its own.

    python benchmarks/large_inputs.py [--atoms 100000] [--only WORD]

Needs Linux, which tells a process's peak memory (VmHWM); what the process held before the reading is subtracted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from andersonn.errors import AndersonnError
from andersonn.structures.readers import read_each

ELEMENTS = ("C", "O", "Si", "N")
PDB = "HETATM{:5d} SI   UNL A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00          SI\n"
AXES = "_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
HOSTILE = {
    "frames of one atom": ("a.xyz", lambda: "1\n\nH 0 0 0\n" * 5_500_000),
    "60 million empty lines": ("a.sdf", lambda: "\n" * 60_000_000 + "x"),
    "4 million empty lines": ("a.sdf", lambda: "\n" * 3_900_000 + "x"),
    "SMILES of one letter": ("a.smi", lambda: "C\n" * 30_000_000),
    "CIF of one-letter values": ("a.cif", lambda: "data_a loop_ _a" + " b" * 30_000_000),
    "CIF just below the limit": ("a.cif", lambda: "data_a loop_ _a" + " b" * 9_999_000),
    "CIF of empty blocks": ("a.cif", lambda: "".join(f"data_{k}\n_atom_site_label C\n" for k in range(1_500_000))),
    "empty MOL2 records": ("a.mol2", lambda: "@<TRIPOS>MOLECULE\n" * 3_000_000),
    "empty SDF records": ("a.sdf", lambda: "$$$$\n" * 3_900_000),
    "700,000 PDB atoms": ("a.pdb", lambda: PDB.format(1, 1, 1, 1, 1) * 700_000),
    "15 million emoji": ("a.cif", lambda: "😀" * 15_000_000),
    "100,000 atoms in one place": ("a.xyz", lambda: "100000\n\n" + "Cs 1 1 1\n" * 100_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, default=100_000)
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cases = {f"{form}, {arguments.atoms:,} atoms" for form in ("xyz", "extended xyz", "POSCAR", "CIF", "PDB")} | set(
        HOSTILE
    )
    if arguments.case:
        return measure(arguments.case, arguments.atoms)
    print("| input | MB | ends in | s | MB more |\n|---|---|---|---|---|", flush=True)
    for case in sorted(cases):
        if arguments.only in case:
            command = [sys.executable, __file__, "--case", case, "--atoms", str(arguments.atoms)]
            subprocess.run(command, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return None


def measure(case: str, atoms: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        name, text = (HOSTILE[case][0], HOSTILE[case][1]()) if case in HOSTILE else written(case.split(",")[0], atoms)
        path = Path(folder, name)
        path.write_text(text)
        del text
        warm = Path(folder, f"warm{path.suffix or '.vasp'}")
        warm.write_text("x")
        peak_of(lambda: read_each(warm))
        found, seconds, megabytes = peak_of(lambda: read_each(path))
        print(f"| {case} | {path.stat().st_size / 1e6:.0f} | {told(found)} | {seconds:.1f} | {megabytes} |", flush=True)
    if case in HOSTILE or isinstance(found, Exception):
        return
    from andersonn import Scientist

    structure = found[0]
    for task in ("conduction", "porosity") if structure.periodic else ("polarity",):
        scientist = Scientist.load(task)
        (answer,), seconds, megabytes = peak_of(lambda s=scientist: s.predict([structure]))
        ended = answer.label if answer.ok else f"`{answer.error['kind']}`"
        print(f"| … {task} | | {ended} | {seconds:.1f} | {megabytes} |", flush=True)


def told(found) -> str:
    if isinstance(found, Exception):
        return f"`{found.kind}`"
    return f"{len(found[0]):,} atoms"


def peak_of(call):
    """What a call returns, or its named error, with seconds and MB of memory above the start."""
    Path("/proc/self/clear_refs").write_text("5")
    before, begin = peak(), time.perf_counter()
    try:
        found = call()
    except AndersonnError as error:
        found = error
    return found, time.perf_counter() - begin, peak() - before


def peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def written(form: str, atoms: int) -> tuple[str, str]:
    """A file of jittered atoms on a cubic grid, 2.6 Å apart."""
    side = int(np.ceil(atoms ** (1 / 3)))
    grid = np.array(list(np.ndindex(side, side, side)), dtype=float)[:atoms] * 2.6
    xyz, length = grid + np.random.default_rng(0).uniform(-0.1, 0.1, grid.shape), side * 2.6
    rows = [f"{x:.4f} {y:.4f} {z:.4f}\n" for x, y, z in xyz]
    if form == "POSCAR":
        cell = f"{length} 0 0\n0 {length} 0\n0 0 {length}"
        return "POSCAR", f"grid\n1\n{cell}\nSi\n{atoms}\nCartesian\n" + "".join(rows)
    if form == "PDB":
        return "a.pdb", "".join(PDB.format(k % 100_000, k // 1000, *position) for k, position in enumerate(xyz))
    if form == "CIF":
        head = "".join(f"_cell_length_{x} {length}\n" for x in "abc")
        head += "".join(f"_cell_angle_{x} 90\n" for x in ("alpha", "beta", "gamma"))
        sites = (f"{ELEMENTS[k % 4]}{k} {x:.6f} {y:.6f} {z:.6f}\n" for k, (x, y, z) in enumerate(xyz / length))
        return "a.cif", f"data_a\n{head}loop_\n{AXES}" + "".join(sites)
    lattice = f'Lattice="{length} 0 0 0 {length} 0 0 0 {length}"' if form == "extended xyz" else ""
    return "a.xyz", f"{atoms}\n{lattice}\n" + "".join(f"{ELEMENTS[k % 4]} {row}" for k, row in enumerate(rows))


if __name__ == "__main__":
    main()
