import os

import numpy as np
import pytest
from ase.io import write as ase_write

from andersonn.errors import InputError
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import as_structure, find_files, read_each, read_file
from andersonn.structures.structure import Structure

NACL = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{symmetry}
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 0 0 0
Cl1 0.5 0.5 0.5
"""
HM = "_symmetry_space_group_name_H-M 'F m -3 m'"


def distances(structure: Structure) -> np.ndarray:
    image = NodeNeighborImage.from_structure(structure, ImageRecipe(columns=14, fold=False))
    return np.sort(image.distance, axis=1)


def assert_same(a: Structure, b: Structure):
    assert np.array_equal(np.sort(a.Z), np.sort(b.Z))
    assert a.volume == pytest.approx(b.volume, rel=1e-5)
    assert np.allclose(np.sort(distances(a), axis=0), np.sort(distances(b), axis=0), atol=2e-3)


@pytest.fixture
def put(tmp_path):
    def write(text: str, name: str = "case.cif"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def failure(path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_file(path)
    return caught.value


@pytest.mark.parametrize("name", ["Cu", "W", "Si", "GaAs", "NaCl", "SrTiO3", "SiO2"])
@pytest.mark.parametrize("extension", ["cif", "vasp", "xyz"])
def test_round_trip_through_ase(atoms, structures, tmp_path, name, extension):
    path = tmp_path / f"{name}.{extension}"
    ase_write(path, atoms[name], format={"cif": "cif", "vasp": "vasp", "xyz": "extxyz"}[extension])
    (structure,) = read_file(path)
    assert structure.id == name
    assert_same(structure, structures[name])


@pytest.mark.parametrize(
    "number", [2, 14, 15, 62, 82, 88, 96, 122, 141, 148, 152, 166, 167, 176, 194, 205, 216, 221, 225, 227, 230]
)
def test_symmetry_against_ase(tmp_path, number):
    """General and special positions of many space groups: our expansion against ASE's own CIF parser."""
    from ase.spacegroup import crystal

    lengths, angles = {
        True: ([7.1, 8.3, 9.7], [80, 95, 103]), False: ([22.0, 22.0, 22.0], [90, 90, 90])
    }[number == 2]  # fmt: skip
    if 3 <= number <= 15:
        lengths, angles = [9.1, 8.3, 10.7], [90, 105, 90]
    elif 16 <= number <= 74:
        lengths = [9.1, 8.3, 10.7]
    elif 75 <= number <= 142:
        lengths = [15.1, 15.1, 16.7]
    elif 143 <= number <= 194:
        lengths, angles = [15.1, 15.1, 24.7], [90, 90, 120]
    positions = [(0, 0, 0), (0.13, 0.21, 0.34)]
    atoms = crystal(["Ti", "H"], positions, spacegroup=number, cellpar=[*lengths, *angles])
    path = tmp_path / "case.cif"
    operations = [_triplet(*op) for op in atoms.info["spacegroup"].get_symop()]
    listed = "\n".join(f"'{text}'" for text in operations)
    path.write_text(
        "data_x\n"
        + "".join(f"_cell_length_{x} {v}\n" for x, v in zip("abc", lengths, strict=True))
        + "".join(f"_cell_angle_{x} {v}\n" for x, v in zip(("alpha", "beta", "gamma"), angles, strict=True))
        + f"loop_\n_space_group_symop_operation_xyz\n{listed}\n"
        + "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        + "Ti1 0 0 0\nH1 0.13 0.21 0.34\n"
    )
    (structure,) = read_file(path)
    assert_same(structure, as_structure(atoms))


def _triplet(matrix, shift) -> str:
    parts = []
    for row, t in zip(matrix, shift, strict=True):
        text = "".join({1: "+", -1: "-"}[c] + axis for c, axis in zip(row.tolist(), "xyz", strict=True) if c)
        parts.append(text + (f"+{round(t * 24)}/24" if t else ""))
    return ",".join(parts)


