"""Crystals that look corrupted get a warning with the answer, and only from models that have learned what sound ones look like."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from andersonn import Scientist, Structure
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import PLAUSIBILITY, ModelBundle
from andersonn.scientists.registry import weights_folder
from andersonn.structures.plausibility.model import WORDS


@pytest.fixture
def folder(tmp_path):
    """A copy of shipped weights."""
    shutil.copytree(weights_folder("conduction"), tmp_path / "copy")
    return tmp_path / "copy"


def compressed(crystal: Structure) -> Structure:
    return Structure(crystal.Z, 0.92 * crystal.xyz, 0.92 * crystal.cell)


def told(scientist: Scientist, crystal: Structure) -> list[str]:
    (answer,) = scientist.predict([crystal])
    return [text for text in answer.warnings if text.startswith(tuple(WORDS.values()))]


def test_the_warning_names_the_reason(structures):
    scientist = Scientist.load("conduction")
    for name in ("NaCl", "SrTiO3"):
        assert told(scientist, structures[name]) == []
        (text,) = told(scientist, compressed(structures[name]))
        assert text.startswith(WORDS["compressed"])
        assert "of sound crystals" in text


def test_models_without_it_do_not_warn(folder, structures):
    (folder / PLAUSIBILITY).unlink()
    assert told(Scientist.load(folder), compressed(structures["NaCl"])) == []


def test_it_is_saved_with_the_model(folder, tmp_path):
    bundle = ModelBundle.load(folder)
    bundle.save(tmp_path / "again")
    assert (tmp_path / "again" / PLAUSIBILITY).read_bytes() == (folder / PLAUSIBILITY).read_bytes()
    replace(bundle, plausibility=None).save(tmp_path / "again")
    assert not (tmp_path / "again" / PLAUSIBILITY).exists()


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"x" * 100])
def test_a_damaged_file_is_told(folder, content):
    (folder / PLAUSIBILITY).write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        ModelBundle.load(folder)
