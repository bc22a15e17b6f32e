"""Contributions of groups, of models that read bonds alone."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from andersonn.inference.predictor import Predictor
from andersonn.structures.group_plot import svg_of
from andersonn.structures.group_replacement import replaceable_groups, replaced
from andersonn.structures.readers.molecules.bonds_alone import graph_of


def replacements(smiles):
    graph = graph_of(Chem.MolFromSmiles(smiles), smiles)
    return [(group.name, Chem.MolToSmiles(replaced(graph, [group]))) for group in replaceable_groups(graph)]


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CC", []),
        ("O", []),
        ("CCO", [("OH", "CC")]),
        ("c1ccccc1Cl", [("Cl", "c1ccccc1")]),
        ("OCc1ccccc1", [("OH", "Cc1ccccc1")]),
        ("COc1ccccc1", [("CH3O", "c1ccccc1")]),
        ("CN(C)c1ccccc1", [("C2H6N", "c1ccccc1")]),
        ("FC(F)(F)c1ccccc1", [("F3", "Cc1ccccc1")]),
        ("Cc1ccccc1", [("CH3", "c1ccccc1")]),
        ("NCCc1ccccc1", [("NH2", "CCc1ccccc1")]),
        ("CCOCC", [("O", "CCCCC"), ("C2H5", "CCO")]),
        ("CCOC(=O)c1ccccc1", [("C2H5", "O=C(O)c1ccccc1"), ("CO2", "CCCCc1ccccc1")]),
        ("c1ccncc1", [("N", "c1ccccc1")]),
        ("O=C1CCCN1", [("CONH", "C1CCCC1")]),
        ("C[C@H](N)C(=O)O", [("NH2", "CCC(=O)O"), ("CO2H", "CCN")]),
        ("[O-][N+](=O)c1ccc(N)cc1", [("NO2", "Nc1ccccc1"), ("NH2", "O=[N+]([O-])c1ccccc1")]),
        ("c1ccccc1N=Nc1ccccc1", [("N2", "c1ccc(CCc2ccccc2)cc1"), ("C6H5", "N=Nc1ccccc1")]),
    ],
)
def test_what_a_chemist_would_replace(smiles, expected):
    assert sorted(replacements(smiles)) == sorted(expected)


def test_the_order_of_atoms_does_not_change_the_groups():
    mol = Chem.MolFromSmiles("CC(=O)Nc1ccc(O)c(Cl)c1")
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms()).tolist()
    assert sorted(replacements(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))) == sorted(
        replacements("CC(=O)Nc1ccc(O)c(Cl)c1")
    )


def test_contributions_are_differences_of_answers(constructed):
    scientist = Predictor.load(constructed[0])
    (found,) = scientist.explain(["CC(=O)OCCO"])
    whole, *others = scientist.predict([found.prediction.input, *(part.without for part in found.groups.parts)])
    assert len(others) > 1
    for part, other in zip(found.groups.parts, others, strict=True):
        assert part.value == pytest.approx(whole.value - other.value, abs=0.05)
    of_groups = [found.values[list(part.atoms)].sum() for part in found.groups.parts]
    assert of_groups == pytest.approx([part.value for part in found.groups.parts])
    assert found.as_dict()["frame"]["smiles"] == found.groups.frame


def test_known_chemistry(constructed):
    """Alcohols boil far above alkanes; a methyl group adds little."""
    of = {}
    for found in Predictor.load(constructed[0]).explain(["CCO", "CCCCO", "Cc1ccccc1"]):
        of[found.prediction.input] = found.groups.parts[0]
    assert of["CCO"].group.name == of["CCCCO"].group.name == "OH"
    assert of["CCO"].value > 80.0
    assert of["CCCCO"].value > 50.0
    assert abs(of["Cc1ccccc1"].value) < of["CCCCO"].value


def test_labels_are_explained_by_log_odds(constructed):
    (found,) = Predictor.load(constructed[1]).explain(["Oc1ccccc1"])
    p = found.prediction.probabilities[found.prediction.label]
    assert found.total == pytest.approx(np.log(p / (1.0 - p)), abs=1e-6)
    assert found.quantity == f"log_odds_of_{found.prediction.label}"
    assert "estimate_without" not in found.as_dict()["groups"][0]


def test_a_drawing_has_the_groups_in_colors(constructed):
    (found,) = Predictor.load(constructed[0]).explain(["Oc1ccccc1"])
    drawing = svg_of(found.structure, found.groups.shown)
    assert drawing.startswith("<?xml")
    assert "<ellipse" in drawing
    assert "<ellipse" not in svg_of(found.structure, [])
