"""Salts and mixtures: their largest organic part is read from a table, and then in predictions, or they are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

import andersonn as an
from andersonn.constructing.understanding import understand
from andersonn.errors import InputError, UsageError
from andersonn.structures.image import ImageRecipe
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.readers.molecules.smiles import from_smiles, part_of_smiles

CHAINS = [{"SMILES": f"C{'C' * n}O", "value": 3.0 - 0.5 * n - 0.01 * n * n} for n in range(14)]
SALTS = [
    {"SMILES": "CC(=O)[O-].[Na+]", "value": 1.0},
    {"SMILES": "CCCN.Cl", "value": 0.7},
    {"SMILES": "O.OC(=O)CCCC(=O)O", "value": 0.2},
]


@pytest.mark.parametrize(
    ("text", "kept", "others"),
    [
        ("CC(=O)[O-].[Na+]", "CC(=O)O", ("[Na+]",)),
        ("CC[NH3+].[Cl-] ethylamine hydrochloride", "CCN", ("[Cl-]",)),
        ("CCN.Cl", "CCN", ("Cl",)),
        ("Cl.Cl.NCCN", "NCCN", ("Cl",)),
        ("C[N+](C)(C)C.[Br-]", "C[N+](C)(C)C", ("[Br-]",)),
        ("O.O.[Ca+2].CC([O-])=O.CC([O-])=O", "CC(=O)O", ("CC(=O)[O-]", "O", "[Ca+2]")),
        ("CCCO.CCCCCCO", "CCCCCCO", ("CCCO",)),
        ("[O-]S(=O)(=O)[O-].[NH3+]CC", "CCN", ("O=S(=O)([O-])[O-]",)),
        ("C[C@H](N)C(=O)O.Cl", "C[C@H](N)C(=O)O", ("Cl",)),
    ],
)
def test_the_largest_organic_part_is_kept_and_neutral(text, kept, others):
    part = part_of_smiles(text)
    assert (part.smiles, part.others) == (kept, others)


@pytest.mark.parametrize("text", ["CCO", "[Na+].[Cl-]", "O.O", "C1.C1", "not.smiles", "", "CC[O-]"])
def test_what_has_no_organic_part_besides_others_is_left_alone(text):
    assert part_of_smiles(text) is None


def test_readers_take_the_part_where_they_are_told_to():
    with reading(bonds=True), pytest.raises(InputError, match="separate molecules or ions"):
        from_smiles("CCN.Cl")
    with reading(bonds=True, largest_part=True):
        found = from_smiles("CCN.Cl", "salt")
        assert found.formula == from_smiles("CCN").formula
        assert any("without Cl" in note for note in found.notes)
        with pytest.raises(InputError, match="separate molecules or ions"):
            from_smiles("[Na+].[Cl-]")


def test_a_recipe_that_takes_parts_needs_bonds_and_has_a_key_of_its_own():
    plain = ImageRecipe(bonds=True, fold=False)
    assert replace(plain, largest_part=True).key != plain.key
    with pytest.raises(UsageError, match="bonds"):
        ImageRecipe(largest_part=True)


def test_a_table_with_salts_is_understood():
    rows = [*CHAINS, *SALTS, {"SMILES": "[K+].[Cl-]", "value": 2.0}, {"SMILES": "CC(=O)O", "value": 1.0}]
    found = understand(rows, "value", split="random")
    assert found.largest_part
    assert len(found.records) == 17  # the salt of acetic acid and the acid are one
    assert list(found.unusable.values()) == ["separate molecules or ions: how they lie to each other is not given"]
    assert any("3 rows hold a salt or a mixture" in told and "[Na+]" in told for told in found.findings)
    refused = understand(rows, "value", split="random", mixtures=False)
    assert not refused.largest_part
    assert len(refused.unusable) == 4
    assert not understand(CHAINS, "value", split="random").largest_part


def test_a_salt_and_its_parent_share_the_scaffold():
    rings = [{"SMILES": f"{'C' * n}c1ccncc1", "value": float(n * n)} for n in range(1, 7)]
    rows = [*CHAINS, *rings, {"SMILES": "CCCCCCCc1ccncc1.Cl", "value": 30.0}]
    found = understand(rows, "value", split="scaffold")
    assert found.records.groups[-1] == found.records.groups[-2] == "c1ccncc1"


def test_the_scientist_reads_salts_as_its_table_had_them(tmp_path):
    an.construct([*CHAINS, *SALTS], "value", tmp_path / "model", split="random", budget=0)
    scientist = an.Scientist.load(tmp_path / "model")
    acid, salt, nothing = scientist.predict(["CCC(=O)O", "CCC(=O)[O-].[Na+]", "[Na+].[Cl-]"])
    assert salt.value == pytest.approx(acid.value, abs=1e-4)
    assert any("largest organic" in note for note in salt.notes)
    assert nothing.error is not None
    (refused,) = an.construct(CHAINS, "value", split="random", budget=0).predict(["CCC(=O)[O-].[Na+]"])
    assert refused.error is not None
