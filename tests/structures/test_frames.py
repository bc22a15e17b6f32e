"""xyz files as other programs write them: the right atoms, or a refusal by name."""

import numpy as np
import pytest

from andersonn.errors import InputError
from andersonn.structures.readers import read_each, read_file

ATOMS = "O 0.0 0.0 0.1173\nH 0.0 0.7572 -0.4692\nH 0.0 -0.7572 -0.4692\n"
WATER = np.array([[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]])
QM9 = (
    "3\ngdb 3\t799.58\t437.90\t282.94\t1.8511\t6.31\t-0.2928\n"
    "O\t0.0\t0.0\t1.173*^-1\t-0.589706\nH\t0.0\t0.7572\t-4.692*^-1\t0.294853\nH\t0.0\t-0.7572\t-0.4692\t0.294853\n"
    "1671.4222\t3803.6305\t3907.698\nO\tO\nInChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2\n"
)


@pytest.fixture
def read(tmp_path):
    def found(text, name="a.xyz"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_each(tmp_path / name)

    return found


def water(comment="x", atoms=ATOMS, count="3"):
    return f"{count}\n{comment}\n{atoms}"


READ = {
    "plain": water(),
    "no line end at the end": water().rstrip("\n"),
    "old line ends": water().replace("\n", "\r"),
    "blank lines around": "\n\n" + water() + "\n  \n",
    "lower case": water(atoms=ATOMS.lower()),
    "atomic numbers": water(atoms=ATOMS.replace("O", "8").replace("H", "1")),
    "atomic numbers with a point": water(atoms=ATOMS.replace("O", "8.0").replace("H", "1.")),
    "isotopes as Gaussian has them": water(atoms=ATOMS.replace("H", "H(iso=2)")),
    "fragments of Gaussian": water(atoms=ATOMS.replace("O", "O(Fragment=1)").replace("H", "H(Fragment=2,Iso=1)")),
    "numbered labels": water(atoms="O1 0.0 0.0 0.1173\nH2 0.0 0.7572 -0.4692\nH3A 0.0 -0.7572 -0.4692\n"),
    "labels with places": water(atoms=ATOMS.replace("O", "O(1)").replace("H", "H_w")),
    "deuterium": water(atoms=ATOMS.replace("H", "D")),
    "tritium": water(atoms=ATOMS.replace("H", "T")),
    "masses": water(atoms=ATOMS.replace("H", "2H").replace("O", "18O")),
    "Fortran": water(atoms="O 0.0D+00 0.d0 1.173D-01\nH 0.0 7.572d-1 -4.692D-01\nH 0.0 -7.572E-1 -.4692e0\n"),
    "typeset minus and blanks": water(atoms=ATOMS.replace("-", "\u2212").replace("O ", "O\u00a0")),
    "more columns": water(atoms="".join(f"{line} -0.8 1 T x\n" for line in ATOMS.strip().split("\n"))),
    "raw QM9": QM9,
    "raw QM9 without exponents": QM9.replace("1.173*^-1", "0.1173").replace("4.692*^-1", "0.4692"),
    "text behind": water() + "\nthis was optimised\n",
    "a remark behind the count": water(count="  3 water molecule"),
    "bohr": water("units bohr", "".join(f"{s} {' '.join(map(str, r))}\n" for s, r in zip("OHH", WATER / 0.529177210903))),
    "bohr as Psi4 has it": water("", "".join(f"{s} {' '.join(map(str, r))}\n" for s, r in zip("OHH", WATER / 0.529177210903)), "3 au"),
    "nanometers": water("coordinates in nm", "".join(f"{s} {' '.join(map(str, r))}\n" for s, r in zip("OHH", WATER / 10))),
    "Properties": water('Properties=species:S:1:pos:R:3 pbc="F F F"'),
    "properties in small letters": water('properties=species:S:1:pos:R:3'),
    "Properties with element": water("Properties=element:S:1:positions:R:3"),
    "Properties with numbers": water("Properties=Z:I:1:pos:R:3", ATOMS.replace("O", "8").replace("H", "1")),
    "Properties in another order": water("Properties=pos:R:3:symbols:S:1", "0 0 .1173 O\n0 .7572 -.4692 H\n0 -.7572 -.4692 H\n"),
}  # fmt: skip
COMMENTS = [
    "", "   ", "Properties computed at B3LYP", "Lattice parameters unknown", "pbc unknown", "stress forces energy virial", "=",
    "a = b = c", "E=-76.4 (Eh) q='0 \"unclosed [ {", "it's \"here", "gnorm 0.003 Hartree/Bohr", "converted from bohr", "\\", "_JSON",
    "a\x0cb", "a\u2028b", "a\u2029b", "a\x85b", "a\x1cb\x1db\x1eb", "a\vb", "stress=1 energy=x forces=y", "Å unit", "3", "1 2 3",
    'energy=-1 stress="0 0 0 0 0 0 0 0 0" config_type=\'a b\'', "Properties=none",
    "properties = mu 1.85 D", "lattice=none", "lattice = fcc Properties=species:S:1:pos:R:3", "lattice = 5.64 A", "Properties: a:b",
    " i =        1, time =        0.500, E =       -17.1644",
]  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_dialects(case, read):
    (structure,) = read(READ[case])
    assert not isinstance(structure, InputError), structure
    assert structure.Z.tolist() == [8, 1, 1]
    assert structure.cell is None
    assert np.allclose(structure.xyz, WATER, atol=1e-6)


@pytest.mark.parametrize("comment", COMMENTS)
def test_comments_are_words(comment, read):
    (structure,) = read(water(comment))
    assert structure.Z.tolist() == [8, 1, 1]
    assert structure.cell is None
    assert np.allclose(structure.xyz, WATER)
    both = read(water(comment) + water(comment))
    assert [len(item) for item in both] == [3, 3]


@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("deuterium", "hydrogen"), ("isotopes as Gaussian has them", "deuterium"), ("masses", "hydrogen"), ("numbered labels", "O1"), ("raw QM9", "3 lines of text"),
        ("text behind", "1 line of text"), ("bohr", "bohr"), ("nanometers", "nm"),
    ],
)  # fmt: skip
def test_what_was_done_is_said(case, note, read):
    (structure,) = read(READ[case])
    assert any(note in told for told in structure.notes)


