"""Tables for tests: 60 measured solubilities (Delaney 2004, as MoleculeNet has them), and what people make of such a table."""

import csv
from pathlib import Path

FILE = Path(__file__).parent / "solubility.csv"
with FILE.open(encoding="utf-8") as _stream:
    _ROWS = list(csv.DictReader(_stream))
SMILES = [row["smiles"].strip() for row in _ROWS]
LOG_S = [float(row["logSolubility"]) for row in _ROWS]
SALTS = ("NaCl", "MgO", "KCl", "LiF", "NaF", "CaO", "KBr", "LiCl", "NaBr", "KF", "RbCl", "SrO", "BaO")


def table_of(values, title="logS", **more):
    """The molecules with other values, in rows as dicts; and further columns."""
    columns = {title: list(values)} | {key: list(column) for key, column in more.items()}
    return [
        {"smiles": smiles} | {key: column[k] for key, column in columns.items()}
        for k, smiles in enumerate(SMILES[: len(columns[title])])
    ]


def salts():
    """Crystals of rock salt as ASE has them."""
    from ase.build import bulk

    return [bulk(name, "rocksalt", a=4.0 + 0.2 * k) for k, name in enumerate(SALTS)]
