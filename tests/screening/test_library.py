"""Libraries of all kinds, cut into shards and read again."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase.build import bulk
from ase.io import write

from andersonn.errors import InputError, UsageError
from andersonn.screening import splitting
from andersonn.screening.chunks import REFUSED, Chunk, shards
from andersonn.screening.library import Library
from andersonn.screening.parsing import Reader
from andersonn.screening.splitting import spans

MOL = """{title}
  made

  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 {symbol}   0  0
    0.0000    0.0000    {length:.4f} H   0  0
  1  2  1  0
M  END
"""


def sdf(n: int) -> str:
    return "".join(MOL.format(title=f"m{k}", symbol="F ", length=0.9 + k / 1000) + "$$$$\n" for k in range(n))


def xyz(n: int) -> str:
    return "".join(f"2\nframe {k}\nF 0 0 0\nH 0 0 {0.9 + k / 1000:.4f}\n" for k in range(n))


def smi(n: int) -> str:
    return "smiles name\n" + "".join(f"{'C' * (k + 1)} alkane{k}\n" for k in range(n))


def cif(folder, name: str, a: float) -> bytes:
    write(folder / name, bulk("NaCl", "rocksalt", a=a), format="cif")
    return (folder / name).read_bytes()


def read(where, size: int = 3):
    """(input, record, id or kind of error, distance of the first two atoms) of all that a library holds."""
    found = []
    for shard in shards(Library(str(where), size).chunks(), size):
        chunks = [Chunk(**json.loads(json.dumps(chunk.as_dict()))) for chunk in shard.chunks]
        units = list(Reader(chunks).units())
        assert len(units) == shard.count <= size
        for unit in units:
            try:
                made = unit.make()
            except InputError as error:
                made = [error]
            found += [(unit.input, unit.record, *_told(item)) for item in made]
    return found


def _told(item):
    if isinstance(item, InputError):
        return item.kind, None
    return item.id, round(float(np.linalg.norm(item.xyz[1] - item.xyz[0])), 4)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_records_are_cut_at_their_ends(tmp_path, size):
    (tmp_path / "a.sdf").write_text(sdf(7))
    (tmp_path / "b.xyz").write_text("\n" + xyz(7))
    found = read(tmp_path, size)
    assert found[:7] == [("a.sdf", k + 1, f"a:m{k}", round(0.9 + k / 1000, 4)) for k in range(7)]
    assert found[7:] == [("b.xyz", k + 1, f"b:{k + 1}", round(0.9 + k / 1000, 4)) for k in range(7)]


def test_records_across_blocks(tmp_path, monkeypatch):
    whole = {kind: list(spans(io.BytesIO(make(40).encode()), kind, 3)) for kind, make in KINDS.items()}
    monkeypatch.setattr(splitting, "BLOCK", 37)
    for kind, make in KINDS.items():
        assert list(spans(io.BytesIO(make(40).encode()), kind, 3)) == whole[kind]
        assert sum(span.count for span in whole[kind]) == 40 + (kind == "smi")


KINDS = {"sdf": sdf, "xyz": xyz, "smi": smi}


def test_stretches_stay_small(monkeypatch):
    monkeypatch.setattr(splitting, "LIMIT", 1000)
    found = list(spans(io.BytesIO(sdf(40).encode()), "sdf", 40))
    assert len(found) > 5
    assert max(span.length for span in found) <= 1000
    assert sum(span.length for span in found) == len(sdf(40))


def test_odd_texts(tmp_path):
    (tmp_path / "one.mol").write_text(MOL.format(title="", symbol="F ", length=0.92))
    (tmp_path / "late.smi").write_text("# comment\n\nCC(\nC methane")
    (tmp_path / "broken.xyz").write_text(xyz(1) + "two\nlost\nF 0 0 0\nH 0 0 0.9\n" + xyz(1))
    assert read(tmp_path) == [
        ("broken.xyz", 1, "broken:1:1", 0.9),
        ("broken.xyz", 1, "bad_xyz", None),
        ("broken.xyz", 2, "broken:2", 0.9),
        ("late.smi", 3, "bad_smiles", None),
        ("late.smi", 4, "methane", pytest.approx(1.09, abs=0.02)),
        ("one.mol", 1, "one:1", 0.92),
    ]


def packed(tmp_path, how: str):
    """A library of five inputs and a README, packed."""
    files = {
        "README": b"not a structure",
        "x/a.cif": cif(tmp_path, "a.cif", 5.6),
        "x/b.cif": b"data_x\nloop_\n_atom",
        "x/m.sdf": sdf(2).encode(),
        "y/t.xyz": xyz(1).encode(),
    }
    (tmp_path / "a.cif").unlink()
    if how == "folder":
        for name, content in files.items():
            (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "lib" / name).write_bytes(content)
        return tmp_path / "lib"
    path = tmp_path / f"lib{how}"
    if how == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:" + how.rpartition(".")[2].replace("tar", "")) as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("how", ["folder", ".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_archives_hold_what_folders_hold(tmp_path, how):
    library = packed(tmp_path, how)
    prefix = "" if how == "folder" else f"lib{how}/"
    assert read(library, 2) == [
        (f"{prefix}x/a.cif", None, "a", 4.8497),
        (f"{prefix}x/b.cif", None, "no_atoms", None),
        (f"{prefix}x/m.sdf", 1, "m:m0", 0.9),
        (f"{prefix}x/m.sdf", 2, "m:m1", 0.901),
        (f"{prefix}y/t.xyz", 1, "t:1", 0.9),
    ]


def test_packed_files(tmp_path):
    (tmp_path / "m.sdf.gz").write_bytes(gzip.compress(sdf(5).encode()))
    (tmp_path / "c.cif.gz").write_bytes(gzip.compress(cif(tmp_path, "c.cif", 5.6)))
    (tmp_path / "c.cif").unlink()
    found = read(tmp_path, 2)
    assert [row[:3] for row in found] == [("c.cif.gz", None, "c"), *(("m.sdf.gz", k + 1, f"m:m{k}") for k in range(5))]


def test_members_that_leave_the_folder_are_refused(tmp_path):
    path = tmp_path / "bad.zip"
    names = ["../evil.xyz", "/etc/evil.xyz", "a/../../evil.xyz", "C:evil.xyz", "..\\evil.xyz", "good.xyz"]
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, xyz(1))
        link = zipfile.ZipInfo("link.xyz")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    tar = tmp_path / "bad.tar"
    with tarfile.open(tar, "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(xyz(1))
            archive.addfile(info, io.BytesIO(xyz(1).encode()))
        link = tarfile.TarInfo("link.xyz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    for library in (path, tar):
        kinds = [row[2] for row in read(library, 100)]
        assert kinds == ["unsafe_path"] * 5 + ["good:1", "not_a_file"]
    assert sorted(os.listdir(tmp_path)) == ["bad.tar", "bad.zip"]


def test_a_bomb_is_refused_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("andersonn.screening.library.LIMIT", 1000)
    monkeypatch.setattr("andersonn.screening.parsing.LIMIT", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", b"\n" * 100_000)
        archive.writestr("b.xyz", xyz(1))
    (tmp_path / "c.cif.gz").write_bytes(gzip.compress(b"\n" * 100_000))
    assert [row[2] for row in read(tmp_path, 100)] == ["too_large", "b:1", "too_large"]


@pytest.mark.parametrize("name", ["cut.zip", "cut.tar", "cut.tar.gz", "cut.sdf.gz", "cut.parquet"])
def test_damaged_files_are_refused_with_a_reason(tmp_path, name):
    suffix = "." + name.partition(".")[2]
    if suffix == ".parquet":
        content = table(tmp_path, 5).read_bytes()
    elif suffix == ".sdf.gz":
        content = gzip.compress(sdf(500).encode())
    else:
        content = packed(tmp_path, suffix).read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / name).write_bytes(content[: len(content) // 2])
    (folder / "good.xyz").write_text(xyz(1))
    found = read(folder)
    assert found[-1] == ("good.xyz", 1, "good:1", 0.9)
    assert "unreadable" in [row[2] for row in found]


def table(folder, n: int, **options):
    path = folder / "t.parquet"
    columns = {
        "atomic_numbers": pa.array([[9, 1]] * n, pa.list_(pa.uint8())),
        "positions": pa.array([[0, 0, 0, 0, 0, 0.9 + k / 1000] for k in range(n)], pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize("group", [2, 5, 100])
def test_tables_are_read_in_stretches(tmp_path, group):
    path = table(tmp_path, 13, row_group_size=group)
    expected = [("t.parquet", k + 1, f"row {k + 1}", round(0.9 + k / 1000, 4)) for k in range(13)]
    assert read(path, 4) == expected
    found = list(shards(Library(str(path), 3).chunks(), 3))
    backwards = [list(Reader(list(shard.chunks)).units()) for shard in reversed(found)]
    again = [unit.make()[0].id for units in reversed(backwards) for unit in units]
    assert again == [row[2] for row in expected]


def test_a_table_without_structures_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "t.parquet")
    (chunk,) = Library(str(tmp_path), 5).chunks()
    assert chunk.kind == REFUSED
    assert chunk.error["kind"] == "missing_column"


def test_urls(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name, content in {
        "a/m.sdf": sdf(3).encode(),
        "a/t.xyz": xyz(1).encode(),
        "a/c.cif": cif(tmp_path, "c.cif", 5.6),
    }.items():
        memory.pipe(f"/lib/{name}", content)
    memory.pipe("/lib/z.parquet", table(tmp_path, 2).read_bytes())
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("q.xyz", xyz(1))
    memory.pipe("/lib/p.zip", (tmp_path / "p.zip").read_bytes())
    assert [row[:3] for row in read("memory://lib", 2)] == [
        ("a/c.cif", None, "c"),
        *(("a/m.sdf", k + 1, f"m:m{k}") for k in range(3)),
        ("a/t.xyz", 1, "t:1"),
        ("p.zip/q.xyz", 1, "q:1"),
        ("z.parquet", 1, "row 1"),
        ("z.parquet", 2, "row 2"),
    ]
    assert [row[0] for row in read("memory://lib/a/m.sdf")] == ["m.sdf"] * 3


class Refusal(Exception):
    """What a store's package raises for lack of a network; no OSError."""


