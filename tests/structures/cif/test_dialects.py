"""Lax forms of CIF: what is read with a note, and what is refused since the structure may be what is broken."""

from pathlib import Path

import numpy as np
import pytest

from andersonn.structures.readers import read_content
from tests.structures.cif.conftest import CELL, HM, NACL, SITES, read, refusal, salt, triplets

TRIPLETS = triplets("F m -3 m")

READ = {
    "a symbol without quotes": salt(HM.replace("'", "")),
    "a formula without quotes": salt(HM, "_chemical_formula_sum Na4 Cl4\n"),
    "a title of several lines": salt(HM, "_publ_section_title\nA new\nsalt, it's old\n"),
    "a comma behind a name": salt(HM, "loop_\n_publ_author_name\n'Yaghi, O. M.',\n'Li, H.'\n"),
    "a comma behind a single name": salt(HM, "_publ_author_name 'Yaghi, O. M.',\n"),
    "an open quote": salt(HM, "_publ_author_name 'Yaghi, O. M.\n"),
    "an item twice": salt(HM, "_chemical_name_common salt\n_chemical_name_common halite\n"),
    "a length twice": salt(HM, "_cell_length_a 5.640(2)\n"),
    "a loop of sites twice": salt(HM, SITES + NACL),
    "a unit": salt(HM, cell=CELL.replace("a 5.64", "a 5.64 Å")),
    "a pattern with a value too few": salt(HM) + "loop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n5 10 6 12 7\n",
    "a broken loop before the sites": salt(HM, "loop_\n_geom_bond_distance\n_geom_bond_publ_flag\n2.8 yes 2.9\n"),
    "a text without an end": salt(HM) + "_iucr_refine_instructions_details\n;\nTITL x\n",
    "no value": salt(HM, "_refine_special_details\n"),
    "no line data_": salt(HM).removeprefix("data_x\n"),
    "a semicolon in front of a word": salt(HM, "loop_\n_publ_a\n_publ_b\n1 ;x 2 ;y\n_publ_c ;z\n_publ_d a b\n"),
    "CIF 2": "#\\#CIF_2.0\n"
    + salt(HM, "_a.t '''it's\nlong'''\n_a.l [1 [2 'x'] 3]\n_a.d {'k':1 'l':[2]}\n_a.q \"\"\"a\"b\"\"\"\n"),
}


@pytest.mark.parametrize("case", READ)
def test_lax_forms_are_read_with_one_note(case):
    found = read(READ[case])
    assert (len(found), found.formula, found.warnings) == (8, "NaCl", ())
    notes = [
        note for note in found.notes if note.startswith("the file breaks the syntax of CIF and was read nevertheless: ")
    ]
    assert len(notes) == (0 if case == "CIF 2" else 1)


