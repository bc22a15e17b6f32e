"""SDF, MOL and MOL2 files: each record on its own, so that a broken one leaves the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import read_parts, refuse_more_parts
from andersonn.structures.readers.molecules.from_rdkit import check_elements, has_geometry, sanitize, to_structure
from andersonn.structures.readers.molecules.mol2 import HINT as MOL2_HINT
from andersonn.structures.readers.molecules.mol2 import mol_of
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

RECORD_END = "$$$$"
PROPERTY = re.compile(r"<([^>]{1,200})>")
MOL2_TAG = "@<TRIPOS>MOLECULE"
MOL2_START = re.compile(r"@<TRIPOS>MOLECULE", re.IGNORECASE)
Parser = Callable[[str], "tuple[Mol, tuple[str, ...]]"]
"""A record → its unsanitized molecule, and warnings."""
MOL_HINT = "line 4 of a MOL block counts atoms and bonds; a line for each must follow, and M  END"


def parse_sdf(text: str, name: str) -> list[Structure | InputError]:
    """The molecules of an SDF or MOL file, V2000 or V3000, or what is wrong with one."""
    records = sdf_records(text)
    return _read(records, [record.partition("\n")[0].strip() for record in records], _mol_block, name)


def rows_of_sdf(text: str) -> Iterator[tuple[str, dict[str, Any] | InputError]]:
    """The records of an SDF as rows of a table: number, and ``id``, ``smiles``, properties; of a molecule with a geometry also
    ``atomic_numbers`` and ``positions`` in Å. The error of a record that cannot be read stands in its place.

    Raises:
        InputError: the file holds no molecule.
    """
    from rdkit import Chem, rdBase

    for number, record in enumerate(sdf_records(text), start=1):
        try:
            mol, _ = _mol_block(record)
            structure = to_structure(Chem.Mol(mol)) if has_geometry(mol) else None
            with rdBase.BlockLogs():
                check_elements(mol)
                sanitize(mol)
                smiles = Chem.MolToSmiles(Chem.RemoveHs(mol))
        except InputError as error:
            yield str(number), error
            continue
        row: dict[str, Any] = {"id": record.partition("\n")[0].strip() or None, "smiles": smiles}
        if structure is not None and not structure.generated_geometry:
            row |= {"atomic_numbers": structure.Z, "positions": structure.xyz.ravel()}
        yield str(number), row | {name: value for name, value in _properties(record).items() if name not in row}


def _properties(record: str) -> dict[str, str]:
    """The data of a record: name → value, as ``>  <logS>`` and the lines below it give them."""
    found: dict[str, str] = {}
    name = None
    for line in lines_of(record):
        if line.startswith(">") and (tag := PROPERTY.search(line)):
            name = tag[1].strip()
            found[name] = ""
        elif name is not None and line.strip():
            found[name] = f"{found[name]}\n{line}".strip()
        elif name is not None and found[name]:
            name = None  # a blank line ends the value
    return found


def sdf_records(text: str) -> list[str]:
    """The records of an SDF or MOL file, without the lines that end them.

    Raises:
        InputError: there are none, or too many.
    """
    records: list[str] = []
    lines: list[str] = []
    for line in lines_of(text):
        if line.rstrip() == RECORD_END:
            records.append("\n".join(lines))
            refuse_more_parts(len(records))
            lines = []
        else:
            lines.append(line)
    if any(line.strip() for line in lines):
        records.append("\n".join(lines))
    if not records:
        raise InputError("no_atoms", "the file holds no molecule", MOL_HINT)
    return records


def parse_mol2(text: str, name: str) -> list[Structure | InputError]:
    """The molecules of a Tripos MOL2 file, or what is wrong with one."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    refuse_more_parts(text.upper().count(MOL2_TAG))
    records = [MOL2_TAG + part for part in MOL2_START.split(text)[1:]]
    if not records:
        raise InputError("bad_mol2", f"the file has no {MOL2_TAG}", MOL2_HINT)
    return _read(records, [[*lines_of(record), "", ""][1].strip() for record in records], mol_of, name)


def _read(records: list[str], titles: list[str], parse: Parser, name: str) -> list[Structure | InputError]:
    often = Counter(titles)
    parts = {
        (title if title and often[title] == 1 else str(k)): partial(_structure, parse, record)
        for k, (record, title) in enumerate(zip(records, titles, strict=True), start=1)
    }
    if len(parts) < len(records):  # a title that is another record's number
        parts = {str(k): partial(_structure, parse, record) for k, record in enumerate(records, start=1)}
    return read_parts("record", parts, name)


def _structure(parse: Parser, record: str, id: str) -> Structure:
    mol, warnings = parse(record)
    return to_structure(mol, id, warnings=warnings)


def _mol_block(record: str) -> tuple[Mol, tuple[str, ...]]:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromMolBlock(record, sanitize=False, removeHs=False)
        except (RuntimeError, ValueError) as error:
            raise InputError("bad_mol", f"cannot read the MOL block: {error}", MOL_HINT) from None
    if mol is None:
        raise InputError("bad_mol", f"cannot read the MOL block: {_fault(lines_of(record))}", MOL_HINT)
    return mol, ()


def _fault(lines: list[str]) -> str:
    """The likely fault of a MOL block that RDKit cannot parse."""
    if len(lines) < 4:
        return f"it has {len(lines)} lines"
    counts = lines[3]
    if "V3000" in counts:
        return "its V3000 tables are not complete"
    try:
        announced = int(counts[0:3]) + int(counts[3:6])
    except ValueError:
        return f"line 4 should count atoms and bonds, not {counts.strip()[:40]!r}"
    listed = next((k for k, line in enumerate(lines[4:]) if line.startswith(("M  ", "A  ", "> "))), len(lines) - 4)
    if listed < announced:
        return f"it announces {announced} atoms and bonds and lists {listed}; the file may be cut short"
    return "a line of an atom or bond is not as it should be"
