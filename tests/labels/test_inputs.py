"""Files, folders, records and lists → jobs."""

import importlib.util
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase.io import write as ase_write

from andersonn.errors import UsageError
from andersonn.labels.inputs import Reading, count, jobs
from andersonn.labels.table import fill, records_table, write_records

needs_rdkit = pytest.mark.skipif(importlib.util.find_spec("rdkit") is None, reason="needs rdkit")
WATER = "3\n{}\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"


def test_files_folders_and_missing_ones(atoms, tmp_path):
    for name in ("NaCl", "Si"):
        ase_write(tmp_path / f"{name}.cif", atoms[name])
    (tmp_path / "bad.cif").write_text("data_x\n")
    found = list(jobs([str(tmp_path), "nowhere.cif"], Reading()))
    good = {job.id for job in found if job.error is None}
    assert good == {"NaCl", "Si"}
    assert [job.error.kind for job in found if job.id == "nowhere"] == ["missing_file"]
    assert len(found) == 4
    assert len(list(jobs([str(tmp_path)], Reading(limit=2)))) == 2


@pytest.mark.parametrize(
    ("comment", "charge", "multiplicity"),
    [("", 0, None), ("charge=-1 multiplicity=2", -1, 2), ("Properties=species:S:1:pos:R:3 charge=1 spin=2", 1, 2)],
)
def test_charge_and_multiplicity_of_an_xyz_file(tmp_path, comment, charge, multiplicity):
    path = tmp_path / "water.xyz"
    path.write_text(WATER.format("first") + WATER.format(comment))
    first, second = jobs([str(path)], Reading())
    assert (first.charge, first.multiplicity) == (0, None)
    assert (second.charge, second.multiplicity) == (charge, multiplicity)
    assert second.structure.charge == charge
    defaulted = next(jobs([str(path)], Reading(charge=2, multiplicity=3)))
    assert (defaulted.charge, defaulted.multiplicity) == (2, 3)


def records(path, labels, ids=("a", "b", "c")):
    n = len(ids)
    columns = {
        "id": list(ids),
        "group": ["g"] * n,
        "atomic_numbers": [[11, 17]] * n,
        "positions": [[0, 0, 0, 2.8, 2.8, 2.8]] * n,
        "cell": [(5.6 * np.eye(3)).ravel().tolist()] * n,
        **labels,
    }
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_records_and_those_without_a_label(tmp_path):
    path = records(tmp_path / "r.parquet", {"pld_A": [1.0, None, 2.0], "lcd_A": [3.0, None, None]})
    assert [job.id for job in jobs([path], Reading())] == ["a", "b", "c"]
    wanted = Reading(missing=("lcd_A", "pld_A"))
    assert [job.id for job in jobs([path], wanted)] == ["b", "c"]
    assert count([path], wanted) == 2
    assert count([path], Reading(missing=("lcd_A", "other"))) == 3
    assert next(jobs([path], Reading())).group == "g"


def test_molecules_without_a_column_of_cells(tmp_path):
    path = records(tmp_path / "r.parquet", {"smiles": ["[Na]Cl"] * 3})
    pq.write_table(pq.read_table(path).drop_columns(["cell"]), path)
    first, *_ = jobs([path], Reading())
    assert not first.structure.periodic
    assert first.smiles == "[Na]Cl"
    assert first.payload()["smiles"] is None
    pq.write_table(pq.read_table(path).drop_columns(["positions"]).drop_columns(["smiles"]), path)
    with pytest.raises(UsageError, match="no column"):
        list(jobs([path], Reading()))
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(UsageError, match="as Parquet"):
        list(jobs([str(tmp_path / "bad.parquet")], Reading()))


@needs_rdkit
def test_records_of_smiles_alone(tmp_path):
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "group": ["x", "y"], "smiles": ["CC#N", "C("]}), path)
    good, bad = jobs([str(path)], Reading())
    assert (good.id, good.smiles, good.structure) == ("a", "CC#N", None)
    assert bad.error.kind == "bad_smiles"
    assert count([str(path)], Reading()) == 2


