"""The structures of a sheet's rows: records, whether they can be used, and which of them are the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.constructing.identity import isomer, name_equal
from andersonn.constructing.sheets import FILES, Sheet, with_files
from andersonn.data.tables import record_of_row
from andersonn.errors import AndersonnError, InputError, UsageError
from andersonn.progress import Progress, Silent
from andersonn.structures import elements
from andersonn.structures.readers.content import format_of
from andersonn.structures.readers.molecules.largest_part import Part
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.readers.molecules.smiles import constitution, from_smiles, part_of_smiles, scaffold
from andersonn.structures.readers.tables.columns import Columns, Roles, holds_structures, is_missing, plain

WORTH_TELLING = 1000
"""Structures from which reading them takes seconds."""


@dataclass
class Matter:
    """What the rows are made of.

    Attributes:
        rows: a record of each row, as :func:`andersonn.data.tables.record_of_row` makes them.
        problems: row → why its structure cannot be used.
        same: a key of each row; rows of one key are the same molecule, stereochemistry aside, or the same crystal.
        exact: a finer key: molecules of one key have the same stereochemistry too.
        heavy: mass of each structure in u, and its number of atoms besides hydrogen, float64 ``[rows, 2]``.
        periodic: crystals or molecules.
        cut: row → what was left out of a salt or a mixture.
    """

    rows: list[dict[str, Any]]
    problems: dict[int, str]
    same: list[str]
    exact: list[str]
    heavy: np.ndarray
    periodic: bool
    cut: dict[int, Part]


def located(sheet: Sheet, structures: Any, target: int, read_files: bool = True) -> tuple[Sheet, Roles, list[str]]:
    """The columns that hold the structures, by their usual names, by what they hold, or as the user says.

    Args:
        sheet: the table; its folder's files become a column of it where ``structures`` is a folder.
        structures: name of a column of SMILES, files or objects, or a folder in which rows name files; None finds them.
        target: column of the target, which holds none.
        read_files: whether files and folders that a user names may be read.

    Raises:
        UsageError: there is no such column or folder, or several may be meant.
    """
    names = list(sheet.names)
    sheet.folder = sheet.folder if read_files else None
    if structures is not None and plain(str(structures)) not in map(plain, names):
        if not read_files or not Path(structures).is_dir():
            hint = f"it has the columns {', '.join(map(repr, names[:12]))}; a folder of files may be named too"
            raise UsageError(
                "missing_column", f"{sheet.what} has no column {str(structures)!r}, and there is no such folder", hint
            )
        sheet = with_files(sheet, Path(structures))
    if sheet.files:
        return sheet, Roles.of(sheet.names, Columns(path=FILES)), []
    sample = [values for _, values in sheet.rows[:20]]
    try:
        if structures is not None:
            return sheet, _asked(sheet, names, str(structures), sample), []
        return sheet, Roles.of(names, rows=sample, what=sheet.what), []
    except InputError as error:
        if error.kind == "missing_column" and structures is None:
            like = [k for k in range(len(names)) if k != target and _may_be(sheet, k)]
            if len(like) == 1:
                told = [f"structures are read from column {names[like[0]]!r}, by what it holds"]
                return sheet, _asked(sheet, names, names[like[0]], sample), told
        hint = error.hint.replace("--smiles-column", "--structures").replace("--path-column", "--structures")
        hint = (
            "name the column of SMILES or files, or the folder of the files: --structures NAME"
            if "(in Python" in hint
            else hint
        )
        raise UsageError(
            "no_structures" if error.kind == "missing_column" else error.kind, error.message, hint
        ) from None


def _may_be(sheet: Sheet, k: int) -> bool:
    sample = [values for _, values in sheet.rows[:20]]
    texts = [row[k] for row in sample if not is_missing(row[k]) and not isinstance(row[k], (int, float, np.number))]
    names = {str(text).lower() for text in texts}  # labels such as "no" and "CO" are SMILES too
    return len(names) > max(3, len(texts) // 2) and holds_structures(k, sample)


def _asked(sheet: Sheet, names: Sequence[str], wanted: str, sample: Sequence[Sequence[Any]]) -> Roles:
    k = next(k for k, name in enumerate(names) if plain(name) == plain(wanted))
    texts = [row[k] for row in sample if isinstance(row[k], str) and row[k].strip()]
    by_names = Roles.of(names, Columns(smiles=names[k]), sample, sheet.what)
    if texts and all("\n" not in text for text in texts):
        files = sum(format_of(Path(text.strip())) is not None for text in texts)
        return Roles.of(names, Columns(path=names[k])) if 2 * files > len(texts) else by_names
    return Roles(thing=k, id=by_names.id if by_names.id != k else None)


def read_matter(
    sheet: Sheet, roles: Roles, wanted: Sequence[int], group: int | None, mixtures: bool, progress: Progress
) -> Matter:
    """The structures of some rows.

    Args:
        sheet: the table.
        roles: of its columns.
        wanted: rows to read; the others have no value of the target.
        group: column of split keys.
        mixtures: whether the largest organic part of a salt or a mixture is taken; else such rows cannot be used.
        progress: told how far the reading is.
    """
    from ase.data import atomic_masses

    table, count = sheet.as_table(), len(sheet.rows)
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    problems: dict[int, str] = {}
    cut: dict[int, Part] = {}
    same, exact, heavy = [""] * count, [""] * count, np.full((count, 2), np.nan)
    by_formula: dict[str, list[int]] = defaultdict(list)
    told = progress if len(wanted) >= WORTH_TELLING else Silent()
    told.start("reading structures", len(wanted))
    for done, k in enumerate(wanted):
        number, values = sheet.rows[k]
        values, smiles = _with_smiles(roles, values)
        try:
            row = record_of_row(table, roles, {}, group, None, sheet.folder, number, values) if smiles is None else (
                record_of_row(table, Roles(smiles=roles.thing, id=roles.id), {}, group, None, sheet.folder, number, values)
            )  # fmt: skip
            rows[k] = row
            if "problem" in row:
                problems[k] = row["problem"]
                continue
            if mixtures and row.get("smiles") and (part := part_of_smiles(row["smiles"])) is not None:
                cut[k] = part
                _take(part, row, group is None or is_missing(values[group]))
            Z = _read_bonds(row, "positions" in row) if row.get("smiles") else np.asarray(row["atomic_numbers"])
            if row.get("smiles"):
                same[k] = constitution(row["smiles"]) or row["smiles"]
            else:
                by_formula[elements.formula(Z.astype(np.int64))].append(k)
            heavy[k] = atomic_masses[Z].sum(), (Z > 1).sum()
        except AndersonnError as error:
            problems[k] = error.message
        if done % 64 == 63:
            told.update(done + 1)
    told.finish()
    periodic = _keep_one_kind(rows, problems, wanted)
    for formula, members in by_formula.items():
        name_equal(formula, [k for k in members if k not in problems], rows, same)
    often = Counter(same[k] for k in wanted if k not in problems)
    for k in wanted:
        exact[k] = isomer(rows[k]["smiles"]) if often[same[k]] > 1 and rows[k].get("smiles") else same[k]
    return Matter(rows, problems, same, exact, heavy, periodic, cut)


def _take(part: Part, row: dict[str, Any], made_group: bool) -> None:
    """Makes a row that of a part; its geometry, if any, is that of the whole, and its group perhaps that of the scaffold."""
    row["smiles"] = part.smiles
    for name in ("atomic_numbers", "positions", "cell"):
        row.pop(name, None)
    if made_group:
        row["group"] = scaffold(part.smiles) or row["id"]


def _with_smiles(roles: Roles, values: Sequence[Any]) -> tuple[Sequence[Any], str | None]:
    """The values of a row, with SMILES in place of a molecule of RDKit that has no geometry; and those SMILES, or those of a
    column that may hold anything.
    """
    if roles.thing is None:
        return values, None
    thing = values[roles.thing]
    if hasattr(thing, "GetAtoms") and hasattr(thing, "GetNumConformers") and not thing.GetNumConformers():
        from rdkit import Chem

        smiles = Chem.MolToSmiles(thing)
        return [*values[: roles.thing], smiles, *values[roles.thing + 1 :]], smiles
    if (
        isinstance(thing, str)
        and thing.strip()
        and "\n" not in thing.strip()
        and format_of(Path(thing.strip())) is None
    ):
        return values, thing.strip()
    return values, None


def _read_bonds(row: dict[str, Any], has_geometry: bool) -> np.ndarray:
    """Atomic numbers of a molecule ``[n]``, read by its bonds as the network will read it. SMILES that cannot be are left out of a
    row that has a geometry.

    Raises:
        InputError: it cannot be read, and there is no geometry.
    """
    try:
        with reading(bonds=True):
            return np.asarray(from_smiles(row["smiles"]).Z)
    except InputError:
        if not has_geometry:
            raise
        row["smiles"] = None
        return np.asarray(row["atomic_numbers"])


def _keep_one_kind(rows: list[dict[str, Any]], problems: dict[int, str], wanted: Sequence[int]) -> bool:
    """Whether the rows are crystals; the fewer of molecules and crystals become unusable."""
    good = [k for k in wanted if k not in problems]
    crystals = [k for k in good if rows[k].get("cell") is not None]
    periodic = 2 * len(crystals) > len(good)
    if crystals and len(crystals) < len(good):
        of_cell = set(crystals)
        odd = [k for k in good if (k in of_cell) != periodic]
        what = (
            "a molecule among crystals: it has no unit cell"
            if periodic
            else "a crystal among molecules: it has a unit cell"
        )
        problems |= dict.fromkeys(odd, what)
    return periodic
