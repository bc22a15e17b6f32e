"""What a library holds, as pieces: folders, archives, tables and files of many records, looked through as a stream."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.errors import AndersonnError, InputError, UsageError
from andersonn.matter.readers import FORMATS, format_of, printable
from andersonn.screening.cutting import LIMIT, cuts
from andersonn.screening.pieces import FILE, PARQUET, RECORDS, REFUSED, Piece
from andersonn.screening.storage import Found, files_of, opened
from andersonn.screening.streams import DAMAGE, damaged, too_large, unpacked

PACKINGS = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".tgz": "gz", ".tbz2": "bz2", ".txz": "xz"}
TARS = (".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz")
NEEDED = ("atomic_numbers", "positions")
"""Columns of a table of structures, unless it has ``smiles``."""
ABSOLUTE = re.compile(r"^([/\\]|[A-Za-z]:)")


@dataclass(frozen=True)
class Library:
    """A collection of structures.

    Attributes:
        where: a folder, archive, table or file; a path or URL.
        size: inputs of a piece at most.
        unchanged_since: seconds since 1970: a local file changed later is an error; None allows any.
    """

    where: str
    size: int
    unchanged_since: float | None = None

    def pieces(self) -> Iterator[Piece]:
        """All inputs in order, those that cannot be read as refused pieces; files of no known format are left out.

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
            for piece in self._of_file(found):
                nothing = False
                yield piece
        if nothing:
            raise UsageError(
                "no_input", f"the library {printable(self.where)!r} holds no structure file", f"give {FORMATS}, Parquet"
            )

    def _of_file(self, found: Found) -> Iterator[Piece]:
        """The pieces of one file; what is wrong with it as a whole, or from some place on, as a refused piece."""
        whole = Piece(found.uri, found.name, FILE, found.size, found.version)
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

    def _reader(self, whole: Piece) -> tuple[Callable[[Piece], Iterator[Piece]] | None, Piece]:
        """How to look through a file, by its name; None for a file that is no structure."""
        name = whole.name.lower()
        if name.endswith(".zip"):
            return self._of_zip, whole
        if name.endswith(".parquet"):
            return self._of_table, replace(whole, kind=PARQUET)
        packing = PACKINGS.get(PurePosixPath(name).suffix, "")
        if name.endswith(TARS):
            return self._of_tar, replace(whole, packing=packing)
        return (self._of_text, replace(whole, packing=packing)) if kind_of(name) else (None, whole)

    def _of_text(self, whole: Piece) -> Iterator[Piece]:
        kind = kind_of(whole.name)
        if kind in RECORDS:
            with unpacked(whole.uri, whole.packing) as stream:
                yield from self._of_records(replace(whole, kind=kind), stream)
        elif not whole.packing and whole.size > LIMIT:
            yield refused(whole, too_large(whole.name))
        else:
            yield whole

    def _of_records(self, whole: Piece, stream: object) -> Iterator[Piece]:
        for cut in cuts(stream, whole.kind, self.size):  # type: ignore[arg-type]
            yield replace(whole, offset=whole.offset + cut.offset, length=cut.length, first=cut.first, count=cut.count)

    def _of_table(self, whole: Piece) -> Iterator[Piece]:
        with opened(whole.uri) as stream:
            metadata = pq.read_metadata(stream)
        names = metadata.schema.to_arrow_schema().names
        if "smiles" not in names and not set(NEEDED) <= set(names):
            raise InputError(
                "missing_column",
                f"{whole.name!r} has neither smiles nor {' and '.join(NEEDED)}",
                f"it has {', '.join(names)}; rename the matching columns",
            )
        for start in range(0, metadata.num_rows, self.size):
            count = min(self.size, metadata.num_rows - start)
            yield replace(whole, offset=start, length=count, first=start + 1, count=count)

    def _of_zip(self, whole: Piece) -> Iterator[Piece]:
        with opened(whole.uri) as stream, zipfile.ZipFile(stream) as archive:
            for number, info in enumerate(archive.infolist()):
                name = info.filename
                if info.is_dir() or not _wanted(name):
                    continue
                member = replace(whole, name=f"{whole.name}/{printable(name)}", member=number)
                if (wrong := _unsafe(name)) or (info.external_attr >> 16) & 0o170000 == 0o120000:
                    yield refused(member, wrong or _link(name))
                elif kind_of(name) in RECORDS:
                    with archive.open(info) as text:
                        yield from self._of_records(replace(member, kind=kind_of(name)), text)
                else:
                    yield refused(member, too_large(name)) if info.file_size > LIMIT else member

    def _of_tar(self, whole: Piece) -> Iterator[Piece]:
        with unpacked(whole.uri, whole.packing) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # else a million members stay in memory
                name = info.name
                if info.isdir() or not _wanted(name):
                    continue
                member = replace(whole, name=f"{whole.name}/{printable(name)}", offset=info.offset_data)
                if (wrong := _unsafe(name)) or not info.isreg() or info.issparse():
                    yield refused(member, wrong or _link(name))
                elif kind_of(name) in RECORDS:
                    with archive.extractfile(info) as text:  # type: ignore[union-attr]
                        yield from self._of_records(replace(member, kind=kind_of(name)), text)
                elif info.size > LIMIT:
                    yield refused(member, too_large(name))
                else:
                    yield replace(member, length=info.size)


def kind_of(name: str) -> str | None:
    """How a file of that name, perhaps packed, is cut into inputs; None for a file of no known format."""
    path = PurePosixPath(name)
    if path.suffix.lower() in (".gz", ".bz2", ".xz"):
        path = path.with_suffix("")
    kind = format_of(path)  # type: ignore[arg-type]
    return kind if kind in RECORDS or kind is None else FILE


def refused(piece: Piece, error: AndersonnError) -> Piece:
    """The piece in place of one that cannot be read."""
    return replace(piece, kind=REFUSED, error=error.as_dict(), count=1, first=0)


def _wanted(name: str) -> bool:
    """Whether an archive's member is looked at: one of a known format, not hidden, not packed once more."""
    last = re.split(r"[/\\]", name)[-1]
    return not last.startswith(".") and format_of(PurePosixPath(last)) is not None  # type: ignore[arg-type]


def _unsafe(name: str) -> InputError | None:
    """Why a member's name is not to be trusted, if it leaves the archive's folder."""
    if not ABSOLUTE.match(name) and ".." not in re.split(r"[/\\]", name):
        return None
    return InputError("unsafe_path", f"the member {printable(name)!r} leaves the archive's folder", "pack it anew")


def _link(name: str) -> InputError:
    return InputError("not_a_file", f"the member {printable(name)!r} is a link or device", "pack the file itself")
