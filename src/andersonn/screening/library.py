"""A library as a stream of chunks: folders, archives, tables, and files with many records."""

from __future__ import annotations

import codecs
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.errors import AndersonnError, InputError, UsageError
from andersonn.screening.chunks import FILE, PARQUET, RECORDS, REFUSED, SMI, TABLE, Chunk
from andersonn.screening.decompression import BoundedStream, too_large, unpacked
from andersonn.screening.splitting import LIMIT, spans
from andersonn.screening.storage import Found, files_of, opened
from andersonn.structures.readers import FORMATS, Columns, format_of, is_table_name, printable
from andersonn.structures.readers.content import DAMAGE, bare, damaged
from andersonn.structures.readers.molecules.smiles_lists import list_layout
from andersonn.structures.readers.tables.columns import MAYBE, PATHS, USUAL_COLUMNS, Roles, plain
from andersonn.structures.readers.tables.delimited import LONGEST_RECORD, Layout, records
from andersonn.structures.readers.tables.table import SAMPLE

PACKINGS = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".tgz": "gz", ".tbz2": "bz2", ".txz": "xz"}
TARS = (".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz")
ABSOLUTE = re.compile(r"^([/\\]|[A-Za-z]:)")


@dataclass(frozen=True)
class Library:
    """A collection of structures.

    Attributes:
        where: a folder, archive, table or file; a path or URL.
        size: inputs of a chunk at most.
        unchanged_since: seconds since 1970: a local file changed later is an error; None allows any.
        columns: of tables, where they have no usual names.
    """

    where: str
    size: int
    unchanged_since: float | None = None
    columns: Columns = USUAL_COLUMNS

    def chunks(self) -> Iterator[Chunk]:
        """All inputs in order; those that cannot be read are refused chunks, files of no known format are left out.

        Raises:
            UsageError: there is no such library, it holds nothing to read, or a file changed too late.
        """
        nothing = True
        for found in files_of(self.where):
            if self.unchanged_since is not None and found.changed > self.unchanged_since:
                raise UsageError(
                    "other_library",
                    f"{found.name!r} changed after the run into that --out began",
                    "choose another --out",
                )
            for chunk in self._of_file(found):
                nothing = False
                yield chunk
        if nothing:
            raise UsageError(
                "no_input", f"the library {printable(self.where)!r} holds no structure file", f"give {FORMATS}, Parquet"
            )

    def _of_file(self, found: Found) -> Iterator[Chunk]:
        """The chunks of one file; if it is damaged, as a whole or from some place on, the last is a refused chunk."""
        whole = Chunk(found.uri, found.name, FILE, found.size, found.version)
        try:
            reader, whole = self._reader(whole)
            if reader is not None:
                yield from reader(whole)
        except AndersonnError as error:
            if error.kind == "unreachable":  # no fault of the file: the run ends, and goes on later
                raise
            yield refused(whole, error)
        except (*DAMAGE, pa.ArrowException) as error:
            yield refused(whole, damaged(found.name, error))

    def _reader(self, whole: Chunk) -> tuple[Callable[[Chunk], Iterator[Chunk]] | None, Chunk]:
        """The method that splits a file, chosen by its name; None for a file that is no structure."""
        name = whole.name.lower()
        if name.endswith(".zip"):
            return self._of_zip, whole
        if name.endswith(".parquet"):
            return self._of_table, replace(whole, kind=PARQUET)
        packing = PACKINGS.get(PurePosixPath(name).suffix, "")
        if is_table_name(
            PurePosixPath(name)
        ):  # beside structures it tells about them: only one that is named is a library
            named = printable(self.where).endswith(whole.name)
            return (self._of_rows, replace(whole, kind=TABLE, packing=packing)) if named else (None, whole)
        if name.endswith(TARS):
            return self._of_tar, replace(whole, packing=packing)
        return (self._of_text, replace(whole, packing=packing)) if kind_of(name) else (None, whole)

    def _of_text(self, whole: Chunk) -> Iterator[Chunk]:
        kind = kind_of(whole.name)
        if kind in RECORDS:
            with unpacked(whole.uri, whole.packing) as stream:
                yield from self._of_records(replace(whole, kind=kind), stream)
        elif not whole.packing and whole.size > LIMIT:
            yield refused(whole, too_large(whole.name))
        else:
            yield whole

    def _of_records(self, whole: Chunk, stream: IO[bytes]) -> Iterator[Chunk]:
        if whole.kind == SMI:
            layout = list_layout(stream.readline(LONGEST_RECORD).decode("utf-8", errors="replace"))
            stream.seek(0)
            whole = replace(whole, layout=layout.as_text() if layout else "")
        for span in spans(stream, whole.kind, self.size):
            yield replace(
                whole, offset=whole.offset + span.offset, length=span.length, first=span.first, count=span.count
            )

    def _of_rows(self, whole: Chunk) -> Iterator[Chunk]:
        """Of a table of text; its first record names the columns and is number 1."""
        with unpacked(whole.uri, whole.packing) as stream:
            header = stream.readline(LONGEST_RECORD)
            if header.startswith(b"PK\x03\x04"):  # a zip archive, as workbooks are
                message = f"{whole.name!r} is an Excel workbook, which cannot be read in parts"
                raise InputError("unknown_format", message, "save its sheet as CSV")
            if header.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in header:
                raise InputError("not_text", f"{whole.name!r} is no table of UTF-8 text", "save it as CSV in UTF-8")
            layout = Layout.of(decoded(header))
            first = io.BytesIO(stream.read(2 * LONGEST_RECORD)).readlines()  # a record may have many lines
            rows = _sound_rows(layout, map(decoded, first))[:SAMPLE]
            roles = Roles.of(layout.names, self.columns, rows, repr(whole.name))
            how = json.dumps({"layout": layout.as_text(), "roles": asdict(roles)})
            stream.seek(len(header))
            for span in spans(stream, TABLE, self.size, layout.delimiter):
                yield replace(
                    whole, offset=len(header) + span.offset, length=span.length, first=span.first + 1, count=span.count,
                    layout=how,
                )  # fmt: skip

    def _of_table(self, whole: Chunk) -> Iterator[Chunk]:
        with opened(whole.uri) as stream:
            metadata = pq.read_metadata(stream)
        names = metadata.schema.to_arrow_schema().names
        text = next((name for name in names if plain(name) in (*PATHS, *MAYBE)), None)
        try:
            roles = Roles.of(names, self.columns, (), repr(whole.name))
        except InputError:
            if text is None or any(self.columns):
                raise
            roles = Roles(path=names.index(text))
        if roles.path is not None:
            told = f"{whole.name!r} has neither SMILES nor atoms, and files or their text, as in {names[roles.path]!r}, are not screened from Parquet"
            hint = "save the table as CSV, or give the folder of its files; if the column holds SMILES: --smiles-column"
            raise InputError("missing_column", told, hint)
        called = {"smiles": roles.smiles, "id": roles.id}
        found = {name: names[k] for name, k in called.items() if k is not None and names[k] != name}
        whole = replace(whole, layout=json.dumps(found) if found else "")
        for start in range(0, metadata.num_rows, self.size):
            count = min(self.size, metadata.num_rows - start)
            yield replace(whole, offset=start, length=count, first=start + 1, count=count)

    def _of_zip(self, whole: Chunk) -> Iterator[Chunk]:
        with opened(whole.uri) as stream, zipfile.ZipFile(stream) as archive:
            for number, info in enumerate(archive.infolist()):
                name = info.filename
                if info.is_dir() or not _wanted(name):
                    continue
                member = replace(whole, name=f"{whole.name}/{printable(name)}", member=number)
                if (wrong := _unsafe(name)) or (info.external_attr >> 16) & 0o170000 == 0o120000:
                    yield refused(member, wrong or _link(name))
                elif (kind := _split_kind(name)) is not None:
                    with archive.open(info) as text:
                        yield from self._of_records(replace(member, kind=kind), text)
                else:
                    yield refused(member, too_large(name)) if info.file_size > LIMIT else member

    def _of_tar(self, whole: Chunk) -> Iterator[Chunk]:
        with (
            unpacked(whole.uri, whole.packing) as stream,
            tarfile.open(fileobj=cast("IO[bytes]", BoundedStream(stream)), mode="r:") as archive,
        ):
            while (info := archive.next()) is not None:
                # Else a million members stay in memory.
                archive.members.clear()  # type: ignore[attr-defined]  # typeshed does not list it
                name = info.name
                if info.isdir() or not _wanted(name):
                    continue
                member = replace(whole, name=f"{whole.name}/{printable(name)}", offset=info.offset_data)
                if (wrong := _unsafe(name)) or not info.isreg() or info.issparse():
                    yield refused(member, wrong or _link(name))
                elif (kind := _split_kind(name)) is not None:
                    content = archive.extractfile(info)
                    assert content is not None  # it is a regular file
                    with content:
                        yield from self._of_records(replace(member, kind=kind), content)
                elif info.size > LIMIT:
                    yield refused(member, too_large(name))
                else:
                    yield replace(member, length=info.size)


