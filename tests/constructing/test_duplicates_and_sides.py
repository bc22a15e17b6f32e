"""The same structure in several rows, and the sides of the split."""

import numpy as np
import pytest
from rdkit import Chem

from andersonn.constructing.sides import divided
from andersonn.constructing.understanding import understand
from andersonn.data.records import SPLITS
from andersonn.errors import UsageError
from andersonn.structures.readers.molecules.smiles import constitution
from tests.constructing.tables import LOG_S, SMILES, salts, table_of


def written_otherwise(smiles):
    mol = Chem.MolFromSmiles(smiles)
    found = (Chem.MolToSmiles(mol, canonical=False, rootedAtAtom=k) for k in range(mol.GetNumAtoms()))
    return next(text for text in found if text != smiles)


def with_again(changes):
    """The table with further rows of some of its molecules, written otherwise, values changed."""
    return [*table_of(LOG_S), *({"smiles": written_otherwise(SMILES[k]), "logS": LOG_S[k] + by} for k, by in changes)]


def refusal(*given, **options):
    with pytest.raises(UsageError) as raised:
        understand(*given, **options)
    assert raised.value.hint
    return raised.value


def test_rows_that_agree_become_their_median():
    found = understand(with_again([(1, 0.0), (4, 0.1), (4, 0.02)]), "logS")
    assert len(found.records) == 60
    assert found.values[4] == pytest.approx(LOG_S[4] + 0.02)
    assert "2 structures stand in several rows with values that agree: merged, by their median" in found.findings
    assert found.unusable == {}


def test_rows_that_contradict_each_other_are_left_out():
    found = understand(with_again([(3, 7.0), (2, 1.0)]), "logS")
    assert found.unusable == dict.fromkeys(
        ["row 3", "row 60"], "contradicting values -7.87 and -0.87 of the same structure"
    )
    assert len(found.records) == 59
    assert any(
        "differ somewhat: their median was taken (row 2: -2.06, row 61: -1.06)" in told for told in found.findings
    )


def test_contradicting_labels():
    rows = [{"smiles": smiles, "y": "ab"[k % 2]} for k, smiles in enumerate(SMILES)]
    again = [{"smiles": SMILES[k], "y": y} for k, y in ((0, "b"), (1, "b"), (2, "a"), (2, "b"))]
    found = understand(rows + again, "y", split="random")
    assert found.unusable == dict.fromkeys(
        ["row 0", "row 60"], "contradicting values 'a' and 'b' of the same structure"
    )
    assert any("the label of the majority" in told for told in found.findings)
    assert found.values[found.records.ids.index("row 2")] == 0.0


def test_stereo_isomers_stay_on_one_side():
    isomers = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]
    for seed in range(20):
        rows = table_of(LOG_S) + [{"smiles": s, "logS": y} for s, y in zip(isomers, (0.0, -5.0), strict=True)]
        found = understand(rows, "logS", split="random", seed=seed)
        assert len(found.records) == 62
        assert sum(len({60, 61} & set(rows.tolist())) == 1 for rows in found.sides.values()) == 0
    assert any("stereo isomers with different values" in told for told in found.findings)


def test_the_same_crystal_in_another_cell():
    crystals = salts()
    again = [atoms.repeat((2, 1, 1)) for atoms in crystals[:3]]
    for atoms in again:
        atoms.rotate(30, "z", rotate_cell=True)
    rows = [{"atoms": atoms, "y": k**0.5} for k, atoms in enumerate(crystals)]
    found = understand(rows + [{"atoms": atoms, "y": k**0.5} for k, atoms in enumerate(again)], "y")
    assert found.periodic
    assert len(found.records) == 13
    assert any(told.startswith("3 structures stand in several rows") for told in found.findings)
    wider = crystals[0].copy()
    wider.set_cell(1.02 * wider.cell, scale_atoms=True)
    assert len(understand([*rows, {"atoms": wider, "y": 9.0}], "y").records) == 14


