"""Twelve textbook cases and what a chemist expects to lead. Orders with a margin, no values: weights change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from andersonn import Explanation, Scientist
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.pores.bottleneck import Bottleneck
from andersonn.structures.readers import structures_of
from tests.structures.test_bottleneck import linde_a

EXAMPLES = Path(__file__).parents[2] / "examples"
GROUPS = {
    "water": ("O", "H2O", 0.99),
    "acetonitrile": ("CC#N", "CN", 0.7),
    "acetone": ("CC(C)=O", "CO", 0.7),
    "nitrobenzene": ("O=[N+]([O-])c1ccccc1", "NO2", 0.5),
    "acetamide": ("CC(N)=O", "CONH2", 0.7),
    "pyridine": ("c1ccncc1", "N", 0.6),
}
"""SMILES, the group that makes the molecule polar, and the least share of |μ| that it must have."""


@pytest.fixture(scope="module")
def molecules() -> dict[str, Explanation]:
    asked = {name: smiles for name, (smiles, _, _) in GROUPS.items()} | {
        "chloroform": "ClC(Cl)Cl",
        "benzene": "c1ccccc1",
    }
    answers = Scientist.load("polarity").over_conformers(1).explain(list(asked.values()))
    return dict(zip(asked, answers, strict=True))


@pytest.fixture(scope="module")
def conduction() -> Scientist:
    return Scientist.load("conduction")


@pytest.mark.parametrize("name", GROUPS)
def test_the_polar_group_leads(molecules, name):
    _, group, least = GROUPS[name]
    explained = molecules[name]
    assert explained.leader[0] == group
    assert explained.leader[1] > least * explained.total
    assert explained.decisive
    whole = len(explained.dipole.groups) == 1
    assert explained.summary[0].startswith(
        f"the molecule is one group, {group}; the bond" if whole else f"{group} contributes most"
    )
    structure, dipole = explained.structure, explained.dipole
    heavy = np.isin(structure.Z, (7, 8))
    ends = structure.xyz[heavy].mean(axis=0) - structure.xyz.mean(axis=0)
    assert dipole.vector @ ends < 0.0  # which points to the positive end
    assert dipole.charges[structure.Z == 8].max(initial=-1.0) < 0.0


def test_equal_bonds_and_groups_are_told(molecules):
    assert " and 1 equal bond contribute most: each +" in molecules["water"].summary[0]
    assert molecules["chloroform"].summary[0].startswith("Cl and 2 equal groups contribute most: each +")


def test_metals_are_the_positive_end():
    """Lengths of dipole moments do not tell it, and few molecules of the training have lithium or sodium."""
    for explained in Scientist.load("polarity").over_conformers(1).explain(["[Li]F", "[Na]Cl", "[LiH]", "[Li]Cl"]):
        assert explained.ok
        metal = np.isin(explained.structure.Z, (3, 11))
        assert explained.dipole.charges[metal].sum() > 0.0
        ends = explained.structure.xyz[metal].mean(axis=0) - explained.structure.xyz[~metal].mean(axis=0)
        assert explained.dipole.vector @ ends > 0.0


def test_chlorine_leads_in_chloroform(molecules):
    explained = molecules["chloroform"]
    found = explained.as_dict()
    assert {tuple(sorted(bond["elements"])) for bond in found["bonds"][:3]} == {("C", "Cl")}
    assert [row["group"] for row in found["groups"][:3]] == ["Cl", "Cl", "Cl"]
    values = [row["value"] for row in found["groups"][:3]]
    assert sum(values) > 0.9 * explained.total
    assert np.ptp(values) < 0.05


def test_no_group_decides_in_benzene(molecules):
    explained = molecules["benzene"]
    assert not explained.decisive
    assert explained.summary[0].startswith("no single group decides")


@pytest.mark.parametrize(
    ("file", "leads", "follows"), [("NaCl.cif", "Cl", "Na"), ("SrTiO3.vasp", "Ti", "Sr")]
)  # the anion that takes the electron, the metal with the empty d shell
def test_the_element_that_makes_the_gap_leads(conduction, file, leads, follows):
    (explained,) = conduction.explain(EXAMPLES / "structures" / file)
    mean = {element: abs(value) for element, (_, value) in explained.of_elements.items()}
    assert mean[leads] == max(mean.values())
    assert mean[leads] > 1.2 * mean[follows]
    assert explained.decisive


def test_linkers_bound_the_window_of_mof_5():
    (framework,) = structures_of("mof-5", EXAMPLES / "frameworks/mof-5.cif")
    found = Bottleneck.of(framework)
    assert set(framework.Z[found.atoms].tolist()) <= {1, 6}  # of benzene rings, no zinc and no carboxylate
    i, j, _, _ = pairs_within(framework.xyz, framework.cell, 1.45)
    of_carboxylates = i[(framework.Z[i] == 6) & (framework.Z[j] == 8)]
    assert not np.isin(found.atoms, of_carboxylates).any()


def test_oxygens_bound_the_window_of_a_zeolite():
    zeolite = linde_a()
    assert set(zeolite.Z[Bottleneck.of(zeolite).atoms].tolist()) == {8}
