"""What share of test structures, and of structures of other kinds, a model says are unlike its training.

A table for docs/domain.md. Models without a domain get one by tools/recalibrate.py.

python benchmarks/domain.py MODEL_DIR --data FILE.parquet … --sources FOLDER [--n 300] [--seed 0]

FOLDER holds crystals_mp2018.parquet, mofs_qmof.parquet, molecules_qm9.parquet and molecules_pereira2018.parquet.
"""

import argparse
from pathlib import Path

import numpy as np

from andersonn import Scientist
from andersonn.data.fetch import get
from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.sources import source
from andersonn.errors import InputError
from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.structure import Structure
from andersonn.training.dataset import prepare

LARGE = 200
"""Atoms of the test structures that are spoiled, at most."""


def like(structure, Z=None, xyz=None, cell=None):
    """A copy with other atoms, places or cell, and without bonds, which no longer hold."""
    parts = ((Z, structure.Z), (xyz, structure.xyz), (cell, structure.cell))
    return Structure(*(given if given is not None else own for given, own in parts), id=structure.id)


def scaled(structure, factor):
    cell = None if structure.cell is None else factor * structure.cell
    return like(structure, xyz=factor * structure.xyz, cell=cell)


def moved(structure, size, rng):
    return like(structure, xyz=structure.xyz + size * rng.normal(size=structure.xyz.shape))


def exchanged(structure, rng):
    """Atoms of different elements change places."""
    if len(np.unique(structure.Z)) < 2:
        return None
    while True:
        Z = rng.permutation(structure.Z)
        if (Z != structure.Z).any():
            return like(structure, Z=Z)


def replaced(structure, rng):
    """Each element becomes another, up to lead."""
    kinds = np.unique(structure.Z)
    return like(
        structure, Z=rng.choice(np.arange(1, 83), len(kinds), replace=False)[np.searchsorted(kinds, structure.Z)]
    )


def boxed(molecule):
    """A molecule in a cell 3 Å larger than itself."""
    low, high = molecule.xyz.min(axis=0), molecule.xyz.max(axis=0)
    return Structure(molecule.Z, molecule.xyz - low, np.diag(high - low + 3.0), id=molecule.id)


def some(path, n, rng, largest=10**9):
    records, found = Records.read(path), []
    for i in rng.permutation(len(records)):
        structure = kept(lambda i=i: records[int(i)])
        if structure is not None and len(structure) <= largest:
            found.append(structure)
        if len(found) == n:
            break
    return found


def kept(make):
    """What is made, or None where it is no sound structure."""
    try:
        return make()
    except InputError:
        return None


def peptides(n, rng):
    from rdkit import Chem

    words = ["".join(rng.choice(list("GAVLISTNQDEFYW"), 6)) for _ in range(n)]
    return [from_smiles(Chem.MolToSmiles(Chem.MolFromSequence(word))) for word in words]


def ammonium(path, n, rng):
    """Molecules with an amine, one proton added to it."""
    from rdkit import Chem

    amine, found = Chem.MolFromSmarts("[NX3;H1,H2;+0;!$(N-[!#6]);!$(NC=[!#6]);!$(N-a)]"), []
    smiles = Records.read(path).table["smiles"].to_pylist()
    for i in rng.permutation(len(smiles)):
        molecule = Chem.MolFromSmiles(smiles[i])
        for (atom,) in molecule.GetSubstructMatches(amine)[:1] if molecule else ():
            nitrogen = molecule.GetAtomWithIdx(atom)
            nitrogen.SetNumExplicitHs(nitrogen.GetTotalNumHs() + 1)
            nitrogen.SetFormalCharge(1)
            nitrogen.SetNoImplicit(True)
            Chem.SanitizeMol(molecule)
            found.append(kept(lambda molecule=molecule: from_smiles(Chem.MolToSmiles(molecule))))
        if len(found) == n:
            break
    return found


def inorganic():
    """Small molecules with an element that is not H, C, N, O, F, from the G2 set of ASE."""
    from ase.collections import g2

    names = [name for name in g2.names if len(g2[name]) > 1 and set(g2[name].get_chemical_symbols()) - set("HCNOF")]
    return [as_structure(g2[name], name) for name in names]


def foreign(task, test, sources, n, rng):
    """Kind → structures that are not of the training's kind."""
    qm9, pereira = sources / "molecules_qm9.parquet", sources / "molecules_pereira2018.parquet"
    if task == "conduction":
        yield "MOFs of up to 120 atoms (QMOF)", some(sources / "mofs_qmof.parquet", n, rng, 120)
    if task == "porosity":
        yield "dense crystals (Materials Project)", some(sources / "crystals_mp2018.parquet", n, rng, 60)
    if task == "polarity":
        yield "peptides of six residues", peptides(n // 2, rng)
        yield "ammonium ions (of Pereira's amines)", ammonium(pereira, n, rng)
        yield "inorganic molecules (G2)", inorganic()
        biomolecules = Records.read(get(source("biomolecules"))[0])
        yield "drugs, biomolecules at GFN2-xTB geometry (not foreign)", list(biomolecules)
    else:
        yield "molecules alone in a cell (QM9)", [boxed(molecule) for molecule in some(qm9, n, rng)]
    for factor in (0.8, 0.9, 1.1, 1.3):
        yield f"test, all distances × {factor}", [kept(lambda s=s, f=factor: scaled(s, f)) for s in test]
    for size in (0.1, 0.3):
        yield f"test, atoms moved by {size} Å an axis", [kept(lambda s=s, a=size: moved(s, a, rng)) for s in test]
    yield "test, atoms exchanged", [kept(lambda s=s: exchanged(s, rng)) for s in test]
    if task != "polarity":  # another element has no sound geometry there
        yield "test, elements replaced", [kept(lambda s=s: replaced(s, rng)) for s in test]


def row(name, places, answers):
    distances = np.array([place.distance for place in places])
    outside = np.mean([not place.inside for place in places])
    warned = np.mean([bool(answer.warnings) for answer in answers])
    print(
        f"| {name} | {len(places)} | {100 * outside:.1f} % | {100 * warned:.0f} % | {np.median(distances):.2f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    scientist, rng = Scientist.load(given.model), np.random.default_rng(given.seed)
    facts = scientist.bundle.provenance["domain"]
    fifths = ", ".join(f"{x:.3f}" for x in facts["accuracy_by_fifth"])
    print(
        f"test side, n = {facts['n']}: {100 * facts['outside']:.2f} % outside; accuracy outside {facts['accuracy_outside']},"
    )
    print(f"inside {facts['accuracy_inside']}, by fifths of distance {fifths}\n")
    records = read_records(given.data, (scientist.bundle.task.quantity,))
    sides = prepare(records, scientist.bundle.task, scientist.bundle.config).sides
    test = []
    for i in rng.permutation(sides["test"]):
        structure = records[int(i)]
        test += [structure] if len(structure) <= LARGE else []
        if len(test) == given.n:
            break
    print("| kind | n | outside | any warning | median distance |\n|---|---|---|---|---|")
    kinds = {f"test, up to {LARGE} atoms": test}
    for name, structures in (*kinds.items(), *foreign(scientist.task.name, test, given.sources, given.n, rng)):
        answers = [a for a in scientist.predict([s for s in structures if s is not None]) if a.ok]
        row(name, [answer.domain for answer in answers], answers)


if __name__ == "__main__":
    main()
