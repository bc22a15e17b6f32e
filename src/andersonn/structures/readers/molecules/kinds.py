"""Names of atoms and bonds by what they are bonded to, as the tables of usual lengths and angles have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond

ORDERS = {"SINGLE": "-", "DOUBLE": "=", "TRIPLE": "#", "AROMATIC": ":"}


def name(atom: Atom) -> str:
    """Element, neighbors, valence and charge: ``S2v4`` is the sulfur of SO2."""
    charge = atom.GetFormalCharge()
    return f"{atom.GetSymbol()}{atom.GetDegree()}v{atom.GetTotalValence()}{f'{charge:+d}' if charge else ''}"


def sign(bond: Bond) -> str:
    """Of the order of a bond: ``=``; ``>`` for other than single, double, triple and aromatic ones."""
    return ORDERS.get(bond.GetBondType().name, ">")
