"""The tables of usual lengths and angles, and the names of atoms and bonds by what they are bonded to, as these tables have them."""

from __future__ import annotations

import csv
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond

ORDERS = {"SINGLE": "-", "DOUBLE": "=", "TRIPLE": "#", "AROMATIC": ":"}


@cache
def _text(table: str) -> str:
    return resources.files(__package__).joinpath(table).read_text(encoding="utf-8")


def digest(table: str) -> str:
    """Of a table: other values make other geometries."""
    return hashlib.blake2b(_text(table).encode(), digest_size=4).hexdigest()


def rows_of(table: str) -> csv.DictReader[str]:
    """The rows of a table, by the names of its columns."""
    return csv.DictReader(_text(table).split("\n"))


def name(atom: Atom) -> str:
    """Element, neighbors, valence and charge: ``S2v4`` is the sulfur of SO2."""
    charge = atom.GetFormalCharge()
    return f"{atom.GetSymbol()}{atom.GetDegree()}v{atom.GetTotalValence()}{f'{charge:+d}' if charge else ''}"


def sign(bond: Bond) -> str:
    """Of the order of a bond: ``=``; ``>`` for other than single, double, triple and aromatic ones."""
    return ORDERS.get(bond.GetBondType().name, ">")
