"""Lists the molecules that people meet, for ``andersonn label dipole``, and publishes what of them is labeled.

    python tools/common_chemicals.py list --out src/andersonn/data/sets/common_chemicals.csv
    andersonn label dipole src/andersonn/data/sets/common_chemicals.csv --relax gfn2 --conformers 5 --out common.jsonl
    andersonn label dipole NEXT.csv --relax b3lyp --conformers 5 --out better.jsonl
    python tools/common_chemicals.py publish common.jsonl better.jsonl --known known.csv --qm9 molecules_qm9.parquet \
        --out common_chemicals.parquet
    python tools/common_chemicals.py publish groups.jsonl --list small_molecules.csv --out small_molecules.parquet
    python tools/common_chemicals.py generated common_chemicals.parquet small_molecules.parquet --out common_smiles.parquet
    python tools/common_chemicals.py drawn molecules_qm9.parquet --most 3000 --out qm9_smiles.parquet

``list`` (needs ``pip install chemicals``) takes tools/common_chemicals.csv, written by hand (gases, inorganic molecules, ion
pairs, and groups that QM9 lacks), then the identifiers that ``chemicals`` has from PubChem: its short list whole, of the long
list what has many names (fewer if it is small). Neutral closed shells of the elements in ELEMENTS with at most --heavy atoms beside hydrogen,
smallest first; a molecule by hand goes two atoms ahead of its size.

``next`` lists what of that is to be labeled again at the geometry of B3LYP: GFN2-xTB has wrong minima where atoms with lone
pairs are bonded to each other (hydrogen peroxide flat, hydrazine anti), and wrong lengths about sulfur, phosphorus and metals.

``publish`` makes records as training reads them; of a molecule that is in several journals, the last one counts. Column ``in_known``
marks molecules (stereo left out) of lists with measured values, so that a training can do without them and a test can say which of its
molecules were trained on. With ``--qm9``, molecules of the list that QM9 has come from there, with its geometry and its dipole moment of the
same level; ``list --qm9`` leaves them out.

With ``--list`` only its molecules are published.

``generated`` makes a second file of the stiff molecules without their geometry, so that a training also sees them as they come out of SMILES.

``drawn`` draws molecules of QM9 at random and leaves their geometry out, as a user would give them: so that intervals of answers from SMILES
are fitted to such molecules, too.
"""

import argparse
import csv
import io
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem, RDLogger
from rdkit.Chem.rdMolDescriptors import CalcMolFormula, CalcNumRotatableBonds

from andersonn.io.files import write_text, write_whole
from andersonn.labels.table import records_table
from andersonn.structures.readers.molecules.smiles import constitution, scaffold

BY_HAND = Path(__file__).with_suffix(".csv")
LIST = Path(__file__).parents[1] / "src/andersonn/data/sets/common_chemicals.csv"
BUILT = LIST.with_name("small_molecules.parquet")
"""Molecules built from groups, by tools/small_molecules.py, that are labeled: none of them is listed here."""
SHORT, LONG = "chemical identifiers pubchem small.tsv", "chemical identifiers pubchem large.tsv"
NAMED, NAMED_IF_SMALL = 25, 10
"""A chemical of the long list counts as common with at least so many names; with at most :data:`SMALL` heavy atoms, so many are enough."""
SMALL = 6
AHEAD = 2
RARER = 3
"""Rank of a chemical that is common only if it is small."""
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
LOOSE = "[$([#7X3,#8X2,#16X2;!+]-[#7X3,#8X2,#16X2;!+]),$([NX2](=O)-[F,Cl,Br,I,O])]"
"""Where they are another conformer than the true one, or hardly bonded."""


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


def plain_smiles(molecule):
    return Chem.MolToSmiles(molecule, isomericSmiles=False)


def in_qm9(path):
    """Row of the file by SMILES, with and without stereo: a name without stereo may be any isomer, one with it must be that one."""
    found = {}
    for row, smiles in enumerate(pq.read_table(path, columns=["smiles"])["smiles"].to_pylist()):
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is not None:
            found.setdefault(Chem.MolToSmiles(molecule), row)
            found.setdefault(plain_smiles(molecule), row)
    return found


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
        elif names >= NAMED_IF_SMALL:
            yield name, smiles, None, RARER


def listed(found, most):
    """Rows of the list from candidates, each molecule once, in the order of labeling."""
    rows, seen, names = [], set(), set()
    for name, smiles, kind, rank in found:
        molecule = suitable(smiles, most, ELEMENTS if rank else ELEMENTS | METALS)
        if molecule is None or (rank == RARER and heavy_atoms(molecule) > SMALL):
            continue
        canonical = Chem.MolToSmiles(molecule)
        plain = plain_smiles(molecule)
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
    built = set(pq.read_table(BUILT, columns=["smiles"])["smiles"].to_pylist())
    found = listed(candidates(), chosen.heavy)
    rows = [row for row in found if row["name"] not in done and row["smiles"] not in built]
    if chosen.qm9:
        theirs = in_qm9(chosen.qm9)
        rows = [row for row in rows if row["smiles"] not in theirs]  # both canonical
    write_rows(rows, chosen.out)


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


def write_records(table, path):
    write_whole(path, lambda name: pq.write_table(table, name, compression="zstd", compression_level=19))


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


