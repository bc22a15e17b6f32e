"""CPU time from CIF files to graph images, and to the first answer of a new process, against an earlier state of the package.

    python benchmarks/reading.py RECORDS.parquet [--atoms 32] [--files 300] [--repeats 5] [--against REVISION] [--json FILE]

Crystals of at most ``--atoms`` atoms are written as CIF files by ASE (all atoms listed, P 1), and, where pymatgen is
installed, also with their symmetry (`pip install pymatgen`); then read and imaged. The earlier state is checked out of this
repository into a temporary folder and run by the same Python with the same packages. Both take turns, repeat by repeat, each in
its own process of one thread; medians and quartiles of CPU time (user and system), and of the ratios within each turn.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from andersonn import Records

ROOT = Path(__file__).resolve().parent.parent
FORMER = "f2c0206"
"""The last revision before reading was made faster."""
READS = """
import sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from andersonn import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import read_file
paths, recipe = sorted(Path(sys.argv[1]).iterdir()), ImageRecipe(oxidation=True)
for path in paths:  # once before: what is used loads, and caches fill
    NodeNeighborImage.from_structure(read_file(path)[0], recipe)
begin = time.process_time()
structures = [structure for path in paths for structure in read_file(path)]
read = time.process_time()
for structure in structures:
    NodeNeighborImage.from_structure(structure, recipe)
imaged = time.process_time()
print((read - begin) / len(paths), (imaged - read) / len(paths), sum(map(len, structures)) / len(paths))
"""
STARTS = {
    "andersonn --help": ("-m", "andersonn", "--help"),
    "predict conduction, CIF": ("-m", "andersonn", "predict", "conduction", "examples/structures/NaCl.cif"),
    "predict polarity, SMILES": ("-m", "andersonn", "predict", "polarity", "CCO"),
    "Scientist.predict, CIF": (
        "-c",
        "import andersonn as an; an.Scientist.load('conduction').predict('examples/structures/NaCl.cif')",
    ),
    "import torch, for comparison": ("-c", "import torch"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--atoms", type=int, default=32)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--against", default=FORMER, help="revision of this repository")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        former = checked_out(arguments.against, Path(folder, "former"))
        for kind, paths in written(arguments, Path(folder)).items():
            turns = [[reading(tree, paths) for tree in (former, ROOT)] for _ in range(arguments.repeats)]
            of_both = np.array(turns)  # [repeat, former or present, read | image | atoms]
            print(f"{kind}, {arguments.files} files of {of_both[0, 1, 2]:.1f} atoms on average, ms of CPU a file:")
            times = {"read": of_both[..., 0], "image": of_both[..., 1], "together": of_both[..., :2].sum(axis=2)}
            found[kind] = {name: shown(name, 1e3 * pair) for name, pair in times.items()}
        print("new process, s of CPU:")
        for name, words in STARTS.items():
            for tree in (former, ROOT):
                started(tree, words)  # writes the byte code, as an installation does
            pairs = [[started(tree, words) for tree in (former, ROOT)] for _ in range(arguments.repeats)]
            found[name] = shown(name, np.array(pairs))
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


def checked_out(revision: str, folder: Path) -> Path:
    """A folder with the files of a revision."""
    folder.mkdir()
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", revision], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def environment(tree: Path) -> dict[str, str]:
    """Variables under which a child runs the package of a tree, in one thread."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def reading(tree: Path, folder: Path) -> list[float]:
    """Seconds of CPU a file for reading and for the image, and atoms a file."""
    words = [sys.executable, "-c", READS, str(folder)]
    done = subprocess.run(words, env=environment(tree), cwd=ROOT, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def started(tree: Path, words: tuple[str, ...]) -> float:
    """Seconds of CPU, of user and system, of a process from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], env=environment(tree), cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def shown(name: str, pairs: np.ndarray) -> dict[str, list[float]]:
    """Prints and returns quartiles of what the former and the present state take ``[repeat, 2]``, and of their ratio."""
    values = {"former": pairs[:, 0], "now": pairs[:, 1], "former / now": pairs[:, 0] / pairs[:, 1]}
    quartiles = {key: np.quantile(value, (0.25, 0.5, 0.75)).tolist() for key, value in values.items()}
    told = (f"{key} {middle:.3g} ({low:.3g} … {high:.3g})" for key, (low, middle, high) in quartiles.items())
    print(f"  {name:<28} {'; '.join(told)}", flush=True)
    return quartiles


def written(arguments: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """Kind of file → folder with the files."""
    records = Records.read(arguments.records)
    order = np.random.default_rng(0).permutation(len(records))
    sized = (structure for structure in (records[int(i)] for i in order) if len(structure) <= arguments.atoms)
    chosen = [structure for structure, _ in zip(sized, range(arguments.files), strict=False)]
    folders = {}
    for kind, write in writers().items():
        folders[kind] = folder / kind
        folders[kind].mkdir()
        for k, structure in enumerate(chosen):
            write(structure, folders[kind] / f"{k}.cif")
    return folders


def writers() -> dict:
    """Name → function that writes a structure to a path."""
    from ase import Atoms
    from ase.io import write

    def plain(structure, path):
        write(path, Atoms(structure.Z, structure.xyz, cell=structure.cell, pbc=True), format="cif")

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

    return kinds | {"symmetry": symmetric}


if __name__ == "__main__":
    main()
