"""Names of files that a file system cannot have."""

import os

import pytest

from andersonn.io.files import cannot_write, encodable_name, try_writing, write_text


def test_names_that_the_file_system_cannot_have(tmp_path, monkeypatch):
    def ascii_only(path):
        return os.fspath(path).encode("ascii", "surrogateescape")

    monkeypatch.setattr("andersonn.io.files.os.fsencode", ascii_only)
    for action in (write_text, lambda path, _: try_writing(path)):
        with pytest.raises(OSError, match="which lacks") as refusal:
            action(tmp_path / "quärtz.txt", "x")
        assert cannot_write(tmp_path, refusal.value).kind == "not_writable"
    assert list(tmp_path.iterdir()) == []
    assert encodable_name("quärtz-日本.png") == "qu_rtz-__.png"
    monkeypatch.undo()
    assert encodable_name("日" * 100, 8) == "日日"
    assert encodable_name("a\0b") == "a_b"
