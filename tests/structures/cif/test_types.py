"""Which element a type symbol or a label names."""

import pytest

from andersonn.errors import InputError
from andersonn.structures.readers.crystals.cif.parse import parse
from andersonn.structures.readers.crystals.cif.sites import of_type

CELL = "data_x\n_symmetry_space_group_name_H-M 'P 1'\n" + "".join(
    f"_cell_{name} {value}\n"
    for name, value in (
        ("length_a", 9),
        ("length_b", 9),
        ("length_c", 9),
        ("angle_alpha", 90),
        ("angle_beta", 90),
        ("angle_gamma", 90),
    )
)
PLACES = "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"


def typed(text):
    return parse(f"{CELL}loop_\n_atom_site_label\n_atom_site_type_symbol\n{PLACES}M1 {text} 0 0 0\n", "x")[0]


def labelled(text):
    return parse(f"{CELL}loop_\n_atom_site_label\n{PLACES}{text} 0 0 0\n", "x")[0]


@pytest.mark.parametrize(
    ("Z", "texts"),
    [
        (26, "Fe Fe3+ Fe+3 FE fe3+ Fe2.5+ Fe0 Fe3 FeIII Fe(III) Fe1 Fe* Fe."),
        (1, "H D T 2H H1+ H_ H_b Hiso 2H1+ 2H+"),
        (8, "O2- O-2 O O2 OW O1W OW1 O_3_z O_com"),
        (6, "C_R C_3 Cval Cv 13C C1A C1'"),
        (40, "Zr8f4 Zr ZR"),
    ],
)
def test_one_element_with_its_marks(Z, texts):
    for text in texts.split():
        assert (of_type(text).Z, of_type(text).doubtful) == (Z, False), text


@pytest.mark.parametrize(
    "text",
    "Fe/Mn Fe,Mn Fe0.5Mn0.5 FeMn Fe+Mn Fe_Mn Fe-Mn 'Fe Mn' CO3 PO4 ClO4 H3O H2O NaCl FeO AlSi O-H O2H O_H 'O H' O2-H OH NH4 "
    "Cl0.9 (Fe,Mn) CN TiO2".replace("'Fe Mn'", "'Fe~Mn'")
    .replace("'O H'", "'O~H'")
    .split(),
)
def test_several_elements_are_refused(text):
    with pytest.raises(InputError, match="several elements") as caught:
        typed(text.replace("~", " "))
    assert caught.value.kind == "unknown_element"


def test_a_type_in_capitals_that_may_be_two_elements_is_told():
    (warning,) = typed("HO").warnings
    assert "taken for Ho" in warning
    assert typed("FE").warnings == ()


@pytest.mark.parametrize("text", ["Fe/Mn1", "FeMn1", "Al/Si1", "AlSi1", "Si0.5Al0.5", "CaNa", "(Fe,Mn)1"])
def test_labels_of_several_elements_are_refused(text):
    with pytest.raises(InputError, match="several elements"):
        labelled(text)


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("C1A", "C"),
        ("O1W", "O"),
        ("H12B", "H"),
        ("Na1_2", "Na"),
        ("Zn1'", "Zn"),
        ("Cl1B", "Cl"),
        ("O1'", "O"),
        ("N1^i", "N"),
        ("Fe(1)", "Fe"),
        ("H1N", "H"),
        ("FeB", "Fe"),
    ],
)
def test_usual_labels(text, formula):
    item = labelled(text)
    assert item.formula == formula
    assert len(item.warnings) == (text == "O1W")  # the oxygen of water, and no hydrogen


@pytest.mark.parametrize("text", ["H2O1", "FE1", "CAB", "NaK1", "FeO1"])
def test_labels_that_may_mean_others_are_told(text):
    assert "was taken for" in labelled(text).warnings[0]


@pytest.mark.parametrize(("text", "Z"), [("Na 1+", 11), ("O 2-", 8), ("Na Cl", 0), ("Fe 3+ 2", 0)])
def test_blanks_before_a_charge(text, Z):
    assert of_type(text).Z == Z
