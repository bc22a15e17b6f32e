"""Screening as a user runs it: rate, scaling with workers, memory against the size of the library, a soak run.

    python benchmarks/screening.py make TABLE.parquet OUT [--size 4000]      (OUT: a folder for CIF, or .zip, .sdf, .xyz, .smi)
    python benchmarks/screening.py rate TASK LIBRARY [--workers 1 2] [--rounds 3] [--json FILE]
    python benchmarks/screening.py memory TASK TABLE.parquet [--sizes 10000 100000 1000000] [--json FILE]

Each run is the command line in a process of its own. ``rate`` takes the settings in turn, round by round, so that other
work on the machine meets all of them, and gives the rate from when all workers have done a shard to the last shard, which
leaves out the start of processes, by the clock and by the processor time of all processes of the run. ``memory`` takes rows
evenly, or repeats them, up to each size and gives the resident memory of parent and workers over the run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from ase import Atoms
from ase.io import write
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds

from andersonn.data.records import Records
from andersonn.errors import InputError
from andersonn.io.files import write_json
from andersonn.measuring.setting import cpu_name
from andersonn.structures.structure import Structure

RDLogger.DisableLog("rdApp.*")
EVERY = 0.5
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    rate = verbs.add_parser("rate")
    memory = verbs.add_parser("memory")
    for verb in (rate, memory):
        verb.add_argument("task")
        verb.add_argument("library", type=Path)
        verb.add_argument("--json", type=Path)
        verb.add_argument("--option", action="append", default=[], help="of andersonn screen, such as --conformers=1")
        verb.add_argument("--shard-size", type=int, default=500 if verb is rate else 2000)
    rate.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    rate.add_argument("--rounds", type=int, default=3)
    memory.add_argument("--workers", type=int, default=2)
    memory.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    make = verbs.add_parser("make")
    make.add_argument("table", type=Path)
    make.add_argument("out", type=Path)
    make.add_argument("--size", type=int, default=4000)
    arguments = parser.parse_args()
    if arguments.verb == "make":
        return made(arguments.table, arguments.out, arguments.size)
    found = {"rate": rates, "memory": memories}[arguments.verb](arguments)
    found |= {"task": arguments.task, "library": arguments.library.name, "machine": cpu_name(), "load": os.getloadavg()}
    print(json.dumps(found, indent=2))
    if arguments.json:
        write_json(arguments.json, found)


def rates(arguments: argparse.Namespace) -> dict:
    runs = {workers: [] for workers in arguments.workers}
    for _ in range(arguments.rounds):
        for workers in arguments.workers:
            runs[workers].append(run(arguments, arguments.library, workers))
            print(workers, "workers:", {k: v for k, v in runs[workers][-1].items() if k != "resident"}, flush=True)
    rows = [
        {
            "workers": workers,
            "n": found[0]["inputs"],
            "rejected": found[0]["rejected"],
            "rate": [round(row["rate"], 1) for row in found],
            "rate_median": float(np.median([row["rate"] for row in found])),
            "per_cpu_second": float(np.median([row["per_cpu_second"] for row in found])),
            "resident_MB": float(np.median([max(row["resident"]) for row in found])),
        }
        for workers, found in runs.items()
    ]
    first, last = rows[0], rows[-1]
    more = last["workers"] / first["workers"]
    return {
        "runs": rows,
        "efficiency": last["rate_median"] / (more * first["rate_median"]),
        "efficiency_in_cpu_time": last["per_cpu_second"] / first["per_cpu_second"],
    }


def memories(arguments: argparse.Namespace) -> dict:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            library = Path(folder, "library.parquet")
            repeated(arguments.library, library, size)
            found = run(arguments, library, arguments.workers)
            resident = np.array(found.pop("resident"))
            settled = resident[len(resident) // 4 :]  # the first quarter holds the start of the processes
            rows.append(
                found
                | {
                    "resident_MB_median": float(np.median(settled)),
                    "resident_MB_most": float(resident.max()),
                    "resident_MB_by_tenth": [round(float(part.max())) for part in np.array_split(resident, 10)],
                }
            )
            print(rows[-1], flush=True)
    medians = [row["resident_MB_median"] for row in rows]
    return {
        "runs": rows,
        "memory_ratio": medians[-1] / medians[0],
        "peak_ratio": rows[-1]["resident_MB_most"] / rows[0]["resident_MB_most"],
    }


def made(source: Path, out: Path, size: int) -> None:
    """Writes records of a table, taken evenly, as files of another kind."""
    records = Records.read(source)
    records = records.take(np.arange(0, len(records), max(1, len(records) // size))[:size])
    if out.suffix == ".smi":
        names = zip(records.table["smiles"].to_pylist(), records.ids, strict=True)
        out.write_text("".join(f"{smiles} {name}\n" for smiles, name in names))
    elif out.suffix == ".sdf":
        out.write_text("".join(filter(None, map(mol_of, sound(records)))))
    elif out.suffix == ".xyz":
        with out.open("w") as stream:
            for structure in sound(records):
                write(stream, atoms_of(structure), format="xyz")
    elif out.suffix == ".zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for k, structure in enumerate(sound(records)):
                archive.writestr(f"{k:07d}.cif", cif_of(structure))
    else:
        out.mkdir(parents=True)
        for k, structure in enumerate(sound(records)):
            (out / f"{k:07d}.cif").write_bytes(cif_of(structure))


def sound(records: Records) -> Iterator[Structure]:
    for k in range(len(records)):
        with contextlib.suppress(InputError):
            yield records[k]


def atoms_of(structure: Structure) -> Atoms:
    return Atoms(structure.Z, structure.xyz, cell=structure.cell, pbc=structure.periodic)


def cif_of(structure: Structure) -> bytes:
    stream = io.BytesIO()
    write(stream, atoms_of(structure), format="cif")
    return stream.getvalue()


def mol_of(structure: Structure) -> str | None:
    """A MOL block with the bonds that RDKit finds from distances; None where it finds none that make a molecule."""
    lines = "".join(
        f"{s} {x:.6f} {y:.6f} {z:.6f}\n"
        for s, (x, y, z) in zip(atoms_of(structure).symbols, structure.xyz, strict=True)
    )
    mol = Chem.MolFromXYZBlock(f"{len(structure)}\n\n{lines}")
    try:
        rdDetermineBonds.DetermineBonds(mol, charge=0)
    except ValueError:
        return None
    mol.SetProp("_Name", structure.id)
    return Chem.MolToMolBlock(mol) + "$$$$\n"


def repeated(source: Path, target: Path, size: int) -> None:
    columns = [
        name for name in pq.read_schema(source).names if name in ("id", "atomic_numbers", "positions", "cell", "smiles")
    ]
    table = pq.read_table(source, columns=columns)
    if size < len(table):  # evenly, as tables are often in order of size
        table = table.take(np.arange(0, len(table), len(table) // size)[:size])
    with pq.ParquetWriter(target, table.schema, compression="zstd") as writer:
        while size > 0:
            writer.write_table(table.slice(0, min(size, len(table))), row_group_size=100_000)
            size -= len(table)


def run(arguments: argparse.Namespace, library: Path, workers: int) -> dict:
    """One run into a folder that is deleted."""
    out = Path(tempfile.mkdtemp(prefix="screening-"))
    command = [
        *(sys.executable, "-m", "andersonn.cli.main", "screen", arguments.task, str(library), "--out", str(out)),
        *("--workers", str(workers), "--shard-size", str(arguments.shard_size), *arguments.option),
    ]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    resident, at, cpu = [], [], []
    while process.poll() is None:
        time.sleep(EVERY)
        alive = tree(process.pid)
        resident.append(sum(memory_of(pid) for pid in alive) / 1e6)
        at.append(time.time())
        cpu.append(sum(cpu_of(pid) for pid in alive))
    seconds = time.perf_counter() - begin
    if process.returncode not in (0, 1):
        raise SystemExit(process.stderr.read())
    rows = [json.loads(line) for line in (out / "shards.jsonl").read_text().splitlines()]
    times = {row["shard"]: (out / "shards" / f"{row['shard']}.parquet").stat().st_mtime for row in rows}
    first = sorted(times.values())[workers - 1]  # all workers have done their first, and with it their imports
    later = [row for row in rows if times[row["shard"]] > first]
    last = max(times.values())
    spent = np.interp(last, at, np.maximum.accumulate(cpu)) - np.interp(first, at, cpu)
    counted = sum(row["counts"]["inputs"] for row in later)
    total = sum(row["counts"]["inputs"] for row in rows)
    rejected = sum(row["counts"]["rejected"] for row in rows)
    shutil.rmtree(out)
    return {
        "inputs": total,
        "rejected": rejected,
        "seconds": round(seconds, 1),
        "rate": counted / max(last - first, 1e-9),
        "per_cpu_second": float(counted / max(spent, 1e-9)),
        "resident": resident,
    }


def tree(root: int) -> list[int]:
    """A process and its children's children."""
    found, parents = [root], {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(words[1]), []).append(int(path.parent.name))
    for pid in found:
        found += parents.get(pid, [])
    return found


def cpu_of(pid: int) -> float:
    """Processor seconds that a process has used."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICK


def memory_of(pid: int) -> int:
    """Resident bytes of a process, pages shared with others counted once among them all."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
