"""Asks a model a few small questions and keeps the answers beside its weights, for `andersonn doctor --self-test`.

To be run after training, once the answers have been looked at: python tools/make_self_test.py TASK [MODEL_DIR]
"""

import sys
from pathlib import Path

from andersonn.scientists.self_test import write_self_test
from andersonn.scientists.shipped import shipped_folder

ROCK_SALT = "NaCl\n5.64\n0.0 0.5 0.5\n0.5 0.0 0.5\n0.5 0.5 0.0\nNa Cl\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
SILICON = "Si\n5.43\n0.0 0.5 0.5\n0.5 0.0 0.5\n0.5 0.5 0.0\nSi\n2\nDirect\n0 0 0\n0.25 0.25 0.25\n"
COPPER = "Cu\n3.61\n0.0 0.5 0.5\n0.5 0.0 0.5\n0.5 0.5 0.0\nCu\n1\nDirect\n0 0 0\n"
SODALITE = """data_sodalite
_cell_length_a 8.83
_cell_length_b 8.83
_cell_length_c 8.83
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'I m -3 m'
_space_group_IT_number 229
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Si1 Si 0.25 0.5 0.0 1
O1 O 0.1465 0.1465 0.5 1
"""
WATER = "3\nwater\nO 0.0 0.0 0.1173\nH 0.0 0.7572 -0.4692\nH 0.0 -0.7572 -0.4692\n"
ACETONITRILE = """6
acetonitrile
C 0.0 0.0 -1.1869
C 0.0 0.0 0.2739
N 0.0 0.0 1.4521
H 0.0 1.0249 -1.5625
H 0.8876 -0.5125 -1.5625
H -0.8876 -0.5125 -1.5625
"""
INPUTS = {
    "conduction": {"NaCl.vasp": ROCK_SALT, "Si.vasp": SILICON, "Cu.vasp": COPPER},
    "polarity": {"water.xyz": WATER, "acetonitrile.xyz": ACETONITRILE, "benzene": "c1ccccc1"},
    "porosity": {"sodalite.cif": SODALITE, "NaCl.vasp": ROCK_SALT},
}


def main():
    task = sys.argv[1]
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else shipped_folder(task)
    for case in write_self_test(folder, INPUTS[task])["cases"]:
        print(case["name"], case["class"], {name: round(p, 3) for name, p in case["probabilities"].items()})


if __name__ == "__main__":
    main()
