"""What the user names → jobs: structure files, folders, Parquet files of records, lists of SMILES."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn.data.records import Records
from andersonn.errors import InputError, UsageError, did_you_mean
from andersonn.io.near_names import where_it_may_be
from andersonn.labels.jobs import Job
from andersonn.structures.readers import find_files, printable, read_each
from andersonn.structures.readers.molecules.drawings import why_no_geometry
from andersonn.structures.readers.molecules.from_rdkit import has_geometry, to_structure
from andersonn.structures.readers.molecules.smiles import refuse_second, scaffold
from andersonn.structures.readers.molecules.smiles_lists import titled_smiles

LIST_COLUMNS = ("name", "smiles", "charge", "multiplicity", "formula", "kind")
"""Of a CSV list of molecules; ``smiles`` must be there. ``formula`` is checked against the SMILES."""
RDKIT_FILES = (".sdf", ".sd", ".mol")
SMILES_FILES = (".smi", ".smiles")


@dataclass(frozen=True)
class Reading:
    """How inputs are read.

    Attributes:
        smiles: inputs are SMILES, not files.
        charge: of all inputs that do not tell their own, in e.
        multiplicity: of all inputs that do not tell their own; None takes the lowest possible.
        missing: columns; of a Parquet file only records in which one of them is null or absent are taken. Empty takes
            all.
        limit: at most so many jobs.
    """

    smiles: bool = False
    charge: int = 0
    multiplicity: int | None = None
    missing: tuple[str, ...] = ()
    limit: int | None = None


def jobs(inputs: Iterable[str], reading: Reading) -> Iterator[Job]:
    """A job for each structure or molecule, in order; an input that cannot be read gives a job with its error.

    Raises:
        UsageError: a Parquet or CSV file as a whole is no table of the kind.
    """
    count = 0
    for item in inputs:
        for job in _of(item, reading):
            if reading.limit is not None and count >= reading.limit:
                return
            count += 1
            yield job


def count(inputs: Iterable[str], reading: Reading) -> int:
    """How many jobs there will be, several structures in one file counted as one; for the progress bar."""
    total = 0
    for item in inputs:
        path = Path(item)
        if reading.smiles or not path.exists():
            total += 1
        elif path.is_dir():
            total += len(_files_in(path))
        elif path.suffix.lower() == ".parquet":
            total += len(_wanted(path, reading.missing))
        elif path.suffix.lower() == ".csv":
            total += sum(1 for _ in _rows(path))
        else:
            total += 1
    return total if reading.limit is None else min(total, reading.limit)


def _files_in(folder: Path) -> list[Path]:
    try:
        return find_files(folder)
    except InputError:  # reported when it is read
        return []


def _of(item: str, reading: Reading) -> Iterator[Job]:
    path = Path(item)
    suffix = path.suffix.lower()
    try:
        if reading.smiles:
            refuse_second(item)
            yield from _smiles(item, item, item, reading, {})
        elif path.is_dir():
            for file in find_files(path):
                yield from _of(str(file), reading)
        elif suffix == ".parquet":
            yield from _parquet(path, reading)
        elif suffix == ".csv":
            yield from _list(path, reading)
        elif suffix in SMILES_FILES:
            yield from _lines_of_smiles(path, reading)
        elif suffix in RDKIT_FILES:
            yield from _rdkit_file(path, reading)
        else:
            yield from _file(path, reading)
    except InputError as error:
        yield Job(printable(item), path.stem, error=error)


def _smiles(input: str, id: str, smiles: str, reading: Reading, extra: dict[str, Any]) -> Iterator[Job]:
    from andersonn.labels.molecules import formal_charge

    charge = formal_charge(smiles)
    if reading.charge not in (0, charge):
        raise InputError(
            "bad_charge", f"{smiles!r} has charge {charge}, not {reading.charge}", "write the charge into the SMILES"
        )
    yield Job(input, id, smiles=smiles, charge=charge, multiplicity=reading.multiplicity, extra=extra)


def _file(path: Path, reading: Reading) -> Iterator[Job]:
    name = printable(path)
    found = read_each(path)
    for k, item in enumerate(found):
        if isinstance(item, InputError):
            yield Job(name, f"{path.stem}:{k + 1}", error=item)
            continue
        if item.generated_geometry:
            error = InputError("no_geometry", "it is drawn flat", "give its SMILES or a file with 3-D positions")
            yield Job(name, item.id, error=error)
            continue
        charge = item.charge if item.charge_given else reading.charge
        multiplicity = item.multiplicity or reading.multiplicity
        yield Job(name, item.id, replace(item, charge=charge), None, charge, multiplicity, item.formula)


def _lines_of_smiles(path: Path, reading: Reading) -> Iterator[Job]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError("unreadable", f"cannot open {str(path)!r}: {error.strerror}", "check the path") from None
    except UnicodeDecodeError:
        raise InputError("not_text", f"{str(path)!r} is no text", "give SMILES, one a line") from None
    for title, smiles in titled_smiles(text).items():
        name = f"{printable(path)}:{title}"
        try:
            yield from _smiles(name, title, smiles, reading, {})
        except InputError as error:
            yield Job(name, title, smiles=smiles, error=error)


def _rdkit_file(path: Path, reading: Reading) -> Iterator[Job]:
    """Molecules with positions of an SDF or MOL file; flat drawings get a geometry from their SMILES."""
    from rdkit import Chem

    if not path.is_file():
        raise InputError("missing_file", f"there is no file {str(path)!r}", where_it_may_be(path))
    for k, molecule in enumerate(Chem.SDMolSupplier(str(path), removeHs=False), start=1):
        title = f"{path.stem}:{k}"
        if molecule is None:
            yield Job(printable(path), title, error=InputError("bad_sdf", f"molecule {k} cannot be read", "repair it"))
            continue
        smiles = Chem.MolToSmiles(Chem.RemoveHs(molecule))
        charge = Chem.GetFormalCharge(molecule)
        id = molecule.GetProp("_Name").strip() or title
        try:
            if not has_geometry(molecule) or why_no_geometry(molecule):
                yield from _smiles(printable(path), id, smiles, reading, {})
                continue
            structure = to_structure(molecule, id)
            yield Job(printable(path), id, structure, smiles, charge, reading.multiplicity, scaffold(smiles))
        except InputError as error:
            yield Job(printable(path), id, smiles=smiles, error=error)


def _parquet(path: Path, reading: Reading) -> Iterator[Job]:
    wanted = _wanted(path, reading.missing).tolist()
    names = pq.read_schema(path).names
    if "smiles" in names and "positions" not in names:
        yield from _parquet_of_smiles(path, wanted, reading)
        return
    records = _records(path)
    smiles = pq.read_table(path, columns=["smiles"])["smiles"] if "smiles" in names else None
    lacking = records.is_null("positions")
    for index in wanted:
        name, id, group = f"{printable(path)}:{records.ids[index]}", records.ids[index], records.groups[index]
        told = smiles[index].as_py() if smiles is not None else None
        try:
            if told and lacking[index]:
                yield from _smiles(name, id, told, reading, {})
                continue
            structure = records[index]
            yield Job(name, id, structure, told, reading.charge, reading.multiplicity, group)
        except InputError as error:
            yield Job(name, id, group=group, error=error)


def _records(path: Path) -> Records:
    """The records of a file; sets of molecules may do without a column of cells."""
    names = pq.read_schema(path).names if path.is_file() else []
    if "cell" in names or not {"id", "group", "atomic_numbers", "positions"} <= set(names):
        return Records.read(path)
    table = pq.read_table(path, columns=["id", "group", "atomic_numbers", "positions"])
    return Records.of(table, str(path))


def _parquet_of_smiles(path: Path, wanted: list[int], reading: Reading) -> Iterator[Job]:
    table = pq.read_table(path, columns=["id", "smiles"])
    for index in wanted:
        id, smiles = (str(table[name][index].as_py()) for name in ("id", "smiles"))
        name = f"{printable(path)}:{id}"
        try:
            yield from _smiles(name, id, smiles, reading, {})
        except InputError as error:
            yield Job(name, id, smiles=smiles, error=error)


def _wanted(path: Path, missing: tuple[str, ...]) -> np.ndarray:
    """Indices of the records that are to be labeled.

    Raises:
        UsageError: the file is no table of structures or SMILES.
    """
    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        Records.read(path)  # names the cause
        raise
    if not {"id", "smiles"} <= set(names) or "positions" in names:
        _records(path)
    rows = np.arange(pq.read_metadata(path).num_rows)
    if not missing or not set(missing) <= set(names):
        return rows
    table = pq.read_table(path, columns=list(missing))
    null = [table[name].is_null().to_numpy(zero_copy_only=False) for name in missing]
    return rows[np.any(null, axis=0)]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        stream = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError("unreadable", f"cannot open {str(path)!r}: {error.strerror}", "check the path") from None
    with stream:
        reader = csv.DictReader(stream)
        names = reader.fieldnames or []
        odd = [name for name in names if name not in LIST_COLUMNS]
        if "smiles" not in names or odd:
            what = f"has the unknown column {odd[0]!r}" if odd else "has no column smiles"
            hint = did_you_mean(odd[0], LIST_COLUMNS) if odd else f"known: {', '.join(LIST_COLUMNS)}"
            raise UsageError("bad_list", f"{str(path)!r} {what}", hint)
        yield from reader


def _list(path: Path, reading: Reading) -> Iterator[Job]:
    from andersonn.labels.molecules import molecular_formula

    for number, row in enumerate(_rows(path), start=2):
        name, smiles = f"{printable(path)}:{number}", row["smiles"].strip()
        id = (row.get("name") or smiles).strip()
        extra = {key: row[key] for key in ("kind",) if row.get(key)}
        try:
            stated = (row.get("formula") or "").strip()
            if stated and stated != molecular_formula(smiles):
                raise InputError(
                    "bad_formula",
                    f"the SMILES of {id} makes {molecular_formula(smiles)}, not {stated}",
                    "correct the SMILES or the formula",
                )
            yield from _smiles(name, id, smiles, _of_row(row, reading), extra)
        except InputError as error:
            yield Job(name, id, smiles=smiles, extra=extra, error=error)


def _of_row(row: dict[str, str], reading: Reading) -> Reading:
    try:
        charge = int(row.get("charge") or reading.charge)
        multiplicity = int(row["multiplicity"]) if row.get("multiplicity") else reading.multiplicity
    except ValueError:
        raise InputError("bad_number", "charge and multiplicity must be whole numbers", "correct the list") from None
    return Reading(charge=charge, multiplicity=multiplicity)
