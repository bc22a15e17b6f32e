"""Sites that are no atoms each, and what a formula counts beside the sites."""

import pytest

from andersonn.structures.contacts import nearer_than_bonds
from tests.structures.cif.conftest import CELL, HM, NACL, SITES, read, refusal, salt

P1 = "_symmetry_space_group_name_H-M 'P 1'\n"
BIG = CELL.replace("5.64", "12")


def rows(extra: str, *lines: str) -> str:
    return SITES + "".join(f"_atom_site_{name}\n" for name in extra.split()) + "".join(f"{line}\n" for line in lines)


def test_sites_of_occupancy_zero_are_left_out():
    sites = rows("occupancy", "Na1 Na 0 0 0 1", "Cl1 Cl .5 .5 .5 1.0", "X1 X .25 .25 .25 0", "H1 H .2 .2 .2 0.00(1)")
    found = read(salt(sites=sites))
    assert (len(found), found.notes) == (8, ("2 sites with the occupancy 0 were left out",))
    assert refusal(salt(sites=rows("occupancy", "Na1 Na 0 0 0 0"))).kind == "partial_occupancy"


ALTERNATIVES = (
    "C1 C .1 .1 .1 {} .",
    "O1 O .2 .1 .1 {} {}",
    "O2 O .22 .16 .1 {} {}",
    "H1 H .25 .1 .1 {} {}",
    "H2 H .26 .2 .1 {} {}",
)


def alternatives(groups, occupancy="1", extra="occupancy disorder_group") -> str:
    return rows(
        extra, *[line.format(occupancy, group) for line, group in zip(ALTERNATIVES, (".", *groups), strict=True)]
    )


@pytest.mark.parametrize("groups", [("1", "2", "1", "2"), ("A", "B", "A", "B"), ("2", "1", "2", "1")])
@pytest.mark.parametrize("occupancy", ["1", ".", "?", "1.00"])
def test_one_alternative_is_kept(groups, occupancy):
    found = read(salt(P1, sites=alternatives(groups, occupancy), cell=BIG))
    assert found.formula == "CHO"
    assert found.xyz[found.Z == 8][0, 1] == pytest.approx(1.2)
    assert "2 sites of the others were left out" in found.notes[0]


def test_groups_that_are_no_alternatives_are_kept():
    sites = rows("occupancy disorder_group", "Na1 Na 0 0 0 1 1", "Cl1 Cl .5 .5 .5 1 1")
    assert (len(read(salt(sites=sites))), read(salt(sites=sites)).notes) == (8, ())
    two = rows("disorder_assembly disorder_group", "Na1 Na 0 0 0 A 1", "Cl1 Cl .5 .5 .5 B 2")
    assert len(read(salt(sites=two))) == 8
    assert refusal(salt(P1, sites=alternatives(("1", "2", "1", "2"), "0.5"), cell=BIG)).kind == "partial_occupancy"


def test_disorder_about_a_special_position_is_refused():
    sites = rows("disorder_group", "Na1 Na 0 0 0 .", "Cl1 Cl .5 .5 .5 -1")
    assert refusal(salt(sites=sites)).kind == "disordered"
    assert len(read(salt(P1, sites=sites))) == 2


def test_attached_hydrogens_are_missing():
    cell = CELL.replace("c 5.64", "c 4.766").replace("gamma 90", "gamma 120").replace("5.64", "3.142")
    sites = rows("attached_hydrogens", "Mg1 Mg 0 0 0 0", "O1 O 0.3333 0.6667 0.22 1")
    for formula in ("", "_chemical_formula_sum 'H2 Mg O2'\n"):
        found = read(salt("_symmetry_space_group_name_H-M 'P -3 m 1'\n", formula, sites, cell))
        assert found.formula == "MgO2"
        assert found.warnings[0].startswith("2 hydrogen atoms are stated as attached")
        assert len(found.warnings) == 1
    complete = sites + "H1 H 0.3333 0.6667 0.43 0\n"
    found = read(
        salt("_symmetry_space_group_name_H-M 'P -3 m 1'\n", "_chemical_formula_sum 'H2 Mg O2'\n", complete, cell)
    )
    assert found.warnings == ()


