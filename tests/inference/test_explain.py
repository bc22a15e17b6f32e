"""Which atoms drove an answer: definitions, sums, and that removing the atoms named matters more than removing others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from andersonn import Explanation, Scientist, Structure
from andersonn.data.store import ImageStore
from andersonn.inference import html
from andersonn.inference.dipole_parts import dipole_of
from andersonn.inference.explain import left_without, log_odds
from andersonn.inference.explanation import WITH_TREES
from andersonn.models.trees_beside import without_trees
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.structure import without
from tests.conftest import rotation
from tests.scientists.test_shipped import POLAR

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"


@pytest.fixture(scope="module")
def conduction() -> Scientist:
    return Scientist.load("conduction")


@pytest.fixture(scope="module")
def polarity() -> Scientist:
    return Scientist.load("polarity")


@pytest.fixture(scope="module")
def porosity() -> Scientist:
    return Scientist.load("porosity")


def left(scientist: Scientist, explained: Explanation, draws: list) -> np.ndarray:
    """Log-odds of the class answered without the atoms of each draw."""
    structure, found = explained.structure, explained.prediction
    images = [left_without(structure, atoms, scientist.recipe) for atoms in draws]
    label = scientist.task.classes.index(found.label)
    made, distance = structure.generated_geometry, found.domain.distance
    return log_odds(scientist.bundle, images, label, made, structure, distance)


def effects(scientist: Scientist, explained: Explanation, k: int, rng: np.random.Generator) -> tuple[float, float]:
    """Change of the log-odds by removing the k atoms named, and the mean change by k random ones, over four draws."""
    structure = explained.structure
    draws = [explained.ranking[:k], *(rng.permutation(len(structure))[:k] for _ in range(4))]
    changes = np.abs(left(scientist, explained, draws) - explained.total)
    return float(changes[0]), float(changes[1:].mean())


def deletion_test(scientist: Scientist, structures: list[Structure], share: float | None = None) -> np.ndarray:
    """``[n, 2]``: effects of the atoms named and of random ones."""
    rng = np.random.default_rng(0)
    explained = scientist.explain(structures)
    assert all(e.ok for e in explained)
    sizes = [1 if share is None else max(2, round(share * len(e.structure))) for e in explained]
    return np.array([effects(scientist, e, k, rng) for e, k in zip(explained, sizes, strict=True)])


@pytest.mark.slow  # a forward pass for every atom of some hundred structures
@pytest.mark.parametrize("share", [None, 0.25])
def test_removing_the_atoms_named_matters_more_in_crystals(conduction, demo_sample, share):
    order = np.random.default_rng(0).permutation(len(demo_sample))
    fit = [i for i in order if 6 <= len(demo_sample[int(i)]) <= 30][:60]
    found = deletion_test(conduction, [demo_sample[int(i)] for i in fit], share)
    named, other = found.mean(axis=0)
    assert named > 1.5 * other
    assert (found[:, 0] > found[:, 1]).mean() > (0.95 if share is None else 0.6)


@pytest.mark.slow
def test_removing_the_atom_named_matters_more_in_frameworks(porosity):
    structures = [answer.structure for answer in porosity.explain([FRAMEWORKS])]
    found = deletion_test(porosity, structures)
    assert (found[:, 0] >= found[:, 1]).all()
    assert found[:, 0].sum() > 1.5 * found[:, 1].sum()


SMALL = [
    "CC#N",
    "CCC#N",
    "CCCCC#N",
    "CC(C)C=O",
    "CCC=O",
    "CC(C)=O",
    "CCC(=O)C",
    "OCC#N",
    "NCC#N",
    "CC(N)=O",
    "CC(=O)NC",
    "CN(C)C=O",
    "COC(C)=O",
    "CCOC(C)=O",
    "OC(=O)CN",
    "CCO",
    "CCCO",
    "CC(C)O",
    "OCCO",
    "COC",
    "CCOCC",
    "C1CCOC1",
    "c1ccoc1",
    "c1cc[nH]c1",
    "c1ccncc1",
    "c1cnc[nH]1",
    "Nc1ccccc1",
    "Oc1ccccc1",
    "O=Cc1ccccc1",
    "Cn1cccc1",
    "CC1CO1",
    "FC(F)F",
    "CCF",
    "C#CCO",
    "C#CC=O",
    "NC=O",
    "CNC=O",
    "O=C1CCCN1",
    "O=C1CCCO1",
    "CC(O)C#N",
    "NCCO",
    "CCN",
    "CNC",
    "CN(C)C",
]
"""Molecules as those of QM9."""


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2])
def test_removing_the_atoms_named_matters_more_in_molecules(polarity, k):
    rng = np.random.default_rng(0)
    found = []
    for explained in polarity.explain(SMALL):
        structure = explained.structure
        draws = [explained.ranking[:k], *(rng.permutation(len(structure))[:k] for _ in range(8))]
        lengths = [moment(polarity, without(structure, atoms)) for atoms in draws]
        changes = np.abs(np.array(lengths) - explained.total)
        found.append((changes[0], changes[1:].mean()))
    named, other = np.mean(found, axis=0)
    assert len(found) == 44
    assert named > 1.4 * other


def moment(scientist: Scientist, structure: Structure) -> float:
    image = NodeNeighborImage.from_structure(structure, scientist.recipe)
    store = ImageStore.from_images([image], image.recipe)
    return float(dipole_of(scientist.bundle.network, store, np.array([0])).total[0].norm())


def test_a_contribution_is_the_fall_of_the_log_odds(conduction, structures):
    (explained,) = conduction.explain(structures["SrTiO3"])
    label = explained.prediction.label
    assert explained.quantity == f"log_odds_of_{label}"
    assert explained.method == "deletion"
    assert WITH_TREES in explained.warnings
    assert "network's log-odds" in explained.quantity_words
    alone = replace(conduction.bundle, network=without_trees(conduction.bundle.network))
    p = Scientist(alone, "alone").predict([structures["SrTiO3"]])[0].probabilities[label]
    assert explained.total == pytest.approx(np.log(p) - np.log1p(-p), abs=1e-3)
    without_each = left(conduction, explained, list(range(5)))
    assert explained.values == pytest.approx(explained.total - without_each, abs=0.02)
    assert explained.values[2] == explained.values[3] == explained.values[4]
    assert explained.shares.sum() == pytest.approx(1.0)
    assert (np.diff(np.abs(explained.values[explained.ranking])) <= 0).all()


def test_electrons_are_counted_as_in_the_whole(conduction, structures):
    whole = NodeNeighborImage.from_structure(structures["SrTiO3"], conduction.recipe)
    part = left_without(structures["SrTiO3"], [0], conduction.recipe)
    assert part.of_whole.tolist() == whole.of_whole.tolist()
    state = {int(z): row.tolist() for z, row in zip(whole.Z, whole.of_row)}
    assert [state[int(z)] for z in part.Z] == part.of_row.tolist()
    alone = NodeNeighborImage.from_structure(without(structures["SrTiO3"], [0]), conduction.recipe)
    assert alone.of_whole.tolist() != whole.of_whole.tolist()


def test_a_lone_atom_bears_the_whole_answer(conduction, structures):
    (explained,) = conduction.explain(structures["Cu"])
    assert explained.values.tolist() == [explained.total]


def test_contributions_to_a_dipole_add_up(polarity):
    for explained in polarity.over_conformers(1).explain([*POLAR, "C[NH3+]", "CC(=O)[O-]", "O"]):
        assert explained.method == "dipole"
        assert explained.values.sum() == pytest.approx(explained.total, abs=1e-3)
        value, both = explained.prediction.value, polarity.bundle.beside.is_asked(explained.structure)
        assert explained.total == pytest.approx(value, abs=0.3 if both else 0.03)
        told = any("reads the bonds alone" in warning for warning in explained.warnings)
        assert told == (both and abs(explained.total - value) > 0.1)


def test_atoms_of_the_polar_group_are_named(polarity):
    (nitrile,) = polarity.explain("CCCCCCC#N")
    assert set(nitrile.ranking[:3].tolist()) == {5, 6, 7}
    (benzene,) = polarity.explain("c1ccccc1")
    assert not benzene.values.any()
    assert not benzene.shares.any()
    assert any("accidental" in warning for warning in benzene.warnings)


def test_renumbering_renumbers_contributions(conduction, polarity, structures):
    rng = np.random.default_rng(0)
    molecule = polarity.explain("CC(=O)N")[0].structure
    for scientist, structure in ((conduction, structures["SiO2"]), (polarity, molecule)):
        order, turn = rng.permutation(len(structure)), rotation(rng)
        cell = None if structure.cell is None else structure.cell @ turn
        other = Structure(
            structure.Z[order], structure.xyz[order] @ turn, cell, generated_geometry=structure.generated_geometry
        )
        if not structure.periodic:
            scientist = scientist.over_conformers(1)  # which the other has not
        first, second = scientist.explain([structure, other])
        assert second.values == pytest.approx(first.values[order], abs=0.02)


def test_removing_atoms_keeps_the_bonds_of_the_others():
    bonds, orders = [[0, 1], [1, 2], [2, 3]], [1.0, 2.0, 1.0]
    xyz = np.arange(12.0).reshape(4, 3)
    left = without(Structure(np.array([6, 6, 8, 1]), xyz, bonds=bonds, bond_orders=orders), [0])
    assert left.Z.tolist() == [6, 8, 1]
    assert left.bonds.tolist() == [[0, 1], [1, 2]]
    assert left.bond_orders.tolist() == [2.0, 1.0]


def test_bad_inputs_do_not_stop_the_others(conduction, structures):
    missing, molecule, good = conduction.explain(["none.cif", "CCO", structures["Si"]])
    assert missing.error["kind"] == "missing_file"
    assert molecule.error["kind"] == "not_periodic"
    assert good.ok
    answer = good.as_dict()
    assert answer["decisive"] is good.decisive
    assert answer["summary"] == good.summary
    assert answer["elements"] == [{"element": "Si", "atoms": 2, "mean": pytest.approx(good.values.mean())}]
    assert "dipole" not in answer
    assert answer["contributions"][1].keys() == {"atom", "element", "value", "share", "name"}
    assert [(part["atom"], part["name"]) for part in answer["contributions"]] == [(0, "Si1"), (1, "Si2")]


def test_an_explanation_shows_itself(conduction, polarity):
    (salt,), (ester,) = conduction.explain("examples/structures/NaCl.cif"), polarity.explain("COC(C)=O")
    assert repr(salt).startswith("Explanation('NaCl', NaCl: insulator, p = 0.")
    assert repr(ester).endswith(f"{ester.summary[0]})")
    page = ester._repr_html_()
    assert page.count("<circle") == len(ester.structure)
    groups = [group.name for group in ester.dipole.groups]
    assert all(f'<td style="{html.CELL}">{name}</td>' in page for name in groups)
    listed = [float(value) for value in re.findall(r">([+-]\d+\.\d+(?:e-\d+)?)</td>", page)]
    assert listed == sorted(listed, key=abs, reverse=True)
    assert sum(listed) == pytest.approx(ester.total, abs=0.02)
    assert "Na1" in salt._repr_html_()


def test_an_explanation_as_a_plot(conduction, polarity):
    (salt,), (ester,) = conduction.explain("examples/structures/NaCl.cif"), polarity.explain("COC(C)=O")
    for found, words in ((salt, "log-odds of insulator"), (ester, "part of the dipole moment")):
        figure = found.plot().figure
        texts = [text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))]
        assert any(words in text for text in texts)
    assert salt.plot("my salt", Figure()).figure.get_suptitle().startswith("my salt, NaCl: insulator, p = 0.")
    assert salt.plot("x" * 99, Figure()).figure.get_suptitle().startswith("x" * 47 + "…")
