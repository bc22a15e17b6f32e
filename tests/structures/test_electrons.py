"""Charges, odd counts, radicals and carbenes are told; ordinary molecules are not suspected."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.spacegroup import crystal as make_crystal
from rdkit import Chem

from andersonn.structures.electrons import doubts_of, is_ordinary
from andersonn.structures.readers import as_structure, from_smiles, read_content, read_each
from andersonn.structures.readers.charges import COMMENT, told_by_ase
from andersonn.structures.structure import Structure

EXAMPLES = Path(__file__).parents[2] / "examples"
AMMONIUM = np.array([[0, 0, 0], [0.6, 0.6, 0.6], [-0.6, -0.6, 0.6], [0.6, -0.6, -0.6], [-0.6, 0.6, -0.6]])
ODD = "11 electrons, an odd number: a radical, or an ion whose charge is not given"
CHARGED = "the charge is +1"


def ammonium(**options):
    return as_structure(Atoms("NH4", AMMONIUM, **options))


def xyz(comment, path_for="a.xyz"):
    rows = [f"{s} {x} {y} {z} 0.2" for s, (x, y, z) in zip("NHHHH", AMMONIUM.tolist(), strict=True)]
    (found,) = read_content("\n".join(["5", comment, *rows, ""]).encode(), Path(path_for))
    return found


def told_by_comment(text):
    """What the comment of a file with a sodium atom, of 11 electrons, states."""
    return told_by_ase(Atoms("Na", info={COMMENT: text}))


@pytest.mark.parametrize(
    ("text", "charge", "multiplicity"),
    [
        ("", None, None), ("charge=1", 1, None), ("charge: -1", -1, None), ("Charge = +1", 1, None), ("charge 2-", -2, None),
        ("charge=1+", 1, None), ("charge='1'", 1, None), ("charge=\u22121", -1, None), ("total_charge=1", 1, None),
        ("net charge: -1.0", -1, None), ("q=1", 1, None), ("q 1", None, None), ("chrg 1 uhf 0", 1, 1), ("1 1", 1, 1),
        ("-1, 1", -1, 1), ("0 2", 0, 2), ("0 1", None, None), ("12 345", None, None), ("1 1 1", None, None),
        ("charge=1 multiplicity=1 hydronium", 1, 1), ("charge 1 mult 3", 1, 3), ("charge=0 spin=1/2", 0, 2),
        ("charge=1 spin=1", 1, 1), ("charge=1 spin=2", 1, 3), ("charge=0 spin=1", 0, 2), ("uncharge=1", None, None),
        ("charges=1", None, None), ("discharge 3", None, None), ("energy=-3.2 gap 1", None, None), ("charge", None, None),
        ("charge\t1", 1, None), ('{"charge": 1}', 1, None), ("charge of +1", 1, None), ("charge (1)", 1, None),
        ("Charge and multiplicity: 1 1", 1, 1), ("Charge and multiplicity: 2 1", 2, 1), ("charge/mult = -1, 2", -1, 2),
        ("mol_charge=1", 1, None), ("molecular_charge=1", 1, None), ("* xyz 1 1", 1, 1), ("* xyz -1 2", -1, 2),
        ("Charge is 1", 1, None), ("total charge of 1", 1, None), ("charge = -2e", -2, None), ("charge state: 2", 2, None),
        ("benzene, charge 1", 1, None), ("charge=[1]", 1, None), ("molecule charge 1 mult 1", 1, 1),
        ("q=2 crystal momentum", None, None), ("Mulliken charge 0.43", None, None), ("charge neutral, 12 atoms", None, None),
        ("charge=999999", None, None), ("Properties=species:S:1:pos:R:3:charge:R:1", None, None),
    ],
)  # fmt: skip
def test_words(text, charge, multiplicity):
    told = told_by_comment(text)
    assert (told.charge, told.multiplicity, told.warnings) == (charge, multiplicity, ())


def test_words_that_make_no_charge_are_told():
    assert "no whole number" in told_by_comment("charge=0.5").warnings[0]
    told = told_by_comment("charge=1 net charge=2")
    assert told.charge == 1
    assert "the first is used" in told.warnings[0]


@pytest.mark.parametrize(
    ("text", "charge"),
    [
        ("partial charge 1", None), ("partial charge = 1", None), ("no charge 1", None), ("point charge 2 embedding", None),
        ("model charge 3 file", None), ("state charge=0, from charge=1 cation", 0), ("charged 1", None),
        ("charge > 1", None), ("charge -- 1", None),
    ],
)  # fmt: skip
def test_words_that_are_not_understood_are_told(text, charge):
    told = told_by_comment(text)
    assert told.charge == charge
    assert "could not be understood" in told.warnings[0]
    assert xyz(text).charge == (charge or 0)


def test_charge_of_an_array_and_of_a_calculator():
    from types import SimpleNamespace

    assert as_structure(Atoms("NH4", AMMONIUM, info={"charge": np.array([1])})).charge == 1
    atoms = Atoms("NH4", AMMONIUM)
    atoms.calc = SimpleNamespace(parameters={"charge": 1, "multiplicity": 1, "method": "GFN2"}, results={})
    assert as_structure(atoms).charge == 1
    atoms.calc.parameters["charge"] = 0  # a default, which says nothing
    assert not as_structure(atoms).charge_given


def test_long_lines_take_time_in_proportion():
    import time
    import timeit

    atoms = Atoms("Na")

    def read(text):
        atoms.info[COMMENT] = text
        told_by_ase(atoms)

    for word in ("charge ", "charge=", "charge" + " " * 60, "q=+", "charge=1" * 3):
        short, long = (
            min(timeit.repeat(lambda n=n, word=word: read(word * n), timer=time.process_time, number=1, repeat=3))
            for n in (2000, 8000)
        )
        assert long < 12 * short + 1e-3, word


@pytest.mark.parametrize(
    "options",
    [
        {"info": {"charge": 1}}, {"info": {"Charge": "+1"}}, {"info": {"total_charge": np.float64(1.0)}},
        {"info": {"net_charge": np.int64(1)}}, {"info": {"q": 1}}, {"charges": [0.2] * 5}, {"charges": [-0.6] + [0.4] * 4},
        {"charges": [0.202] * 5},
    ],
)  # fmt: skip
def test_charges_of_ase(options):
    found = ammonium(**options)
    assert (found.charge, found.charge_given) == (1, True)
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(CHARGED)


def test_no_charge_or_an_odd_one():
    assert ammonium().warnings == (ODD,)
    assert ammonium(info={"charge": True}).warnings == (ODD,)
    told = ammonium(charges=[0.15] * 5).warnings
    assert "0.75" in told[0]
    assert told[1] == ODD
    assert "the charge is wrong" in ammonium(info={"charge": 2}).warnings[-1]
    contradicted = ammonium(info={"charge": 1}, charges=[0.4] * 5)
    assert contradicted.charge == 1
    assert "+2 by" in contradicted.warnings[0]
    crystal = as_structure(Atoms("NH4", AMMONIUM, cell=6 * np.eye(3), pbc=True, info={"charge": 1}))
    assert (crystal.charge, crystal.warnings) == (0, ())


def test_spin():
    assert ammonium(info={"charge": 1, "multiplicity": 3}).multiplicity == 3
    assert any("multiplicity is 3" in w for w in ammonium(info={"charge": 1, "spin": 3}).warnings)
    assert any("cannot have" in w for w in ammonium(info={"charge": 1, "multiplicity": 4}).warnings)
    opposed = ammonium(info={"charge": 1}, magmoms=[0, 1, -1, 0, 0])
    assert opposed.warnings[0].startswith("unpaired electrons, as many up as down")
    triplet = as_structure(Atoms("O2", [[0, 0, 0], [0, 0, 1.21]], magmoms=[1, 1]))
    assert triplet.multiplicity == 3
    assert not is_ordinary(triplet)


@pytest.mark.parametrize("comment", ["charge=1", "Charge: 1", "1 1", "charge 1 multiplicity 1", "q=1 e"])
def test_comments_of_xyz(comment):
    assert xyz(comment).charge == 1
    assert xyz(comment).warnings[0].startswith(CHARGED)


@pytest.mark.parametrize("column", ["initial_charges", "charges", "charge"])
def test_columns_of_extended_xyz(column):
    assert xyz(f"Properties=species:S:1:pos:R:3:{column}:R:1").charge == 1


def test_no_comment():
    assert xyz("").warnings == xyz("ammonium").warnings == (ODD,)


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("CC1(C)CCCC(C)(C)N1[O]", "87 electrons, an odd number"), ("[CH2]c1ccccc1", "49 electrons"), ("[CH3]", "odd"),
        ("N#CC1CC[C]CC1", "unpaired electrons at C6 (2): a carbene or radical"), ("[C][C][O]", "unpaired electrons at C1 (3)"),
        ("[O][O]", "unpaired electrons at O1 (1), O2 (1)"), ("O=O", "ground state of O2"), ("[N]=O", "odd"), ("[CH2]", "at C1 (2)"),
        ("[CH2]CC[CH2]", "unpaired electrons at C1 (1), C4 (1)"), ("C[NH3+]", "charge is +1"), ("[O-]C(=O)C(=O)[O-]", "charge is -2"),
        ("C[N+](C)(C)CC[N+](C)(C)C", "charge is +2"), ("[H]", "1 electron, an odd"), ("CC[O-]", "charge is -1"),
        ("C[Sn]", "odd"), ("Cl[Si]Cl", "at Si2 (2)"), ("[Pb]", "at Pb1 (2)"), ("[CH2]C[Sn]C[CH2]", "at C1 (1), C5 (1)"),
    ],
)  # fmt: skip
def test_smiles_of_ions_and_open_shells(smiles, words):
    found = from_smiles(smiles)
    assert any(words in warning for warning in found.warnings), found.warnings
    assert not is_ordinary(found)


@pytest.mark.parametrize(
    "smiles",
    ["C", "O", "[C-]#[O+]", "C[N+]#[C-]", "C[N+](=O)[O-]", "C[N+](C)(C)[O-]", "N#N", "[NH3+]CC(=O)[O-]", "CN=[N+]=[N-]",
     "CS(C)=O", "[Si](C)(C)(C)C", "C=C=C", "C#C", "OS(=O)(=O)O", "C1=CC=CC=C1", "[H][H]", "C[B-](C)(C)[N+](C)(C)C",
     "Cl[Sn]Cl", "F[Sn]F", "Cl[Pb]Cl", "I[Pb]I", "Cl[Ge]Cl", "[Pb]=O", "[Sn]=O", "[Pb]=S", "C[In]", "[Tl]Cl"],
)  # fmt: skip
def test_ordinary_molecules_with_bonds_and_by_distance(smiles):
    found = from_smiles(smiles)
    assert found.warnings == ()
    assert doubts_of(Structure(found.Z, found.xyz)) == ()


@pytest.mark.parametrize(
    ("smiles", "leave", "words"),
    [
        ("N#CC1CC[C]CC1", "", "with too few bonds"), ("CCO", "H", "with too few bonds"), ("c1ccccc1", "H", "too few bonds"),
        ("[NH3+]CC[NH3+]", "", "its groups look like an ion of charge +2"), ("[O-]C(=O)C(=O)[O-]", "", "look like an ion of charge -2"),
        ("[O-]C(=O)CCC(=O)[O-]", "", "look like an ion of charge -2"),
    ],
)  # fmt: skip
def test_what_distances_tell(smiles, leave, words):
    made = from_smiles(smiles)
    keep = made.Z > 1 if leave else np.ones(len(made), dtype=bool)
    found = doubts_of(Structure(made.Z[keep], made.xyz[keep]))
    assert any(words in text for text in found), found


def test_a_unit_or_a_drawing_of_an_xyz():
    water = np.array([[0, 0, 0.2217], [0, 1.4309, -0.8867], [0, -1.4309, -0.8867]])
    (text,) = doubts_of(Structure(np.array([8, 1, 1]), water))
    assert "check that lengths are in Å" in text
    methane = np.array([[0, 0, 0], [1.09, 0, 0], [-1.09, 0, 0], [0, 1.09, 0], [0, -1.09, 0]])
    assert any("drawn flat" in text for text in doubts_of(Structure(np.array([6, 1, 1, 1, 1]), methane)))


def test_objects_of_rdkit_and_pymatgen():
    assert as_structure(Chem.MolFromSmiles("C[CH2]")).warnings[0].startswith("17 electrons")
    core = pytest.importorskip("pymatgen.core")
    found = as_structure(core.Molecule(["N", *"HHHH"], AMMONIUM, charge=1))
    assert (found.charge, len(found.warnings)) == (1, 1)
    oxygen = as_structure(core.Molecule(["O", "O"], [[0, 0, 0], [0, 0, 1.21]], spin_multiplicity=3))
    assert any("multiplicity is 3" in warning for warning in oxygen.warnings)


@pytest.mark.parametrize(
    ("Z", "xyz"),
    [
        ([8, 6, 8], [[-1.16, 0, 0], [0, 0, 0], [1.16, 0, 0]]), ([6, 8], [[0, 0, 0], [0, 0, 1.128]]),
        ([6, 16], [[0, 0, 0], [0, 0, 1.535]]), ([1, 6, 7], [[-1.066, 0, 0], [0, 0, 0], [1.153, 0, 0]]),
        ([16, 6, 16], [[-1.553, 0, 0], [0, 0, 0], [1.553, 0, 0]]),
    ],
)  # fmt: skip
def test_small_molecules_of_carbon_are_ordinary(Z, xyz):
    assert doubts_of(Structure(np.array(Z), np.array(xyz))) == ()


def test_methylene_is_a_carbene():
    (text,) = doubts_of(Structure(np.array([6, 1, 1]), np.array([[0, 0, 0], [0.86, 0, 0.69], [-0.86, 0, 0.69]])))[1:]
    assert text == "C1 with too few bonds: a carbene or radical, or hydrogens are missing"


def crystal(symbols, sites, cell, group):
    return as_structure(make_crystal(symbols, sites, spacegroup=group, cellpar=cell))


def in_a_box(name, size=9.0, without=""):
    found = molecule(name)
    del found[[atom.index for atom in found if atom.symbol in without]]
    found.set_cell([size] * 3)
    found.pbc = True
    return as_structure(found)


COMPLETE = {
    "graphite": ("CC", [(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)], [2.46, 2.46, 6.7, 90, 90, 120], 194),
    "diamond": ("C", [(0, 0, 0)], [3.567] * 3 + [90] * 3, 227),
    "silicon carbide": (["Si", "C"], [(0, 0, 0), (0.25, 0.25, 0.25)], [4.36] * 3 + [90] * 3, 216),
    "tungsten carbide": (["W", "C"], [(0, 0, 0), (1 / 3, 2 / 3, 0.5)], [2.906, 2.906, 2.837, 90, 90, 120], 187),
    "calcium carbide": (["Ca", "C"], [(0, 0, 0), (0, 0, 0.4068)], [3.89, 3.89, 6.38, 90, 90, 90], 139),
    "calcite": (["Ca", "C", "O"], [(0, 0, 0), (0, 0, 0.25), (0.257, 0, 0.25)], [4.99, 4.99, 17.06, 90, 90, 120], 167),
    "dry ice": (["C", "O"], [(0, 0, 0), (0.1185, 0.1185, 0.1185)], [5.62] * 3 + [90] * 3, 205),
}


@pytest.mark.parametrize("name", COMPLETE)
def test_complete_crystals_are_not_suspected(name):
    assert doubts_of(crystal(*COMPLETE[name])) == ()


@pytest.mark.parametrize(
    "name", ["CO", "HCN", "CN", "CCH", "C6H6", "C2H4", "C3H4_D2d", "HCOOH", "CH3CONH2", "C4H4NH", "CS2"]
)
def test_molecules_in_a_cell_are_suspected_without_their_hydrogens(name):
    assert doubts_of(in_a_box(name)) == ()
    bare = {"CO", "HCN", "CN", "CCH", "CS2"}  # a triple bond, or straight
    texts = doubts_of(in_a_box(name, without="H"))
    assert bool(texts) == (name not in bare)
    assert all("with too few bonds: hydrogens or other atoms are missing" in text for text in texts)


def test_a_carbon_that_lacks_its_fourth_bond_is_told():
    assert doubts_of(in_a_box("isobutane")) == ()
    (text,) = doubts_of(in_a_box("isobutane", without="H"))
    assert text.startswith("C1, C2, C3 and 1 more atoms")


def test_hydrogens_are_not_told_twice():
    benzene = in_a_box("C6H6", without="H")
    told = replace(benzene, warnings=("hydrogen atoms have no positions",))
    assert doubts_of(benzene)
    assert not doubts_of(told)


def without_hydrogen(example, keep=0):
    """An example's crystal with the first few of its hydrogens alone."""
    (whole,) = read_each(EXAMPLES / example)
    hydrogens = np.flatnonzero(whole.Z == 1)
    kept = np.setdiff1d(np.arange(len(whole)), hydrogens[keep:])
    return Structure(whole.Z[kept], whole.xyz[kept], whole.cell), whole


