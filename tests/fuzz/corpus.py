"""Sound files of every format the readers know, of many sizes: what the fuzzer spoils."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.data.records import Records
from andersonn.errors import InputError
from andersonn.structures.structure import Structure
from tests.fuzz import packed

ROOT = Path(__file__).parents[2]
SUFFIX = {
    "cif": ".cif", "poscar": ".vasp", "xyz": ".xyz", "smi": ".smi", "word": ".word", "sdf": ".sdf", "mol2": ".mol2",
    "pdb": ".pdb", "mmcif": ".mmcif", **packed.ENDS,
}  # fmt: skip
"""Format → how its seeds end. A ``word`` is a SMILES string as it is given on the command line, no file; archives and tables
are read as screening reads them.
"""
WORDS = [
    "CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "C[N+](C)(C)C", "N[C@@H](C)C(=O)O", "F/C=C/F", "[Na+].[Cl-]", "O=S(=O)(O)O",
    "C1CC2CCC1C2", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "[2H]C([2H])([2H])[2H]", "C%10CCCC%10", "[Fe+2]", "N#N", "[O-][n+]1ccccc1",
    "FC(F)(F)c1cc(Cl)c(Br)c(I)c1", "B(O)O", "[SiH4]", "OP(O)(O)=O", "C1=CC=CN1", "CC#CC", "C=C=C", "[H][H]", "O",
]  # fmt: skip
SYMMETRIC = """data_fluorite
_cell_length_a 5.463(1)
_cell_length_b 5.463
_cell_length_c 5.463
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{symmetry}
_chemical_formula_sum 'Ca F2'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_calc_flag
Ca1 Ca2+ 0 0 0 1 d
F1 F- 0.25(1) 0.25 0.25 1.0 .
"""
OPERATIONS = "loop_\n_space_group_symop_operation_xyz\n" + "".join(
    f"'{'-' if minus else ''}x+{a}/2,{'-' if minus else ''}y+{b}/2,{'-' if minus else ''}z+{c}/2'\n"
    for minus in (0, 1)
    for a, b, c in ((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1))
)
COMPONENT = """data_MOH
loop_
_chem_comp_atom.comp_id
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
_chem_comp_atom.charge
_chem_comp_atom.pdbx_model_Cartn_x_ideal
_chem_comp_atom.pdbx_model_Cartn_y_ideal
_chem_comp_atom.pdbx_model_Cartn_z_ideal
MOH C C 0 -0.372 0.002 0.003
MOH O O 0 0.904 -0.543 0.147
MOH H1 H 0 -0.364 1.049 0.321
MOH H2 H 0 -0.703 -0.025 -1.042
MOH H3 H 0 -1.048 -0.595 0.628
MOH HO H 0 1.570 -0.005 -0.381
"""


def seeds(data: Path | None = None, count: int = 24) -> list[tuple[str, str, bytes]]:
    """(format, name, content) of the corpus.

    Args:
        data: a folder of records as docs/data.md describes; structures of it are written in every format.
        count: how many of each file of records.
    """
    found = [*_examples(), *_written_here(), *packed.seeds()]
    for file in sorted(data.glob("*.parquet")) if data else ():
        found += _of_records(file, count)
    return [(kind, name, content.encode() if isinstance(content, str) else content) for kind, name, content in found]


def _examples() -> list[tuple[str, str, bytes]]:
    kinds = {suffix: kind for kind, suffix in SUFFIX.items() if kind not in packed.ENDS}
    files = sorted(path for path in (ROOT / "examples").rglob("*") if path.suffix in kinds)
    return [(kinds[path.suffix], path.name, path.read_bytes()) for path in files]


def _written_here() -> list[tuple[str, str, str]]:
    found = [
        ("cif", "symbol.cif", SYMMETRIC.format(symmetry="_symmetry_space_group_name_H-M 'F m -3 m'")),
        ("cif", "number.cif", SYMMETRIC.format(symmetry="_space_group_IT_number 225")),
        ("cif", "hall.cif", SYMMETRIC.format(symmetry="_symmetry_space_group_name_Hall '-F 4 2 3'")),
        ("cif", "listed.cif", SYMMETRIC.format(symmetry=OPERATIONS).replace("'Ca F2'", "?")),
        ("mmcif", "component.mmcif", COMPONENT),
        ("smi", "words.smi", "".join(f"{word} name{k}\n" for k, word in enumerate(WORDS[:3]))),
        ("smi", "header.smi", "smiles name\nO water\n# remark\nN#N\n"),
    ]
    found += [("word", f"word{k}", word) for k, word in enumerate(WORDS)]
    for k, smiles in enumerate(("CCO", "c1ccncc1Cl", "CC(=O)[O-]", "NCC(=O)O")):
        found += _of_molecule(_embedded(Chem.MolFromSmiles(smiles)), f"molecule{k}")
    for sequence in ("G", "AF", "GSWK"):
        found += _of_peptide(sequence)
    return found


def _embedded(mol: Chem.Mol) -> Chem.Mol:
    mol = Chem.AddHs(mol, addResidueInfo=True)
    AllChem.EmbedMolecule(mol, randomSeed=7)
    return mol


def _of_molecule(mol: Chem.Mol, name: str) -> list[tuple[str, str, str]]:
    flat = Chem.RemoveHs(mol)
    AllChem.Compute2DCoords(flat)
    block = Chem.MolToMolBlock(mol)
    return [
        ("sdf", f"{name}.sdf", block + "> <value>\n1.5\n\n$$$$\n" + Chem.MolToMolBlock(flat) + "$$$$\n"),
        ("sdf", f"{name}-v3000.sdf", Chem.MolToV3KMolBlock(mol)),
        ("mol2", f"{name}.mol2", mol2(mol, name)),
        ("pdb", f"{name}.pdb", Chem.MolToPDBBlock(mol)),
        ("xyz", f"{name}.xyz", Chem.MolToXYZBlock(mol) * 2),
    ]


def mol2(mol: Chem.Mol, name: str) -> str:
    """A molecule in Tripos' format, which RDKit reads and does not write."""
    atoms = [
        f"{a.GetIdx() + 1} {a.GetSymbol()}{a.GetIdx() + 1} {x:.4f} {y:.4f} {z:.4f} {_tripos(a)} 1 LIG 0.0"
        for a, (x, y, z) in zip(mol.GetAtoms(), mol.GetConformer().GetPositions(), strict=True)
    ]
    orders = {1.0: "1", 1.5: "ar", 2.0: "2", 3.0: "3"}
    bonds = [
        f"{k} {b.GetBeginAtomIdx() + 1} {b.GetEndAtomIdx() + 1} {orders[b.GetBondTypeAsDouble()]}"
        for k, b in enumerate(mol.GetBonds(), start=1)
    ]
    head = ["@<TRIPOS>MOLECULE", name, f"{len(atoms)} {len(bonds)} 1 0 0", "SMALL", "NO_CHARGES", ""]
    return "\n".join([*head, "@<TRIPOS>ATOM", *atoms, "@<TRIPOS>BOND", *bonds, ""])