@pytest.mark.parametrize(
    "symmetry",
    [HM, "_space_group_IT_number 225", "_symmetry_space_group_name_Hall '-F 4 2 3'", HM.replace("F m -3 m", "Fm-3m")],
)
def test_symmetry_by_symbol(put, structures, symmetry):
    (structure,) = read_file(put(NACL.format(symmetry=symmetry)))
    assert len(structure) == 8
    assert_same(structure, as_structure(_conventional("NaCl")))


def _conventional(name):
    from ase.build import bulk

    return bulk(name, "rocksalt", a=5.64, cubic=True)


def test_operations_outside_every_table_are_obeyed(put):
    """A tripled cell's translations form no listed space group; they must not be dropped for P1."""
    symmetry = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nx+1/3,y,z\nx+2/3,y,z\n"
    text = NACL.format(symmetry=symmetry).replace("_cell_length_a 5.64", "_cell_length_a 16.92")
    (structure,) = read_file(put(text))
    assert len(structure) == 6


def test_special_positions_given_with_few_digits(put):
    symmetry = "_symmetry_space_group_name_H-M 'P 63/m m c'"
    text = (
        NACL.format(symmetry=symmetry)
        .replace("gamma 90", "gamma 120")
        .replace("_cell_length_c 5.64", "_cell_length_c 9.2")
    )
    text = text.replace("Na1 0 0 0", "Na1 0.333 0.667 0.25").replace("Cl1 0.5 0.5 0.5", "Cl1 0 0 0")
    (structure,) = read_file(put(text))
    assert sorted(structure.Z.tolist()) == [11, 11, 17, 17]


def test_two_origins_need_an_operation_list(put):
    text = NACL.format(symmetry="_symmetry_space_group_name_H-M 'F d -3 m'")
    assert failure(put(text)).kind == "ambiguous_symmetry"
    (structure,) = read_file(put(text.replace("F d -3 m", "F d -3 m:2").replace("Cl1 0.5 0.5 0.5", "")))
    assert len(structure) == 16


def test_several_blocks_and_frames(put, atoms, tmp_path):
    text = NACL.format(symmetry=HM)
    found = read_file(put(text + text.replace("data_NaCl", "data_KCl").replace("Na1", "K1")))
    assert [s.formula for s in found] == ["NaCl", "KCl"]
    assert [s.id for s in found] == ["case:NaCl", "case:KCl"]
    ase_write(tmp_path / "run.extxyz", [atoms["NaCl"], atoms["Si"]])
    assert [s.formula for s in read_file(tmp_path / "run.extxyz")] == ["NaCl", "Si"]


def test_numbers_with_uncertainties_and_ions(put):
    text = (
        NACL.format(symmetry=HM)
        .replace("5.64", "5.640(3)")
        .replace("Na1 ", "Na1+ ")
        .replace("0.5 0.5 0.5", "0.50(1) .5 0.5")
    )
    (structure,) = read_file(put(text))
    assert structure.formula == "NaCl"


def test_deuterium_is_hydrogen(put):
    text = NACL.format(symmetry=HM).replace("Cl1", "D1")
    assert read_file(put(text))[0].formula == "NaH"


