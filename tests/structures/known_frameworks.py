"""Well-known frameworks from their published coordinates."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
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
    # Silicalite-1, H. van Koningsveld, H. van Bekkum and J. C. Jansen, Acta Crystallogr. B43, 127 (1987)
    "MFI": {
        "symbols": ["Si"] * 12 + ["O"] * 26, "spacegroup": 62, "cellpar": [20.022, 19.899, 13.383, *CUBE],
        "basis": [
            (0.42238, 0.0565, -0.33598), (0.30716, 0.02772, -0.1893), (0.27911, 0.06127, 0.0312),
            (0.12215, 0.06298, 0.0267), (0.07128, 0.02722, -0.18551), (0.18641, 0.05896, -0.32818),
            (0.42265, -0.1725, -0.32718), (0.30778, -0.13016, -0.18548), (0.27554, -0.17279, 0.03109),
            (0.12058, -0.1731, 0.02979), (0.07044, -0.13037, -0.182), (0.18706, -0.17327, -0.31933),
            (0.3726, 0.0534, -0.2442), (0.3084, 0.0587, -0.0789), (0.2007, 0.0592, 0.0289), (0.0969, 0.0611, -0.0856),
            (0.1149, 0.0541, -0.2763), (0.2435, 0.0553, -0.246), (0.3742, -0.1561, -0.2372), (0.3085, -0.1552, -0.0728),
            (0.198, -0.1554, 0.0288), (0.091, -0.1614, -0.0777), (0.1169, -0.1578, -0.2694), (0.2448, -0.1594, -0.2422),
            (0.3047, -0.051, -0.1866), (0.0768, -0.0519, -0.1769), (0.4161, 0.1276, -0.3896), (0.4086, -0.0017, -0.4136),
            (0.402, -0.1314, -0.4239), (0.1886, 0.1298, -0.3836), (0.194, 0.0007, -0.4082), (0.1951, -0.1291, -0.419),
            (-0.0037, 0.0502, -0.208), (-0.004, -0.1528, -0.2078), (0.4192, -0.25, -0.354), (0.1884, -0.25, -0.3538),
            (0.2883, -0.25, 0.0579), (0.1085, -0.25, 0.0611),
        ],
    },
}  # fmt: skip
ZIF_8 = {
    "symbols": ["Zn", "N", "C", "H", "C", "C", "H", "H", "H"], "spacegroup": 217, "cellpar": [16.991] * 3 + CUBE,
    "basis": [
        (0.5, 0, 0.75), (0.4097, 0.9683, 0.6828), (0.3685, 0.8991, 0.6875), (0.3777, 0.8589, 0.7234),
        (0.3771, 0.0079, 0.6229), (0.4061, 0.0855, 0.5939), (0.4587, 0.0798, 0.5743), (0.4058, 0.1228, 0.6364),
        (0.3724, 0.1039, 0.5525),
    ],
}  # fmt: skip
"""K. S. Park and others, PNAS 103, 10186 (2006), without guests; the methyl groups stand in two places each."""


@cache
def framework(name: str) -> Atoms:
    """One of :data:`COORDINATES`, or ``"ZIF-8"`` with its disorder: the whole cell; not to be changed."""
    made = crystal(**COORDINATES.get(name, ZIF_8), primitive_cell=False)
    return Atoms(made.numbers, made.positions, cell=made.cell, pbc=True)


@cache
def measured() -> dict[str, tuple[Atoms, float, float]]:
    """Frameworks by name, each with its published pore-limiting and largest-cavity diameter in Å: of CoRE MOF 2019, Y. G. Chung and
    others, J. Chem. Eng. Data 64, 5985 (2019), CC BY 4.0, where the diameters are Zeo++'s at high accuracy.
    """
    rows = pq.read_table(Path(__file__).parents[1] / "known/frameworks_core2019.parquet").to_pylist()
    made = {}
    for row in rows:
        xyz, cell = np.reshape(row["positions"], (-1, 3)), np.reshape(row["cell"], (3, 3))
        made[row["name"]] = (Atoms(row["atomic_numbers"], xyz, cell=cell, pbc=True), row["pld_A"], row["lcd_A"])
    return made