def _tripos(atom: Chem.Atom) -> str:
    kind = {"SP": ".1", "SP2": ".2", "SP3": ".3"}.get(str(atom.GetHybridization()), "")
    kind = ".ar" if atom.GetIsAromatic() else kind
    return atom.GetSymbol() + (kind if atom.GetSymbol() in ("C", "N", "O") else "")


def _of_peptide(sequence: str) -> list[tuple[str, str, str]]:
    import gemmi

    whole = _embedded(Chem.MolFromSequence(sequence))
    block = Chem.MolToPDBBlock(whole)
    found = gemmi.read_pdb_string(block)
    found.setup_entities()
    water = "HETATM  999  O   HOH A 901      15.000  15.000  15.000  1.00  0.00           O\n"
    model = "MODEL        {}\n" + block.replace("END\n", "") + "ENDMDL\n"
    return [
        ("pdb", f"{sequence}.pdb", Chem.MolToPDBBlock(Chem.RemoveHs(whole)).replace("END\n", water + "END\n")),
        ("pdb", f"{sequence}-models.pdb", model.format(1) + model.format(2) + "END\n"),
        ("mmcif", f"{sequence}.mmcif", found.make_mmcif_document().as_string()),
    ]


def _of_records(file: Path, count: int) -> list[tuple[str, str, bytes | str]]:
    records = Records.read(file)
    chosen = np.random.default_rng(0).permutation(len(records))[:count]
    found: list[tuple[str, str, bytes | str]] = []
    for index in chosen.tolist():
        name = f"{file.stem}-{index}"
        smiles = records.table.column("smiles")[index].as_py() if "smiles" in records.table.column_names else None
        if smiles:
            mol = Chem.MolFromSmiles(smiles)
            found += _of_molecule(_embedded(mol), name) if mol and "." not in smiles else []
            found += [("word", name, smiles), ("smi", f"{name}.smi", f"{smiles}\n{smiles[::-1]} reversed\n")]
        elif "positions" in records.table.column_names:
            with contextlib.suppress(InputError):  # a few real ones are unsound
                found += _of_structure(records[index], name)
    return found


def _of_structure(structure: Structure, name: str) -> list[tuple[str, str, bytes]]:
    atoms = Atoms(structure.Z, structure.xyz, cell=structure.cell, pbc=structure.periodic)
    kinds = {"cif": "cif", "poscar": "vasp", "xyz": "extxyz"} if structure.periodic else {"xyz": "extxyz"}
    found = []
    for kind, form in kinds.items():
        stream: io.IOBase = io.BytesIO() if kind == "cif" else io.StringIO()
        write(stream, atoms, format=form)
        content = stream.getvalue()
        found.append((kind, f"{name}{SUFFIX[kind]}", content if isinstance(content, bytes) else content.encode()))
    return found