@pytest.mark.parametrize(
    "formula", ["C2 H4 Na4 Cl4 O1", "Na4 Cl4 C3 H7 N O", "Na4 Cl8 C H2", "Na H2 O Cl", "Na2 Cl2 C2 H6 O S"]
)
@pytest.mark.parametrize("last", [True, False])
def test_solvent_that_was_removed_is_told(formula, last):
    end = "" if last else "loop_\n_atom_type_symbol\nNa\nCl\n"
    found = read(salt(more=f"_chemical_formula_sum '{formula}'\n") + end)
    assert (len(found), len(found.notes), found.warnings) == (8, 1, ())
    assert "removed or masked" in found.notes[0]


@pytest.mark.parametrize(
    "formula",
    [
        "Na4 Cl4 K",
        "Na4 Cl3",
        "Na4 Cl8",
        "Na4 Cl4 P F6",
        "Na Cl C40 H80",
        "Na2 Cl",
        "Na Cl C",
        "Na Cl O2",
        "Na Cl C6 H4 O2",
    ],
)
def test_what_else_lacks_is_refused(formula):
    assert refusal(salt(more=f"_chemical_formula_sum '{formula}'\n")).kind == "incomplete"


def test_elements_that_are_told_from_labels_in_capitals():
    bare = SITES.replace("_atom_site_type_symbol\n", "") + "NA1 0 0 0\nCL1 .5 .5 .5\n"
    found = read(salt(sites=bare))
    assert found.formula == "NaCl"
    assert "was taken for" in found.warnings[0]
    assert read(salt(HM, "_chemical_formula_sum 'Na Cl'\n", bare)).warnings == ()
    assert read(salt(sites=bare.replace("NA", "Na").replace("CL", "Cl"))).warnings == ()
    assert read(salt(sites=SITES + NACL)).warnings == ()


GROUPS = SITES.replace("_atom_site_fract_x", "_atom_site_disorder_group\n_atom_site_fract_x")


def test_disorder_groups_are_numbers_where_they_are_written_so():
    alternatives = GROUPS + "Na1 Na 0.0 0 0 0\nO1A O 1.0 .40 0 0\nO1B O 2.0 .5 0.1 0\n"
    assert read(salt(P1, sites=alternatives)).formula == "NaO"


def test_disorder_groups_that_keep_their_distance_are_kept():
    apart = GROUPS + "Na1 Na 1 0 0 0\nO1 O 2 .4 0 0\n"
    found = read(salt(P1, sites=apart))
    assert (found.formula, len(found.notes)) == ("NaO", 1)


def test_groups_of_one_assembly_exclude_each_other_however_far():
    two = "O1 O .1 .1 .1 {} 1\nO2 O .6 .6 .6 {} 2\n"
    head = SITES + "_atom_site_disorder_assembly\n_atom_site_disorder_group\n" + "Na1 Na 0 .5 0 . .\n"
    one = read(salt(P1, sites=head + two.format("A", "A"), cell=BIG))
    assert (one.formula, len(one.notes)) == ("NaO", 1)
    assert "first was kept: 1 site of the others was left out" in one.notes[0]
    both = read(salt(P1, sites=head + two.format(".", "."), cell=BIG))
    assert (both.formula, len(both)) == ("NaO2", 3)
    assert both.notes == ("disordered alternatives do not overlap, so all were kept; check the composition",)


@pytest.mark.parametrize(("volume", "told"), [("179.4(2)", False), ("182", False), ("?", False), ("1435", True)])
def test_a_volume_that_is_not_the_cells_is_told(volume, told):
    found = read(salt(more=f"_cell_volume {volume}\n"))
    assert any("_cell_volume is 1435 Å³, but lengths and angles make 179.4" in text for text in found.warnings) == told
    assert len(found.warnings) == told


@pytest.mark.parametrize(
    ("density", "told"),
    [("2.17", False), ("2.163(1)", False), ("2163", False), ("?", False), ("4.5", True), ("1.1", True)],
)
def test_a_density_that_is_not_the_atoms_is_told(density, told):
    found = read(salt(more=f"_exptl_crystal_density_diffrn {density}\n"))
    assert any(f"density is {density} g/cm³, but cell and atoms make 2.164" in text for text in found.warnings) == told


