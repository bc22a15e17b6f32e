"""Whether predictions depend on how the same matter is written: the shipped scientists on real structures and their variants.

    python benchmarks/invariance.py conduction crystals_mp2018.parquet [--structures 200] [--seed 0] [--json FILE]
    python benchmarks/invariance.py porosity mofs_qmof.parquet [--most-atoms 100]
    python benchmarks/invariance.py polarity molecules_qm9.parquet [--smiles]

Every structure is renumbered, turned, shifted, repeated, given other lattice vectors, and written in each format and read
again (tests/fuzz/variants.py); each variant's class and probabilities are compared with the original's. Molecules are
embedded from the SMILES of the records once, so that all variants have one geometry; with ``--smiles`` each variant is a
SMILES or a drawing, of which a geometry is made anew. Needs a clone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fuzz.variants import CRYSTAL, molecule_variants, smiles_variants

from andersonn import Records, Scientist
from andersonn.errors import InputError
from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.structure import Structure

Variants = dict[str, Structure | InputError]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("conduction", "porosity", "polarity"))
    parser.add_argument("records", type=Path)
    parser.add_argument("--structures", type=int, default=200)
    parser.add_argument("--most-atoms", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smiles", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    scientist, records = Scientist.load(arguments.task), Records.read(arguments.records)
    make = of_crystal if arguments.task != "polarity" else of_smiles if arguments.smiles else of_molecule
    found: dict[str, list[dict]] = {}
    done = 0
    for index in rng.permutation(len(records)).tolist():
        variants = make(records, index, rng, arguments.most_atoms)
        if variants is not None:
            compare(scientist, records.ids[index], variants, found)
            done += 1
        if done == arguments.structures:
            break
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


def of_crystal(records: Records, index: int, rng: np.random.Generator, most: int) -> Variants | None:
    try:
        structure = records[index]
    except InputError:
        return None
    if len(structure) > most:
        return None
    found: Variants = {"": structure}
    for name, make in CRYSTAL.items():
        try:
            found[name] = make(structure, rng)
        except InputError as error:
            found[name] = error
    return found


def of_molecule(records: Records, index: int, rng: np.random.Generator, most: int) -> Variants | None:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(records.table.column("smiles")[index].as_py()))
    if AllChem.EmbedMolecule(mol, randomSeed=7) != 0:
        return None
    return {"": as_structure(mol), **molecule_variants(mol, rng)}


def of_smiles(records: Records, index: int, rng: np.random.Generator, most: int) -> Variants | None:
    smiles = records.table.column("smiles")[index].as_py()
    try:
        structure = from_smiles(smiles)
    except InputError:
        return None
    return None if len(structure) > most else {"": structure, **smiles_variants(smiles, rng)}


def compare(scientist: Scientist, id: str, variants: Variants, found: dict[str, list[dict]]) -> None:
    read = {name: item for name, item in variants.items() if isinstance(item, Structure)}
    answers = dict(zip(read, scientist.predict(list(read.values())), strict=True))
    base = answers.pop("")
    if not base.ok:
        return
    for name, item in variants.items():
        if not name:
            continue
        row: dict = {"id": id}
        if isinstance(item, InputError) or not answers[name].ok:
            row["error"] = item.kind if isinstance(item, InputError) else answers[name].error["kind"]
        else:
            answer = answers[name]
            row["deviation"] = max(abs(answer.probabilities[c] - p) for c, p in base.probabilities.items())
            row["value"] = abs(answer.value - base.value)
            row["class"] = [base.label, answer.label]
            row["p"] = base.probabilities[base.label]
        found.setdefault(name, []).append(row)


def table(found: dict[str, list[dict]]) -> str:
    lines = [
        "| variant | structures | other class | largest, 99th percentile and median deviation of p | of the estimate, largest | refused |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in found.items():
        told = [row for row in rows if "deviation" in row]
        deviations = np.array([row["deviation"] for row in told])
        largest, most, median = np.quantile(deviations, (1.0, 0.99, 0.5))
        other = sum(row["class"][0] != row["class"][1] for row in told)
        lines.append(
            f"| {name} | {len(told)} | {other} | {largest:.1e}, {most:.1e}, {median:.1e} | "
            f"{max(row['value'] for row in told):.1e} | {len(rows) - len(told)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
