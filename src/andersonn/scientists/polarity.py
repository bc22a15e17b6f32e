"""Molecules: weakly or strongly polar, by the DFT dipole moment."""

from pathlib import Path

from andersonn.data.tasks import Task
from andersonn.scientists.base import GeometryVariant, ScientistSpec

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
POLARITY = Task(
    name="polarity",
    quantity="dipole_D",
    unit="D",
    classes=("weakly_polar", "strongly_polar"),
    thresholds=(2.5,),
    periodic=False,
    lowest=0.0,
    highest=500.0,  # the largest dipoles of drugs and peptides have some tens of debye
    other_units={"e Å": 4.803205, "e bohr (atomic units)": 2.541746, "mD": 1e-3, "C m": 1 / 3.33564e-30},
    usual_largest=(1.0, 60.0),
    usual_median=(1.4, 4.5),  # 2.5 in QM9 and in collections of drug-like molecules
    noun="dipole moment",
    summary="molecules: weakly or strongly polar",
    reference="DFT",
)
RECIPE = {
    "image.fold": False,
    "model.dropout": 0,
    "model.embedding_dropout": 0,
    "model.initializer": True,
    "model.solver.rtol": 0.01,
    "max_rows": 900,
    "averaging": 0.3,
    "balance": 0.4,
    "weight_decay": 0.01,
    "label_smoothing": 0,
    "estimate_weight": 3,
    "strain": 0,  # it would change distances and leave the dipole as it is
}
"""What training with and without a geometry have in common."""
BY_BONDS = GeometryVariant(
    preset={
        **RECIPE,
        "image.bonds": True,
        "image.columns": 8,  # all pairs of atoms of a molecule with nine
        "model.bonds": True,
        "model.width": 48,
        "model.gain": 0.9,
        "epochs": 3,
    },
    self_test={"water": "O", "acetonitrile": "CC#N", "benzene": "c1ccccc1", "paracetamol": "CC(=O)Nc1ccc(O)cc1"},
    weights=Path(__file__).parent / "weights/polarity_bonds",
)

SCIENTIST = ScientistSpec(
    task=POLARITY,
    preset={
        **RECIPE,
        "image.columns": 12,
        "image.positions": True,
        "model.head": "dipole",
        "model.answer": "distribution",
        "model.bins": 256,
        "model.width": 64,
        "model.directions": 16,
        "model.spacing": "near",
        "model.gain": 0.8,
        "epochs": 10,
        "balance": 0.6,  # the file of common chemicals is small
        "conformers": 3,  # as right as six within the error, in half the time: docs/conformers.md
    },
    labeler="andersonn label dipole",
    examples={
        "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
        "paracetamol": "CC(=O)Nc1ccc(O)cc1",
        "solvents": "examples/molecules/solvents.sdf",
    },
    self_test={"water.xyz": WATER, "acetonitrile.xyz": ACETONITRILE, "benzene": "c1ccccc1"},
    weights=Path(__file__).parent / "weights/polarity",
    geometries={"none": BY_BONDS},
)
