"""Pictures of a report's cases: molecules as chemists draw them, crystals as their formula and elements."""

from __future__ import annotations

import re
from html import escape

from andersonn.constructing.slices import elements_of
from andersonn.structures import elements
from andersonn.structures.skeletal import bare_svg

MOST_ATOMS = 120
"""Heavy atoms; the drawing of a larger molecule is a tangle."""
LONGEST_BOND = 26.0
"""Pixels."""
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

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles.strip().partition(" ")[0])
    if mol is None or not 0 < mol.GetNumAtoms() <= MOST_ATOMS:
        return None
    text = re.sub(r"\sxmlns='[^']*'", "", bare_svg(mol, width, height, LONGEST_BOND))
    for color, name in THEME.items():
        text = text.replace(color, f"var(--{name})")
    return text.replace("<svg", '<svg class="molecule" aria-hidden="true"', 1)
