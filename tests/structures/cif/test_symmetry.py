"""Lists of operations and names of groups that are complete, magnetic, broken, or contradict each other."""

import numpy as np
import pytest

from andersonn.structures.readers.crystals.cif.operations import read_operations
from andersonn.structures.readers.crystals.cif.stated import groups_called
from tests.structures.cif.conftest import CELL, HM, NACL, SITES, listed, read, refusal, salt, triplets

FM3M = triplets("F m -3 m")
CENTERINGS = ["x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z"]
WITH_MULTIPLICITY = (
    SITES.replace("loop_\n", "loop_\n_atom_site_symmetry_multiplicity\n") + "4 " + NACL.replace("\nCl1", "\n4 Cl1")
)
FOUR_UNITS = "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4\n"


@pytest.mark.parametrize(
    ("operation", "centering"),
    [
        ("_space_group_symop_magn_operation.xyz", "_space_group_symop_magn_centering.xyz"),
        ("_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz"),
        ("_space_group_symop.magn_operation_xyz", "_space_group_symop.magn_centering_xyz"),
        ("_space_group_symop_magn.operation_xyz", "_space_group_symop_magn.centering_xyz"),
        ("_magnetic_space_group_symop_operation_xyz", "_magnetic_space_group_symop_centering_xyz"),
    ],
)
@pytest.mark.parametrize("signs", [("+1", "-1"), ("mx,my,mz,+1", "-mx,-my,-mz,-1"), ("1", "-1")])
def test_magnetic_operations_move_atoms(operation, centering, signs):
    operations = [f"{text},{signs[k]}" for k, text in enumerate(("x,y,z", "-x,-y,-z"))]
    centerings = [f"{text},{signs[k % 2]}" for k, text in enumerate(CENTERINGS)]
    name = "_space_group_magn.name_BNS \"P_S-1\"\n_parent_space_group.name_H-M_alt 'F m -3 m'\n"
    found = read(salt(name + listed(operations, operation) + listed(centerings, centering)))
    assert (len(found), found.formula, found.warnings) == (8, "NaCl", ())
    whole = [f"{text},{signs[0]}" for text in FM3M]
    assert len(read(salt(listed(whole, operation)))) == 8


def test_a_magnetic_group_without_operations_is_refused():
    for name in ('_space_group_magn.name_BNS "P_S-1"\n', "_parent_space_group.IT_number 225\n"):
        assert refusal(salt(name)).kind == "bad_symmetry"


def test_modulated_structures():
    modulated = "_cell_modulation_dimension 1\nloop_\n_space_group_symop_ssg_operation_algebraic\nx1,x2,x3,x4\n"
    assert refusal(salt(modulated)).kind == "modulated_structure"
    assert "average structure" in read(salt(modulated + HM)).warnings[0]
    assert read(salt(HM + "_cell_modulation_dimension 0\n")).warnings == ()


@pytest.mark.parametrize(
    "broken",
    [FM3M[:95], FM3M[:-1], FM3M[::2], [text.replace("+1/2", "") if k % 3 else text for k, text in enumerate(FM3M)]],
    ids=["half", "one lost", "every other", "translations lost"],
)
def test_a_list_that_is_no_group_is_repaired_from_the_symbol_or_refused(broken):
    found = read(salt(listed(broken) + HM))
    assert len(found) == 8
    assert found.notes or found.warnings
    if read_operations(tuple(broken)).flaw:
        assert refusal(salt(listed(broken))).kind == "bad_symmetry"
        wrong = "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 8\n"
        assert refusal(salt(listed(broken) + HM, wrong)).kind == "bad_symmetry"


