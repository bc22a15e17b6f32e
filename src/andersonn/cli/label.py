"""``andersonn label``: reference values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from andersonn.cli.console import FORMAT, Bars, Format, print_csv, print_json, warn
from andersonn.cli.task_list import Verb, Verbs
from andersonn.sanitize import visible

if TYPE_CHECKING:
    from andersonn.labels.inputs import Reading
    from andersonn.labels.run import Effort, Labeler

HELP = "Compute reference values: pore diameters (Zeo++), dipole moments (PySCF, GFN2-xTB)."
INPUTS = """INPUT is a structure file, a folder, or a Parquet file of records. Each structure is computed in a
subprocess with a time limit; one that fails does not end the run. With --out, an interrupted run goes on where it
stopped when the same command is given again. Exit status 0 if all were labeled, 1 if some were not."""
PORE_HELP = f"""Pore diameters by Zeo++: pld_A (pore-limiting) and lcd_A (largest cavity).

{INPUTS} After an abort of Zeo++, fractional coordinates are moved by up to 1e-5 and the answer says so.

Example: andersonn label pore mofs/ --out pores.parquet --workers 4"""
DIPOLE_HELP = f"""Dipole moments: B3LYP/6-31G(2df,p) as in QM9, or GFN2-xTB as the quick level.

{INPUTS} SMILES (--smiles, .smi), SDF and MOL files, and CSV lists with a column smiles are read too. Charge and
multiplicity come from the SMILES, the SDF or the comment line of an xyz file (charge=-1 multiplicity=2).

Example: andersonn label dipole --smiles "NC=O" --relax gfn2 --format json"""

app = typer.Typer(cls=Verbs, help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})


class Method(StrEnum):
    """Level of theory of dipoles."""

    b3lyp = "b3lyp"
    gfn2 = "gfn2"


class Relax(StrEnum):
    """Optimization before the dipole."""

    none = "none"
    gfn2 = "gfn2"
    b3lyp = "b3lyp"


class Device(StrEnum):
    """Where B3LYP runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Accuracy(StrEnum):
    """Of Zeo++."""

    default = "default"
    high = "high"


NAMES = typer.Argument(metavar="INPUT...", help="Files, folders or Parquet files of records.")
OUT = typer.Option(None, help="File that keeps the rows and from which the run resumes: .jsonl, or .parquet.")
WORKERS = typer.Option(1, min=1, help="Subprocesses.")
THREADS = typer.Option(0, min=0, help="Threads of each subprocess; 0 divides the cores.")
RETRY = typer.Option(False, "--retry-failed", help="Compute again what failed in an earlier run.")
LIMIT = typer.Option(None, min=1, help="Maximum number of structures.")
MISSING = typer.Option(False, "--missing", help="Only records of the Parquet file whose label is null or absent.")
FILL = typer.Option(None, help="Parquet file to write: the one Parquet INPUT, its nulls filled in (implies --missing).")


@app.command("pore", cls=Verb, help=PORE_HELP)
def pore(
    inputs: list[str] = NAMES,
    accuracy: Accuracy = typer.Option(Accuracy.default, help="Accuracy of Zeo++; high takes a hundred times as long."),
    out: Path | None = OUT,
    fill: Path | None = FILL,
    missing: bool = MISSING,
    workers: int = WORKERS,
    threads: int = THREADS,
    time_limit: float = typer.Option(120.0, min=0.1, help="Time limit per attempt for one structure, in seconds."),
    limit: int | None = LIMIT,
    retry_failed: bool = RETRY,
    format: Format = FORMAT,
) -> None:
    """Prints one row a structure."""
    from andersonn.labels.inputs import Reading
    from andersonn.labels.pore import pore_labeler
    from andersonn.labels.run import Effort

    labeler = pore_labeler(accuracy.value)
    reading = Reading(missing=labeler.quantities if missing or fill else (), limit=limit)
    effort = Effort(workers, time_limit, threads or _share(workers), retry_failed)
    _run(inputs, reading, labeler, effort, out, fill, format)


@app.command("dipole", cls=Verb, help=DIPOLE_HELP)
def dipole(
    inputs: list[str] = NAMES,
    method: Method = typer.Option(Method.b3lyp, help="Level of theory."),
    smiles: bool = typer.Option(False, "--smiles", help="Treat INPUT as SMILES."),
    relax: Relax = typer.Option(Relax.none, help="Optimize the geometry first: GFN2-xTB, or B3LYP as in QM9."),
    conformers: int = typer.Option(
        1, min=1, help="Conformers to generate from SMILES; the one of lowest energy is labeled."
    ),
    device: Device = typer.Option(
        Device.auto, help="cuda: use gpu4pyscf; auto: use it if it and a CUDA device are there."
    ),
    charge: int = typer.Option(0, help="Charge in e of inputs that do not state their own."),
    multiplicity: int | None = typer.Option(
        None, min=1, help="Multiplicity 2S + 1 of inputs that do not state their own."
    ),
    out: Path | None = OUT,
    fill: Path | None = FILL,
    missing: bool = MISSING,
    workers: int = WORKERS,
    threads: int = THREADS,
    time_limit: float = typer.Option(3600.0, min=0.1, help="Time limit per molecule, in seconds."),
    limit: int | None = LIMIT,
    retry_failed: bool = RETRY,
    format: Format = FORMAT,
) -> None:
    """Prints one row a molecule."""
    from andersonn.labels.dipole import dipole_labeler
    from andersonn.labels.inputs import Reading
    from andersonn.labels.run import Effort

    labeler = dipole_labeler(method.value, relax.value, conformers, device.value)
    wanted = labeler.quantities if missing or fill else ()
    reading = Reading(smiles, charge, multiplicity, wanted, limit)
    effort = Effort(workers, time_limit, threads or _share(workers), retry_failed)
    _run(inputs, reading, labeler, effort, out, fill, format)