BAD = {
    "truncated in a loop": (lambda t: t[: t.index("Cl1") + 8], "bad_cif"),
    "truncated before the sites": (lambda t: t[: t.index("loop_")], "no_atoms"),
    "truncated in the cell": (lambda t: t[: t.index("_cell_length_c")] + t[t.index("loop_") :], "no_cell"),
    "cut between two sites": (lambda t: "data_a\n_chemical_formula_sum 'Na4 Cl4'\n" + t[10 : t.index("Cl1")], "incomplete"),
    "unknown element": (lambda t: t.replace("Cl1", "Qq1"), "unknown_element"),
    "dummy atom": (lambda t: t.replace("Cl1", "X1"), "unknown_element"),
    "zero length": (lambda t: t.replace("length_a 5.64", "length_a 0"), "singular_cell"),
    "impossible angles": (lambda t: t.replace(" 90\n", " 120\n"), "singular_cell"),
    "not a number": (lambda t: t.replace("length_b 5.64", "length_b ?"), "no_cell"),
    "overlap": (lambda t: t.replace("0.5 0.5 0.5", "0.05 0 0"), "overlapping_atoms"),
    "no coordinates": (lambda t: t.replace("0.5 0.5 0.5", "? ? ?"), "not_finite"),
    "partial": (
        lambda t: t.replace("fract_z", "fract_z\n_atom_site_occupancy").replace("0 0 0", "0 0 0 1").replace(
            "0.5 0.5 0.5", "0.5 0.5 0.5 0.5"
        ),
        "partial_occupancy",
    ),
    "bad operation": (lambda t: t.replace(HM, "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,q\n"), "bad_symmetry"),
    "unknown group": (lambda t: t.replace("F m -3 m", "Z 9 9 9"), "bad_symmetry"),
    "an axis without coordinates": (lambda t: t.replace("fract_z", "ignored"), "no_atoms"),
    "symmetry of another cell": (lambda t: t.replace("length_c 5.64", "length_c 7"), "bad_symmetry"),
    "operations of another cell": (
        lambda t: t.replace(HM, "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\ny,z,x\n").replace("length_c 5.64", "length_c 7"),
        "bad_symmetry",
    ),
    "prose": (lambda t: "Dear editor, please find attached.", "bad_cif"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_cif(put, case):
    spoil, kind = BAD[case]
    error = failure(put(spoil(NACL.format(symmetry=HM))))
    assert error.kind == kind
    assert error.hint
    assert len(str(error)) < 400
    assert "\n" not in str(error)


def test_formula_check_forgives_hydrogen_and_odd_formulas(put):
    text = NACL.format(symmetry=HM)
    for formula in ("'Na4 Cl4'", "'Na Cl'", "'H2 Na Cl'", "?", "'Na0.5 Cl0.5'", "'(NaCl)n'"):
        (found,) = read_file(put(text.replace("data_NaCl", f"data_NaCl\n_chemical_formula_sum {formula}")))
        assert bool(found.warnings) == ("H2" in formula), formula
        assert found.notes == ()
    (found,) = read_file(put(text.replace("NaCl", "a\n_chemical_formula_sum 'H2 Na Cl'", 1)))
    assert "its sites make NaCl: hydrogen atoms have no positions" in found.warnings[0]


def test_byte_order_marks_and_utf16(tmp_path):
    text = NACL.format(symmetry=HM)
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        path = tmp_path / "a.cif"
        path.write_bytes(text.replace("data_NaCl", "data_NaCl # 5.64 Å").encode(encoding))
        assert len(read_file(path)[0]) == 8, encoding


def test_rhombohedral_cell_with_the_number_alone(put):
    """The standard setting of R -3 m is hexagonal; a cell with a = b = c, α = β = γ can only mean the other."""
    text = NACL.format(symmetry="_symmetry_Int_Tables_number 166")
    text = text.replace(" 5.64\n", " 3.005\n").replace(" 90\n", " 70.53\n").replace("Cl1 0.5 0.5 0.5\n", "")
    assert len(read_file(put(text))[0]) == 1


def test_dummies_are_no_atoms(put):
    text = NACL.format(symmetry=HM).replace("fract_z", "fract_z\n_atom_site_calc_flag")
    text = text.replace("0 0 0\n", "0 0 0 d\nC1 0.25 0.25 0.25 dum\n").replace("0.5 0.5 0.5", "0.5 0.5 0.5 d")
    assert read_file(put(text))[0].formula == "NaCl"


def test_sites_without_labels_or_without_a_loop(put):
    text = NACL.format(symmetry=HM)
    nameless = text.replace("_atom_site_label", "_atom_site_type_symbol").replace("Na1", "Na").replace("Cl1", "Cl")
    assert read_file(put(nameless))[0].formula == "NaCl"
    head = text[: text.index("loop_")]
    single = head + "_atom_site_label Na1\n" + "".join(f"_atom_site_fract_{x} 0\n" for x in "xyz")
    assert len(read_file(put(single))[0]) == 4


def test_one_bad_structure_of_a_file_leaves_the_others(put):
    good = NACL.format(symmetry=HM)
    bad = good.replace("data_NaCl", "data_bad").replace("0.5 0.5 0.5", "0.01 0 0")
    frame = '2\nLattice="4 0 0 0 4 0 0 0 4"\nNa 0 0 0\nCl {} 0 0\n'
    frames = frame.format(2.0) + frame.format(0.1) + "\n\n" + frame.format(2.0) + "3\n"
    for text, name, kinds in (
        (good + bad, "a.cif", [None, "overlapping_atoms"]),
        (frames, "a.xyz", [None, "overlapping_atoms", None, "bad_xyz"]),
    ):
        found = read_each(put(text, name))
        assert [getattr(item, "kind", None) for item in found] == kinds
        assert found[1].message.startswith(("block bad: ", "frame 2: "))
        with pytest.raises(InputError):
            read_file(put(text, name))


def test_blank_lines_between_frames(put):
    frame = "1\n\nNa 0 0 0\n"
    assert len(read_file(put("\n" + frame + "\n\n" + frame + frame + "\n", "a.xyz"))) == 3


POSCAR = "NaCl\n1.0\n0 2.82 2.82\n2.82 0 2.82\n2.82 2.82 0\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("POSCAR", POSCAR[:60], "bad_poscar"),
        ("POSCAR", POSCAR.replace("Na Cl", "Na Qq"), "unknown_element"),
        ("CONTCAR", POSCAR.replace("0 2.82 2.82", "0 0 0"), None),
        ("POSCAR_bad", POSCAR.replace("0.5 0.5 0.5", "0.01 0 0"), "overlapping_atoms"),
        ("a.vasp", "nonsense", "bad_poscar"),
        (
            "a.vasp",
            POSCAR.replace("NaCl", "I C structure").replace("Na Cl\n", ""),
            "bad_poscar",
        ),  # VASP 4: elements unknown
        ("a.vasp", POSCAR.replace("1 1\n", "1 2\n"), "bad_poscar"),
        ("a.xyz", "3\n\nNa 0 0 0\n", "bad_xyz"),
        ("a.xyz", "2\n\nNa 0 0 0\nQq 1 1 1\n", "unknown_element"),
        ("a.xyz", "2\n\nNa 0 0 0\nCl 1 b 1\n", "bad_xyz"),
        ("a.xyz", "2\n\nNa 0 0 0\nCl 0.1 0 0\n", "overlapping_atoms"),
        ("a.extxyz", "0\n\n", None),
        ("a.txt", "hello", "unknown_format"),
        ("a.cif", " \n\n", "empty_file"),
        ("a.cif", "", "empty_file"),
        ("a.cif", "data_\0\0", "not_text"),
    ],
)
def test_other_bad_files(put, name, text, kind):
    error = failure(put(text, name))
    assert kind is None or error.kind == kind
    assert error.hint
    assert "\n" not in str(error)


