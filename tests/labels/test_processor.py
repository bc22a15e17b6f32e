"""What PySCF's OpenBLAS is told of the processor while it is imported."""

import os

import pytest

from andersonn.labels import density_functional
from andersonn.labels.density_functional import CORE, told_of_processor


@pytest.mark.parametrize(
    ("flags", "core"),
    [("fpu sse avx2 avx512f avx512vl", "SkylakeX"), ("fpu sse avx2", "Haswell"), ("fpu sse", None), (None, None)],
)
def test_core_by_the_instructions_it_has(flags, core, tmp_path, monkeypatch):
    monkeypatch.delenv(CORE, raising=False)
    told = tmp_path / "cpuinfo"
    if flags is not None:
        told.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(density_functional, "PROCESSOR", told)
    with told_of_processor():
        assert os.environ.get(CORE) == core
    assert CORE not in os.environ


def test_what_the_user_told_stays(tmp_path, monkeypatch):
    monkeypatch.setenv(CORE, "Zen")
    told = tmp_path / "cpuinfo"
    told.write_text("flags\t\t: avx2\n")
    monkeypatch.setattr(density_functional, "PROCESSOR", told)
    with told_of_processor():
        assert os.environ[CORE] == "Zen"
    assert os.environ[CORE] == "Zen"


def test_nothing_is_left_after_an_error(tmp_path, monkeypatch):
    monkeypatch.delenv(CORE, raising=False)
    told = tmp_path / "cpuinfo"
    told.write_text("flags\t\t: avx2\n")
    monkeypatch.setattr(density_functional, "PROCESSOR", told)
    with pytest.raises(ImportError), told_of_processor():
        raise ImportError
    assert CORE not in os.environ
