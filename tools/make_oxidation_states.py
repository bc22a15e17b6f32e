"""Writes src/andersonn/structures/oxidation_states.csv: how often an element is found in which oxidation state.

Needs `pip install pymatgen` (not a dependency of the package). A changed CSV changes the hash of every recipe that reads
it. Source: the occurrences of species in the Inorganic Crystal Structure Database that pymatgen (MIT license) brings
along for its guesses of oxidation states; elements that are not among them get the states of pymatgen's periodic
table, each counted once. State 0, which there means an element or alloy, is left out.
"""

import csv
import re
from pathlib import Path

import pymatgen.core
from pymatgen.core import Element
from ruamel.yaml import YAML

LAST_Z = 103


def occurrences():
    with (Path(pymatgen.core.__file__).parent / "icsd_bv.yaml").open() as stream:
        counts = YAML(typ="safe").load(stream)["occurrence"]
    found = {}
    for species, count in counts.items():
        symbol, size, sign = re.fullmatch(r"([A-Z][a-z]?)(\d*)([+-])", species).groups()
        state = int(sign + (size or "1"))
        if state:
            found.setdefault(symbol, {})[state] = count
    return found


def main():
    counted = occurrences()
    target = Path(__file__).parent.parent / "src/andersonn/structures/oxidation_states.csv"
    with target.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["z", "state", "count"])
        for z in range(1, LAST_Z + 1):
            element = Element.from_Z(z)
            states = element.icsd_oxidation_states or element.common_oxidation_states or element.oxidation_states
            counts = counted.get(element.symbol) or {int(state): 1 for state in states if state}
            writer.writerows([z, state, counts[state]] for state in sorted(counts))


if __name__ == "__main__":
    main()