def row(id, **values):
    structure = {"atomic_numbers": [1, 1], "positions": [[0, 0, 0], [0, 0, 0.74]], "cell": None}
    return {"id": id, "formula": "H2", "structure": structure, "notes": ["x", "y"], "attempts": 1, **values}


def test_filling_keeps_what_is_there(tmp_path):
    path = records(tmp_path / "r.parquet", {"pld_A": [1.0, None, None], "note": ["x", "y", "z"]})
    rows = [row("a", pld_A=9.0), row("b", pld_A=5.0), {"id": "c", "error": {}}]
    assert fill(path, rows, ("pld_A",), tmp_path / "out.parquet") == (1, 1)
    out = pq.read_table(tmp_path / "out.parquet")
    assert out["pld_A"].to_pylist() == [1.0, 5.0, None]
    assert out["note"].to_pylist() == ["x", "y", "z"]
    assert out.column_names == pq.read_table(path).column_names


def test_records_written_can_be_trained_on(tmp_path):
    from andersonn.data.records import Records

    rows = [row("h2", dipole_D=0.0, group="[H][H]", method="m", charge=0), {"id": "x", "error": {"kind": "odd"}}]
    assert write_records(rows, ("dipole_D",), tmp_path / "out.parquet") == 1
    found = Records.read(tmp_path / "out.parquet", labels=("dipole_D",))
    assert found.ids == ["h2"]
    assert found.groups == ["[H][H]"]
    assert found[0].Z.tolist() == [1, 1]
    table = records_table(rows, ("dipole_D",))
    assert table["notes"].to_pylist() == ["x; y"]
    assert "jitter" not in table.column_names


