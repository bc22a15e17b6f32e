"""Fetched packages → records, on small ones laid out as the real ones are."""

import importlib.util
import io
import tarfile
import zipfile

import pytest
from ase.io import write as ase_write

from andersonn.data.convert import to_records
from andersonn.data.records import Records
from andersonn.data.sources import source
from andersonn.errors import InputError, UsageError

needs_rdkit = pytest.mark.skipif(importlib.util.find_spec("rdkit") is None, reason="needs rdkit")
HEAD = "XYZ_file,Index,SMILES,InChi,N_atoms,Stoichiometry,Elements,XYZ_Ang,Dipole_debye\n"
WATER = """"w.xyz",3,"O","x",3,"[2,0,0,1,0]","['O','H','H']","[[0.,0.,0.119],[-1.2*^-6,.763,-.477],[0,-0.763,-4.77e-1]]",1.8511\n"""
PHENOL = """"p.xyz",7,"Oc1ccccc1","x",1,"[]","['O']","[[0,0,0]]",0.\n"""
BROKEN = """"b.xyz",9,"C(","x",1,"[]","['C']","[[0,0,0]]",0.\n"""


@pytest.fixture
def qm9(tmp_path):
    path = tmp_path / "qm9pack.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("qm9pack/data/qm9_part2.csv", HEAD + PHENOL + BROKEN)
        archive.writestr("qm9pack/data/qm9_part1.csv", HEAD + WATER)
        archive.writestr("qm9pack/data/qm9_polarizability.csv", "XYZ_file\n")
    return path


@needs_rdkit
def test_qm9(qm9, tmp_path):
    count, left_out = to_records(source("qm9"), [qm9], tmp_path / "out.parquet")
    assert count == 2
    assert list(left_out) == ["gdb9-9"]
    records = Records.read(tmp_path / "out.parquet", labels=("dipole_D",))
    assert records.ids == ["gdb9-3", "gdb9-7"]
    assert records.groups == ["O", "c1ccccc1"]
    assert records.label("dipole_D").tolist() == [1.8511, 0.0]
    assert records[0].xyz[1] == pytest.approx([-1.2e-6, 0.763, -0.477])


@pytest.fixture
def core(tmp_path, atoms):
    path, files = tmp_path / "core.whl", io.BytesIO()
    with tarfile.open(fileobj=files, mode="w:xz") as archive:
        for name in ("NaCl", "Si", "Cu"):
            ase_write(tmp_path / "x.cif", atoms[name])
            archive.add(tmp_path / "x.cif", f"2019-ASR/{name}ABCDEFG_clean.cif")
        (tmp_path / "x.cif").write_text("data_x\n")
        archive.add(tmp_path / "x.cif", "2019-ASR/EMPTY_clean.cif")
    rows = "".join(f"{name}ABCDEFG_clean,9.5,3.25,0.5,{d}\n" for name, d in (("NaCl", "DISORDER"), ("Si", "")))
    with zipfile.ZipFile(path, "w") as archive:
        table = f"filename,LCD,PLD,AV_VF,DISORDER\n{rows}EMPTY_clean,1,1,0,\n"
        archive.writestr("CoRE_MOF/data/2019-ASR.csv", table)
        archive.writestr("CoRE_MOF/data/2019-ASR.tar.xz", files.getvalue())
    return path


def test_core(core, tmp_path):
    count, left_out = to_records(source("core-mof"), [core], tmp_path / "out.parquet")
    assert count == 2
    assert left_out.keys() == {"CuABCDEFG_clean", "EMPTY_clean"}
    records = Records.read(tmp_path / "out.parquet", labels=("pld_A", "lcd_A"))
    assert records.ids == ["NaClABCDEFG_clean", "SiABCDEFG_clean"]
    assert records.groups == ["NaClAB", "SiABCD"]
    assert records.label("pld_A").tolist() == [3.25, 3.25]
    assert records[0].periodic
    assert records[0].formula == "NaCl"


def test_other_sources_and_broken_files(tmp_path):
    with pytest.raises(UsageError, match="known: qm9, core-mof"):
        to_records(source("qmof"), [tmp_path], tmp_path / "out.parquet")
    (tmp_path / "x.whl").write_text("no zip")
    with pytest.raises(InputError, match="fetch it --again"):
        to_records(source("core-mof"), [tmp_path / "x.whl"], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
