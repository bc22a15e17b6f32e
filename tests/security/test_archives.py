"""No name in an archive, upload, listing or library leads out of its folder, and no archive takes more than its bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest

from andersonn.data.download import Patience
from andersonn.data.fetch import _by_figshare
from andersonn.data.sources import source
from andersonn.errors import InputError
from andersonn.io.files import write_whole
from andersonn.scientists.registry import weights_folder
from andersonn.screening import Screening, Settings, decompression
from andersonn.screening.chunks import REFUSED, shards
from andersonn.screening.decompression import unpacked
from andersonn.screening.library import Library
from andersonn.screening.parsing import Reader
from andersonn.structures.readers.content import DICTIONARY
from andersonn.web.inputs import collected

XYZ = b"3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
LEAVING = [
    "../evil.xyz", "a/../../evil.xyz", "/tmp/evil.xyz", "//host/evil.xyz", "..\\evil.xyz", "a\\..\\..\\evil.xyz", "\\\\host\\evil.xyz",
    "C:evil.xyz", "c:\\evil.xyz", "./../evil.xyz", "a/..", "../\nevil.xyz",
]  # fmt: skip
HARMLESS = ["a/./good.xyz", "a..b.xyz", "new\nline.xyz", "esc\x1b[31m.xyz", "<script>alert(1)</script>.xyz", "=1+1.xyz", "~root.xyz"]  # fmt: skip


def of_zip(path, names, link=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, XYZ)
        if link:
            info = zipfile.ZipInfo("link.xyz")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, link)
    return path


def of_tar(path, names, mode="w", others=()):
    with tarfile.open(path, mode) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(XYZ)
            archive.addfile(info, io.BytesIO(XYZ))
        for kind, name, target in others:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return path


def inputs(library):
    """(name, kind of error or None) of each input of a library."""
    found = []
    for shard in shards(Library(str(library), 50).chunks(), 50):
        for unit in Reader(list(shard.chunks)).units():
            try:
                found += [(unit.input, None) for _ in unit.make()]
            except InputError as error:
                found.append((unit.input, error.kind))
    return found


@pytest.mark.parametrize("make", [of_zip, of_tar])
def test_members_that_leave_are_refused_and_others_are_read(make, tmp_path):
    path = make(tmp_path / f"library.{make.__name__[3:]}", [*LEAVING, *HARMLESS])
    found = inputs(path)
    wanted = [name for name in LEAVING if name.endswith(".xyz")]
    assert [kind for _, kind in found] == ["unsafe_path"] * len(wanted) + [None] * len(HARMLESS)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_names_that_zip_cuts_or_repeats(tmp_path):
    """What stands behind a NUL is no name; of two members of one name each is read as what it is."""
    path = tmp_path / "library.zip"
    of_zip(path, ["evil.xyz?/../../x.xyz", "same.xyz", "same.xyz"])
    path.write_bytes(path.read_bytes().replace(b"evil.xyz?", b"evil.xyz\0"))
    assert inputs(path) == [("library.zip/evil.xyz", None)] + [("library.zip/same.xyz", None)] * 2


def test_links_and_devices_are_not_followed(tmp_path):
    secret = tmp_path / "secret.xyz"
    secret.write_bytes(XYZ)
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE)
    others = [(kind, f"{k}.xyz", str(secret)) for k, kind in enumerate(kinds)]
    found = inputs(of_tar(tmp_path / "a.tar", ["good.xyz"], others=others))
    assert [kind for _, kind in found[:6]] == [None, *["not_a_file"] * 5]  # and a file that is stored in one stretch
    assert inputs(of_zip(tmp_path / "a.zip", ["good.xyz"], str(secret)))[1][1] == "not_a_file"


def test_a_whole_run_writes_into_its_folder_alone(tmp_path, forked_workers):
    library = of_zip(tmp_path / "library.zip", [*LEAVING, *HARMLESS])
    settings = Settings(str(weights_folder("polarity")), "andersonn/polarity")
    manifest = Screening(settings, str(library), tmp_path / "out").run()
    assert manifest["counts"]["answered"] == len(HARMLESS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["library.zip", "out"]
    written = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert written == ["manifest.json", "rejects.jsonl", "shards.jsonl", "shards/shard-000000.parquet"]
    assert "\x1b" not in (tmp_path / "out/rejects.jsonl").read_text()


def test_nothing_of_an_upload_s_name_is_a_path():
    for name in [*LEAVING, *HARMLESS, "a\0b.xyz", "x" * 10_000 + ".xyz", ".xyz", "", "con.xyz", "."]:
        (item,) = collected([(name, XYZ)], "", [])
        assert set(item.stem + (item.ending or "")) & set("/\\\0\r\n:") == set()
        assert item.stem.strip(".")
        assert len(item.stem) <= 60


@pytest.mark.parametrize("name", [*LEAVING, "..", ".", "", "manifest.json", "a\0b", "a\nb", "a\\b"])
def test_a_listing_that_names_paths_is_refused(name, tmp_path, monkeypatch):
    article = {
        "files": [
            {
                "name": name,
                "download_url": "http://127.0.0.1:9/x",
                "size": 1,
                "computed_md5": "0",
                "is_link_only": False,
            }
        ]
    }
    monkeypatch.setattr("andersonn.data.fetch.fetch_json", lambda *_: article)
    with pytest.raises(InputError, match="lists no usable files"):
        _by_figshare(source("qmof"), tmp_path, Patience(1, 0.0, 0.1), None, "http://127.0.0.1:9")


def test_a_tar_whose_header_announces_gigabytes(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 8 << 30
        path = tmp_path / f"{kind.decode()}.tar.gz"
        path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096))
        (chunk,) = Library(str(path), 9).chunks()
        assert chunk.kind == REFUSED
        assert "announces 8589934592 bytes" in chunk.error["message"]


def test_an_xz_that_announces_a_dictionary_of_gigabytes(tmp_path):
    sound = lzma.compress(XYZ * 10)
    size = (sound[12] + 1) * 4
    header = bytearray(sound[12 : 12 + size - 4])
    header[header.index(0x21) + 2] = 40  # 4 GiB
    path = tmp_path / "a.xyz.xz"
    path.write_bytes(sound[:12] + header + struct.pack("<I", zlib.crc32(header)) + sound[12 + size :])
    assert lzma.decompress(path.read_bytes()) == XYZ * 10  # which Python itself takes
    ((name, kind),) = inputs(path)
    assert (name, kind) == ("a.xyz.xz", "unreadable")
    assert DICTIONARY < 4 << 30


def test_xz_is_unpacked_as_ever(tmp_path):
    random.seed(0)
    text = bytes(random.choices(range(256), k=100_000)) * 3
    path = tmp_path / "x.xz"
    path.write_bytes(lzma.compress(text[:150_000], preset=9) + b"\0" * 40_000 + lzma.compress(text[150_000:], preset=0))
    with unpacked(str(path), "xz") as stream:
        assert stream.read() == text
        for at in (0, 1, 99_999, 150_000, 5, 299_999, 300_000):
            stream.seek(at)
            assert stream.tell() == at
            assert stream.read(1000) == text[at : at + 1000]
    path.write_bytes(path.read_bytes()[:-10])
    with unpacked(str(path), "xz") as stream, pytest.raises(EOFError):
        stream.read()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["a.smi", "a.sdf", "a.xyz", "a.cif"])
def test_bombs_take_no_more_than_a_chunk(pack, name, tmp_path, monkeypatch):
    """One record without an end, packed a thousandfold: refused after the bound, and not read further."""
    for module in ("splitting", "parsing", "library"):
        monkeypatch.setattr(f"andersonn.screening.{module}.LIMIT", 1 << 20)
    asked = []
    taken = decompression._read_range
    monkeypatch.setattr(
        decompression, "_read_range", lambda stream, chunk, limit: asked.append(limit) or taken(stream, chunk, limit)
    )
    ending = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[pack]
    path = tmp_path / f"{name}.{ending}"
    path.write_bytes(pack((b"9 " if name == "a.xyz" else b"C") * (3 << 20)))
    assert path.stat().st_size < 50_000
    kinds = {kind for _, kind in inputs(path)}
    assert kinds <= {"too_large", "bad_smiles", "bad_xyz"}
    assert ("too_large" in kinds) != (name == "a.xyz" and "bad_xyz" in kinds)
    assert set(asked) <= {1 << 20}


def test_a_pipe_or_device_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="pipe or a device"):
        write_whole(pipe, lambda name: None)
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]
