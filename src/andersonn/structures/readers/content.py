"""A file around its parser: its format by its name, its bytes unpacked within bounds, its text, and the structures of its
parts. Nothing is unpacked to disk.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import BinaryIO

from andersonn.errors import InputError
from andersonn.io.near_names import where_it_may_be
from andersonn.structures.structure import Structure

SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".smi": "smi",
    ".smiles": "smi",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".mol2": "mol2",
    ".pdb": "pdb",
    ".ent": "pdb",
    ".mmcif": "mmcif",
}
STEMS = {"POSCAR": "poscar", "CONTCAR": "poscar", "XDATCAR": "poscar", "CHGCAR": "poscar"}
FORMATS = (
    "CIF (.cif), POSCAR/CONTCAR (.vasp), xyz and extended xyz (.xyz, .extxyz), SMILES (.smi), SDF and MOL (.sdf, .mol), "
    "MOL2 (.mol2), PDB (.pdb), mmCIF (.cif, .mmcif), also packed (.gz, .bz2, .xz)"
)
TABLES = "tables of SMILES or file names (.csv, .tsv, .xlsx, .parquet)"
TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".parquet", ".pq", ".xls", ".ods")
MAX_MEGABYTES = 64
"""Larger files are refused unread: the largest published crystal structures are a few MB."""
PACKINGS = {".gz": "gz", ".bz2": "bz2", ".xz": "xz"}
"""The ending of a file's name → how it is packed."""
MARKS = {b"\x1f\x8b\x08": "gz", b"\xfd7zXZ\0": "xz"} | {b"BZh%d1AY&SY" % level: "bz2" for level in range(1, 10)}
"""First bytes → how a file is packed, whatever its name says."""
OTHERS = {b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "packed by zstd", b"\x1f\x9d": "packed by compress (.Z)",
          b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!": "a RAR archive"}  # fmt: skip
WEB_PAGE = ("a web page (HTML), perhaps the message of a server", "download the structure itself")
NO_STRUCTURES = {
    b"<!doctype html": WEB_PAGE,
    b"<html": WEB_PAGE,
    b"version https://git-lfs": ("a pointer of Git LFS, not the file it stands for", "get it with `git lfs pull`"),
}
"""First letters of what is often found under the name of a structure → what it is, and the cure."""
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)
"""What reading a damaged or encrypted archive can raise."""
DICTIONARY = 256 << 20
"""Bytes that unpacking xz may take; the tightest packing of the usual program takes 65 MiB."""
MOST_PARTS = 100_000
"""Most structures of one file: each takes at least about 2 KB."""
LONGEST_NAME = 200
MOST_ENDINGS = 5
"""Ends of names that a message lists."""


def format_of(path: PurePath) -> str | None:
    """The format by the file's name, packed or not, such as ``"cif"``, ``"xyz"`` or ``"sdf"``, or None. Tables have none."""
    path = bare(path)
    known = SUFFIXES.get(path.suffix.lower())
    if known or is_table_name(path):
        return known
    return next((kind for stem, kind in STEMS.items() if path.name.upper().startswith(stem)), None)


def is_table_name(path: PurePath) -> bool:
    """Whether a file's name, packed or not, is that of a table."""
    return bare(path).suffix.lower() in TABLE_ENDINGS


def bare(path: PurePath) -> PurePath:
    """A path without the ending that only says how the file is packed."""
    return path.with_suffix("") if path.suffix.lower() in PACKINGS else path


def find_files(folder: Path) -> list[Path]:
    """All structure files under a folder, sorted by path, hidden ones left out.

    Raises:
        InputError: there is none.
    """
    found = _seen(folder)
    files = [path for path in found if format_of(path)]
    if not files:
        tables = [path.name for path in found if is_table_name(path)]
        cure = f"name its table: {str(folder / tables[0])!r}" if tables else f"give files or a folder of {FORMATS}"
        raise InputError("directory", f"the folder {str(folder)!r} holds no structure file", cure)
    return files


