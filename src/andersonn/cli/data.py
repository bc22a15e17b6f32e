"""``andersonn data``: where data come from, and how to get them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import typer

from andersonn.cli.console import FORMAT, Bars, Format, print_rows, tell
from andersonn.cli.task_list import Verb, Verbs

HELP = "Sources of labeled structures: licence, citation, size, checksum, cache."
GET_HELP = """Fetch a source into the cache and print the paths of its files.

Broken downloads go on where they stopped, checksums are compared, and what is in the cache is not fetched again.

Example: andersonn data get qm9"""

app = typer.Typer(cls=Verbs, help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})


def _facts(name: str) -> dict[str, Any]:
    from andersonn.data.fetch import cached, folder_of
    from andersonn.data.sources import source

    found = source(name)
    here = found.how == "shipped" or bool(cached(found, check=False))
    place = "in the package" if found.how == "shipped" else str(folder_of(found))
    return found.as_dict() | {"cached": here, "cache": place}


@app.command("list", cls=Verb, help="All sources. Needs no network.\n\nExample: andersonn data list --format json")
def list_sources(format: Format = FORMAT) -> None:
    """Prints a row a source."""
    from andersonn.data.sources import SOURCES

    rows = [_facts(name) for name in SOURCES]
    if format is not Format.table:
        print_rows(rows, format)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for title in ("name", "what", "licence", "MB", "how", "here"):
            table.add_column(
                title, overflow="fold", no_wrap=title == "name", justify="right" if title == "MB" else "left"
            )
        for row in rows:
            size = "unknown" if row["size_MB"] is None else f"{row['size_MB']:.0f}"
            cells = [row["name"], row["title"], row["licence"], size, row["how"]]
            table.add_row(*cells, "yes" if row["cached"] else "no")
        Console().print(table)


@app.command(
    "info",
    cls=Verb,
    help="All that is known of a source.\n\nLicence, citation, size, checksum and cache. Needs no network.\n\nExample: andersonn data info qm9",
)
def info(name: str = typer.Argument(help="Source, such as qm9."), format: Format = FORMAT) -> None:
    """Prints the facts."""
    row = _facts(name)
    if format is not Format.table:
        print_rows([row], format)
    else:
        for key, value in row.items():
            tell(f"{key:<9} {'unknown' if value is None else value}")


@app.command("get", cls=Verb, help=GET_HELP)
def get(
    name: str = typer.Argument(help="Source, such as qm9."),
    offline: bool = typer.Option(False, "--offline", help="Use the cache only (also: ANDERSONN_OFFLINE=1)."),
    again: bool = typer.Option(False, "--again", help="Download again even if the cache has it."),
    tries: int = typer.Option(5, min=1, help="Attempts without progress before giving up."),
    out: Path | None = typer.Option(None, help="Folder that also gets a copy."),
    records: Path | None = typer.Option(None, help="Parquet file of records to make of it (qm9, core-mof)."),
    format: Format = FORMAT,
) -> None:
    """Prints the paths."""
    from andersonn.data.download import Patience
    from andersonn.data.fetch import get as fetch
    from andersonn.data.sources import source
    from andersonn.io.files import require_writable

    found, bars = source(name), Bars()
    for folder in (out, records and records.parent):
        if folder is not None:
            require_writable(folder)  # before a long download
    started = False

    def progress(done: int, total: int) -> None:
        nonlocal started
        if not started:
            bars.start(f"fetching {name}", total or 1)
            started = True
        bars.update(done if total else 0)

    try:
        paths = fetch(found, offline, Patience(tries), progress, again)
    except KeyboardInterrupt:
        bars.say("interrupted; the same command goes on")
        raise typer.Exit(130) from None
    finally:
        bars.finish()
    if out:
        paths = _copied(paths, out)
    if records:
        paths = [_converted(found, paths, records, bars)]
    rows = [{"name": name, "path": str(path), "size_MB": round(path.stat().st_size / 1e6, 3)} for path in paths]
    if format is not Format.table:
        print_rows(rows, format)
    else:
        for row in rows:
            tell(str(row["path"]))
        bars.say(f"{found.licence}; cite {found.citation}")


def _copied(paths: list[Path], folder: Path) -> list[Path]:
    import shutil

    from andersonn.io.files import write_whole

    for path in paths:
        write_whole(folder / path.name, partial(shutil.copyfile, path))
    return [folder / path.name for path in paths]


def _converted(found: Any, paths: list[Path], records: Path, bars: Bars) -> Path:
    from andersonn.data.convert import to_records

    bars.start(f"records of {found.name}", 1)
    try:
        count, left_out = to_records(found, paths, records, lambda done, total: bars.update(done / total))
    finally:
        bars.finish()
    bars.say(f"{count} records; {len(left_out)} structures left out")
    for id, reason in sorted(left_out.items())[:20]:
        bars.say(f"  {id}: {reason}")
    return records
