"""Molecules as chemists draw them: the skeletal formula, by RDKit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.structures import elements
from andersonn.structures.molecular_graph import AROMATIC, BY_ATOM, DOUBLE, TRIPLE, MolecularGraph
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol, RWMol

MOST_ATOMS = 150
"""A drawing of a larger molecule is a tangle."""
MOST_SEARCHED = 60
"""Up to so many atoms, bonds and their orders are sought where only positions are known: the search can take long."""
SEARCH_STEPS = 2000
HIGHLIGHT = 44
"""Width of a highlighted bond, in RDKit's units, as wide as the circle around an atom."""
LONGEST_BOND = 24.0
"""Pixels, so that small molecules do not fill the picture."""
ORDER_OF_LENGTH = {TRIPLE: 3.0, DOUBLE: 2.0, AROMATIC: 1.5}
NUMBER = "structure_atom"
"""Property of a drawn atom: which it is of the structure, from 0."""
CHARGES = {(7, 4): 1, (15, 4): 0, (8, 1): -1, (8, 3): 1, (16, 1): -1, (16, 3): 1, (5, 4): -1}
"""(atomic number, sum of the orders of its bonds) → formal charge, where a file gives none of atoms."""


@dataclass(frozen=True)
class Look:
    """How a molecule is drawn.

    Attributes:
        bond: length of a bond in pixels, at most.
        line: width of its line in pixels.
        padding: share of the picture that stays free at each side.
        ground: whether the ground is white; else it is transparent.
        letters: least and largest height of letters in pixels; None as fits the bonds.
        black: whether all letters are black; else they have the colors of elements.
    """

    bond: float = LONGEST_BOND
    line: float = 1.4
    padding: float = 0.04
    ground: bool = False
    letters: tuple[float, float] | None = None
    black: bool = False