def test_the_density_of_heavy_water_is_no_contradiction():
    sites = SITES + "O1 O 0 0 0\nD1 D .12 0 0\nD2 D -.03 .116 0\n"
    light, heavy = (1.66054 * weight / 512.0 for weight in (18.015, 20.027))
    for density, told in ((light, 0), (heavy, 0), (0.9 * light, 1), (1.1 * heavy, 1)):
        text = salt(P1, f"_exptl_crystal_density_diffrn {density:.4f}\n", sites, CELL.replace("5.64", "8"))
        assert len(read(text).warnings) == told
        assert read(text).notes == ("deuterium and tritium were read as hydrogen",)


@pytest.mark.parametrize(
    ("site", "told"),
    [
        ("Ca1 Na", True),
        ("K1 Na", True),
        ("Na1 Na+", False),
        ("NA1 Na", False),
        ("B1 Na", False),
        ("M1 Na", False),
        ("SA Na", False),
    ],
)
def test_labels_that_contradict_types_are_told(site, told):
    found = read(salt(sites=SITES + f"{site} 0 0 0\nCl1 Cl .5 .5 .5\n"))
    assert found.formula == "NaCl"
    label, kind = site.split()
    expected = f"labels and types disagree: site {label} is of the type {kind}; the types were used"
    assert found.notes == ((expected,) if told else ())


def test_occupancies_in_percent():
    sites = SITES + "_atom_site_occupancy\nNa1 Na 0 0 0 100\nCl1 Cl .5 .5 .5 100.0\n"
    found = read(salt(sites=sites))
    assert (found.formula, found.notes) == ("NaCl", ("all occupancies are 100: they were read as percent",))
    assert refusal(salt(sites=sites.replace("100.0", "50"))).kind == "partial_occupancy"


def test_alternatives_without_marks_are_told():
    found = read(salt(P1, sites=SITES + "Na1 Na 0 0 0\nO1 O .4 0 0\nO2 O .4 .15 0\n"))
    assert "0.85 Å apart" in found.warnings[0]


@pytest.mark.parametrize(("occupancy", "is_read"), [("4", True), ("10.5", False), ("100", False), ("1.04", True)])
def test_occupancies_above_one(occupancy, is_read):
    sites = SITES + "_atom_site_occupancy\n" + f"Na1 Na 0 0 0 {occupancy}\nCl1 Cl .5 .5 .5 1\n"
    if is_read:
        assert len(read(salt(sites=sites))) == 8
    else:
        assert refusal(salt(sites=sites)).kind == "partial_occupancy"


@pytest.mark.parametrize(
    "item",
    [
        "_chemical_formula_sum 'Mg (O H)2'",
        "_chemical_formula_moiety 'H2 Mg O2'",
        "_chemical_formula_structural 'Mg (O H)2'",
        "_chemical_formula_analytical 'Mg H2 O2'",
        "_chemical_formula_weight 58.32",
    ],
)
def test_hydrogens_that_only_another_item_counts_are_told(item):
    sites = SITES + "Mg1 Mg 0 0 0\nO1 O .4 0 0\nO2 O 0 .4 0\n"
    (warning,) = read(salt(P1 + item + "\n", sites=sites)).warnings
    assert "hydrogen" in warning
    assert read(salt(P1 + "_chemical_formula_weight 56.30\n", sites=sites)).warnings == ()


def test_what_a_formula_counts_with_factors_and_brackets():
    sites = SITES + "Zn1 Zn 0 0 0\nC1 C .4 0 0\nH1 H .6 0 0\nO1 O 0 .4 0\n"
    for text in ("C H O Zn, 0.5(C7 H8)", "C H O Zn, 2 H2 O", "C H O Zn + 2 H2O"):
        found = read(salt(P1 + f"_chemical_formula_sum '{text}'\n", sites=sites))
        assert "solvent" in found.notes[0]
    assert refusal(salt(P1 + "_chemical_formula_sum 'C5 H1 O1 Zn1'\n", sites=sites)).kind == "incomplete"
    ended = sites + "loop_\n_atom_type_symbol\nZn\nO\n"
    ion = read(salt(P1 + "_chemical_formula_sum 'C H O5 Zn Cl'\n", sites=ended))
    assert "counter-ion" in (*ion.warnings, "")[0]


