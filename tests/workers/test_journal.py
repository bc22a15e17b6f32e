"""A journal loses no row, whatever stands in its names and however its last line was cut."""

from __future__ import annotations

import json
import subprocess

import pytest

from andersonn.errors import UsageError
from andersonn.workers.journal import Journal

ODD = [
    "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\x1cb", "a\x1db", "a\x1eb", "a\rb", "a\nb", "a\r\nb", "\ufeffa",
    "\udcff.cif", "Ω.cif", "\u202egnp", "\x00", "日本.xyz",
]  # fmt: skip


def rows_of(path):
    with Journal(path) as journal:
        return dict(journal.rows)


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_any_name_goes_on(tmp_path, name):
    path = tmp_path / "rows.jsonl"
    for key in ("1", "2"):
        with Journal(path) as journal:
            journal.append({"key": key, "input": name})
    with Journal(path) as journal:
        journal.append({"key": name, "input": name})
    assert rows_of(path) == {"1": {"key": "1", "input": name}, "2": {"key": "2", "input": name}} | {
        name: {"key": name, "input": name}
    }
    assert path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("name", [name for name in ODD if "\udcff" not in name], ids=ascii)
def test_journals_of_earlier_versions_are_read(tmp_path, name):
    """They had these marks as they are."""
    path = tmp_path / "rows.jsonl"
    old = [{"key": str(k), "input": name} for k in range(3)]
    path.write_bytes(b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in old))
    assert list(rows_of(path).values()) == old


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("kept", [2, 1, 0])
def test_a_cut_line_takes_no_other_with_it(tmp_path, end, kept):
    lines = [json.dumps({"key": f"k{k}", "input": "Ω\u2028é"}, ensure_ascii=False).encode() + end for k in range(kept)]
    whole = json.dumps({"key": "last", "input": "Ω"}, ensure_ascii=False).encode()
    for cut in range(1, len(whole)):
        path = tmp_path / f"{kept}-{cut}.jsonl"
        path.write_bytes(b"".join(lines) + whole[:cut])
        assert list(rows_of(path)) == [f"k{k}" for k in range(kept)]
        assert path.read_bytes() == b"".join(lines)
        if not kept:
            assert path.with_name(f"{path.name}.cut").read_bytes() == whole[:cut]
        with Journal(path) as journal:
            journal.append({"key": "new"})
        assert list(rows_of(path)) == [*(f"k{k}" for k in range(kept)), "new"]


def test_a_row_that_lacks_only_its_end_is_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"key": "a"}\r\n{"key": "b"}')
    assert list(rows_of(path)) == ["a", "b"]
    with Journal(path) as journal:
        journal.append({"key": "c"})
    assert list(rows_of(path)) == ["a", "b", "c"]


def test_what_an_editor_does_to_a_journal(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"key": "a"}\r\n\r\n{"key": "b"}\r\n')
    assert list(rows_of(path)) == ["a", "b"]


def test_a_block_that_was_never_filled_is_dropped(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"key": "a"}\n' + b"\0" * 4096)
    assert list(rows_of(path)) == ["a"]
    assert path.read_bytes() == b'{"key": "a"}\n'


def test_every_beginning_of_any_row_is_known(tmp_path):
    row = {
        "key": 'a"\\\udcff\n',
        "n": None,
        "yes": [True, False, -1.5e-07, 12],
        "in": {"a": [], "b": {}, "c": [[1], {"d": "Ω"}]},
    }
    first = b'{"key": "first"}\n'
    for ascii_only in (True, False):
        whole = json.dumps(row, ensure_ascii=ascii_only).encode(errors="surrogatepass")
        if not ascii_only:
            whole = whole.replace("\udcff".encode(errors="surrogatepass"), b"")
        for cut in range(1, len(whole)):
            path = tmp_path / "rows.jsonl"
            path.write_bytes(first + whole[:cut] + b"\0" * (cut % 3))
            assert list(rows_of(path)) == ["first"], whole[:cut]
            assert path.read_bytes() == first


def test_what_is_cut_replaces_nothing(tmp_path, caplog):
    path = tmp_path / "rows.jsonl"
    for cut in (b'{"key": "a', b'{"key": "b', b"{"):
        path.write_bytes(cut)
        assert rows_of(path) == {}
        assert "is kept as" in caplog.text
    kept = {each.name: each.read_bytes() for each in tmp_path.glob("*.cut*")}
    assert kept == {"rows.jsonl.cut": b'{"key": "a', "rows.jsonl.cut-2": b'{"key": "b', "rows.jsonl.cut-3": b"{"}


NO_JOURNALS = [
    b"my thesis", b"my thesis\n", b'{"a": 1}', b"[1, 2]\n", b'"key"\n', b'{"key": 1}\n', b"\x00\n", b"{}\n", rb"{\rtf1\ansi my thesis}",
    rb"{\rtf1 my thesis", b"{not mine at all", b'{"key": "a"}\r{"key": "b"}\r', b'{"key": "a"}\r{"key": "b', b"\0" * 50, b'{"key" "a', b'{"a"}, "b',
    b"{'key': 'a", b'{"key": "a"} my thesis', b'{"key": "a"}{"key', b'{"key": "tab\there', b'{"key": \xff', b'{"a": ' * 100000, "ä".encode("latin-1"),
    '{"key": "a"}\n'.encode("utf-16"), '{"key": "a"}\n'.encode("utf-16-le"), '{"key": "a"}'.encode("utf-32-le"), '{"key": "a'.encode("utf-16-be"),
]  # fmt: skip


@pytest.mark.parametrize("before", [b"", b'{"key": "whole"}\n'])
@pytest.mark.parametrize("content", NO_JOURNALS, ids=lambda content: ascii(content)[:30])
def test_what_is_no_journal_is_left_alone(tmp_path, content, before):
    if before and not content.strip(b"\0"):
        return  # a block that was never filled
    path = tmp_path / "precious"
    path.write_bytes(before + content)
    for _ in range(2):  # a refusal holds no lock
        with pytest.raises(UsageError, match="no row of an earlier run"):
            Journal(path)
    assert path.read_bytes() == before + content
    assert [each.name for each in tmp_path.iterdir()] == ["precious"]


def test_a_link_to_a_journal_admits_no_second_writer(tmp_path):
    path, link = tmp_path / "rows.jsonl", tmp_path / "folder/other.jsonl"
    link.parent.mkdir()
    link.symlink_to(path)
    for one, other in ((path, link), (link, path)):
        with Journal(one) as journal:
            with pytest.raises(UsageError, match="another run is writing"):
                Journal(other)
            journal.append({"key": str(one)})
    assert list(rows_of(link)) == [str(path), str(link)]


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_something_else_in_the_place_of_the_lock(tmp_path, kind):
    lock = tmp_path / ".rows.jsonl.lock"
    if kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(tmp_path / "precious")
        (tmp_path / "precious").write_text("mine")
    with pytest.raises(UsageError, match=r"rows\.jsonl\.lock"):
        Journal(tmp_path / "rows.jsonl")
    assert (tmp_path / "precious").exists() == (kind == "link")


def test_lines_of_a_journal_are_lines_to_other_programs(tmp_path):
    path = tmp_path / "rows.jsonl"
    with Journal(path) as journal:
        for name in ODD:
            journal.append({"key": name})
    assert len(path.read_text().splitlines()) == len(ODD)
    assert subprocess.run(["wc", "-l", path], capture_output=True).stdout.split()[0] == str(len(ODD)).encode()