def kind_of(name: str) -> str | None:
    """How a file of that name, perhaps compressed, is split into inputs; None for a file of no known format."""
    kind = format_of(PurePosixPath(name))
    return kind if kind in RECORDS or kind is None else FILE


def _sound_rows(layout: Layout, lines: Iterable[str]) -> list[list[str]]:
    """The rows among the first lines of a table that can be taken apart."""
    found = []
    for record in records(lines, layout.delimiter):
        with suppress(InputError):
            found.append(layout.fields(record))
    return [row for row in found if row]


def _split_kind(name: str) -> str | None:
    """The kind of an archive's member that is text of many records, else None; one that is packed once more is read whole."""
    kind = kind_of(name)
    return kind if kind in RECORDS and bare(PurePosixPath(name)) == PurePosixPath(name) else None


def decoded(line: bytes) -> str:
    """A line of a table as text: UTF-8, or else of Windows."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def refused(chunk: Chunk, error: AndersonnError) -> Chunk:
    """The chunk in place of one that cannot be read."""
    return replace(chunk, kind=REFUSED, error=error.as_dict(), count=1, first=0)


def _wanted(name: str) -> bool:
    """Whether an archive's member is looked at: one of a known format, not hidden."""
    last = re.split(r"[/\\]", name)[-1]
    return not last.startswith(".") and format_of(PurePosixPath(last)) is not None


def _unsafe(name: str) -> InputError | None:
    """Why a member's name is not to be trusted, if it leaves the archive's folder."""
    if not ABSOLUTE.match(name) and ".." not in re.split(r"[/\\]", name):
        return None
    return InputError("unsafe_path", f"the member {printable(name)!r} leaves the archive's folder", "pack it anew")


def _link(name: str) -> InputError:
    return InputError("not_a_file", f"the member {printable(name)!r} is a link or device", "pack the file itself")