def test_coordinates_that_are_no_numbers_are_shown():
    assert "0;5" in refusal(salt(sites=SITES + "Na1 Na 0;5 0 0\n")).message


@pytest.mark.parametrize("name", ["attached_hydrogens", "Attached_Hydrogens", "attached_hydrogen", "attached_H"])
@pytest.mark.parametrize("dot", ["_", "."])
@pytest.mark.parametrize("count", ["2", "2.0", "'2'", "2(1)"])
def test_attached_hydrogens_under_any_spelling(name, dot, count):
    loop = SITES + f"_atom_site_{name}\nCa1 Ca 0 0 0 0\nO1 O .5 .5 .5 {count}\n"
    found = read(salt(P1, sites=loop.replace("_atom_site_", f"_atom_site{dot}")))
    assert "2 hydrogen atoms are stated as attached" in found.warnings[0]


@pytest.mark.parametrize(
    "label", ["H2O1", "OH1", "Wat1", "OW1", "O1W", "HOH1", "D2O", "OH", "O2H", "O(H)1", "H3O1", "WAT"]
)
def test_hydrogen_that_a_label_alone_tells(label):
    found = read(salt(P1, sites=SITES + f"Ca1 Ca 0 0 0\n{label} O .5 .5 .5\n"))
    assert (found.formula, len(found)) == ("CaO", 2)
    assert label in found.warnings[0]
    assert "no hydrogen" in found.warnings[0]
    confirmed = salt(P1 + "_chemical_formula_sum 'Ca O'\n", sites=SITES + f"Ca1 Ca 0 0 0\n{label} O .5 .5 .5\n")
    assert read(confirmed).warnings == ()
    assert read(salt(P1, sites=SITES + f"{label} O 0 0 0\nH1 H .16 0 0\n")).warnings == ()


@pytest.mark.parametrize("label", ["O1", "O12A", "OA1", "Oh", "O1_a", "OM1", "Os1"])
def test_other_oxygen_labels_tell_of_no_hydrogen(label):
    element = "Os" if label == "Os1" else "O"
    found = read(salt(P1, sites=SITES + f"Ca1 Ca 0 0 0\n{label} {element} .5 .5 .5\n"))
    assert not any("hydrogen" in warning for warning in found.warnings) or label == "Oh"


def test_water_as_a_label_without_a_type_is_no_holmium():
    sites = SITES.replace("_atom_site_type_symbol\n", "")
    assert refusal(salt(P1, sites=sites + "Ca1 0 0 0\nHOH1 .5 .5 .5\n")).kind == "unknown_element"
    assert "O1W" in read(salt(P1, sites=sites + "Ca1 0 0 0\nO1W .5 .5 .5\n")).warnings[0]
    assert any("H2O1" in told for told in read(salt(P1, sites=sites + "Ca1 0 0 0\nH2O1 .5 .5 .5\n")).warnings)


@pytest.mark.parametrize(
    ("one", "other", "distance", "near"),
    [
        ("O", "O", 1.01, True), ("O", "O", 1.15, True), ("O", "O", 1.22, False), ("C", "N", 1.03, True), ("C", "N", 1.14, False),
        ("C", "C", 1.07, True), ("C", "C", 1.2, False), ("N", "N", 1.1, False), ("K", "K", 2.3, True), ("V", "O", 1.58, False),
        ("H", "O", 0.9, False),
    ],
)  # fmt: skip
def test_readers_and_frameworks_agree_on_what_is_nearer_than_any_bond(one, other, distance, near):
    sites = rows("", f"A {one} .1 .1 .1", f"B {other} {0.1 + distance / 12:.6f} .1 .1")
    found = read(salt(P1, sites=sites, cell=BIG))
    assert any(f"only {distance:.2f} Å apart, nearer than any bond" in told for told in found.warnings) == near
    assert (len(nearer_than_bonds(found.Z, found.xyz, found.cell)) > 0) == near
