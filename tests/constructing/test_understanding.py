"""What is understood of a table as a whole: rows, names, kinds, and what is refused."""

import json

import numpy as np
import pytest

from andersonn.constructing.understanding import understand
from andersonn.errors import UsageError
from tests.constructing.tables import FILE, LOG_S, SMILES, table_of


def refusal(*given, **options):
    with pytest.raises(UsageError) as raised:
        understand(*given, **options)
    assert raised.value.hint
    return raised.value


def test_measured_solubilities():
    found = understand(FILE, "logSolubility", unit="log(mol/L)")
    assert (found.source, found.target, found.name) == ("solubility.csv", "logSolubility", "logsolubility")
    assert (found.kind, found.unit, found.periodic, found.classes, found.thresholds) == (
        "number", "log(mol/L)", False, (), (),
    )  # fmt: skip
    assert found.quantity == "logSolubility"
    assert found.records.label("logSolubility").tolist() == found.values.tolist() == LOG_S
    assert found.records.table["smiles"].to_pylist() == SMILES
    assert found.split == "scaffold"
    assert found.unusable == {}
    assert found.rows == 60
    text = found.as_text()
    assert "60 molecules, from SMILES" in text
    assert "by scaffold: 48 train, 6 validation, 6 test" in text
    assert any(told.startswith("--thresholds -3.2 ") for told in found.findings)
    assert json.loads(json.dumps(found.as_dict()))["sides"] == {"train": 48, "validation": 6, "test": 6}


def test_records_are_those_that_training_takes():
    found = understand(FILE, "logSolubility")
    assert [s.formula for s in found.records.take(np.arange(2))] == ["C20H27NO11", "C12H11NO2"]
    for side, rows in found.sides.items():
        others = np.concatenate([other for name, other in found.sides.items() if name != side])
        assert not {found.records.groups[k] for k in rows} & {found.records.groups[k] for k in others}
    assert sorted(np.concatenate(list(found.sides.values()))) == list(range(60))


@pytest.mark.parametrize(
    ("title", "asked", "name", "unit", "quantity"),
    [
        ("gap_eV", "gap_eV", "gap", "eV", "gap_eV"),
        ("gap_eV", "gap", "gap", "eV", "gap_eV"),
        ("band_gap_eV", "band gap", "band_gap", "eV", "band_gap_eV"),
        ("formation_energy_eV_atom", "formation_energy", "formation_energy", "eV/atom", "formation_energy"),
        ("dH_kJ_mol", "dH", "dh", "kJ/mol", "dH"),
        ("logS (mol/L)", "LOGS", "logs", "mol/L", "logS"),
        ("dG [kcal/mol]", "dg", "dg", "kcal/mol", "dG"),
        ("E / eV", "e", "e", "eV", "E_eV"),
        ("uptake (exp)", "uptake (exp)", "uptake_exp", "", "uptake_exp"),
        ("vitamin_C", "vitamin_C", "vitamin_c", "", "vitamin_C"),
        ("log solubility in mols per litre", "log solubility", "log_solubility", "mols per litre", "log_solubility"),
        ("Löslichkeit", "Löslichkeit", "loslichkeit", "", "Löslichkeit"),
        ("2d", "2d", "my_2d", "", "2d"),
        ("group", "group", "group", "", "group_value"),
        ("polarity", "polarity", "my_polarity", "", "polarity"),
        ("ΔH", "ΔH", "h", "", "ΔH"),
    ],
)  # fmt: skip
def test_name_unit_and_quantity(title, asked, name, unit, quantity):
    found = understand(table_of(LOG_S, title), asked, split="random")
    assert (found.name, found.unit, found.quantity) == (name, unit, quantity)
    assert found.target == asked


def test_options_win():
    found = understand(table_of(LOG_S, "gap_eV"), "gap_eV", name="mine", unit="Ha", split="random")
    assert (found.name, found.unit) == ("mine", "Ha")
    assert any("'Ha' is kept, though the table says 'eV'" in told for told in found.findings)
    assert refusal(table_of(LOG_S), "logS", name="My Own").kind == "bad_name"
    assert refusal(table_of(LOG_S), "logS", name="polarity").message == "there is a scientist 'polarity' already"


def test_a_missing_column():
    error = refusal(table_of(LOG_S, "logS", gap_eV=LOG_S, note=["x"] * 60), "log_D")
    assert error.kind == "missing_column"
    assert error.hint == "did you mean 'logS'? Columns of numbers: 'logS', 'gap_eV'"
    assert "did you mean 'gap_eV'?" in refusal(table_of(LOG_S, "gap_eV"), "gap (Ha)").hint
    assert refusal(table_of(LOG_S), "zzz").hint == "columns of numbers: 'logS'"


