"""What sound crystals look like, by the shipped file: corrupted ones are doubted with a reason, sound ones are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from andersonn.data.records import Records
from andersonn.errors import InputError
from andersonn.scientists.registry import weights_folder
from andersonn.structures.plausibility import symmetry
from andersonn.structures.plausibility.model import KINDS, WORDS, Plausibility, Trees
from andersonn.structures.plausibility.surroundings import NAMES, Surroundings
from andersonn.structures.readers import from_smiles
from andersonn.structures.structure import Structure, without
from tests.conftest import rotation

KNOWN = Path(__file__).parents[1] / "known/crystals_textbook.parquet"


@pytest.fixture(scope="module")
def plausibility() -> Plausibility:
    return Plausibility.load(weights_folder("conduction") / "plausibility.safetensors")


@pytest.fixture(scope="module")
def textbook() -> list[Structure]:
    """Crystals built from lattice constants that everybody knows."""
    table = pq.read_table(KNOWN)
    records = Records.of(table.append_column("id", table["name"]).append_column("group", table["name"]), "textbook")
    found = []
    for k in range(len(records)):
        try:
            found.append(records[k])
        except InputError:  # hydrogen near lanthanum
            continue
    return found


def corrupted(crystal: Structure, kind: str, random: np.random.Generator) -> Structure:
    Z, xyz, cell = crystal.Z, crystal.xyz, crystal.cell
    if kind == "lacking":
        return without(crystal, [random.integers(len(Z))])
    if kind == "exchanged":
        return Structure(random.permutation(Z), xyz, cell)
    factor = {"compressed": 0.92, "stretched": 1.08}[kind]
    return Structure(Z, factor * xyz, factor * cell)


def test_few_well_known_crystals_are_doubted(plausibility, textbook):
    """Those of measured lengths too, which differ from the computed ones of the training."""
    assert len(textbook) > 140
    doubted = {crystal.id for crystal in textbook if plausibility.doubt(crystal)}
    assert len(doubted) <= 4
    assert doubted.isdisjoint(
        {"NaCl", "Si", "C-diamond", "Cu", "GaAs", "MgO", "TiO2-rutile", "SrTiO3", "MoS2-2H", "Ne", "Bi"}
    )


@pytest.mark.parametrize(
    ("kind", "least"), [("exchanged", 0.8), ("compressed", 0.75), ("stretched", 0.75), ("lacking", 0.65)]
)
def test_corrupted_crystals_are_doubted_with_the_reason(plausibility, demo_sample, kind, least):
    random, told = np.random.default_rng(0), []
    for k in random.permutation(len(demo_sample))[:400].tolist():
        crystal = demo_sample[k]
        if not 4 <= len(crystal) <= 80 or (kind == "exchanged" and len(set(crystal.Z.tolist())) == 1):
            continue
        try:
            changed = corrupted(crystal, kind, random)
        except InputError:
            continue
        if kind != "exchanged" or (changed.Z != crystal.Z).any():
            told.append(plausibility.doubt(changed))
    doubted = [text for text in told if text]
    assert len(told) > 150
    assert len(doubted) > least * len(told)
    assert np.mean([text.startswith(WORDS[kind]) for text in doubted]) > 0.75


def test_sound_crystals_are_rarely_doubted(plausibility, demo_sample):
    chosen = np.random.default_rng(1).permutation(len(demo_sample))[:300].tolist()
    assert sum(bool(plausibility.doubt(demo_sample[k])) for k in chosen) <= 6


def test_numbers_do_not_depend_on_how_a_crystal_is_given(plausibility, structures):
    random = np.random.default_rng(0)
    for crystal in structures.values():
        if not crystal.periodic:
            continue
        order, turn = random.permutation(len(crystal)), rotation(random)
        other = Structure(crystal.Z[order], crystal.xyz[order] @ turn.T + [1.0, 2.0, 3.0], crystal.cell @ turn.T)
        one, two = (Surroundings.of(each, plausibility.tables).numbers for each in (crystal, other))
        assert len(one) == len(NAMES)
        assert two == pytest.approx(one, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["SrTiO3", "NaCl"])
def test_motions_tell_where_an_atom_is_missing(structures, name):
    """Of a supercell that lacks one atom, the motions that move it agree on its place."""
    cell = structures[name].cell
    Z = np.tile(structures[name].Z, 8)
    xyz = np.concatenate([structures[name].xyz + np.array(k) @ cell for k in np.ndindex(2, 2, 2)])
    whole = dict(zip(symmetry.NAMES, symmetry.numbers(Z, xyz, 2.0 * cell), strict=True))
    left = dict(zip(symmetry.NAMES, symmetry.numbers(Z[1:], xyz[1:], 2.0 * cell), strict=True))
    assert whole["motions_kept"] > np.log(40)
    assert whole["motions_lost"] == 0.0
    assert left["same_place"] == left["motions_lost"] > np.log(8)
    assert left["place_empty"] > 1.5


def test_molecules_are_not_sound_share(plausibility):
    assert plausibility.doubt(from_smiles("CCO")) == ""


def test_what_is_saved_is_read(plausibility, tmp_path, structures):
    plausibility.save(tmp_path / "x.safetensors")
    again = Plausibility.load(tmp_path / "x.safetensors")
    for crystal in structures.values():
        if crystal.periodic:
            assert again.probabilities(crystal) == pytest.approx(plausibility.probabilities(crystal), abs=1e-12)
    assert (again.limit, again.rate) == (plausibility.limit, plausibility.rate)


@pytest.mark.parametrize(
    "changes",
    [
        {"left": 0},
        {"right": 10_000},
        {"feature": len(NAMES)},
        {"kind": len(KINDS)},
        {"start": np.zeros(2)},
        {"value": np.zeros((1, 1))},
    ],
)
def test_damaged_trees_are_refused(plausibility, tmp_path, changes):
    """Among them those that a walk would never leave."""
    trees = plausibility.trees._asdict()
    for name, value in changes.items():
        trees[name] = value if isinstance(value, np.ndarray) else np.full_like(trees[name], value)
    replace(plausibility, trees=Trees(**trees)).save(tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="fit together"):
        Plausibility.load(tmp_path / "x.safetensors")
