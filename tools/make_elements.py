"""Writes src/andersonn/structures/elements.csv from public tables.

Needs `pip install pymatgen ase` (not dependencies of the package). Run it only to extend the table; the
CSV is what the package reads, and a changed CSV changes every recipe hash.

Sources: Pauling electronegativities, first ionization energies (eV), electron affinities (eV) and electron
configurations from pymatgen's periodic table; covalent radii (Å) of Cordero et al., Dalton Trans. 2008, 2832,
and Jmol colors from ASE. Helium, neon and argon have no Pauling value: Allen's scale is used for those three.
"""

import csv
import math
from pathlib import Path

from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from pymatgen.core import Element

LAST_Z = 103
ALLEN = {"He": 4.160, "Ne": 4.787, "Ar": 3.242}
NOBLE_CORES = (2, 10, 18, 36, 54, 86)


def valence(element):
    """Electrons outside the last complete noble-gas core, as counts in s, p, d, f."""
    core = max((z for z in NOBLE_CORES if z < element.Z), default=0)
    inner = {(n, shell) for n, shell, _ in Element.from_Z(core).full_electronic_structure} if core else set()
    counts = dict.fromkeys("spdf", 0)
    for n, shell, electrons in element.full_electronic_structure:
        if (n, shell) not in inner:
            counts[shell] += electrons
    return counts


def row(z):
    element = Element.from_Z(z)
    chi = ALLEN.get(element.symbol, element.X)
    if math.isnan(chi):
        raise SystemExit(f"no electronegativity for {element.symbol}: add one with its source")
    color = "#" + "".join(f"{round(255 * float(c)):02x}" for c in jmol_colors[z])
    counts = valence(element)
    return [
        z, element.symbol, element.group, element.row, chi, round(float(covalent_radii[z]), 3),
        round(float(element.ionization_energy), 4), round(float(element.electron_affinity), 4),
        *(counts[s] for s in "spdf"), color,
    ]  # fmt: skip


def main():
    target = Path(__file__).parent.parent / "src/andersonn/structures/elements.csv"
    with target.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            [
                "z",
                "symbol",
                "group",
                "period",
                "electronegativity",
                "covalent_radius_A",
                "ionization_energy_eV",
                "electron_affinity_eV",
                "valence_s",
                "valence_p",
                "valence_d",
                "valence_f",
                "color",
            ]
        )
        writer.writerows(row(z) for z in range(1, LAST_Z + 1))


if __name__ == "__main__":
    main()
