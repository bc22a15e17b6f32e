"""Linkers that are missing or broken, and hydrogens that are missing."""

import numpy as np
import pytest

from andersonn.structures import elements
from andersonn.structures.distance_bonds import Bonds
from andersonn.structures.guests import doubts_of_framework, without_guests
from andersonn.structures.missing_parts import MissingPart
from andersonn.structures.open_carbon import NEAR_METAL, open_carbon
from andersonn.structures.readers import as_structure
from andersonn.structures.structure import Structure, without
from tests.structures.known_frameworks import framework, measured
from tests.structures.test_guests import filled

LINKERS = {"MIL-47": "C8H4O4", "UiO-66": "C8H4O4", "MIL-53(Al)": "C8H4O4", "MOF-505": "C16H6O8"}


def known(name: str) -> Structure:
    return as_structure(measured()[name][0] if name in measured() else framework(name))


def linker(structure: Structure) -> np.ndarray:
    """Atoms of the first linker: those that bonds among carbon, hydrogen and oxygen with carbon join."""
    bonds = Bonds.of(structure)
    organic = np.isin(structure.Z, (1, 6)) | (
        (structure.Z == 8) & (np.bincount(bonds.i[bonds.Z[bonds.j] == 6], minlength=len(structure)) > 0)
    )
    found = {int(np.flatnonzero(structure.Z == 6)[0])}
    while True:
        inside = np.isin(bonds.i, list(found)) & organic[bonds.j]
        if set(bonds.j[inside].tolist()) <= found:
            return np.array(sorted(found))
        found |= set(bonds.j[inside].tolist())


@pytest.mark.parametrize("name", LINKERS)
def test_a_missing_linker_is_named(name):
    whole = known(name)
    gone = linker(whole)
    assert elements.hill_formula(whole.Z[gone]) == LINKERS[name]
    told = " | ".join(doubts_of_framework(without(whole, gone)))
    assert f"the place of {LINKERS[name]} at " in told
    assert "a linker may be missing" in told
    assert "missing" not in " | ".join(doubts_of_framework(whole))


def test_the_missing_linker_is_where_it_was():
    whole = known("MIL-47")
    gone = linker(whole)
    left = without(whole, gone)
    found = MissingPart.of(left.Z, left.xyz, left.cell, left.Z == 6)
    apart = (found.xyz[:, None] - whole.xyz[gone]) @ np.linalg.inv(whole.cell)
    distance = np.linalg.norm((apart - np.round(apart)) @ whole.cell, axis=2)
    assert (distance.min(axis=1) < 0.3).all()
    assert sorted(found.Z[distance.argmin(axis=0)].tolist()) == sorted(whole.Z[gone].tolist())


@pytest.mark.parametrize("name", ["MIL-47", "HKUST-1", "UiO-66"])
def test_missing_hydrogens_and_broken_linkers_are_told(name):
    whole = known(name)
    bare = without(whole, np.flatnonzero(whole.Z == 1))
    many = int((whole.Z == 1).sum())
    assert any(
        text.startswith(f"{min(many, 24) if name == 'UiO-66' else many} carbon") for text in doubts_of_framework(bare)
    )
    gone = linker(whole)
    half = without(whole, gone[: len(gone) // 2])
    assert any("a linker is broken" in text for text in doubts_of_framework(half))


def test_carbon_that_lacks_nothing():
    """An alkyne, a nitrile, an allene, carbon monoxide at a metal, and a flat ring."""
    for structure in (
        Structure([6, 6, 1, 1], [[0, 0, 0], [1.2, 0, 0], [-1.06, 0, 0], [2.26, 0, 0]]),
        Structure([7, 6], [[0, 0, 0], [1.16, 0, 0]]),
        Structure([28, 6, 8], [[0, 0, 0], [1.84, 0, 0], [2.98, 0, 0]]),
    ):
        assert not len(open_carbon(Bonds.of(structure), Bonds.of(structure, NEAR_METAL)))


@pytest.mark.parametrize(("guest", "ions"), [("H2O", False), ("CO2", False), ("Na", True), ("NO2", True)])
def test_ions_that_are_removed_with_guests_are_told(guest, ions):
    """An odd number of electrons tells them; a radical is rarer in pores than an ion."""
    empty = without_guests(as_structure(filled("LTA", guest)))
    assert any("ions were removed" in text for text in empty.warnings) is ions


def test_hydrogen_alone_is_told():
    assert any(text.startswith("H alone") for text in doubts_of_framework(as_structure(filled("LTA", "H"))))
