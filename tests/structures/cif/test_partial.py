"""Partially occupied sites: refused, or with cleaning one alternative of them kept."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.geometry import cell_to_cellpar
from ase.neighborlist import neighbor_list

from andersonn.errors import InputError
from andersonn.structures.frameworks import read_frameworks
from andersonn.structures.readers import as_structure, read_content
from andersonn.structures.structure import Structure
from tests.structures.cif.conftest import CELL, HM, refusal, salt
from tests.structures.cif.test_contents import BIG, P1, alternatives, rows
from tests.structures.known_frameworks import COORDINATES, framework


def cleaned(text: str) -> Structure:
    (found,) = read_frameworks(lambda: read_content(text.encode(), Path("a.cif")), False, True)
    if isinstance(found, InputError):
        raise found
    return found


def cell_of(atoms: Atoms) -> str:
    names = [f"_cell_length_{x}" for x in "abc"] + [f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma")]
    return "".join(f"{name} {value:.8f}\n" for name, value in zip(names, cell_to_cellpar(atoms.cell), strict=True))


def as_cif(atoms: Atoms, occupancies: np.ndarray, groups: list[str] | None = None) -> str:
    """All atoms of a cell, in P 1."""
    places = atoms.get_scaled_positions(wrap=False)
    lines = [
        f"{symbol}{k} {symbol} {' '.join(f'{x:.8f}' for x in place)} {occupancies[k]:g} {groups[k] if groups else '.'}"
        for k, (symbol, place) in enumerate(zip(atoms.get_chemical_symbols(), places, strict=True))
    ]
    return salt(P1, sites=rows("occupancy disorder_group", *lines), cell=cell_of(atoms))


def of_zeolite(*sites: str) -> str:
    """LTA, whose pore has its middle at the origin, with further sites."""
    lta = COORDINATES["LTA"]
    frame = [
        f"{symbol}{k} {symbol} {x} {y} {z} 1"
        for k, (symbol, (x, y, z)) in enumerate(zip(lta["symbols"], lta["basis"], strict=True))
    ]
    symmetry = "_symmetry_space_group_name_H-M 'P m -3 m'\n"
    return salt(symmetry, sites=rows("occupancy", *frame, *sites), cell=CELL.replace("5.64", "11.8671"))


def same_atoms(found: Structure, wanted: Atoms) -> bool:
    apart = found.xyz @ np.linalg.inv(found.cell) - wanted.get_scaled_positions()
    apart -= np.round(apart)
    return found.Z.tolist() == wanted.numbers.tolist() and bool(np.abs(apart).max() < 1e-4)


def turned_linkers(angle: float) -> tuple[Atoms, np.ndarray]:
    """MIL-47 with the CH of its benzene rings a second time, turned about their axes; and which atoms stand for which: 0 for those
    that are there once, 1 for the first orientation, 2 for the second.
    """
    mil = framework("MIL-47")
    i, j = neighbor_list("ij", mil, {("C", "C"): 1.6, ("C", "H"): 1.2, ("C", "O"): 1.4, ("V", "O"): 2.2})
    near = [j[i == atom].tolist() for atom in range(len(mil))]
    rings = [k for k in range(len(mil)) if mil.numbers[k] == 6 and 1 in mil.numbers[near[k]]]
    twice, role = mil.copy(), np.zeros(len(mil), dtype=int)
    for atom in rings:
        (hydrogen,) = (k for k in near[atom] if mil.numbers[k] == 1)
        at = next(k for k in near[atom] if k not in rings and k != hydrogen)
        out = next(k for k in near[at] if k not in rings)
        axis = mil.get_distance(at, out, mic=True, vector=True)
        for k in (atom, hydrogen):
            moved = Atoms("X", positions=[mil.get_distance(at, k, mic=True, vector=True)])
            moved.rotate(angle, axis)
            twice += Atoms([mil.numbers[k]], positions=moved.positions + mil.positions[at])
            role[k] = 1
    return twice, np.concatenate([role, np.full(2 * len(rings), 2)])


@pytest.mark.parametrize("angle", [30.0, 75.0, 90.0])
@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.62, 0.38), (0.3, 0.7)])
def test_of_linkers_in_two_orientations_the_more_frequent_is_kept(angle, first, second):
    twice, role = turned_linkers(angle)
    text = as_cif(twice, np.choose(role, [1.0, first, second]))
    assert refusal(text).kind == "partial_occupancy"
    found = cleaned(text)
    assert same_atoms(found, twice[role != (2 if first >= second else 1)])
    assert "of 64 partially occupied sites: kept 32 (C" in found.notes[0]
    assert "left out 32 (C" in found.notes[0]


@pytest.mark.parametrize(("first", "second", "kept"), [(0.5, 0.5, 1), (0.6, 0.4, 1), (0.25, 0.75, 2)])
def test_of_disorder_groups_the_more_frequent_is_kept(first, second, kept):
    twice, role = turned_linkers(60.0)
    groups = [".", "1", "2"]
    found = cleaned(as_cif(twice, np.choose(role, [1.0, first, second]), [groups[k] for k in role]))
    assert same_atoms(found, twice[(role == 0) | (role == kept)])


@pytest.mark.parametrize("shift", [0.5, 0.9, 1.3])
def test_of_water_in_two_places_one_is_kept(shift):
    wet = framework("LTA").copy()
    dry = len(wet)
    for move in (0.0, shift):
        guest = molecule("H2O")
        guest.rotate(60.0 * move, "x")
        guest.translate(wet.cell.array.sum(axis=0) / 2 + np.array([move, 0, 0]))
        wet += guest
    occupancies = np.array([1.0] * dry + [0.3] * 3 + [0.4] * 3)
    found = cleaned(as_cif(wet, occupancies))
    assert same_atoms(found, wet[[*range(dry), *range(dry + 3, dry + 6)]])
    occupancies[dry:] *= 0.6
    bare = cleaned(as_cif(wet, occupancies))
    assert same_atoms(bare, wet[:dry])
    assert "left out 6 (O72, H73, H74, O75, H76, H77), which are there in less than half of the cells" in bare.notes[0]


@pytest.mark.parametrize(
    ("site", "left"),
    [
        ("O9 O 0.07 0 0 0.16", 1),  # six places around the middle of the pore
        ("O9 O 0.07 0 0 0.05", 0),
        ("O9 O 0.015 0 0 0.16", 1),  # so near to the middle that the images would be taken for one atom
        ("O9 O 0.3 0 0 0.5", 6),  # far from each other
        ("O9 O 0.3 0 0 0.49", 0),
        ("O9 O 0 0 0 1", 1),
    ],
)
def test_images_of_a_site_are_alternatives_where_they_overlap(site, left):
    assert len(cleaned(of_zeolite(site))) == len(framework("LTA")) + left


def test_of_hydrogens_that_are_half_there_as_many_stay_as_there_are():
    ice = ("O1 O .5 .5 .5 1", "H1 H .56 .56 .5 .5", "H2 H .44 .44 .5 .5", "H3 H .56 .44 .5 .5", "H4 H .44 .56 .5 .5")
    found = cleaned(salt(P1, sites=rows("occupancy", "Na1 Na 0 0 0 1", *ice), cell=BIG))
    assert sorted(found.Z.tolist()) == [1, 1, 8, 11]
    hydroxide = ("O1 O .5 .5 .5 1", "H1 H .56 .56 .5 .5", "H2 H .44 .44 .5 .5")
    found = cleaned(salt(P1, sites=rows("occupancy", "Na1 Na 0 0 0 1", *hydroxide), cell=BIG))
    assert sorted(found.Z.tolist()) == [1, 8, 11]


def test_hydrogen_and_deuterium_in_one_place_are_one_atom():
    sites = rows("occupancy", "O1 O 0 0 0 1", "H1 H .08 0 0 .4", "D1 D .08 0 0 .6")
    assert cleaned(salt(P1, sites=sites, cell=BIG)).Z.tolist() == [8, 1]


@pytest.mark.parametrize("extra", ["occupancy", "occupancy disorder_group"])
@pytest.mark.parametrize(("one", "other"), [(0.5, 0.5), (0.9, 0.1), (0.95, 0.05)])
@pytest.mark.parametrize("apart", [0.0, 0.03])
def test_a_solid_solution_stays_refused(extra, one, other, apart):
    groups = ("1", "2", ".") if "group" in extra else ("", "", "")
    sites = rows(
        extra,
        f"Mg1 Mg 0 0 0 {one} {groups[0]}",
        f"Fe1 Fe {apart} 0 0 {other} {groups[1]}",
        f"O1 O .5 .5 .5 1 {groups[2]}",
    )
    with pytest.raises(InputError, match=r"several elements share a site \(Fe1, Mg1\)") as caught:
        cleaned(salt(P1, sites=sites))
    assert caught.value.kind == "partial_occupancy"
    assert "supercell" in caught.value.hint


def test_groups_may_exchange_elements_where_the_substance_stays_the_same():
    """A diazine in two orientations, nitrogen on carbon: with groups it is said which atoms stand together."""
    ring = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.arange(6) * np.pi / 3]) * 1.35 / 12 + 0.5
    elements = {"1": "NCCNCC", "2": "CNCCNC"}
    lines = [
        f"{element}{k}{group} {element} {' '.join(f'{x:.5f}' for x in place)} 0.5 {group}"
        for group, row in elements.items()
        for k, (element, place) in enumerate(zip(row, ring, strict=True))
    ]
    text = salt(P1, sites=rows("occupancy disorder_group", *lines), cell=BIG)
    assert sorted(cleaned(text).Z.tolist()) == [6, 6, 6, 6, 7, 7]
    assert cleaned(text).notes[0].startswith("of 12 partially occupied sites: kept 6 (N01, C11, C21, N31")


def test_aluminium_on_sites_of_silicon_stays_refused():
    text = of_zeolite("Al1 Al 0.3683 0.1847 0 0.25").replace("0.1847 0 1", "0.1847 0 0.75")
    with pytest.raises(InputError, match=r"share a site \(Al1, Si0\)"):
        cleaned(text)


def test_ions_that_are_left_out_are_told():
    rare = cleaned(of_zeolite("Na1 Na 0.2 0.2 0.2 0.4"))
    assert 11 not in rare.Z
    assert any("Na8 in places filled in less than half" in told for told in rare.warnings)
    often = cleaned(of_zeolite("Na1 Na 0.2 0.2 0.2 0.6"))
    assert np.count_nonzero(often.Z == 11) == 8
    assert not any("charge" in told for told in often.warnings)


def test_a_formula_counts_atoms_by_their_occupancy():
    """Four of ten waters: the formula is of all, and what is left out is not called missing."""
    text = of_zeolite("O9 O 0.3 0 0 0.4")
    stated = text.replace("data_x\n", "data_x\n_chemical_formula_sum 'Si24 O50.4'\n_cell_formula_units_Z 1\n")
    assert len(cleaned(stated)) == len(framework("LTA"))
    wrong = text.replace("data_x\n", "data_x\n_chemical_formula_sum 'Ge24 O50.4'\n_cell_formula_units_Z 1\n")
    with pytest.raises(InputError, match="but the file's formula is") as caught:
        cleaned(wrong)
    assert caught.value.kind == "incomplete"


def test_a_framework_without_its_metal_is_refused():
    text = salt(HM, sites=rows("occupancy", "Mg1 Mg 0 0 0 .4", "Cl1 Cl .5 .5 .5 1"))
    with pytest.raises(InputError, match="no atoms form a connected framework"):
        cleaned(text)


@pytest.mark.parametrize("occupancy", ["-0.5", "abc", "1.5"])
def test_what_is_no_occupancy_stays_refused(occupancy):
    with pytest.raises(InputError, match="occup"):
        cleaned(salt(P1, sites=rows("occupancy", "Na1 Na 0 0 0 1", f"Cl1 Cl .5 .5 .5 {occupancy}")))


def test_of_several_blocks_only_those_that_need_it_are_cleaned():
    sound = salt()
    spoilt = salt(P1, sites=alternatives(("1", "2", "1", "2"), "0.5"), cell=BIG).replace("data_x", "data_y")
    found = read_frameworks(lambda: read_content((sound + spoilt).encode(), Path("a.cif")), False, True)
    assert [item.formula for item in found] == ["NaCl", "CHO"]
    assert not found[0].notes
    assert as_structure(framework("LTA")).notes == ()
