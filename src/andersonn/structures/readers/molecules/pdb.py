"""PDB and mmCIF files of ligands and peptides: read by gemmi, hydrogens of known residues completed by RDKit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.distance_bonds import Bonds
from andersonn.structures.electrons import judged
from andersonn.structures.readers.content import read_parts
from andersonn.structures.readers.crystals.cif.document import parsed
from andersonn.structures.readers.molecules.added_hydrogens import placed_hydrogens, with_hydrogens
from andersonn.structures.readers.molecules.from_rdkit import check_elements, finished, sanitize
from andersonn.structures.readers.molecules.pdb_elements import with_elements
from andersonn.structures.readers.words import ISOTOPES
from andersonn.structures.saturation import unsaturated
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Atom

HYDROGEN_HINT = (
    "add hydrogens to the file, or give the ligand as SDF, MOL or SMILES, which say how its atoms are bonded"
)


def parse_pdb(text: str, name: str) -> list[Structure | InputError]:
    """The models of a PDB file, or what is wrong with one. Water is left out; the first of alternative conformations is kept."""
    # The format is ASCII in fixed columns: another character would take the place of several.
    text, notes = with_elements(text.encode("ascii", "replace").decode())
    try:
        found = gemmi.read_pdb_string(text)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "bad_pdb", f"cannot read the PDB file: {error}", "check the columns of its ATOM lines"
        ) from None
    return _models({str(model.num): (found, k) for k, model in enumerate(found)}, "PDB file", name, notes)


def parse_mmcif(text: str, name: str) -> list[Structure | InputError]:
    """The models of an mmCIF file's blocks, coordinate entries and chemical components alike; see :func:`parse_pdb`."""
    document = parsed(text)
    models: dict[str, tuple[gemmi.Structure, int]] = {}
    if isinstance(document, InputError):
        raise document
    for block in document:
        try:
            models |= _of_block(block)
        except (RuntimeError, ValueError, IndexError) as error:
            raise InputError(
                "bad_mmcif", f"cannot read block {block.name}: {error}", "check the columns of its _atom_site loop"
            ) from None
    return _models(models, "mmCIF", name)


def _of_block(block: gemmi.cif.Block) -> dict[str, tuple[gemmi.Structure, int]]:
    if block.find_values("_chem_comp_atom.atom_id") and not block.find_values("_atom_site.Cartn_x"):
        found = gemmi.make_structure_from_chemcomp_block(block)
        return {block.name: (found, 0)} if len(found) else {}  # the models of a component are the same molecule
    found = gemmi.make_structure_from_block(block)
    return {f"{block.name}/{m.num}" if len(found) > 1 else block.name: (found, k) for k, m in enumerate(found)}


def _models(
    models: dict[str, tuple[gemmi.Structure, int]], what: str, name: str, notes: tuple[str, ...] = ()
) -> list[Structure | InputError]:
    parts = {key: partial(_structure, found, k, notes) for key, (found, k) in models.items()}
    if not parts:
        raise InputError("no_atoms", f"the {what} has no atoms", "it needs ATOM or HETATM lines; it may be cut short")
    return read_parts("model", parts, name)


def _structure(found: gemmi.Structure, index: int, notes: tuple[str, ...], id: str) -> Structure:
    alone = gemmi.Structure()
    alone.add_model(found[index].clone())
    atoms = sum(1 for _ in alone[0].all())
    _keep_first_alternatives(alone[0])
    kept = sum(1 for _ in alone[0].all())
    if kept < atoms:
        notes += (f"{atoms - kept} atoms of alternative conformations were left out",)
    if not _is_water(alone):
        alone.remove_waters()
        alone.remove_empty_chains()
    left = [site.atom for site in alone[0].all()]
    if len(left) < kept:
        notes += (f"water was left out ({kept - len(left)} atoms)",)
    if found.cell.is_crystal():
        notes += ("the unit cell of the file is not used: its atoms are read as a molecule",)
    for atom in left:
        if not 1 <= atom.element.atomic_number <= elements.MAX_Z:
            raise InputError(
                "unknown_element",
                f"atom {atom.name!r} has the unknown element {atom.element.name!r}",
                "write the element's symbol in columns 77 and 78 (PDB) or type_symbol (mmCIF)",
            )
    if any(atom.element.name == "D" for atom in left):
        notes += (ISOTOPES,)
    if _lacks_hydrogen(alone):
        return _completed(alone, id, notes)
    charge = sum(atom.charge for atom in left)
    Z = np.array([atom.element.atomic_number for atom in left])
    given = any(atom.charge for atom in left)
    xyz = np.array([atom.pos.tolist() for atom in left])
    return judged(Structure(Z, xyz, id=id, charge=charge, notes=notes, charge_given=given))


