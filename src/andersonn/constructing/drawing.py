"""Pictures of a report's cases: molecules as chemists draw them, crystals as their formula and elements."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from andersonn.constructing.slices import elements_of
from andersonn.structures import elements

MOST_ATOMS = 120
"""Heavy atoms; the drawing of a larger molecule is a tangle."""
LONGEST_SMILES = 1000
"""Letters."""
THEME = {
    "#000000": "ink",
    "#0000FF": "blue",
    "#FF0000": "red",
    "#7F4C19": "brown",
    "#A01EEF": "violet",
    "#CCCC00": "yellow",
}
"""RDKit's color of bonds and elements → the page's variable that takes its place."""


def picture(smiles: str | None, formula: str, width: int = 220, height: int = 150) -> str:
    """HTML of a structure: SVG of a molecule whose SMILES can be read, else formula and elements.

    Args:
        smiles: of a molecule, or None.
        formula: such as ``"NaCl"``.
        width: pixels.
        height: pixels.
    """
    drawn = skeletal_svg(smiles, width, height) if smiles and len(smiles) <= LONGEST_SMILES else None
    if drawn is not None:
        return drawn
    large = re.sub(r"(?<=[A-Za-z\])])(\d+(?:\.\d+)?)", r"<sub>\1</sub>", escape(formula))
    chips = "".join(
        f'<span class="element"><i style="background:{elements.colors()[elements.atomic_number()[symbol]]}"></i>{symbol}</span>'
        for symbol in elements_of(formula)
    )
    return f'<span class="formula">{large}</span><span class="elements">{chips}</span>'


def skeletal_svg(smiles: str, width: int, height: int) -> str | None:
    """The skeletal formula as SVG in the page's colors; None if the text is no SMILES or the molecule is too large.

    Args:
        smiles: of a molecule.
        width: pixels.
        height: pixels.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles.strip().partition(" ")[0])
        if mol is None or not 0 < mol.GetNumAtoms() <= MOST_ATOMS:
            return None
        rdDepictor.Compute2DCoords(mol)
        drawing = rdMolDraw2D.MolDraw2DSVG(width, height)
        options: Any = drawing.drawOptions()  # its stubs have no types of attributes
        options.clearBackground = False
        options.fixedBondLength = 26.0
        options.bondLineWidth = 1.4
        options.padding = 0.04
        rdMolDraw2D.PrepareAndDrawMolecule(drawing, mol)
        drawing.FinishDrawing()
    text = re.sub(r"<\?xml.*?\?>|<!--.*?-->", "", drawing.GetDrawingText(), flags=re.DOTALL)
    text = re.sub(r"\s(?:xmlns(?::\w+)?|xml:space|version|baseProfile|class)='[^']*'", "", text)
    for color, name in THEME.items():
        text = text.replace(color, f"var(--{name})")
    lines = [line.strip() for line in text.split("\n")]
    return "\n".join(filter(None, lines)).replace("<svg", '<svg class="molecule" aria-hidden="true"', 1)