def left_out(folder: Path) -> str:
    """How many files under a folder :func:`find_files` leaves out, by the ends of their names; empty if none."""
    endings = Counter(bare(path).suffix.lower() or "no ending" for path in _seen(folder) if not format_of(path))
    named = [f"{count} {ending}" for ending, count in endings.most_common(MOST_ENDINGS)]
    rest = endings.total() - sum(count for _, count in endings.most_common(MOST_ENDINGS))
    named += [f"{rest} others"] if rest else []
    return f"files that are no structure files were left out of {str(folder)!r}: {', '.join(named)}" if named else ""


def _seen(folder: Path) -> list[Path]:
    """All files under a folder, hidden ones left out."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return found


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that any output can encode: bytes that are not UTF-8 become escapes."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # the file system is said to be ASCII, and so has no file of that name
        return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def content_of(path: Path, max_megabytes: float = MAX_MEGABYTES) -> bytes:
    """What a file holds, as it is.

    Raises:
        InputError: it is missing, no file, too large or cannot be read.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError("missing_file", f"there is no file {str(path)!r}", where_it_may_be(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(
            "unreadable", f"cannot open {str(path)!r}: {error}", "check the path and permissions"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError("directory", f"{str(path)!r} is a folder, not a file", "give the files in it")
    if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device may never end
        raise InputError("not_a_file", f"{str(path)!r} is a pipe or device, not a file", "write it to a file first")
    if found.st_size > max_megabytes * 1e6:
        raise InputError(
            "too_large",
            f"{str(path)!r} has {found.st_size / 1e6:.0f} MB; at most {max_megabytes:g} MB are read",
            "give one structure a file, or split the trajectory",
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("unreadable", f"cannot read {str(path)!r}: {error}", "check its permissions") from None


def text_of(content: bytes, path: PurePath) -> str:
    """Content as text: UTF-8, UTF-16 and UTF-32 with their marks, or else of Windows (cp1252).

    Raises:
        InputError: it is empty, no text, a web page or a pointer to a file elsewhere.
    """
    if not content.strip():
        raise InputError("empty_file", f"{str(path)!r} is empty", "write the structure again")
    if other := next(
        (what for mark, what in NO_STRUCTURES.items() if content[:200].lstrip().lower().startswith(mark)), None
    ):
        raise InputError("unknown_format", f"{str(path)!r} is {other[0]}", other[1])
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # the former begins as UTF-16 does
        return content.decode("utf-32", errors="replace")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as some Windows editors save text
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:65536]:
        raise InputError("not_text", f"{str(path)!r} is not a text file", f"give {FORMATS}; unpack archives first")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # the oldest files are in a code of one byte a letter; names alone depend on which
        return content.decode("cp1252", errors="replace")


def packing_of(content: bytes) -> str:
    """How content is packed, by its first bytes; empty if it is not."""
    return next((packing for mark, packing in MARKS.items() if content.startswith(mark)), "")


def unpacked_content(content: bytes, name: str, megabytes: float) -> bytes:
    """Content, unpacked if it is packed.

    Args:
        content: of a file.
        name: of the file, for messages.
        megabytes: that it may have unpacked; no more is unpacked.

    Raises:
        InputError: there is more, it is damaged, or it is packed in a way that is not read.
    """
    other = next((what for mark, what in OTHERS.items() if content.startswith(mark)), "")
    if other:
        raise InputError(
            "not_text", f"{name!r} is {other}", "unpack it first; `andersonn screen` reads zip and tar archives"
        )
    packing, most = packing_of(content), int(megabytes * 1e6)
    if not packing:
        return content
    try:
        found = unpacked(io.BytesIO(content), packing).read(most + 1)
    except DAMAGE as error:
        raise damaged(name, error) from None
    if len(found) > most:
        raise InputError(
            "too_large",
            f"{name!r} has more than {megabytes:g} MB when unpacked",
            "give one structure a file, or use `andersonn screen`, which reads a file piece by piece",
        )
    return found


def unpacked(stream: BinaryIO, packing: str) -> BinaryIO:
    """A stream of unpacked bytes. Seeking forwards reads on; seeking backwards starts again.

    Args:
        stream: at its beginning.
        packing: ``gz``, ``bz2`` or ``xz``; empty if it is not packed.
    """
    if packing == "gz":
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]  # a BinaryIO in all but its name
    if packing == "bz2":
        return bz2.BZ2File(stream)  # type: ignore[return-value]  # the same
    return io.BufferedReader(_Xz(stream)) if packing == "xz" else stream


def damaged(name: str, error: BaseException) -> InputError:
    """The error for a file that cannot be read through."""
    reason = str(error) or type(error).__name__
    return InputError(
        "unreadable", f"cannot read {name!r}: {reason}", "it may be cut short or encrypted; copy it again"
    )


def read_parts(what: str, parts: Mapping[str, Callable[[str], Structure]], name: str) -> list[Structure | InputError]:
    """The structures of a file's parts, or what is wrong with a part.

    Args:
        what: word for a part in messages, such as ``"frame"``.
        parts: name of a part → function that reads it, called with an id for the structure.
        name: of the file: the id of a single structure. The ids of several are ``name:part``.

    Raises:
        InputError: the only part is unsound.
    """
    refuse_more_parts(len(parts))
    if len(parts) == 1:
        (make,) = parts.values()
        return [make(name)]
    found: list[Structure | InputError] = []
    for part, make in parts.items():
        try:
            found.append(make(f"{name}:{_short(part)}"))
        except InputError as error:
            found.append(error.within(f"{what} {_short(part)}"))
    return found


def refuse_more_parts(count: int) -> None:
    """Refuses files of too many structures. Readers call it while they split a file.

    Raises:
        InputError: there are more than :data:`MOST_PARTS`.
    """
    if count > MOST_PARTS:
        raise InputError(
            "too_large",
            f"the file holds more than {MOST_PARTS:,} structures, which is what is read at once",
            "split it, or use `andersonn screen`, which reads a file piece by piece",
        )


def _short(part: str) -> str:
    """A part's name, not endless; where it is shown, controls are written out, see :func:`andersonn.sanitize.visible`."""
    return part if len(part) <= LONGEST_NAME else f"{part[: LONGEST_NAME - 1]}…"


class _Xz(io.RawIOBase):
    """Unpacks xz in bounded memory: a few bytes can announce a dictionary of 4 GB, which ``lzma.LZMAFile`` would allocate.

    Args:
        stream: at its beginning; may be of several streams of xz, as ``cat`` joins them.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begin()

    def _begin(self) -> None:
        self._stream.seek(0)
        self._decoder, self._at = lzma.LZMADecompressor(memlimit=DICTIONARY), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        wanted = offset if whence == io.SEEK_SET else self._at + offset
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of a packed file is not known")
        if wanted < self._at:
            self._begin()
        while self._at < wanted and (data := self._some(min(io.DEFAULT_BUFFER_SIZE, wanted - self._at))):
            self._at += len(data)
        return self._at

    def _some(self, most: int) -> bytes:
        """The next bytes, one at least; none at the end."""
        while True:
            if self._decoder.eof:
                given = self._decoder.unused_data.lstrip(b"\0")
                while not given:  # zeros may stand between streams
                    if not (block := self._stream.read(io.DEFAULT_BUFFER_SIZE)):
                        return b""
                    given = block.lstrip(b"\0")
                self._decoder = lzma.LZMADecompressor(memlimit=DICTIONARY)
            else:
                given = self._stream.read(io.DEFAULT_BUFFER_SIZE) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not given:
                    raise EOFError("it ends in the midst of its packed content")
            if data := self._decoder.decompress(given, most):
                return data