def test_an_ordinary_file_needs_no_note(read):
    assert read(READ["plain"])[0].notes == ()


@pytest.mark.parametrize(
    "comment", ['Lattice="4 0 0 0 4 0 0 0 4"', 'lattice="4 0 0 0 4 0 0 0 4" it\'s', "Lattice={4 0 0 0 4 0 0 0 4}"]
)
def test_cells(comment, read):
    (structure,) = read(f"1\n{comment}\nCu 0 0 0\n")
    assert np.allclose(structure.cell, 4 * np.eye(3))


CRYSTALS = {
    "i-PI, lengths and angles": "# CELL(abcABC): 4.0 4.0 4.0 90.0 90.0 90.0 Step: 0 Bead: 0 positions{angstrom} cell{angstrom}",
    "i-PI, in bohr": "# CELL(abcABC): 7.55890453 7.55890453 7.55890453 90 90 90 Step: 0 positions{angstrom} cell{atomic_unit}",
    "i-PI, vectors": "# CELL{H}: 4 0 0 0 4 0 0 0 4 Step: 0 positions{angstrom} cell{angstrom}",
    "nine numbers": 'cell="4 0 0 0 4 0 0 0 4"',
    "nine numbers in brackets": "cell=[[4, 0, 0], [0, 4, 0], [0, 0, 4]] energy=-1",
    "lengths and angles": 'crystal="4 4 4 90 90 90"',
    "RASPA": "Cell: 4.0 4.0 4.0 90 90 90",
}  # fmt: skip


@pytest.mark.parametrize("case", CRYSTALS)
def test_cells_in_other_words(case, read):
    (structure,) = read(f"2\n{CRYSTALS[case]}\nNa 0 0 0\nCl 2 2 2\n")
    assert np.allclose(structure.cell, 4 * np.eye(3))
    assert any("cell was read" in note for note in structure.notes)
    assert structure.warnings == ()


def test_vectors_of_ipi_are_columns(read):
    (structure,) = read("1\n# CELL{H}: 4 1 0 0 4 0 0 0 4 cell{angstrom}\nCu 0 0 0\n")
    assert np.allclose(structure.cell, [[4, 0, 0], [1, 4, 0], [0, 0, 4]])