REFUSED = {
    "two lengths": (salt(HM, "_cell_length_a 6\n"), "stands twice"),
    "two symbols": (salt(HM + HM.replace("F", "P")), "stands twice"),
    "other sites": (salt(HM, SITES + NACL.replace("0.5 0.5 0.5", "0.25 0.25 0.25")), "stands twice"),
    "a site cut": (salt(HM) + "K1 K 0.25\n", "Wrong number of values"),
    "a label like an item": (salt(HM) + "_H1 H 0.25 0.25 0.25\n", "_H1 has 4 values"),
    "operations cut": (
        salt("loop_\n_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz\n1 x,y,z 2\n"),
        "Wrong number",
    ),
    "a text that took the sites": (salt(HM, "_publ_section_title\n;\nA title\n"), "unterminated"),
    "loop_ with its mark in front": (salt(HM.replace("_symm", "_loop\n_symm")), "_loop has no value"),
    "a length of two words": (salt(HM, cell=CELL.replace("a 5.64", "a 5.64 6")), "has 2 values"),
    "a control character": (salt(HM.replace("'", "")).replace("Na1 ", "Na\x01 "), "characters"),
    "prose": ("Dear editor, please find attached.", "data_"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_be_the_structure_is_refused(case):
    text, message = REFUSED[case]
    error = refusal(text)
    assert error.kind == "bad_cif"
    assert message in error.message
    assert ("cut short" in error.hint) == (case in ("a site cut", "a text that took the sites"))


def test_blocks_of_one_name_are_both_read():
    found = read_content((salt() + salt(sites=SITES + NACL.replace("Na", "K"))).encode(), Path("a.cif"))
    assert [s.formula for s in found] == ["NaCl", "KCl"]
    assert len({s.id for s in found}) == 2
    assert "two blocks are called 'x'" in found[1].notes[0]


def test_a_semicolon_in_front_of_a_word_beside_names_with_dots():
    assert len(read(salt(HM, "_publ.a ;x\nloop_\n_publ.b\n_publ.c\n1 ;y 2 ;z\n"))) == 8


def test_names_with_dots():
    text = salt(HM + "_symmetry_Int_Tables_number 225\n", "_chemical_formula_sum 'Na Cl'\n").replace("_cell_", "_cell.")
    text = (
        text.replace("_atom_site_", "_atom_site.")
        .replace("_symmetry_space_group_", "_space_group.")
        .replace("formula_", "formula.")
    )
    assert (len(read(text)), read(text).notes) == (8, ())
    assert refusal(text.replace("data_x\n", "data_x\n_cell_length_a 6\n")).kind == "bad_cif"


@pytest.mark.parametrize("number", ["'225'", "225.0", '"225"', "225."])
def test_numbers_of_groups(number):
    for name in ("_symmetry_Int_Tables_number", "_space_group_IT_number"):
        assert len(read(salt(f"{name} {number}\n"))) == 8
        assert len(read(salt(f"_symmetry_space_group_name_H-M ?\n{name} {number}\n"))) == 8


@pytest.mark.parametrize("length", ["5.640(2", "5.640(0.002)", "5.640(-)", "5.64(2)"])
def test_uncertainties(length):
    found = read(salt(cell=CELL.replace("5.64", length).replace(" 90", " 90.0(-)")))
    assert found.volume == pytest.approx(5.64**3)


@pytest.mark.parametrize("text", ["1/2", "0,5", "0,500(3)", "~0.5", "0.5*", "0.5?", "0.500(3)*", "'0.5'", "~,5"])
def test_unusual_numbers_of_coordinates(text):
    found = read(salt(sites=SITES + NACL.replace("0.5 0.5 0.5", f"{text} {text} {text}")))
    assert (len(found), found.formula) == (8, "NaCl")
    assert "3 numbers are written in an unusual way" in found.notes[0]


@pytest.mark.parametrize("text", ["5,64", "5.64*", "~5.64", "5.64?", "5,640(2)", "5.64,", "*5.64", "\u22485.64"])
def test_unusual_numbers_of_the_cell(text):
    found = read(salt(cell=CELL.replace("5.64", text)))
    assert np.allclose(np.diag(found.cell), 5.64)
    assert any("unusual way" in note for note in found.notes)


@pytest.mark.parametrize("text", ["1,234.5", "5.6.4", "<5.64", "5;64", "5.64nm", "c5.64", "5.640d0"])
def test_what_is_no_number_is_refused_by_name(text):
    assert text in refusal(salt(cell=CELL.replace("5.64", text))).message
    coordinates = SITES + f"Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 {text}\n"
    assert text in refusal(salt(sites=coordinates)).message


@pytest.mark.parametrize("text", ["0,5", "0.5*", "~0.5", "'0.5'", "0.5?", "0,5(1)"])
def test_a_share_of_an_atom_written_in_an_unusual_way_is_no_whole_atom(text):
    sites = SITES.replace("_fract_z\n", "_fract_z\n_atom_site_occupancy\n")
    assert refusal(salt(sites=sites + f"Na1 Na 0 0 0 1\nCl1 Cl .5 .5 .5 {text}\n")).kind == "partial_occupancy"
    assert len(read(salt(sites=sites + "Na1 Na 0 0 0 1,0\nCl1 Cl .5 .5 .5 ?\n"))) == 8
    assert "abc" in refusal(salt(sites=sites + "Na1 Na 0 0 0 1\nCl1 Cl .5 .5 .5 abc\n")).message


COMMA_LISTS = {
    "alone": ("_symmetry_equiv_pos_as_xyz", "{1}"),
    "behind a number": ("_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz", "{0} {1}"),
    "before a number": ("_space_group_symop_operation_xyz\n_space_group_symop_id", "{1} {0}"),
    "between numbers": (
        "_space_group_symop_id\n_space_group_symop_operation_xyz\n_space_group_symop_sg_id",
        "{0} {1} 1",
    ),
    "numbered in one column": ("_symmetry_equiv_pos_as_xyz", "{0} {1}"),
    "with a remark": ("_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz", "{0} {1} # no. {0}"),
    "with dots": ("_space_group_symop.id\n_space_group_symop.operation_xyz", "{0} {1}"),
}


@pytest.mark.parametrize("how", COMMA_LISTS)
@pytest.mark.parametrize(
    "spaced",
    [
        lambda text: text.replace(",", ", "),
        lambda text: text.replace(",", " ,"),
        lambda text: text.replace(",", " , ").replace("+", " + "),
        lambda text: text.replace(",", ",\t").upper(),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_operations_with_blanks_and_without_quotes(how, spaced, end):
    names, row = COMMA_LISTS[how]
    rows = [row.format(k, spaced(text)) for k, text in enumerate(TRIPLETS, 1)]
    found = read(salt("loop_\n" + "\n".join([names, *rows]) + "\n").replace("\n", end))
    assert (len(found), found.formula) == (8, "NaCl")
    assert "lack quotes" in found.notes[0]
    quotes = [row.format(k, f"'{spaced(text)}'") if k % 2 else rows[k - 1] for k, text in enumerate(TRIPLETS, 1)]
    if how != "numbered in one column":
        assert len(read(salt("loop_\n" + "\n".join([names, *quotes]) + "\n"))) == 8


def test_a_list_of_operations_that_breaks_off_is_refused():
    names = "loop_\n_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz\n"
    for rows in ("1 x, y, z\n2 -x, -y, \n", "1 x, y, z\n2 x, y\n", "1 x, y, z -x, y, z\n"):
        assert refusal(salt(names + rows)).kind in ("bad_cif", "bad_symmetry")


@pytest.mark.parametrize(
    "text",
    [
        salt() + "END\n",
        salt() + "\x1a",
        salt().replace("data_x", "data_sodium chloride"),
        "Written by a program\n" + salt(),
        "\u200b" + salt(),
        salt().replace("data_x", "data_x\n---------"),
        salt(cell=CELL.replace("5.64", "5.64 (2)")),
        salt(cell=CELL.replace("5.64", "5.64[2]")),
        salt(cell=CELL.replace("5.64", "5.64\u00c5").replace("90", "90\u00b0")),
        salt("_symmetry_Int_Tables_number (225)\n"),
        salt("_symmetry_Int_Tables_number 'No. 225'\n"),
        salt("_symmetry_space_group_name_H-M 'Fm\\=3m'\n"),
        salt(more="_my_custom_tag words without quotes\n"),
        salt().replace("0.5 0.5 0.5", "\u22120.5 0.5 0.5"),
        salt("loop_\n_symmetry_equiv_pos_as_xyz\n" + "".join(f"'{k} {t}'\n" for k, t in enumerate(TRIPLETS, 1))),
        salt("_symmetry_equiv_pos_as_xyz\n;\n" + "\n".join(TRIPLETS) + "\n;\n"),
    ],
)
def test_what_people_and_programs_add(text):
    assert len(read(text)) == 8


@pytest.mark.parametrize("text", ["'5.64 Å'", "'5.64 A'", "'5.64(1) Angstrom'", "'5.640Å'"])
def test_a_unit_in_the_quotes_of_a_number(text):
    found = read(salt(cell=CELL.replace("a 5.64", f"a {text}")))
    assert found.cell[0, 0] == pytest.approx(5.64)
    assert found.notes[0].startswith("1 number is written in an unusual way, such as '5.64")


@pytest.mark.parametrize("quote", ["", "'"])
@pytest.mark.parametrize(
    ("name", "unit", "wanted"), [("length_a", "nm", "Å"), ("length_c", "pm", "Å"), ("angle_alpha", "rad", "degrees")]
)
def test_other_units_are_refused_by_name(quote, name, unit, wanted):
    line = next(line for line in CELL.split("\n") if name in line)
    value = line.split()[1]
    text = CELL.replace(line, f"_cell_{name} {quote}{value} {unit}{quote}")
    error = refusal(salt(cell=text))
    assert error.message == f"the unit {unit} of _cell_{name} is not read"
    assert error.hint == f"convert to {wanted}"
