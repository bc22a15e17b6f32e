"""Units and marks of bounds in columns of their own, as databases write them; titles above tables of Excel."""

from __future__ import annotations

import pytest

from andersonn.constructing.naming import name_of
from andersonn.constructing.sheets import sheet_of
from andersonn.constructing.understanding import understand
from andersonn.errors import UsageError

ALKANES = ["C" * n for n in range(3, 23)]


def rows(units, relations=None, names=("Standard Value", "Standard Units", "Standard Relation")):
    value, unit, relation = names
    return [
        {"SMILES": smiles, value: 10.0 + k * k, unit: units[k % len(units)]}
        | ({} if relations is None else {relation: relations[k % len(relations)]})
        for k, smiles in enumerate(ALKANES)
    ]


def test_one_unit_is_read_from_its_column():
    found = understand(rows(["nM"]), "Standard Value", split="random")
    assert (found.unit, len(found.records)) == ("nM", 20)
    assert any("units are read from column 'Standard Units'" in told for told in found.findings)


@pytest.mark.parametrize(
    "names",
    [
        ("Kd", "Kd units", "Kd relation"),
        ("value", "unit", "qualifier"),
        ("Standard Value", "Standard Units", "Standard Relation"),
    ],
)
def test_units_that_differ_are_converted_and_bounds_left_out(names):
    found = understand(rows(["nM", "nM", "uM", "nM"], ["'='", "=", "=", ">"], names), names[0], split="random")
    assert found.unit == "nM"
    assert len(found.unusable) == 5
    assert all("is a bound" in why for why in found.unusable.values())
    assert sorted(found.values)[-1] == pytest.approx(1000 * (10 + 18 * 18))


def test_units_of_different_things_are_refused():
    with pytest.raises(UsageError, match="not converted into each other"):
        understand(rows(["nM", "%"]), "Standard Value", split="random")


def test_a_unit_that_no_number_has_behind_it_is_still_told():
    found = understand(rows(["10'-6 cm/s"]), "Standard Value", split="random")
    assert found.unit == "10'-6 cm/s"
    with pytest.raises(UsageError):
        understand(rows(["10'-6 cm/s", "10'-5 cm/s"]), "Standard Value", split="random")


def test_unit_of_the_user_is_kept():
    assert understand(rows(["nM"]), "Standard Value", unit="pM", split="random").unit == "pM"


@pytest.mark.parametrize("other", [[3.0, 4.0], ["yes", "no"], [None, None]])
def test_columns_that_hold_something_else_change_nothing(other):
    plain = understand(rows(["nM"], ["="]), "Standard Value", split="random")
    found = understand(rows(["nM"], other), "Standard Value", split="random")
    assert found.values.tolist() == plain.values.tolist()
    assert understand(rows(other[:1] if other[0] == 3.0 else [None]), "Standard Value", split="random").unit == ""


def workbook(path, *sheets):
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for title, lines in sheets:
        sheet = book.create_sheet(title)
        for line in lines:
            sheet.append(line)
    book.save(path)
    return path


TABLE = [["id", "SMILES", "logS"], *([f"c{k}", smiles, 0.5 * k] for k, smiles in enumerate(ALKANES))]


@pytest.mark.parametrize(
    ("sheets", "told"),
    [
        ([("one", TABLE)], []),
        ([("one", [["Results of 2024"], [], *TABLE])], []),
        ([("notes", [["see the next sheet"]]), ("data", TABLE)], ["the table was read from sheet 'data'"]),
        ([("empty", []), ("data", TABLE)], ["the table was read from sheet 'data'"]),
        ([("one", TABLE), ("other", [["a", "b"], [1, 2]])], []),
    ],
)
def test_the_table_of_a_workbook_is_found(tmp_path, sheets, told):
    found = sheet_of(str(workbook(tmp_path / "book.xlsx", *sheets)), "logS")
    assert found.names == ["id", "SMILES", "logS"]
    assert len(found.rows) == 20
    assert found.told == told
    assert found.rows[0][0] == str(
        1 + next(k for k, line in enumerate(sheets[-1 if told else 0][1], start=1) if line[:1] == ["id"])
    )


def test_a_workbook_of_one_column_is_one(tmp_path):
    found = sheet_of(str(workbook(tmp_path / "book.xlsx", ("one", [["SMILES"], ["CCO"], ["CC"]]))), "SMILES")
    assert (found.names, len(found.rows)) == (["SMILES"], 2)


@pytest.mark.parametrize(
    ("title", "name"),
    [("Löslichkeit [mg/L]", "loslichkeit"), ("Größe", "grosse"), ("Énergie", "energie"), ("溶解度", "my_scientist")],
)
def test_names_keep_their_letters(title, name):
    assert name_of(None, title) == name