@pytest.mark.parametrize("comment", ["cell: 4 4 4", 'cell="4 4 4 4"', "Cell: 4 4 4 90 90 400"])
def test_a_cell_that_is_not_read_is_told(comment, read):
    (structure,) = read(f"1\n{comment}\nCu 0 0 0\n")
    assert structure.cell is None
    assert any("announces a cell" in told for told in structure.warnings)


@pytest.mark.parametrize(
    "comment", ['pbc="F F F" cell="9 0 0 0 9 0 0 0 9"', "unit cell: Fm-3m", "cell 5", "crystal=NaCl"]
)
def test_words_of_cells_make_no_crystal(comment, read):
    (structure,) = read(water(comment))
    assert structure.cell is None
    assert structure.warnings == ()


NO_UNIT = [
    "energy units au", "SCF energy in units au: -76.4", "Energy (units: a.u.) = -76", "geometry optimized; units a.u. for E",
    "coordinates A, energy units au", "positions in nm? no", "dipole units (au)", "charge units au", "Units: kcal/mol, au",
    "Final geometry au basis", "coordinates pm 0.01", "geometry pm7", "geometry, PM7", "Geometry: PM6 optimized",
    "positions pm3 method", "units nm wavelength", "E units=bohr-1", "geometry au+SVP", "geometry au@TZ", "coordinates of Au",
    "converted from bohr to angstrom; coordinates: au/Ang?", "geometry with energy in au", "coordinates in bohr to angstrom",
    "positions{angstrom} cell{atomic_unit}",
]  # fmt: skip


@pytest.mark.parametrize("comment", NO_UNIT)
@pytest.mark.parametrize("factor", [1.0, 1.25])
def test_units_of_something_else_change_nothing(comment, factor, read):
    (structure,) = read(water(comment, _scaled(factor)))
    assert np.allclose(structure.xyz, WATER * factor, atol=1e-6)
    assert factor != 1.0 or structure.warnings == ()


@pytest.mark.parametrize(
    "comment", ["units=au energy=-76", "units: a.u.", "unit au", "Geometry in au", "coords (au) of Au", "bohr"]
)
def test_a_unit_that_bonds_contradict_is_told(comment, read):
    (structure,) = read(water(comment))
    assert np.allclose(structure.xyz, WATER)
    assert any("taken as Å" in told for told in structure.warnings)


BOHR = [
    "bohr", "(bohr)", "a.u.", "in bohr", "Bohr units", "xyz (bohr)", "[bohr] water energy -76", "x, y, z in a.u. charge=0",
    "# Step: 0 positions{atomic_unit} cell{atomic_unit}", "positions{bohr}", "Coordinates in Bohr", "coordinates of water in au",
    "coords: bohr", "length_unit=bohr", "units: bohr", "units = au", "geometry [a.u.]", "energy=-76 coordinates_unit=bohr",
    "energy in hartree, coordinates in bohr", "all lengths are given in atomic units",
    "positions in units of bohr", "coordinates (x,y,z) in bohr", "Psi4 units bohr no_com", "geometry (bohr), energy (hartree)",
]  # fmt: skip


@pytest.mark.parametrize("comment", BOHR)
def test_declared_bohr(comment, read):
    (structure,) = read(water(comment, _scaled(1 / 0.529177210903)))
    assert np.allclose(structure.xyz, WATER, atol=1e-6)
    assert any("bohr" in note for note in structure.notes)
    assert structure.warnings == ()


def test_lengths_usual_in_neither_unit_stay(read):
    (structure,) = read(water("coordinates in bohr", _scaled(6.0)))
    assert np.allclose(structure.xyz, 6.0 * WATER)
    assert any("taken as Å" in told for told in structure.warnings)


@pytest.mark.parametrize(
    ("comment", "factor"), [("coordinates in bohr", 0.529177), ("units au", 1.0), ("energy units au", 1.0)]
)
def test_atoms_without_bonds_turn_only_by_a_clear_word(comment, factor, read):
    (structure,) = read(f"2\n{comment}\nAr 0 0 0\nAr 0 0 7\n")
    assert np.isclose(structure.xyz[1, 2], 7 * factor, atol=1e-3)


def _scaled(factor):
    rows = zip("OHH", (WATER * factor).tolist(), strict=True)
    return "".join(f"{symbol} {' '.join(map(str, row))}\n" for symbol, row in rows)