def test_a_list_with_an_unknown_column(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("name,smile\nwater,O\n")
    with pytest.raises(UsageError, match="did you mean 'smiles'"):
        list(jobs([str(path)], Reading()))


@needs_rdkit
def test_lists_of_smiles(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("name,smiles,formula,kind\nwater,O,H2O,solvent\nwrong,CO,C2H6O,x\nbroken,C(,CH4,\nion,[OH-],,\n")
    water, wrong, broken, ion = jobs([str(path)], Reading())
    assert (water.id, water.smiles, water.charge, water.extra) == ("water", "O", 0, {"kind": "solvent"})
    assert wrong.error.kind == "bad_formula"
    assert "CH4O" in wrong.error.message
    assert broken.error.kind == "bad_smiles"
    assert ion.charge == -1
    assert count([str(path)], Reading()) == 4
    job = next(jobs(["C[N+](C)(C)C"], Reading(smiles=True)))
    assert job.charge == 1


@needs_rdkit
def test_conformers_are_reproducible_and_sorted():
    from andersonn.labels.molecules import conformers, keeps_bonds
    from andersonn.structures.readers.molecules.smiles import scaffold

    one, two = conformers("OCCN", 4), conformers("OCCN", 4)
    assert np.array_equal(one.structures[0].xyz, two.structures[0].xyz)
    assert np.all(np.diff(one.energies) >= 0)
    assert all(keeps_bonds(s, one.bonds) for s in one.structures)
    assert one.multiplicity == 1
    assert conformers("[CH3]").multiplicity == 2
    assert [conformers(smiles).multiplicity for smiles in ("Cl[Sn]Cl", "Cl[Sn]", "[Sn]")] == [1, 2, 3]
    assert scaffold("Cc1ccccc1O") == "c1ccccc1"
    assert scaffold("C[C@H](N)C(=O)O") == "CC(N)C(=O)O"


@needs_rdkit
@pytest.mark.parametrize(
    "smiles",
    ["ICI", "IC(I)I", "IC(I)(I)I", "IC(I)=C(I)I", "BrC(Br)Br", "Ic1c(I)c(I)c(I)c(I)c1I", "[SiH2]1O[SiH2]O1", "[GeH2]1O[GeH2]O1",
     "FC1(F)OO1", "C1CC1", "C1CO1", "C1CS1", "C1=CC1", "C12CC1C2", "C1OO1", "F[Si](F)(F)F", "O=S(=O)(Cl)Cl"],
)  # fmt: skip
def test_conformers_keep_their_bonds(smiles):
    from andersonn.labels.molecules import conformers, keeps_bonds

    made = conformers(smiles)
    assert keeps_bonds(made.structures[0], made.bonds)


@needs_rdkit
def test_a_moved_proton_a_closed_ring_and_a_lost_atom_change_bonds():
    from andersonn.labels.molecules import conformers, keeps_bonds

    zwitterion, acid = conformers("[NH3+]CC(=O)[O-]"), conformers("NCC(=O)O")
    assert not keeps_bonds(acid.structures[0], zwitterion.bonds)
    ring = conformers("C1CC1")
    assert not keeps_bonds(ring.structures[0], ring.bonds - {(0, 2)})
    water = conformers("O")
    xyz = water.structures[0].xyz
    apart = replace(water.structures[0], xyz=np.vstack([xyz[:2], 2.0 * xyz[2:] - xyz[:1]]))
    assert not keeps_bonds(apart, water.bonds)


@needs_rdkit
def test_a_molecule_without_a_force_field_has_conformers():
    from andersonn.labels.molecules import conformers

    made = conformers("F[As](F)(F)(F)F", 2)
    assert (made.force_field, len(made.structures), made.energies.tolist()) == ("none", 2, [0.0, 0.0])


@needs_rdkit
def test_geometries_are_made_by_the_labeler_not_the_reader(tmp_path):
    path = tmp_path / "m.smi"
    path.write_text("CO methanol\nC( broken\n")
    good, bad = jobs([str(path)], Reading())
    assert (good.id, good.smiles, good.structure) == ("methanol", "CO", None)
    assert bad.error.kind == "bad_smiles"
    path = tmp_path / "m.parquet"
    table = {
        "id": ["h2", "methanol"],
        "group": ["a", "b"],
        "smiles": ["[H][H]", "CO"],
        "atomic_numbers": [[1, 1], None],
    }
    pq.write_table(pa.table({**table, "positions": [[0, 0, 0, 0, 0, 0.74], None]}), path)
    given, made = jobs([str(path)], Reading())
    assert len(given.structure) == 2
    assert (made.smiles, made.structure) == ("CO", None)


@needs_rdkit
def test_sdf_with_positions_and_without(tmp_path):
    from rdkit import Chem
    from rdkit.Chem import AllChem

    flat = Chem.MolFromSmiles("CO")
    solid = Chem.AddHs(Chem.MolFromSmiles("C[NH3+]"))
    AllChem.EmbedMolecule(solid, randomSeed=1)
    path = tmp_path / "two.sdf"
    with Chem.SDWriter(str(path)) as writer:
        writer.write(flat)
        writer.write(solid)
    first, second = jobs([str(path)], Reading())
    assert first.structure is None
    assert first.smiles == "CO"
    assert len(second.structure) == 8
    assert second.charge == 1


@needs_rdkit
def test_sdf_with_drawings_marked_as_3d_or_without_hydrogens():
    from pathlib import Path

    files = Path(__file__).parents[1] / "fixtures/sdf"
    (drawn,) = jobs([str(files / "flat_flag3d.sdf")], Reading())
    assert (drawn.structure, drawn.error) == (None, None)
    assert drawn.smiles == "OC1CCCCC1"
    (whole,) = jobs([str(files / "partial_h.sdf")], Reading())
    assert whole.structure.formula == "C2H6O"
    (bohr,) = jobs([str(files / "bohr_units.sdf")], Reading())
    assert bohr.error.kind == "wrong_unit"


@needs_rdkit
@pytest.mark.parametrize("text", ["CCO,CCC", "CCO;CCC", "CCO, CCC"])
def test_one_text_of_two_molecules_is_refused(text):
    (job,) = jobs([text], Reading(smiles=True))
    assert job.error.kind == "several"
    assert "'CCC'" in job.error.message
