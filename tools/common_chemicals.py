"""Lists the molecules that people meet, for ``andersonn label dipole``, and publishes what of them is labeled.

    python tools/common_chemicals.py list --out src/andersonn/data/sets/common_chemicals.csv
    andersonn label dipole src/andersonn/data/sets/common_chemicals.csv --relax gfn2 --conformers 5 --out common.jsonl
    andersonn label dipole NEXT.csv --relax b3lyp --conformers 5 --out better.jsonl
    python tools/common_chemicals.py publish common.jsonl better.jsonl --known known.csv --out common_chemicals.parquet

``list`` (needs ``pip install chemicals``) takes tools/common_chemicals.csv, written by hand (gases, inorganic molecules, ion
pairs, and groups that QM9 lacks), then the identifiers that ``chemicals`` has from PubChem: its short list whole, of the long
list what has many names. Neutral closed shells of the elements in ELEMENTS with at most --heavy atoms beside hydrogen,
smallest first; a molecule by hand goes two atoms ahead of its size.

``next`` lists what of that is to be labeled again at the geometry of B3LYP: GFN2-xTB has wrong minima where atoms with lone
pairs are bonded to each other (hydrogen peroxide flat, hydrazine anti), and wrong lengths about sulfur, phosphorus and metals.

``publish`` makes records as training reads them; of a molecule that is in several journals, the last one counts. Column ``in_known`` marks molecules (stereo left out) of lists with
measured values, so that a training can do without them and a test can say which of its molecules were trained on.
"""

import argparse
import csv
import io
import json
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem, RDLogger
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from andersonn.io.files import write_text, write_whole
from andersonn.labels.table import records_table
from andersonn.structures.readers.molecules.smiles import constitution

