"""Frameworks: without pores, or with pores of IUPAC's width classes. The geometry of the pores answers; the network learned
classes of the pore-limiting diameter (PLD) of Zeo++.
"""

from pathlib import Path

from andersonn.data.tasks import Task
from andersonn.scientists.base import ScientistSpec

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
ROCK_SALT = "NaCl\n5.64\n0.0 0.5 0.5\n0.5 0.0 0.5\n0.5 0.5 0.0\nNa Cl\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
POROSITY = Task(
    name="porosity",
    quantity="pld_A",
    unit="Å",
    classes=("nonporous", "ultramicroporous", "supermicroporous"),
    thresholds=(2.4, 7.0),
    highest=200.0,  # the widest windows of crystalline frameworks have about 100 Å
    other_units={"nm": 10.0, "pm": 0.01, "bohr": 0.529177},
    usual_largest=(1.7, 120.0),
    usual_median=(0.6, 8.0),  # 1.2 in QMOF, 4 in CoRE MOF
    noun="pore-limiting diameter",
    summary="frameworks: how wide the pores are",
    reference="Zeo++",
    geometric_baselines={
        "pld_A": "geometry alone: computed PLD, cut",
        "pld_touching_A": "geometry alone: computed PLD against surfaces, cut",
    },
)
WIDTH = Task(
    name="porosity",
    quantity="pore_width_A",
    unit="Å",
    classes=("nonporous", "ultramicroporous", "supermicroporous", "mesoporous"),
    thresholds=(2.4, 7.0, 20.0),
    zero_is_class=True,
    lowest=0.0,
    highest=200.0,
    other_units={"nm": 10.0, "pm": 0.01, "bohr": 0.529177},
    noun="pore width",
    summary=POROSITY.summary,
    reference="Zeo++",
)
"""IUPAC's classes (M. Thommes and others, *Pure Appl. Chem.* 87, 1051, 2015) by the width of the pores: the largest cavity's
diameter, or 0 where no window lets a sphere in that is as wide as the first threshold. So no width lies between 0 and that.
"""

SCIENTIST = ScientistSpec(
    task=POROSITY,
    preset={
        "image.columns": 12,
        "image.voids": True,
        "model.voids": "all",
        "model.width": 48,
        "model.initializer": True,
        "model.dropout": 0,
        "model.embedding_dropout": 0.1,
        "epochs": 12,
        "max_rows": 2560,
        "weight_decay": 0.05,
        "estimate_weight": 2,
        "strain": 0,  # it would change the graph and leave the pores as they are
    },
    labeler="andersonn label pore",
    examples={
        "MOF-5": "examples/frameworks/mof-5.cif",
        "calcium oxalate": "examples/frameworks/calcium-oxalate.cif",
    },
    self_test={"sodalite.cif": SODALITE, "NaCl.vasp": ROCK_SALT},
    weights=Path(__file__).parent / "weights/porosity",
    by_geometry=WIDTH,
)
