"""Columns of numbers as people write them."""

import datetime
import math

import numpy as np
import pytest

from andersonn.constructing import units
from andersonn.constructing.cells import Commas, cell_of
from andersonn.constructing.understanding import understand
from andersonn.errors import UsageError
from tests.constructing.tables import LOG_S, table_of


def understood(values, name="y", **options):
    return understand(table_of(values, name), name, **{"split": "random"} | options)


def refusal(values, name="y", **options):
    with pytest.raises(UsageError) as raised:
        understood(values, name, **options)
    assert raised.value.hint
    return raised.value


@pytest.mark.parametrize(
    ("written", "value", "unit"),
    [
        ("1.5", 1.5, ""), (" -1.5e-3 ", -1.5e-3, ""), ("+.5", 0.5, ""), ("−1.5", -1.5, ""), ("1.2 x 10^-3", 1.2e-3, ""),
        ("1.2·10-3", 1.2e-3, ""), ("3 eV", 3.0, "eV"), ("300meV", 300.0, "meV"), ("45 %", 45.0, "%"), ("1.2 ± 0.1", 1.2, ""),
        ("1.2 +/- 0.1 eV", 1.2, "eV"), ("1.23(4)", 1.23, ""), ("~5", 5.0, ""), (7, 7.0, ""), (np.float32(0.5), 0.5, ""),
        (np.int64(3), 3.0, ""), ("2 kcal mol-1", 2.0, "kcal mol-1"),
    ],
)  # fmt: skip
def test_cells(written, value, unit):
    cell = cell_of(written, Commas())
    assert (cell.value, cell.unit, cell.problem) == (value, unit, "")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (None, "the value is missing"), ("n/a", "the value is missing"), (math.nan, "the value is missing"),
        (" - ", "the value is missing"), (math.inf, "the value is infinite"), ("-inf", "the value is infinite"),
        ("1e999", "the value is infinite"), ("<0.5", "'<0.5' is a bound, not a value"), ("≥ 3 eV", "'≥ 3 eV' is a bound, not a value"),
        ("1-2", "'1-2' is a range, not a value"), ("1.5 to 2.5", "'1.5 to 2.5' is a range, not a value"), ("soluble", "'soluble' is no number"),
        ("1_000", "'1_000' is no number"), ([1, 2], "the value is a list, no number"),
        (datetime.date(2020, 1, 2), "the value is a date (2020-01-02): spreadsheets make dates of some numbers"),
    ],
)  # fmt: skip
def test_cells_without_a_number(written, problem):
    cell = cell_of(written, Commas())
    assert math.isnan(cell.value)
    assert cell.problem == problem


def test_text_numbers_and_minus_signs_of_typesetting():
    assert understood([str(y).replace("-", "−") for y in LOG_S]).values.tolist() == LOG_S
    found = understood([str(y) if k % 7 == 0 else y for k, y in enumerate(LOG_S)])
    assert "9 numbers are stored as text; they were read all the same" in found.findings


def test_decimal_commas():
    found = understood([str(y).replace(".", ",") for y in LOG_S])
    assert found.values.tolist() == LOG_S
    assert "commas in the numbers of 'y' were read as marks of decimals" in found.findings


def test_commas_of_thousands():
    found = understood([f"{k + 1},{k:03d}.5" for k in range(60)])
    assert found.values.tolist() == [1000 * (k + 1) + k + 0.5 for k in range(60)]


def test_commas_that_may_mean_either():
    error = refusal([f"{k + 1},{k:03d}" for k in range(60)])
    assert (error.kind, error.message) == ("ambiguous_commas", "'1,000' in column 'y' may be 1.000 or 1000")
    mixed = refusal([f"{k},5" if k % 2 else f"{k + 1},{k:03d}.5" for k in range(60)])
    assert mixed.kind == "mixed_commas"


def test_units_that_convert():
    found = understood([f"{y} eV" if k % 3 else f"{1000 * y} meV" for k, y in enumerate(LOG_S)])
    assert found.unit == "eV"
    assert found.values == pytest.approx(LOG_S)
    assert "20 numbers in 'meV' were converted to 'eV', times 0.001" in found.findings


def test_numbers_without_a_unit_beside_others():
    some = [f"{y} eV" if k % 3 else y for k, y in enumerate(LOG_S)]
    error = refusal(some)
    assert error.kind == "mixed_units"
    assert "20 numbers without a unit" in error.message
    assert understood(some, "y_eV").values == pytest.approx(LOG_S)
    in_both = understood(some, "y_meV")  # those without a unit are in that of the column's name
    assert in_both.unit == "meV"
    assert in_both.values == pytest.approx([1000 * y if k % 3 else y for k, y in enumerate(LOG_S)])


@pytest.mark.parametrize("other", ["K", "kJ", "°C", "eV/atom"])
def test_units_that_do_not_convert(other):
    error = refusal([f"{y} eV" if k % 3 else f"{y} {other}" for k, y in enumerate(LOG_S)])
    assert error.kind == "mixed_units"
    assert f"'eV' (40 rows), '{other}' (20 rows)" in error.message


def test_a_word_behind_one_number():
    found = understood([f"{y} eV" if k else f"{y} gallons" for k, y in enumerate(LOG_S)])
    assert found.unusable == {"row 0": "'-0.77 gallons' is no number in a known unit"}


def test_celsius_beside_kelvin():
    assert refusal([f"{300 + y} K" if k % 3 else f"{y} °C" for k, y in enumerate(LOG_S)]).kind == "mixed_units"


def test_numbers_that_stand_for_none():
    found = understood([-999 if k % 10 == 0 else y for k, y in enumerate(LOG_S)])
    assert found.unusable["row 10"] == "-999 stands for a missing value"
    assert len(found.records) == 54
    assert understood([999 if k == 3 else 10 * k**1.5 for k in range(60)]).values.max() > 999  # a value among others


def test_bounds_are_left_out_and_uncertainties_told():
    found = understood([f"<{y}" if k % 5 == 0 else f"{y} ± 0.1" for k, y in enumerate(LOG_S)])
    assert len(found.unusable) == 12
    assert "uncertainties behind numbers were left out (48 cells)" in found.findings
    assert "12 × '<-0.77' is a bound, not a value, and alike (row 0, row 5, row 10, row 15, …)" in found.as_text()


@pytest.mark.parametrize(
    ("first", "second", "by"),
    [
        ("meV", "eV", 1e-3), ("kJ/mol", "kcal/mol", 1 / 4.184), ("kcal mol-1", "eV", 0.0433641), ("Å", "nm", 0.1),
        ("µM", "nM", 1e3), ("Hartree", "eV", 27.211386), ("cm^-1", "meV", 0.12398), ("eV", "eV/atom", None), ("K", "°C", None),
        ("mol/L", "M", 1.0), ("g cm-3", "kg/m³", 1e3), ("eV", "foo", None), ("foo", "foo", 1.0),
    ],
)  # fmt: skip
def test_factors(first, second, by):
    found = units.factor(first, second)
    assert found == (None if by is None else pytest.approx(by, rel=1e-4))