def _is_water(found: gemmi.Structure) -> bool:
    """Whether the model holds nothing but water, which then is not left out.

    Raises:
        InputError: it holds nothing but water, and a molecule lacks hydrogens, as in X-ray structures.
    """
    residues = [residue for chain in found[0] for residue in chain]
    if not residues or not all(residue.is_water() for residue in residues):
        return False
    lacking = sum(sum(atom.is_hydrogen() for atom in residue) != 2 for residue in residues)
    if lacking:
        raise InputError(
            "missing_hydrogens",
            f"there is nothing but water, and {lacking} of {len(residues)} molecules lack hydrogens",
            "add hydrogens to the file, or give the molecule meant",
        )
    return True


def _keep_first_alternatives(model: gemmi.Model) -> None:
    """Removes all but the first of alternative locations, in place. Atoms of equal names without a mark of alternatives are
    kept: files of ligands often name atoms by their elements only.
    """
    for chain in model:
        names: dict[str, str] = {}
        seen: dict[str, set[str]] = {}
        for residue in chain:
            place = str(residue.seqid)
            other = names.setdefault(place, residue.name) != residue.name
            known, spare = seen.setdefault(place, set()), []
            for k, atom in enumerate(residue):
                if atom.has_altloc() and (other or atom.name in known):
                    spare.append(k)
                known.add(atom.name)
                atom.altloc = "\0"
            for k in reversed(spare):
                del residue[k]


def _is_known(residue: gemmi.Residue) -> bool:
    """Whether the residue is an amino acid or nucleotide whose bonds are known by its name."""
    table = gemmi.find_tabulated_residue(residue.name)
    return (table.is_amino_acid() or table.is_nucleic_acid()) and table.is_standard()


def _lacks_hydrogen(found: gemmi.Structure) -> bool:
    """Whether a known residue has no hydrogen.

    Raises:
        InputError: a residue whose bonds are not known has carbon and no hydrogen, although its atoms need some.
    """
    lacking, incomplete = False, None
    for k, residue in enumerate(residue for chain in found[0] for residue in chain):
        names = {atom.element.name for atom in residue}
        if "C" not in names or names & {"H", "D"}:
            continue
        if not _is_known(residue) and len(residue) > 1:
            incomplete = _incomplete(found[0]) if incomplete is None else incomplete
            if k not in incomplete:
                continue
            raise InputError(
                "missing_hydrogens",
                f"residue {residue.name} {residue.seqid} has no hydrogen, and its bond orders are not known",
                HYDROGEN_HINT,
            )
        lacking = True
    return lacking


def _incomplete(model: gemmi.Model) -> set[int]:
    """Numbers of the residues, in their order, with atoms that need further bonds, by distances; unlike CCl4 and CO2."""
    sites = [(k, atom) for k, residue in enumerate(r for chain in model for r in chain) for atom in residue]
    Z = np.array([atom.element.atomic_number for _, atom in sites])
    bonds = Bonds.of(Structure(Z, np.array([atom.pos.tolist() for _, atom in sites])))
    return {sites[k][0] for k in unsaturated(bonds).tolist()}


def _completed(found: gemmi.Structure, id: str, notes: tuple[str, ...]) -> Structure:
    """The structure with the hydrogens that its known residues lack; acids and amines neutral unless the file charges
    them.
    """
    from rdkit import Chem, rdBase

    known = {(r.name, str(r.seqid.num), c.name) for c in found[0] for r in c if _is_known(r)}
    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromPDBBlock(found.make_pdb_string(), removeHs=False, sanitize=False)
        except (RuntimeError, ValueError) as error:  # such as a chain's name that is too long for the format
            raise InputError(
                "bad_pdb", f"RDKit cannot tell the bonds of the residues: {error}", HYDROGEN_HINT
            ) from None
        if mol is None:
            raise InputError("bad_pdb", "RDKit cannot tell the bonds of the residues", HYDROGEN_HINT)
        check_elements(mol)
        sanitize(mol)
        complete = [atom.GetIdx() for atom in mol.GetAtoms() if _residue(atom) in known]
        whole = with_hydrogens(mol, addCoords=True, onlyOnAtoms=complete)
        told, doubts = placed_hydrogens(whole, mol.GetNumAtoms(), " (acids and amines neutral)")
    return finished(whole, id, notes + told, warnings=doubts)


def _residue(atom: Atom) -> tuple[str, str, str]:
    info = atom.GetPDBResidueInfo()
    return info.GetResidueName().strip(), str(info.GetResidueNumber()), info.GetChainId().strip()