def test_the_same_molecule_in_another_conformation():
    from ase.build import molecule

    names = ("H2O", "CH4", "NH3", "CH3CH2OH", "CO2", "CO", "C2H4", "C2H2", "HCN", "CH3OH", "H2O2", "N2H4", "C6H6")
    made = [molecule(name) for name in names]
    turned = molecule("CH3CH2OH")
    turned.rattle(0.02, seed=1)
    rows = [{"atoms": atoms, "y": k**0.5} for k, atoms in enumerate(made)]
    found = understand([*rows, {"atoms": turned, "y": 3**0.5}, {"atoms": molecule("CH3OCH3"), "y": 1.0}], "y")
    assert not found.periodic
    assert found.split == "group"
    assert found.records.ids == [f"row {k}" for k in (*range(13), 14)]  # the ether has the formula of ethanol


@pytest.mark.parametrize("split", ["random", "scaffold", "group", "auto"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_molecule_is_on_two_sides(split, seed):
    found = understand(with_again([(k, 0.01) for k in range(0, 60, 4)]), "logS", split=split, seed=seed)
    sides = [
        {constitution(found.records.table["smiles"][int(k)].as_py()) for k in rows} for rows in found.sides.values()
    ]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert [len(found.sides[side]) for side in SPLITS] == [48, 6, 6]


def test_large_scaffolds_go_to_training():
    groups = ["large"] * 40 + [f"small {k}" for k in range(60)]
    for seed in range(5):
        sides = divided(groups, seed, None, "scaffolds")
        assert set(range(40)) <= set(sides["train"].tolist())
        assert [len(sides[side]) for side in SPLITS] == [80, 10, 10]


def test_one_scaffold():
    rows = [{"smiles": "C" * k + "c1ccccc1", "y": k**0.5} for k in range(1, 40)]
    error = refusal(rows, "y")
    assert error.kind == "few_groups"
    assert "--split random" in error.hint
    assert understand(rows, "y", split="random").split == "random"


def test_crystals_have_no_scaffolds():
    rows = [{"atoms": atoms, "y": k**0.5} for k, atoms in enumerate(salts())]
    assert refusal(rows, "y", split="scaffold").kind == "no_scaffolds"


def split_column(words):
    return table_of(LOG_S, split=[words[k % len(words)] for k in range(60)])


def test_a_column_of_the_split():
    found = understand(split_column(("train", "Train", "training", "valid", "test")), "logS")
    assert found.split == "column split"
    assert {side: len(rows) for side, rows in found.sides.items()} == {"train": 36, "validation": 12, "test": 12}
    assert found.records.split_column[:5].tolist() == ["train", "train", "train", "validation", "test"]
    assert understand(split_column(("train", "val", "test")), "logS", split="random").split == "random"


def test_a_column_without_validation():
    found = understand(split_column(("train", "train", "test")), "logS", split="split")
    assert {side: len(rows) for side, rows in found.sides.items()} == {"train": 36, "validation": 4, "test": 20}
    assert any("4 rows of its training were taken" in told for told in found.findings)


def test_a_column_that_leaks():
    rows = [
        *split_column(("train", "val", "test")),
        {"smiles": written_otherwise(SMILES[0]), "logS": LOG_S[0], "split": "test"},
    ]
    error = refusal(rows, "logS")
    assert error.kind == "leaking_split"
    assert "row 0 (train) and row 60 (test)" in error.message


def test_columns_that_say_no_side():
    assert refusal(table_of(LOG_S, fold=[k % 3 for k in range(60)]), "logS", split="fold").kind == "bad_split"
    assert refusal(split_column(("train", "train")), "logS", split="split").kind == "bad_split"
    assert refusal(table_of(LOG_S), "logS", split="scafold").hint == "did you mean 'scaffold'?"
    found = understand(split_column(("train", "val", "test", None)), "logS", split="split")
    assert found.unusable["row 3"] == "column 'split' says no side"


def test_a_column_of_groups():
    groups = [f"g{k % 7}" for k in range(60)]
    found = understand(table_of(LOG_S, group=groups), "logS")
    assert found.split == "group"
    assert found.records.groups == groups
    for rows in found.sides.values():
        assert len({groups[k] for k in rows}) * (60 // 7) <= len(rows) <= len({groups[k] for k in rows}) * (60 // 7 + 1)
    assert np.concatenate(list(found.sides.values())).size == 60