def drawing(
    mol: Mol,
    width: int,
    height: int,
    look: Look,
    vector: bool = True,
    colors: Mapping[int, tuple[float, ...]] | None = None,
) -> Any:
    """The one way in which molecules are drawn: RDKit's drawer with the skeletal formula in it.

    Args:
        mol: the molecule; it is given places on the paper.
        width: pixels.
        height: pixels.
        look: how.
        vector: SVG, else PNG.
        colors: red, green and blue, 0 to 1, behind atoms, and behind bonds between atoms of one color.
    """
    from rdkit import rdBase
    from rdkit.Chem import rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    with rdBase.BlockLogs():
        rdDepictor.Compute2DCoords(mol)
        drawer: Any = rdMolDraw2D.MolDraw2DSVG(width, height) if vector else rdMolDraw2D.MolDraw2DCairo(width, height)
        options = drawer.drawOptions()
        options.clearBackground, options.padding = look.ground, look.padding
        options.fixedBondLength, options.bondLineWidth = look.bond, look.line
        if look.letters is not None:
            options.minFontSize, options.maxFontSize = look.letters
        if look.black:
            options.useBWAtomPalette()
        shades = dict(colors or {})
        ends = {bond.GetIdx(): (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()}
        bonds = {k: shades[i] for k, (i, j) in ends.items() if i in shades and shades[i] == shades.get(j)}
        if shades:
            options.highlightRadius = 0.42
            options.highlightBondWidthMultiplier = round(HIGHLIGHT / look.line)
        rdMolDraw2D.PrepareAndDrawMolecule(
            drawer, mol, highlightAtoms=list(shades), highlightBonds=list(bonds), highlightAtomColors=shades,
            highlightBondColors=bonds,
        )  # fmt: skip
        drawer.FinishDrawing()
    return drawer


def molecule_of(structure: Structure, most: int = MOST_ATOMS) -> Mol | None:
    """The molecule with bond orders and without hydrogens on its carbons, for a drawing; None of a crystal, and where the orders
    of its bonds are not known. Atoms have the property :data:`NUMBER`.

    Args:
        structure: any; without bonds, at most :data:`MOST_SEARCHED` atoms.
        most: atoms; a larger molecule has no drawing.
    """
    from rdkit import Chem, rdBase

    if structure.periodic or len(structure) > most:
        return None
    with rdBase.BlockLogs():
        for known in (_as_it_was_given, _of_graph, _of_bonds, _of_positions):
            try:
                found: Any = known(structure)
                if found is not None:
                    for atom in found.GetAtoms():
                        atom.SetIntProp(NUMBER, atom.GetIdx())
                    found = Chem.RemoveHs(Chem.Mol(found))
                    found.RemoveAllConformers()
                    return found
            except (ValueError, RuntimeError):  # what RDKit raises of bonds that make no sense to it
                continue
    return None


def skeletal_svg(mol: Mol, width: int, height: int) -> str:
    """The skeletal formula of a molecule as SVG of at least this width, on a transparent ground.

    Args:
        mol: as :func:`molecule_of` gives it.
        width: pixels.
        height: pixels.
    """
    return bare_svg(mol, width, height).replace("<svg ", f"<svg style='min-width:{width}px' ", 1)


def bare_svg(mol: Mol, width: int, height: int, longest_bond: float = LONGEST_BOND) -> str:
    """The skeletal formula of a molecule as SVG, on a transparent ground, for the styles of any page.

    Args:
        mol: as :func:`molecule_of` gives it.
        width: pixels.
        height: pixels.
        longest_bond: pixels.
    """
    return _bare(drawing(mol, width, height, Look(longest_bond)).GetDrawingText())


def skeletal_pixels(mol: Mol, width: int, height: int) -> np.ndarray:
    """The skeletal formula as an image, on white, uint8 ``[height, width, 3]``.

    Args:
        mol: as :func:`molecule_of` gives it.
        width: pixels.
        height: pixels.
    """
    from matplotlib.image import imread

    look = Look(width / 8, width / 220, padding=0.06, ground=True, letters=(6, -1))
    png = drawing(mol, width, height, look, vector=False).GetDrawingText()
    return (255 * imread(BytesIO(png))[..., :3]).astype(np.uint8)


def _bare(text: str) -> str:
    """SVG for a page: without the XML declaration, comments and names of namespaces."""
    text = re.sub(r"<\?xml.*?\?>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\s(?:xmlns:\w+|xml:space|version|baseProfile)='[^']*'", "", text)
    text = re.sub(r"\sclass='[^']*'", "", text)
    return "\n".join(filter(None, (line.strip() for line in text.split("\n"))))


def _as_it_was_given(structure: Structure) -> Mol | None:
    """Of a molecule whose geometry was generated."""
    from rdkit import Chem

    if structure.source_mol is None:
        return None
    return Chem.Mol(structure.source_mol)  # type: ignore[call-overload]  # RDKit's stubs forget bytes


def _of_graph(structure: Structure) -> RWMol | None:
    """Of a molecule that is known by its bonds alone."""
    if not isinstance(structure, MolecularGraph) or structure.bonds is None:
        return None
    lengths = structure.length[structure.bonds[:, 0], structure.bonds[:, 1]]
    orders = np.ones(len(lengths))
    for length, order in ORDER_OF_LENGTH.items():
        orders[np.isclose(lengths, length)] = order
    columns = [BY_ATOM.index(name) for name in ("formal_charge", "hydrogens", "unpaired")]
    told = structure.by_atom[:, columns].astype(int)
    mol = _bonded(structure.Z[: len(told)], structure.bonds, orders)
    for atom, (charge, hydrogens, unpaired) in zip(mol.GetAtoms(), told.tolist(), strict=True):
        atom.SetFormalCharge(charge)
        atom.SetNumExplicitHs(hydrogens)
        atom.SetNumRadicalElectrons(unpaired)
    return _sanitized(mol)


def _of_bonds(structure: Structure) -> RWMol | None:
    """Of a molecule whose file lists bonds. Charges of atoms follow from their valence, unless they are aromatic."""
    bonds, orders = structure.bonds, structure.bond_orders
    if isinstance(structure, MolecularGraph) or bonds is None or orders is None:
        return None
    mol = _bonded(structure.Z, bonds, orders)
    valence = np.zeros(len(structure))
    np.add.at(valence, bonds, orders[:, None])
    valence[bonds[orders == 1.5]] = 0.0
    for atom, z, sum_of_orders in zip(mol.GetAtoms(), structure.Z.tolist(), valence.tolist(), strict=True):
        atom.SetFormalCharge(CHARGES.get((z, round(sum_of_orders)), 0))
    return _sanitized(mol)


def _of_positions(structure: Structure) -> Mol | None:
    """Of a molecule that is known by its positions alone; None where no orders of bonds fit them."""
    from rdkit import Chem
    from rdkit.Chem import rdDetermineBonds

    if isinstance(structure, MolecularGraph) or not 1 < len(structure) <= MOST_SEARCHED:
        return None
    rows = zip(structure.Z.tolist(), structure.xyz.tolist(), strict=True)
    lines = [f"{elements.symbols()[z]} {x:.6f} {y:.6f} {w:.6f}" for z, (x, y, w) in rows]
    mol = Chem.MolFromXYZBlock("\n".join([str(len(lines)), "", *lines]))
    if mol is None:
        return None
    rdDetermineBonds.DetermineBonds(
        mol, charge=structure.charge, embedChiral=False, maxIterations=SEARCH_STEPS, allowChargedFragments=True
    )
    return mol if all(atom.GetNumRadicalElectrons() == 0 for atom in mol.GetAtoms()) else None


def _bonded(Z: np.ndarray, bonds: np.ndarray, orders: np.ndarray) -> RWMol:
    from rdkit import Chem

    types = {
        1.0: Chem.BondType.SINGLE,
        1.5: Chem.BondType.AROMATIC,
        2.0: Chem.BondType.DOUBLE,
        3.0: Chem.BondType.TRIPLE,
    }
    mol = Chem.RWMol()
    for z in Z.tolist():
        atom = Chem.Atom(z)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for (i, j), order in zip(bonds.tolist(), orders.tolist(), strict=True):
        mol.AddBond(i, j, types.get(order, Chem.BondType.SINGLE))
        if order == 1.5:
            mol.GetBondBetweenAtoms(i, j).SetIsAromatic(True)
            for atom in (i, j):
                mol.GetAtomWithIdx(atom).SetIsAromatic(True)
    return mol


def _sanitized(mol: RWMol) -> RWMol:
    """The molecule in the form that is drawn.

    Raises:
        ValueError: its bonds make no sense to RDKit.
    """
    from rdkit import Chem

    Chem.SanitizeMol(mol)
    return mol