def test_good_poscar(put, structures):
    assert_same(read_file(put(POSCAR, "POSCAR"))[0], structures["NaCl"])


def test_missing_directory_and_large_files(tmp_path):
    assert failure(tmp_path / "none.cif").kind == "missing_file"
    assert failure(tmp_path).kind == "directory"
    large = tmp_path / "large.cif"
    with large.open("wb") as stream:
        stream.truncate(100_000_000)
    assert failure(large).kind == "too_large"
    assert failure("\0").kind == "unreadable"
    assert failure("x" * 300 + ".cif").kind == "unreadable"
    assert failure("/dev/zero").kind == "not_a_file"
    os.mkfifo(tmp_path / "pipe.cif")
    assert failure(tmp_path / "pipe.cif").kind == "not_a_file"


def test_cif_is_recognized_by_content(put):
    assert len(read_file(put(NACL.format(symmetry=HM), "structure.txt"))[0]) == 8


def test_find_files(tmp_path):
    with pytest.raises(InputError, match="no structure file"):
        find_files(tmp_path)
    for name in ("b.cif", "a.xyz", "sub/POSCAR", "notes.txt", ".hidden.cif", ".git/x.cif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert [str(p.relative_to(tmp_path)) for p in find_files(tmp_path)] == ["a.xyz", "b.cif", "sub/POSCAR"]