def test_lost_sixths():
    lost = ["x-y,x,z", "y,-x+y,z", "-x,-y,z+1/2", "-x+y,-x,z+1/3", "-y,x-y,z+2/3", "x,y,z"]
    cell = CELL.replace("c 5.64", "c 19.58").replace("gamma 90", "gamma 120").replace("5.64", "7.133")
    sites = SITES + "In1 In 0.40 0.12 0.00\nSe1 Se 0.03 0.38 0.10\n"
    found = read(
        salt(listed(lost) + "_symmetry_space_group_name_H-M 'P 61'\n_symmetry_Int_Tables_number 169\n", "", sites, cell)
    )
    heights = found.xyz[found.Z == 34, 2] / 19.58
    assert np.allclose(np.sort(heights), [0.1, 0.26667, 0.43333, 0.6, 0.76667, 0.93333], atol=1e-4)
    assert "not a group" in found.notes[0]


def test_a_missing_identity_and_rounded_translations():
    assert "lacks x,y,z" in read(salt(listed([t for t in FM3M if t != "x,y,z"]))).notes[0]
    for half in ("0.5", ".5", "0.50"):
        found = read(salt(listed([text.replace("1/2", half) for text in FM3M])))
        assert (len(found), found.notes) == (8, ())
    assert read_operations(("x,y,z", "x+0.33,y+0.67,z+.667", "x+.667,y+0.333,z+0.33")).flaw == ""
    assert read_operations(("x,y,z", "x+1/5,y,z", "x+0.4,y,z", "x+3/5,y,z", "x+.8,y,z")).flaw == ""
    assert read_operations(("x,y,z", "x+1/5,y,z")).flaw


@pytest.mark.parametrize("count", [1, 48])
def test_fewer_operations_than_the_symbol_has(count):
    part = listed(FM3M[:count] if count == 1 else triplets("P m -3 m"))
    for more, sites in (("", WITH_MULTIPLICITY), (FOUR_UNITS, SITES + NACL)):
        found = read(salt(part + HM, more, sites))
        assert (len(found), len(found.notes), found.warnings) == (8, 1, ())
    found = read(salt(part + HM))  # nothing decides: told as a reason to doubt
    assert (len(found), len(found.warnings)) == (8, 1)
    assert refusal(salt(part, FOUR_UNITS, WITH_MULTIPLICITY)).kind == "bad_symmetry"
    assert "has 8 atoms" in read(salt(part, FOUR_UNITS)).warnings[0]


@pytest.mark.parametrize("symmetry", [listed(["x,y,z"]) + HM, HM, listed(FM3M) + HM, listed(FM3M)])
def test_all_atoms_of_the_cell_are_listed_beside_the_symmetry(symmetry):
    faces = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    rows = [
        f"{s} {s} {(x + d) % 1} {(y + d) % 1} {(z + d) % 1}\n" for s, d in (("Na", 0), ("Cl", 0.5)) for x, y, z in faces
    ]
    found = read(salt(symmetry, "_chemical_formula_sum 'Na4 Cl4'\n", SITES + "".join(rows)))
    assert (len(found), len(found.notes), found.warnings) == (8, 1, ())


def test_listed_operations_stand_where_the_symbol_cannot():
    ordered = SITES + "Au1 Au 0 0 0\nCu1 Cu 0 0.5 0.5\n"  # the symbol of the disordered alloy
    found = read(salt(listed(triplets("P m -3 m")) + HM, "", ordered))
    assert (len(found), len(found.notes), found.warnings) == (4, 1, ())
    found = read(salt(listed(["x,y,z", "-x,-y,-z"]) + HM, "", cell=CELL.replace("c 5.64", "c 7")))
    assert len(found) == 2
    assert "does not fit the cell" in found.notes[0]


def test_no_symmetry_and_strange_symmetry():
    found = read(salt(""))
    assert (len(found), found.notes[0][:30]) == (2, "the file states no symmetry; i")
    assert refusal(salt("", FOUR_UNITS)).kind == "bad_symmetry"
    assert refusal(salt("", "", WITH_MULTIPLICITY)).kind == "bad_symmetry"
    assert refusal(salt("_space_group_name_Schoenflies 'O_h^5'\n")).kind == "bad_symmetry"
    assert "unusual item" in read(salt(listed(FM3M, "_jana_symop_general_xyz"))).notes[0]
    assert len(read(salt(listed(["x,y,z"]) + "_symmetry_space_group_name_H-M 'P 1'\n")).notes) == 0