def test_oxygens_of_water_whose_hydrogens_are_missing_are_told():
    bare, whole = without_hydrogen("frameworks/calcium-oxalate.cif")
    assert doubts_of(whole) == ()
    (told,) = doubts_of(bare)
    assert "and 5 more atoms like the oxygen of water or hydroxide, but without hydrogen" in told  # 8 waters
    partly, _ = without_hydrogen("frameworks/calcium-oxalate.cif", keep=4)
    assert any("like the oxygen of water" in text for text in doubts_of(partly))


@pytest.mark.parametrize("example", ["frameworks/mof-5.cif", "frameworks/zinc-ultramicroporous.cif", "structures/quartz.cif",
                                     "structures/SrTiO3.vasp"])  # fmt: skip
def test_oxygens_of_frameworks_and_oxides_are_not_taken_for_water(example):
    (found,) = read_each(EXAMPLES / example)
    assert not any("water" in text for text in doubts_of(found))


@pytest.mark.parametrize(
    ("metal", "length", "told"),
    [("U", 1.78, False), ("Mo", 1.70, False), ("V", 1.60, False), ("Re", 1.72, False), ("Ti", 1.65, False),
     ("Zn", 2.08, True), ("Ca", 2.40, True), ("Na", 2.40, True), ("Al", 1.90, True), ("Tb", 2.45, True), ("K", 2.75, True)],
)  # fmt: skip
def test_water_at_a_metal_is_told_from_an_oxide(metal, length, told):
    """Terminal oxides of published complexes, and metals with one water."""
    atoms = Atoms(f"{metal}O", [[0, 0, 0], [length, 0, 0]], cell=[9, 9, 9], pbc=True)
    assert bool(doubts_of(as_structure(atoms))) is told


def test_an_oxygen_without_neighbors_is_told():
    alone = as_structure(Atoms("MgO", [[0, 0, 0], [4, 4, 4]], cell=[8, 8, 8], pbc=True))
    assert doubts_of(alone) == ("O2 like the oxygen of water or hydroxide, but without hydrogen",)
    told = replace(alone, warnings=("hydrogen atoms have no positions",))
    assert doubts_of(told) == ()  # its reader said so
    assert (
        doubts_of(
            as_structure(
                make_crystal(("Mg", "O"), [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[4.21] * 3 + [90] * 3)
            )
        )
        == ()
    )