def test_two_columns_of_that_name():
    assert refusal(table_of(LOG_S, "y_eV", **{"y (eV)": LOG_S}), "y").kind == "bad_columns"
    assert understand(table_of(LOG_S, "y_eV", **{"y (eV)": LOG_S}), "y_eV", split="random").unit == "eV"


def test_too_few_rows():
    assert refusal(table_of(LOG_S[:5]), "logS").message == (
        "5 of 5 rows of the list can be used, and at least 10 are needed"
    )
    broken = [{"smiles": "CC" if k < 9 else "C(C", "y": k**0.5} for k in range(30)]
    error = refusal(broken, "y")
    assert error.kind == "too_few_rows"
    assert "21 × 'C(C' is no valid SMILES" in error.message


def test_all_rows_unusable():
    words = ("C(C", "[Na+].[Cl-]", "xyz", "C(C", "C(C", "")
    error = refusal([{"smiles": words[k % 6], "y": k**0.5} for k in range(30)], "y")
    assert error.kind == "all_unusable"
    reasons = error.message.partition(": ")[2].split("; ")
    assert [reason.split(" × ")[0] for reason in reasons] == ["15", "5", "5"]
    assert "separate molecules" in error.message


def test_unusable_rows_have_a_name_and_a_reason():
    rows = table_of(LOG_S, name=[f"m{k}" if k else "m1" for k in range(60)])
    rows[3]["smiles"], rows[5]["logS"], rows[0]["logS"], rows[1]["logS"] = "C1CC", None, None, "soluble"
    found = understand(rows, "logS", split="random")
    assert list(found.unusable) == ["m1 (row 0)", "m1 (row 1)", "m3", "m5"]
    assert found.unusable["m5"] == "the value is missing"
    assert found.unusable["m1 (row 1)"] == "'soluble' is no number"
    assert found.unusable["m3"].startswith("'C1CC' is no valid SMILES")
    assert len(found.records) == 56
    assert "2 × the value is missing (m1 (row 0), m5)" in found.as_text()


@pytest.mark.parametrize("values", [[1.5] * 60, ["soluble"] * 60, [True] * 60, ["1.5"] * 59 + [None]], ids=str)
def test_a_constant_target(values):
    assert refusal(table_of(values), "logS").kind == "constant_target"


def test_a_target_that_names_the_rows():
    assert refusal(table_of(range(60), "id"), "id").kind == "target_is_id"
    assert refusal(table_of(range(1, 61), "no"), "no").kind == "target_is_id"
    assert refusal(table_of([f"mol-{k}" for k in range(60)], "name"), "name").kind == "too_many_labels"
    error = refusal(table_of(LOG_S), "smiles")
    assert (error.kind, error.hint) == ("target_is_structure", "columns of numbers: 'logS'")


def test_columns_that_repeat_the_target_are_told():
    found = understand(table_of(LOG_S, other=[2 * y + 1 for y in LOG_S], noisy=[y**3 for y in LOG_S]), "logS")
    assert [told for told in found.findings if "repeats the target" in told] == [
        "column 'other' repeats the target (r = 1.0000): it is not given to the model, since new structures do not have it"
    ]
    masses = understand([{"smiles": "C" * k, "m": 14.027 * k + 2.016} for k in range(5, 45)], "m", split="random")
    assert any("follows from the molar mass alone" in told for told in masses.findings)


def test_outliers_and_orders_of_magnitude_are_told():
    found = understand(table_of([400.0 if k == 7 else y for k, y in enumerate(LOG_S)]), "logS")
    assert "1 value lies far from the others (median -3.148): check row 7: 400" in found.findings
    assert found.values.max() == 400.0
    found = understand(table_of([10**y for y in LOG_S]), "logS")
    assert any("orders of magnitude: their logarithm" in told for told in found.findings)


def test_the_same_table_is_understood_alike():
    first, again = (understand(FILE, "logSolubility", seed=3) for _ in range(2))
    assert first.as_dict() == again.as_dict()
    assert all(np.array_equal(first.sides[side], again.sides[side]) for side in first.sides)
    other = understand(FILE, "logSolubility", seed=4)
    assert not np.array_equal(first.sides["test"], other.sides["test"])


def test_text_is_harmless_to_a_terminal():
    rows = table_of(LOG_S, "y\x1b[31m", name=[f"\x1b]0;{k}\x07" for k in range(60)])
    rows[0]["smiles"] = "C(\x1b[2J"
    assert "\x1b" not in understand(rows, "y\x1b[31m", split="random").as_text()
