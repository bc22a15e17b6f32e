"""Where things are kept, on machines without a home folder as well."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from andersonn.io import places

posix = pytest.mark.skipif(os.name == "nt", reason="of POSIX accounts")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A temporary folder of its own, and none of the variables that say where to keep things."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name in ("ANDERSONN_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    places._private.cache_clear()
    yield temporary
    places._private.cache_clear()


def test_the_order(machine, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert places.cache_folder() == tmp_path / ".cache/andersonn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert places.cache_folder() == tmp_path / "xdg/andersonn"
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "own"))
    assert places.cache_folder() == tmp_path / "own"
    assert not places.is_temporary(places.cache_folder())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary"]  # asking makes nothing


def stands_in(machine):
    folder = places.cache_folder()
    assert folder.parent == machine
    assert places.is_temporary(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "x").mkdir()
    return folder


@posix
@pytest.mark.parametrize("home", ["", "/nonexistent", "relative", "/proc", "/dev/null", "/dev/null/x", "/" + 300 * "x"])
def test_a_home_that_cannot_be_used(machine, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    stands_in(machine)
    assert not os.path.exists(os.path.join(home or "/", ".cache/andersonn"))


@posix
def test_no_account(machine, monkeypatch):
    import pwd

    def nobody(_):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    with pytest.raises(RuntimeError):
        Path.home()
    stands_in(machine)


@posix
@pytest.mark.parametrize("base", ["relative/cache", "/proc/x", "/dev/null"])
def test_a_cache_folder_of_the_user_that_cannot_be_used(machine, monkeypatch, tmp_path, base):
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.cache_folder() == tmp_path / ".cache/andersonn"
    monkeypatch.setenv("HOME", "/nonexistent")
    stands_in(machine)


@posix
def test_a_name_that_somebody_else_has_taken(machine, monkeypatch, tmp_path):
    """Who may plant files in a cache may plant answers."""
    monkeypatch.setenv("HOME", "/nonexistent")
    (tmp_path / "theirs").mkdir()
    (machine / f"andersonn-{os.getuid()}").symlink_to(tmp_path / "theirs")
    stands_in(machine)
    assert not list((tmp_path / "theirs").iterdir())


@posix
def test_a_folder_that_others_may_write_to(machine, monkeypatch):
    monkeypatch.setenv("HOME", "/nonexistent")
    open_to_all = machine / f"andersonn-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert stands_in(machine) != open_to_all


@posix
def test_nothing_can_be_written_at_all(monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError(2, "no folder")))
    for name in ("ANDERSONN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    assert places.cache_folder().is_relative_to(os.devnull)


@posix
@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_a_picture_is_drawn_in_silence(tmp_path, home):
    """matplotlib, which keeps tables of fonts, has a folder too, and the second run finds the tables of the first."""
    example = Path(__file__).parents[2] / "examples/structures/NaCl.cif"
    gone = ("HOME", "ANDERSONN_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    environment = {key: value for key, value in os.environ.items() if key not in gone} | {"TMPDIR": str(tmp_path)}
    nobody = "import pwd, sys; pwd.getpwuid = lambda _: {}['nobody']; sys.argv[0] = 'andersonn'; "
    code = nobody + "from andersonn.cli.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "draw", str(example), "--out", str(tmp_path / "x.png")],
        env=environment | ({"HOME": home} if home else {}), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "x.png").exists()
    assert list((tmp_path / f"andersonn-{os.getuid()}/matplotlib").iterdir())