def _share(workers: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


def _run(
    inputs: list[str],
    reading: Reading,
    labeler: Labeler,
    effort: Effort,
    out: Path | None,
    fill: Path | None,
    format: Format,
) -> None:
    """Labels, prints and writes; ends with the exit status."""
    from andersonn.labels import inputs as read
    from andersonn.labels.run import label, require_same
    from andersonn.workers.journal import Journal

    _check_files(inputs, out, fill)
    total, bars = read.count(inputs, reading), Bars()
    rows: list[dict[str, Any]] = []

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        bars.update(len(rows), row["id"])

    with Journal(_journal_path(out)) as journal:
        require_same(journal, labeler)
        bars.start(f"{labeler.name}: {labeler.method.partition(',')[0]}", total)
        try:
            found = label(read.jobs(inputs, reading), labeler, journal, effort, note)
            _show(found, labeler, format)
        except KeyboardInterrupt:
            bars.say("interrupted" + ("; the same command goes on" if out else ""))
            raise typer.Exit(130) from None
        finally:
            bars.finish()
            _write(list(journal.rows.values()), labeler, inputs, out, fill, bars)
    failed = sum("error" in row for row in rows)
    stored = sum(bool(row.get("stored")) for row in rows)
    jittered = sum(row.get("jitter") is not None for row in rows)
    words = f"{len(rows) - failed} labeled, {failed} failed"
    words += f", {jittered} of them after a move of the atoms" if jittered else ""
    bars.say(words + (f"; {stored} from the earlier run" if stored else ""))
    raise typer.Exit(1 if failed else 0)


def _check_files(inputs: list[str], out: Path | None, fill: Path | None) -> None:
    from andersonn.errors import UsageError
    from andersonn.io.files import require_writable

    if out is not None and out.suffix.lower() not in (".jsonl", ".parquet"):
        raise UsageError("bad_option", f"--out {str(out)!r} ends in neither .jsonl nor .parquet", "choose one of them")
    if fill is not None and (len(inputs) != 1 or Path(inputs[0]).suffix.lower() != ".parquet"):
        raise UsageError("bad_option", "--fill needs one Parquet file as the only INPUT", "give it alone")
    for path in (out, fill):
        if path is not None:
            require_writable(path.parent)  # before hours of computing


def _journal_path(out: Path | None) -> Path | None:
    if out is None or out.suffix.lower() == ".jsonl":
        return out
    return out.with_name(out.name + ".jsonl")


def _write(
    rows: list[dict[str, Any]], labeler: Labeler, inputs: list[str], out: Path | None, fill: Path | None, bars: Bars
) -> None:
    from andersonn.labels.table import fill as filled
    from andersonn.labels.table import write_records

    if out is not None and out.suffix.lower() == ".parquet" and any("error" not in row for row in rows):
        bars.say(f"{write_records(rows, labeler.quantities, out)} records in {out}")
    if fill is not None:
        done, still = filled(Path(inputs[0]), rows, labeler.quantities, fill)
        bars.say(f"{done} records filled in, {still} still without a label: {fill}")


HIDDEN = ("key", "settings", "structure", "dipole_vector_D", "stored", "group")


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in HIDDEN}


def _show(rows: Iterator[dict[str, Any]], labeler: Labeler, format: Format) -> None:
    if format is Format.json:
        for row in rows:
            print_json(_public(row))
    elif format is Format.csv:
        columns = ("input", "id", "formula", "n_atoms", "charge", *labeler.quantities, "attempts", "jitter", "seconds")
        names = (*columns, "notes", "error")
        print_csv(({name: _cell(row.get(name)) for name in names} for row in rows), names)
    else:
        _table(list(rows), labeler)


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return f"{value['kind']}: {value['message']} ({value['hint']})"
    return "; ".join(value) if isinstance(value, list) else value


def _table(rows: list[dict[str, Any]], labeler: Labeler) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table("id", "formula", "atoms", box=None, header_style="bold", pad_edge=False)
    for name in labeler.quantities:
        quantity, _, unit = name.rpartition("_")
        table.add_column(f"{quantity} / {unit}".replace("/ A", "/ Å"), justify="right")
    table.add_column("s", justify="right")
    table.add_column("notes", overflow="fold")
    for row in rows:
        if "error" in row:
            warn(f"{visible(row['input'])}: {row['error']['message']} ({row['error']['hint']})")
            continue
        values = [f"{row[name]:.4f}" for name in labeler.quantities]
        cells = [row["id"], row["formula"], str(row["n_atoms"]), *values, f"{row['seconds']:.1f}"]
        table.add_row(*(escape(visible(text)) for text in (*cells, "; ".join(row["notes"]))))
    if table.row_count:
        console.print(table)
        console.print(labeler.method, style="dim", highlight=False)
