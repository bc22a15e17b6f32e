"""Formats of structure files, by their names."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from andersonn.errors import InputError
from andersonn.structures.readers.packed import bare

SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".smi": "smi",
    ".smiles": "smi",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".mol2": "mol2",
    ".pdb": "pdb",
    ".ent": "pdb",
    ".mmcif": "mmcif",
}
STEMS = {"POSCAR": "poscar", "CONTCAR": "poscar", "XDATCAR": "poscar", "CHGCAR": "poscar"}
FORMATS = (
    "CIF (.cif), POSCAR/CONTCAR (.vasp), xyz and extended xyz (.xyz, .extxyz), SMILES (.smi), SDF and MOL (.sdf, .mol), "
    "MOL2 (.mol2), PDB (.pdb), mmCIF (.cif, .mmcif), also packed (.gz, .bz2, .xz)"
)
TABLES = "tables of SMILES or file names (.csv, .tsv, .xlsx, .parquet)"
TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".parquet", ".pq", ".xls", ".ods")


def format_of(path: PurePath) -> str | None:
    """The format by the file's name, packed or not, such as ``"cif"``, ``"xyz"`` or ``"sdf"``, or None. Tables have none."""
    path = bare(path)
    known = SUFFIXES.get(path.suffix.lower())
    if known or is_table_name(path):
        return known
    return next((kind for stem, kind in STEMS.items() if path.name.upper().startswith(stem)), None)


def is_table_name(path: PurePath) -> bool:
    """Whether a file's name, packed or not, is that of a table."""
    return bare(path).suffix.lower() in TABLE_ENDINGS


def find_files(folder: Path) -> list[Path]:
    """All structure files under a folder, sorted by path, hidden ones left out.

    Raises:
        InputError: there is none.
    """
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    files = [path for path in found if format_of(path)]
    if not files:
        tables = [path.name for path in found if is_table_name(path)]
        cure = f"name its table: {str(folder / tables[0])!r}" if tables else f"give files or a folder of {FORMATS}"
        raise InputError("directory", f"the folder {str(folder)!r} holds no structure file", cure)
    return files