def test_names_that_contradict_each_other():
    names = HM + "_symmetry_Int_Tables_number 221\n"
    assert refusal(salt(names)).kind == "bad_symmetry"
    found = read(salt(names, FOUR_UNITS))
    assert (len(found), "contradict" in found.notes[0]) == (8, True)


def test_two_origins_are_told_by_what_else_is_stated():
    silicon = SITES + "Si1 Si 0 0 0\n"
    name = "_symmetry_space_group_name_H-M 'F d -3 m'\n"
    assert refusal(salt(name, "", silicon)).kind == "ambiguous_symmetry"
    for more in ("_chemical_formula_sum Si\n_cell_formula_units_Z 8\n", "_space_group_IT_coordinate_system_code 1\n"):
        assert len(read(salt(name, more, silicon))) == 8
    assert len(read(salt(name.replace("-3 m", "-3 m Z"), "", silicon))) == 16


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [
        ("P2(1)/n", "P 1 21/n 1"), ("P 2~1~/n", "P 1 21/n 1"), ("P 2_1/n", "P 1 21/n 1"), ("p21/c", "P 1 21/c 1"),
        ("R -3 m H", "R -3 m:H"), ("R -3 m RS", "R -3 m:R"), ("R-3m:h", "R -3 m:H"), ("F 4/m -3 2/m", "F m -3 m"),
        ("F4/m-32/m", "F m -3 m"), ("P 21/n 21/m 21/a", "P n m a"), ("P 63/m 2/m 2/c", "P 63/m m c"), ("Fm3m", "F m -3 m"),
        ("F d -3 m S", "F d -3 m:1"), ("F d -3 m Z", "F d -3 m:2"), ("Fd-3m:2", "F d -3 m:2"), ("F 41/d -3 2/m Z", "F d -3 m:2"),
        ("Fm-3m (225)", "F m -3 m"), ("P 2<sub>1</sub>/c", "P 1 21/c 1"), ("F m \u0304 3 m", ""), ("P \u22121", "P -1"),
        ("P n n n (origin 2)", "P n n n:2"), ("C m c e", "C m c a"), ("Z 9 9 9", ""), ("", ""), ("2" * 300, ""),
    ],
)  # fmt: skip
def test_spellings_of_symbols(symbol, meant):
    assert [group.xhm() for group in groups_called(symbol, False, False)] == ([meant] if meant else [])


def test_every_group_of_the_table_in_several_spellings():
    import gemmi

    for group in gemmi.spacegroup_table():
        name = group.xhm()
        for symbol in (name, name.replace(" ", ""), name.lower(), name.replace(":", " ")):
            assert groups_called(symbol, False, False) == (group,), symbol
        operations = read_operations(tuple(operation.triplet() for operation in group.operations()))
        assert (operations.flaw, operations.number) == ("", group.number)


def test_multiplicities_alone_tell_that_operations_are_lost():
    assert refusal(salt(listed(["x,y,z"]), sites=WITH_MULTIPLICITY)).kind == "bad_symmetry"
    one = WITH_MULTIPLICITY.replace("\n4 Cl1", "\n1 Cl1")
    assert "multiplicity" in read(salt(listed(["x,y,z"]), sites=one)).warnings[0]
    assert read(salt(listed(FM3M), sites=WITH_MULTIPLICITY)).warnings == ()


def test_of_two_lists_of_operations_the_one_that_holds_the_other():
    both = listed(["x,y,z"], "_space_group_symop_operation_xyz") + listed(CENTERINGS, "_symmetry_equiv_pos_as_xyz")
    found = read(salt(both))
    assert len(found) == 8
    assert "lists only 1 of them" in found.notes[0]
    other = listed(["x,y,z", "-x,-y,-z"], "_space_group_symop_operation_xyz")
    assert refusal(salt(other + listed(CENTERINGS, "_symmetry_equiv_pos_as_xyz"))).kind == "bad_symmetry"
