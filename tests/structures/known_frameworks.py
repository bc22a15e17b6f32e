"""Well-known frameworks from their published coordinates."""

from __future__ import annotations

from functools import cache

from ase import Atoms
from ase.spacegroup import crystal

CUBE = [90.0, 90.0, 90.0]
COORDINATES = {
    # D. M. Bibby and M. P. Dale, Nature 317, 157 (1985)
    "SOD": {
        "symbols": "SiO", "spacegroup": 229, "cellpar": [8.83] * 3 + CUBE,
        "basis": [(0.25, 0.5, 0), (0.1465, 0.1465, 0.5)],
    },
    # ITQ-29, A. Corma and others, Nature 431, 287 (2004)
    "LTA": {
        "symbols": ["Si", "O", "O", "O"], "spacegroup": 221, "cellpar": [11.8671] * 3 + CUBE,
        "basis": [(0.3683, 0.1847, 0), (0.5, 0.2179, 0), (0.2939, 0.2939, 0), (0.3429, 0.1098, 0.1098)],
    },
    # J. A. Hriljac and others, J. Solid State Chem. 106, 66 (1993)
    "FAU": {
        "symbols": ["Si", "O", "O", "O", "O"], "spacegroup": 227, "setting": 2, "cellpar": [24.2576] * 3 + CUBE,
        "basis": [
            (-0.05392, 0.1253, 0.03589), (0, -0.10623, 0.10623), (-0.00323, -0.00323, 0.14066),
            (0.0757, 0.0757, -0.03577), (0.0711, 0.0711, 0.32115),
        ],
    },
    # M. Calligaris, G. Nardin and L. Randaccio, Zeolites 3, 205 (1983), all T atoms silicon
    "CHA": {
        "symbols": ["Si", "O", "O", "O", "O"], "spacegroup": 166, "setting": 2, "cellpar": [9.459] * 3 + [94.07] * 3,
        "basis": [
            (0.1033, 0.3331, 0.8743), (0.2665, -0.2665, 0), (0.1506, -0.1506, 0.5), (0.2503, 0.2503, 0.893),
            (0.0204, 0.0204, 0.3193),
        ],
    },
    # S. S.-Y. Chui and others, Science 283, 1148 (1999), without water
    "HKUST-1": {
        "symbols": ["Cu", "O", "C", "C", "C", "H"], "spacegroup": 225, "cellpar": [26.343] * 3 + CUBE,
        "basis": [
            (0.2853, 0.2853, 0), (0.3166, 0.2431, 0.9478), (0.2968, 0.2032, 0.9313), (0.322, 0.178, 0.887),
            (0.3655, 0.1994, 0.8655), (0.3802, 0.228, 0.8802),
        ],
    },
    # K. Barthelet and others, Angew. Chem. Int. Ed. 41, 281 (2002)
    "MIL-47": {
        "symbols": ["V", "O", "O", "O", "C", "H", "C", "H", "C", "C"], "spacegroup": 62,
        "cellpar": [6.8179, 16.143, 13.939, *CUBE],
        "basis": [
            (0.2002, 0.25, 0.73916), (-0.0249, 0.25, 0.6916), (0.3118, 0.1632, 0.6555), (0.1415, 0.1626, 0.8335),
            (0.3225, 0.0329, 0.5261), (0.2015, 0.0554, 0.5425), (0.6675, 0.0323, 0.5369), (0.783, 0.0548, 0.5611),
            (0.4911, 0.0649, 0.565), (0.4781, 0.1366, 0.6333),
        ],
    },
}  # fmt: skip


@cache
def framework(name: str) -> Atoms:
    """One of :data:`COORDINATES`, whole cell; not to be changed."""
    made = crystal(**COORDINATES[name], primitive_cell=False)
    return Atoms(made.numbers, made.positions, cell=made.cell, pbc=True)
