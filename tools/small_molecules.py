"""Lists small molecules that are built from groups, for ``andersonn label dipole``, beside those of tools/common_chemicals.py.

    python tools/small_molecules.py src/andersonn/data/sets/small_molecules.csv --qm9 molecules_qm9.parquet

People meet few of them, but a network learns from them what each bond and group brings: all pairs of GROUPS joined by a single bond, halides
and methyl compounds of one element or of two carbons, and molecules with names and rings in tools/small_molecules.smi. Molecules
of common_chemicals.csv and of QM9 are left out, as are bonds of iodine to anything but carbon, silicon and halogens, which hardly exist.
"""

import argparse
import csv
from itertools import combinations_with_replacement
from pathlib import Path

from rdkit import Chem, RDLogger
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from common_chemicals import ELEMENTS, LIST, METALS, heavy_atoms, in_qm9, kind_of, suitable, write_rows

BY_HAND = Path(__file__).with_suffix(".smi")
MOST_HEAVY = 9
ALLOWED = ELEMENTS | METALS | {"Ge"}
GROUPS = (
    "F", "Cl", "Br", "I", "C#N", "[N+]#[C-]", "N=C=O", "N=C=S", "N=[N+]=[N-]", "N=O", "[N+](=O)[O-]", "O", "S", "N", "P", "OC", "SC",
    "C=O", "C(C)=O", "C(=O)O", "C(N)=O", "C#C", "C=C", "C", "C(F)(F)F", "[SiH3]", "B", "S(C)=O", "S(C)(=O)=O", "C(Cl)=O", "C(F)=O",
    "ON=O", "O[N+](=O)[O-]", "OC=O", "N(C)C", "C=C=O", "CO", "CN", "c1ccccc1",
)  # fmt: skip
"""Each is bonded by its first atom, which has an open valence where its hydrogens are written."""
CENTERS = {
    "O=P({})({}){}": ("F", "Cl", "Br", "C"),
    "S=P({})({}){}": ("F", "Cl", "C"),
    "O=S({}){}": ("F", "Cl", "Br", "C", "N", "O", "C#N"),
    "O=S(=O)({}){}": ("F", "Cl", "Br", "C", "N", "O", "C#N"),
    "S({}){}": ("F", "Cl", "Br", "C", "N", "O", "C#N"),
    "O=C({}){}": ("F", "Cl", "Br", "C", "N", "O", "C#N"),
    "S=C({}){}": ("F", "Cl", "Br", "C", "N", "O", "C#N"),
    "N({}){}": ("F", "Cl", "Br"),
    "[SiH3]{}": ("F", "Cl", "Br", "I"),
    "[GeH3]{}": ("F", "Cl", "Br", "I"),
    "C({})({})({}){}": ("[H]", "F", "Cl", "Br", "I"),
    "[Si]({})({})({}){}": ("[H]", "F", "Cl", "C"),
    "[Ge]({})({})({}){}": ("[H]", "F", "Cl", "C"),
    "[Se]({}){}": ("[H]", "F", "Cl", "Br", "C"),
    "P({})({}){}": ("[H]", "F", "Cl", "Br", "C"),
    "[As]({})({}){}": ("[H]", "F", "Cl", "Br", "C"),
    "B({})({}){}": ("[H]", "F", "Cl", "Br", "C"),
    "N({})({}){}": ("[H]", "F", "Cl", "C"),
    "C({})({})({})C({})({}){}": ("[H]", "F", "Cl"),
    "C({})({})=C({}){}": ("[H]", "F", "Cl", "Br"),
    "C({})({})({})C=C": ("[H]", "F", "Cl", "Br"),
    "C({})({})({})C#C": ("[H]", "F", "Cl", "Br"),
    "C({})({})({})C#N": ("[H]", "F", "Cl", "Br"),
    "C({})({})({})C=O": ("[H]", "F", "Cl"),
    "C({})({})({})C(=O)Cl": ("[H]", "F", "Cl"),
    "C({})({})({})O": ("[H]", "F", "Cl"),
    "C({})({})({})S": ("[H]", "F", "Cl"),
    "C({})({})({})OC": ("[H]", "F", "Cl"),
}
"""A center → what is put into its places, in all combinations."""
UNSTABLE = "I[N,O,S,P,B]"


def pairs():
    """All pairs of groups."""
    for first, second in combinations_with_replacement(GROUPS, 2):
        a, b = Chem.MolFromSmiles(first), Chem.MolFromSmiles(second)
        pair = Chem.RWMol(Chem.CombineMols(a, b))
        pair.AddBond(0, a.GetNumAtoms(), Chem.BondType.SINGLE)
        for atom in pair.GetAtoms():
            atom.SetNumRadicalElectrons(0)
        Chem.SanitizeMol(pair)
        yield Chem.MolToSmiles(pair)


def candidates():
    """SMILES of all, some of them twice."""
    yield from pairs()
    for center, choices in CENTERS.items():
        for chosen in combinations_with_replacement(choices, center.count("{}")):
            yield center.format(*chosen)
    yield from BY_HAND.read_text(encoding="utf-8").split()


def listed(found, absent):
    """Rows of the list, smallest first, without molecules whose canonical SMILES is among ``absent``."""
    unstable, rows = Chem.MolFromSmarts(UNSTABLE), {}
    for smiles in found:
        molecule = suitable(smiles, MOST_HEAVY, ALLOWED)
        if molecule is None or molecule.HasSubstructMatch(unstable):
            continue
        canonical = Chem.MolToSmiles(molecule)
        if canonical not in absent:
            row = {
                "name": canonical,
                "smiles": canonical,
                "formula": CalcMolFormula(molecule),
                "kind": kind_of(molecule),
            }
            rows[canonical] = (heavy_atoms(molecule), row)
    return [row for _, row in sorted(rows.values(), key=lambda item: item[0])]


def main():
    RDLogger.DisableLog("rdApp.*")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--qm9", type=Path, required=True, help="records of QM9")
    chosen = parser.parse_args()
    with LIST.open(encoding="utf-8") as stream:
        common = {row["smiles"] for row in csv.DictReader(stream)}
    write_rows(listed(candidates(), common | set(in_qm9(chosen.qm9))), chosen.out)


if __name__ == "__main__":
    main()