def of_qm9(path, done):
    """Rows as a journal has them of the list's molecules that QM9 has, without those of the names in ``done``."""
    theirs, table = in_qm9(path), pq.read_table(path)
    with LIST.open(encoding="utf-8") as stream:
        listed_rows = [row for row in csv.DictReader(stream) if row["name"] not in done]
    for row in listed_rows:
        found = theirs.get(row["smiles"])
        if found is None:
            continue
        record = {
            name: table[name][found].as_py() for name in ("atomic_numbers", "positions", "dipole_D", "smiles", "id")
        }
        yield {
            "id": row["name"],
            "group": scaffold(row["smiles"]),
            "smiles": row["smiles"],
            "structure": {"atomic_numbers": record["atomic_numbers"], "positions": record["positions"], "cell": None},
            "dipole_D": record["dipole_D"],
            "charge": 0,
            "multiplicity": 1,
            "kind": row["kind"],
            "formula": row["formula"],
            "method": "B3LYP/6-31G(2df,p)",
            "program": f"Gaussian, {record['id']} of QM9",
            "geometry": "B3LYP/6-31G(2df,p), of QM9",
        }


def names_in(path):
    with path.open(encoding="utf-8") as stream:
        return {row["name"] for row in csv.DictReader(stream)}


def publish(chosen):
    latest, of_list = {}, names_in(chosen.list)
    for row in (row for journal in chosen.journals for row in rows_of(journal)):
        if "error" not in row and row["id"] in of_list - set(chosen.leave_out):
            latest[row["id"]] = row
    if chosen.qm9:
        before = pq.read_table(chosen.earlier, columns=["id"])["id"].to_pylist() if chosen.earlier else []
        latest |= {row["id"]: row for row in of_qm9(chosen.qm9, {*before, *latest})}
    table = records_table(latest.values(), ("dipole_D",))
    known = known_molecules(chosen.known)
    marks = [constitution(smiles) in known for smiles in table["smiles"].to_pylist()]
    table = table.append_column("in_known", pa.array(marks))
    if chosen.earlier:
        earlier = pq.read_table(chosen.earlier)
        fresh = pa.array([id not in {*latest, *chosen.leave_out} for id in earlier["id"].to_pylist()])
        table = pa.concat_tables([earlier.filter(fresh), table], promote_options="default")
    write_records(table, chosen.out)
    print(f"{len(table)} records in {chosen.out}, {sum(table['in_known'].to_pylist())} of them in the known lists")


def generated(chosen):
    columns = ["id", "group", "smiles", "atomic_numbers", "positions", "cell", "dipole_D", "geometry"]
    table = pa.concat_tables([pq.read_table(path, columns=columns) for path in chosen.records])
    molecules = [Chem.MolFromSmiles(smiles) for smiles in table["smiles"].to_pylist()]
    loose = Chem.MolFromSmarts(LOOSE)
    better = ["B3LYP" in geometry for geometry in table["geometry"].to_pylist()]
    stiff = [
        CalcNumRotatableBonds(molecule) == 0 and (sure or not molecule.HasSubstructMatch(loose))
        for molecule, sure in zip(molecules, better, strict=True)
    ]
    table = table.drop_columns("geometry").filter(pa.array(stiff))
    for name in ("atomic_numbers", "positions"):
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, pa.nulls(len(table), table.schema.field(name).type))
    write_records(table, chosen.out)
    print(f"{len(table)} records in {chosen.out}")


def drawn(chosen):
    table = pq.read_table(chosen.records, columns=["id", "group", "smiles", "dipole_D"]).replace_schema_metadata(None)
    rows = np.sort(np.random.default_rng(0).permutation(len(table))[: chosen.most])
    table = table.take(pa.array(rows))
    write_records(table, chosen.out)
    print(f"{len(table)} records in {chosen.out}")


def add_without_geometry(verbs):
    maker = verbs.add_parser("generated")
    maker.add_argument("records", type=Path, nargs="+", help="Parquet files that publish wrote")
    maker.add_argument("--out", type=Path, required=True)
    maker.set_defaults(act=generated)
    drawer = verbs.add_parser("drawn")
    drawer.add_argument("records", type=Path, help="Parquet file with SMILES and dipole_D")
    drawer.add_argument("--most", type=int, default=3000, help="how many are drawn")
    drawer.add_argument("--out", type=Path, required=True)
    drawer.set_defaults(act=drawn)


def main():
    RDLogger.DisableLog("rdApp.*")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    lister = verbs.add_parser("list")
    lister.add_argument("--heavy", type=int, default=12, help="atoms beside hydrogen, at most")
    lister.add_argument("--without", type=Path, help="Parquet file of what is labeled already")
    lister.add_argument("--qm9", type=Path, help="records of QM9, whose molecules need no label")
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
    publisher.add_argument("--list", type=Path, default=LIST, help="CSV of the molecules that are published")
    publisher.add_argument("--qm9", type=Path, help="records of QM9, from which its molecules of the list are taken")
    publisher.add_argument("--leave-out", nargs="*", default=[], help="names whose label is known to be wrong")
    publisher.add_argument("--out", type=Path, required=True)
    publisher.set_defaults(act=publish)
    add_without_geometry(verbs)
    chosen = parser.parse_args()
    chosen.act(chosen)


if __name__ == "__main__":
    main()