BY_HAND = Path(__file__).with_suffix(".csv")
SHORT, LONG = "chemical identifiers pubchem small.tsv", "chemical identifiers pubchem large.tsv"
NAMED = 25
"""A chemical of the long list counts as common with at least so many names."""
AHEAD = 2
ELEMENTS = frozenset(["H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "I"])
METALS = frozenset(["Li", "Na", "K", "Al"])
"""Only by hand."""
PATTERNS = {
    "N-oxide": "[#7+;!$([#7](=O))]-[O-]",
    "azide": "[#7]=[#7+]=[#7-]",
    "isocyanide": "[#6-]#[#7+]",
    "isocyanate or isothiocyanate": "[#7]=[#6]=[O,S]",
    "sulfoxide or sulfone": "[#6][#16X3,#16X4](=O)[#6]",
    "phosphorus": "[#15]",
    "boron": "[#5]",
    "silicon": "[#14]",
    "sulfur": "[#16]",
    "iodine or bromine": "[Br,I]",
    "chlorine or fluorine": "[Cl,F]",
    "nitrogen": "[#7]",
    "oxygen": "[#8]",
    "hydrocarbon": "[#6]",
}
"""Kind of a molecule that was not listed by hand: the first pattern that it has."""
HARD = "[$([#7,#8,F,S,P,Cl;!+]-[#7,#8,S,P;!+]),$([S,P]=[O,S]),$([Li,Na,K,Al]),$([Si]-[O,N,F,Cl])]"
"""Where geometries of GFN2-xTB are poor."""


def heavy_atoms(molecule):
    return sum(atom.GetAtomicNum() > 1 for atom in molecule.GetAtoms())


def suitable(smiles, most, allowed=ELEMENTS | METALS):
    """The molecule, or None if it is no neutral closed shell of one part, of these elements and at most ``most`` heavy atoms."""
    molecule = Chem.MolFromSmiles(smiles) if smiles else None
    if molecule is None or heavy_atoms(molecule) > most or len(Chem.GetMolFrags(molecule)) > 1:
        return None
    atoms = list(molecule.GetAtoms())
    if Chem.GetFormalCharge(molecule) or any(a.GetNumRadicalElectrons() or a.GetIsotope() for a in atoms):
        return None
    if len(atoms) == 1 and not atoms[0].GetTotalNumHs():
        return None  # an atom alone
    return molecule if {a.GetSymbol() for a in atoms} <= allowed else None


def identifiers(file):
    """SMILES and a name of each chemical in a list of ``chemicals``, and how many names it has."""
    path = resources.files("chemicals") / "Identifiers" / file
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            _, cas, _, _, smiles, _, _, _, name, *others = line.rstrip("\n").split("\t")
            yield smiles, name or cas, len(others)


def kind_of(molecule):
    found = (name for name, smarts in PATTERNS.items() if molecule.HasSubstructMatch(Chem.MolFromSmarts(smarts)))
    return next(found, "inorganic")


def candidates():
    """Name, SMILES, kind (None: by :data:`PATTERNS`) and rank of all chemicals, the best known first."""
    with BY_HAND.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            yield row["name"], row["smiles"], row["kind"], 0
    for smiles, name, _ in identifiers(SHORT):
        yield name, smiles, None, 1
    for smiles, name, names in sorted(identifiers(LONG), key=lambda found: -found[2]):
        if names >= NAMED:
            yield name, smiles, None, 2


def listed(found, most):
    """Rows of the list from candidates, each molecule once, in the order of labeling."""
    rows, seen, names = [], set(), set()
    for name, smiles, kind, rank in found:
        molecule = suitable(smiles, most, ELEMENTS if rank else ELEMENTS | METALS)
        if molecule is None:
            continue
        canonical = Chem.MolToSmiles(molecule)
        plain = Chem.MolToSmiles(molecule, isomericSmiles=False)
        if (canonical if rank == 0 else plain) in seen or name in names:
            continue
        seen |= {canonical, plain}
        names.add(name)
        size = heavy_atoms(molecule)
        row = {
            "name": name,
            "smiles": canonical,
            "formula": CalcMolFormula(molecule),
            "kind": kind or kind_of(molecule),
        }
        rows.append((size - AHEAD * (rank == 0), rank, size, len(rows), row))
    return [row for *_, row in sorted(rows, key=lambda item: item[:4])]


def write_list(chosen):
    done = set(pq.read_table(chosen.without, columns=["id"])["id"].to_pylist()) if chosen.without else set()
    write_rows([row for row in listed(candidates(), chosen.heavy) if row["name"] not in done], chosen.out)


def write_next(chosen):
    with chosen.molecules.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    hard = Chem.MolFromSmarts(HARD)
    molecules = [suitable(row["smiles"], chosen.heavy) for row in rows]
    write_rows([row for row, m in zip(rows, molecules) if m is not None and m.HasSubstructMatch(hard)], chosen.out)


def write_rows(rows, path):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    print(f"{len(rows)} molecules in {path}")


def known_molecules(paths):
    found = set()
    for path in paths:
        with path.open(encoding="utf-8-sig") as stream:
            found |= {constitution(row["smiles"]) for row in csv.DictReader(stream)}
    return found - {None}


def rows_of(journal):
    for line in journal.read_text(encoding="utf-8").split("\n"):
        if line.endswith("}"):  # else the run that writes it goes on
            yield json.loads(line)


def publish(chosen):
    latest = {}
    for row in (row for journal in chosen.journals for row in rows_of(journal)):
        if "error" not in row:
            latest[row["id"]] = row
    table = records_table(latest.values(), ("dipole_D",))
    known = known_molecules(chosen.known)
    marks = [constitution(smiles) in known for smiles in table["smiles"].to_pylist()]
    table = table.append_column("in_known", pa.array(marks))
    if chosen.earlier:
        earlier = pq.read_table(chosen.earlier)
        fresh = pa.array([id not in latest for id in earlier["id"].to_pylist()])
        table = pa.concat_tables([earlier.filter(fresh), table], promote_options="default")
    write_whole(chosen.out, lambda path: pq.write_table(table, path, compression="zstd", compression_level=19))
    print(f"{len(table)} records in {chosen.out}, {sum(table['in_known'].to_pylist())} of them in the known lists")


def main():
    RDLogger.DisableLog("rdApp.*")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    lister = verbs.add_parser("list")
    lister.add_argument("--heavy", type=int, default=12, help="atoms beside hydrogen, at most")
    lister.add_argument("--without", type=Path, help="Parquet file of what is labeled already")
    lister.add_argument("--out", type=Path, required=True)
    lister.set_defaults(act=write_list)
    again = verbs.add_parser("next")
    again.add_argument("molecules", type=Path, help="CSV that list wrote")
    again.add_argument("--heavy", type=int, default=4, help="atoms beside hydrogen, at most")
    again.add_argument("--out", type=Path, required=True)
    again.set_defaults(act=write_next)
    publisher = verbs.add_parser("publish")
    publisher.add_argument("journals", type=Path, nargs="+", help="JSON lines of andersonn label dipole")
    publisher.add_argument("--known", type=Path, nargs="*", default=[], help="CSV files with a column smiles")
    publisher.add_argument("--earlier", type=Path, help="Parquet file published before, whose other rows are kept")
    publisher.add_argument("--out", type=Path, required=True)
    publisher.set_defaults(act=publish)
    chosen = parser.parse_args()
    chosen.act(chosen)


if __name__ == "__main__":
    main()
