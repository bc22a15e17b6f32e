"""Molecules as chemists draw them: the skeletal formula, laid out and drawn by RDKit, as strokes for the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol, RWMol

WIDTH, HEIGHT = 460, 340
MOST_ATOMS = 400
"""Atoms that bonds are drawn between; larger molecules are not read as a formula."""
MOST_GUESSED = 80
"""Atoms of a geometry without bonds of which bond orders are worked out; it takes long for more."""
STYLE = re.compile(r"(?<![\w-])([\w-]++):([^;]+)")
NUMBER = "structure_atom"


def skeletal(structure: Structure) -> dict[str, Any] | None:
    """The skeletal formula of a molecule; None of a crystal, of a large molecule, and where the bonds cannot be told.

    Returns:
        ``width`` and ``height``; ``strokes``: each with ``d`` (a path of SVG), ``fill``, ``stroke`` and ``width``; ``atoms``: those
        that are drawn, ``[atom, x, y]``; ``shown_by``: for each atom of the structure the drawn one that stands for it, which of
        a hydrogen is its neighbor; ``smiles``: canonical, without the hydrogens.
    """
    from rdkit import rdBase

    if structure.periodic or len(structure) > MOST_ATOMS:
        return None
    with rdBase.BlockLogs():
        try:
            mol = molecule(structure)
            return None if mol is None else _drawn(mol, len(structure))
        except (ValueError, RuntimeError):  # a valence that RDKit does not know: there is no formula to draw
            return None


def molecule(structure: Structure) -> Mol | None:
    """The molecule with its bonds, sanitized, hydrogens as atoms; None if the bonds cannot be told. Atoms have the property
    ``structure_atom``.

    Raises:
        ValueError: RDKit refuses it.
    """
    from rdkit import Chem

    if structure.source_mol is not None:
        mol = Chem.AddHs(Chem.Mol(structure.source_mol))  # type: ignore[call-overload]  # RDKit's stubs lack bytes
    elif structure.bonds is not None and structure.bond_orders is not None:
        mol = _from_bonds(structure)
    else:
        return _guessed(structure)
    if mol.GetNumAtoms() != len(structure) or [atom.GetAtomicNum() for atom in mol.GetAtoms()] != structure.Z.tolist():
        return None
    return _numbered(mol)


def _numbered(mol: Mol) -> Mol:
    from rdkit import Chem

    Chem.SanitizeMol(mol)
    for atom in mol.GetAtoms():
        atom.SetIntProp(NUMBER, atom.GetIdx())
    return mol


def _from_bonds(structure: Structure) -> RWMol:
    from rdkit import Chem

    kinds = {
        1.0: Chem.BondType.SINGLE,
        1.5: Chem.BondType.AROMATIC,
        2.0: Chem.BondType.DOUBLE,
        3.0: Chem.BondType.TRIPLE,
    }
    mol = Chem.RWMol()
    for z in structure.Z.tolist():
        atom = Chem.Atom(z)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    assert structure.bonds is not None
    assert structure.bond_orders is not None
    for (i, j), order in zip(structure.bonds.tolist(), structure.bond_orders.tolist(), strict=True):
        mol.AddBond(i, j, kinds.get(order, Chem.BondType.SINGLE))
        if order == 1.5:
            for end in (i, j):
                mol.GetAtomWithIdx(end).SetIsAromatic(True)
    return _charged(mol)


def _charged(mol: RWMol) -> RWMol:
    """Formal charges where bonds are more, or fewer, than an element has without one: N, O and their kin, as in nitro groups."""
    usual = {5: 3, 6: 4, 7: 3, 8: 2, 9: 1}
    for atom in mol.GetAtoms():
        bonds = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
        z = atom.GetAtomicNum()
        if z in (7, 8) and bonds == usual[z] + 1:
            atom.SetFormalCharge(1)
        elif (z in (7, 8) and bonds == usual[z] - 1) or (z == 5 and bonds == 4):
            atom.SetFormalCharge(-1)
    return mol


def _guessed(structure: Structure) -> Mol | None:
    """A molecule of a geometry alone: bonds by distances, orders by valences."""
    from rdkit import Chem
    from rdkit.Chem import rdDetermineBonds

    if len(structure) > MOST_GUESSED or not np.isfinite(structure.xyz).all():
        return None
    mol = Chem.RWMol()
    for z in structure.Z.tolist():
        mol.AddAtom(Chem.Atom(z))
    conformer = Chem.Conformer(len(structure))
    conformer.SetPositions(np.array(structure.xyz))
    mol.AddConformer(conformer)
    rdDetermineBonds.DetermineBonds(mol, charge=structure.charge)
    return _numbered(mol)


def _drawn(mol: Mol, atoms: int) -> dict[str, Any]:
    from rdkit import Chem
    from rdkit.Chem import rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    bare = Chem.RemoveHs(mol)
    bare.RemoveAllConformers()
    rdDepictor.SetPreferCoordGen(False)
    rdDepictor.Compute2DCoords(bare)
    drawer = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    options: Any = drawer.drawOptions()
    options.clearBackground, options.padding, options.fixedBondLength = False, 0.08, 42
    options.bondLineWidth, options.explicitMethyl = 2, False
    prepared = rdMolDraw2D.PrepareMolForDrawing(bare)
    drawer.DrawMolecule(prepared)
    drawer.FinishDrawing()
    numbers = [atom.GetIntProp(NUMBER) for atom in bare.GetAtoms()]
    places = [drawer.GetDrawCoords(index) for index in range(len(numbers))]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "strokes": _strokes(drawer.GetDrawingText()),
        "atoms": [[n, round(p.x, 1), round(p.y, 1)] for n, p in zip(numbers, places, strict=True)],
        "shown_by": _shown_by(mol, set(numbers), atoms),
        "smiles": Chem.MolToSmiles(bare),
    }


def _shown_by(mol: Mol, drawn: set[int], atoms: int) -> list[int]:
    found = list(range(atoms))
    for atom in mol.GetAtoms():
        if atom.GetIdx() not in drawn and atom.GetDegree():
            found[atom.GetIdx()] = atom.GetNeighbors()[0].GetIdx()
    return found


def _strokes(svg: str) -> list[dict[str, Any]]:
    """The paths of a drawing, their styles as attributes: the page forbids styles in its text."""
    found = []
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        style = dict(STYLE.findall(element.get("style", "")))
        fill = style.get("fill", element.get("fill", "none"))
        width = float(style.get("stroke-width", "0").removesuffix("px"))
        stroke = style.get("stroke", "none") if width else "none"
        found.append({"d": element.get("d"), "fill": fill, "stroke": stroke, "width": width})
    return found