REFUSED = {
    "Lattice of eight numbers": (water('Lattice="4 0 0 0 4 0 0 0"'), "Lattice"),
    "Lattice of three numbers": (water('Lattice="1 2 3"'), "Lattice"),
    "Properties that do not fit": (water("Properties=species:S:1:pos:R:9"), "Properties"),
    "Lattice of words": (water('Lattice="a b c"'), "Lattice"),
    "Properties without elements": (water("Properties=pos:R:3"), "elements"),
    "Properties without positions": (water("Properties=species:S:1:forces:R:3"), "positions"),
    "more columns announced": (water("Properties=species:S:1:pos:R:3:q:R:1"), "columns"),
    "ghost": (water(atoms=ATOMS.replace("H 0.0 -", "X 0.0 -")), "ghost"),
    "Gaussian's ghost": (water(atoms=ATOMS.replace("H 0.0 -", "H-Bq 0.0 -")), "ghost"),
    "a translation vector": (water(atoms=ATOMS.replace("H 0.0 -", "Tv 0.0 -")), "ghost"),
    "an alpha carbon": (water(atoms=ATOMS.replace("O", "CA1")), "biomolecule"),
    "a name of a force field": (water(atoms=ATOMS.replace("O", "OW")), "no element"),
    "an element beyond the table": (water(atoms=ATOMS.replace("O", "120")), "no element"),
    "a decimal comma": (water(atoms=ATOMS.replace("0.1173", "0,1173")), "no number"),
    "underscores": (water(atoms=ATOMS.replace("0.1173", "0_1.1")), "no number"),
    "no number": (water(atoms=ATOMS.replace("0.1173", "b")), "no number"),
    "too few columns": (water(atoms=ATOMS.replace(" 0.1173", "")), "columns"),
    "atoms without a head": (ATOMS, "from line 1 on stand without a line that counts"),
    "Tinker": ("     3  water\n 1 O 0.0 0.0 0.1 1 2 3\n 2 H 0.0 0.7 -0.4 2 1\n 3 H 0.0 -0.7 -0.4 2 1\n", "Tinker"),
    "an atom too many": (water() + "H 3 3 3\n", "lists more"),
    "an atom too few": ("4\nx\n" + ATOMS, "lists 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_cause(case, read):
    text, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert caught.value.hint


def test_frames_with_text_between(read):
    found = read(QM9 + QM9.replace("gdb 3", "gdb 4") + water())
    assert [item.Z.tolist() for item in found] == [[8, 1, 1]] * 3
    assert [len(item.notes) for item in found] == [1, 1, 0]


def test_a_wrong_count_costs_its_own_frame(read):
    found = read(water() + water(count="2") + water())
    assert [getattr(item, "kind", None) for item in found] == [None, "bad_xyz", None]


def test_a_count_in_words_loses_no_frame_in_silence(read):
    found = read(water() + water(count="three") + water())
    assert [getattr(item, "kind", None) for item in found] == [None, "bad_xyz", None]


def test_labels_of_two_letters(read):
    (structure,) = read("3\nx\nCL1 0 0 0\nBr2 3 0 0\nFe_a 6 0 0\n")
    assert structure.Z.tolist() == [17, 35, 26]


@pytest.mark.parametrize("comment", ["charge=1 it's \"x", "total_charge = +1, b3lyp", "Charge: 1"])
def test_a_charge_survives_any_comment(comment, read):
    (structure,) = read(water(comment))
    assert structure.charge == 1
    assert not read(water("charge of the molecule"))[0].charge_given


def test_read_file_of_one(tmp_path):
    (tmp_path / "m.xyz").write_text(QM9)
    assert [s.id for s in read_file(tmp_path / "m.xyz")] == ["m"]


def test_the_hint_speaks_of_what_is_announced(read):
    for comment, cure in {"Properties=species:S:1:pos:R:9": "species:S:1", 'Lattice="1 2 3"': "Lattice="}.items():
        with pytest.raises(InputError) as caught:
            read(water(comment))
        assert cure in caught.value.hint


def test_a_long_comment_is_looked_at_in_part(read):
    (structure,) = read(water("units   " * 200 + "bohr charge=1"))
    assert np.allclose(structure.xyz, WATER)