@pytest.mark.parametrize("name", ["m.sdf", "z.parquet", "p.zip", "c.cif", "t.xyz.gz"])
def test_a_store_that_stops_answering_is_no_verdict_on_an_input(tmp_path, monkeypatch, name):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("q.xyz", xyz(1))
    contents = {
        "m.sdf": sdf(3).encode(),
        "z.parquet": table(tmp_path, 2).read_bytes(),
        "p.zip": (tmp_path / "p.zip").read_bytes(),
        "c.cif": cif(tmp_path, "c.cif", 5.6),
        "t.xyz.gz": gzip.compress(xyz(2).encode()),
    }
    memory.pipe(f"/lost/{name}", contents[name])
    plan = list(shards(Library("memory://lost", 10).chunks(), 10))
    memory.rm("/lost", recursive=True)
    memory.pipe(f"/lost/{name}", contents[name])

    def fail(*arguments, **options):
        raise Refusal("no route")

    with monkeypatch.context() as patch:
        for call in ("open", "cat", "cat_file"):
            patch.setattr(type(memory), call, fail)
        with pytest.raises(InputError) as caught:
            list(Reader(list(plan[0].chunks)).units())
        assert caught.value.kind == "unreachable"
        if name != "c.cif":  # which is not opened to be listed
            with pytest.raises(InputError, match="no route"):
                list(Library("memory://lost", 10).chunks())
    units = list(Reader(list(plan[0].chunks)).units())
    assert all(unit.make() for unit in units)
    memory.rm("/lost", recursive=True)


def test_a_listing_that_fails_says_so(monkeypatch):
    fsspec = pytest.importorskip("fsspec")

    def fail(*arguments, **options):
        raise Refusal("no route")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "isfile", fail)
    with pytest.raises(UsageError, match="no route"):
        list(Library("memory://lost", 10).chunks())


def test_a_library_that_is_not_there(tmp_path):
    for where in (tmp_path / "no", "memory://nowhere", "nosuch://x"):
        with pytest.raises(UsageError):
            read(where)
    with pytest.raises(UsageError, match="no structure file"):
        read(tmp_path)


def test_the_plan_does_not_depend_on_the_place(tmp_path):
    plans = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.sdf").write_text(sdf(5))
        plans.append([shard.plan for shard in shards(Library(str(tmp_path / name), 2).chunks(), 2)])
    assert plans[0] == plans[1]
    (tmp_path / "two" / "m.sdf").write_text(sdf(6))
    assert plans[0] != [shard.plan for shard in shards(Library(str(tmp_path / "two"), 2).chunks(), 2)]
