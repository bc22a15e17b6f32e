"""``andersonn screen``."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from andersonn.cli.console import (
    FORMAT,
    GEOMETRY,
    MODEL,
    PATH_COLUMN,
    SMILES_COLUMN,
    TASK,
    Bars,
    Format,
    Geometry,
    print_csv,
    print_json,
    tell,
)
from andersonn.cli.pores import CLASSES, CLEAN, CONVENTION, RADII, STRIP_GUESTS, Classes, Convention, question
from andersonn.cli.thresholds import THRESHOLDS, cut
from andersonn.errors import UsageError

if TYPE_CHECKING:
    from andersonn.inference.by_geometry import PoreQuestion
    from andersonn.screening import Settings

HELP = """A whole library: class, probabilities and estimate of each structure, as Parquet.

LIBRARY is a folder, a zip or tar archive, a Parquet table of structures or SMILES, a CSV or TSV table with a column of
SMILES or of files, or an SDF, SMILES or (extended) xyz file, also packed (.gz, .bz2, .xz); a path or a URL such as
s3://bucket/folder. After an interruption, the same command continues where the run
stopped. DIR gets shards/*.parquet, rejects.jsonl with reasons, shards.jsonl and manifest.json, and top.parquet if asked.

Exit status 0 if all inputs were answered, 1 if some were rejected.

Example: andersonn screen conduction crystals.zip --out run --where "class == 'insulator' and p > 0.95" --top 100"""


class Engine(StrEnum):
    """What runs the workers."""

    local = "local"
    ray = "ray"


def screen(
    task: str = TASK,
    library: str = typer.Argument(help="Folder, archive, table or file; a path or a URL."),
    out: Path = typer.Option(..., help="Folder for the results."),
    smiles_column: str | None = SMILES_COLUMN,
    path_column: str | None = PATH_COLUMN,
    engine: Engine = typer.Option(Engine.local, help="Processes of this machine, or Ray (extra: cluster)."),
    workers: int | None = typer.Option(None, min=1, help="Processes or actors; default one a core."),
    address: str | None = typer.Option(None, help="Running Ray cluster, such as auto; default one started here."),
    model: Path | None = MODEL,
    geometry: Geometry | None = GEOMETRY,
    device: str = typer.Option("cpu", help="cpu, or cuda: workers share the GPUs."),
    conformers: int | None = typer.Option(
        None,
        min=1,
        help="Geometries to average over for a molecule without 3-D coordinates; default: as in the model's training.",
    ),
    convention: Convention | None = CONVENTION,
    radii: str | None = RADII,
    classes: Classes | None = CLASSES,
    strip_guests: bool = STRIP_GUESTS,
    clean: bool = CLEAN,
    thresholds: str | None = THRESHOLDS,
    where: str | None = typer.Option(None, help="Condition on rows to keep, over the columns of the results."),
    top: int = typer.Option(0, min=0, help="Write this many of the best rows to top.parquet."),
    by: str = typer.Option(
        "value", help="Score for --top, highest first: a column or a sum of them; value: the estimate."
    ),
    shard_size: int = typer.Option(2000, min=1, help="Inputs per shard; a worker that dies loses at most one shard."),
    time_limit: float = typer.Option(120.0, min=0.1, help="Time limit per input, in seconds."),
    format: Format = FORMAT,
) -> None:
    """Prints the manifest, in short as a table."""
    from andersonn.screening import Screening
    from andersonn.structures.readers import Columns

    asked = question(task, model, convention, radii, classes, strip_guests, clean)
    screening = Screening(
        _settings(task, model, device, geometry, conformers, where, time_limit, asked, thresholds), library, out, shard_size, top, by, engine.value,
        workers or _cores(), address, Columns(smiles_column, path_column),
    )  # fmt: skip
    bars = Bars()
    try:
        manifest = screening.run(bars)
    except KeyboardInterrupt:
        bars.say("interrupted; what is done is kept, and the same command goes on")
        raise typer.Exit(130) from None
    _show(manifest, out, format)
    raise typer.Exit(1 if manifest["counts"]["rejected"] else 0)


def _settings(
    task: str,
    model: Path | None,
    device: str,
    geometry: Geometry | None,
    conformers: int | None,
    where: str | None,
    time_limit: float,
    asked: PoreQuestion | None,
    thresholds: str | None,
) -> Settings:
    from andersonn.inference.loading import load_for
    from andersonn.screening import Settings

    scientist = cut(load_for(task, model, geometry=geometry).asked(asked), thresholds)
    if geometry is Geometry.one:
        if conformers not in (None, 1):
            raise UsageError("bad_option", f"--geometry one and --conformers {conformers}", "give one of them")
        conformers = 1
    return Settings.of(scientist, device=device, conformers=conformers, where=where, time_limit=time_limit)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _show(manifest: dict[str, Any], out: Path, format: Format) -> None:
    counts = manifest["counts"]
    if format is Format.json:
        print_json(manifest)
    elif format is Format.csv:
        print_csv([counts], counts)
    else:
        words = f"{counts['answered']} of {counts['inputs']} answered"
        kept = f", {counts['kept']} kept" if manifest["options"]["where"] else ""
        tell(f"{words}{kept}: {out / 'shards'}")
        if manifest["classes"]:
            tell(", ".join(f"{name} {count}" for name, count in manifest["classes"].items()))
        for kind, count in manifest["rejects"].items():
            tell(f"rejected {count}: {kind}")
        if counts["rejected"]:
            tell(f"reasons: {out / 'rejects.jsonl'}")
