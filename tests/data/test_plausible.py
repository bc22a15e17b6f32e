"""Labels in another unit are refused or told, with the factor that mends them."""

import math

import numpy as np
import pytest

from andersonn.data.plausible import check_unit, unit_hint
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.scientists.conduction import CONDUCTION
from andersonn.scientists.polarity import POLARITY
from andersonn.scientists.porosity import POROSITY

GAPS = np.array([0.0, 0.0, 0.4, 1.1, 1.5, 2.3, 3.1, 5.2, 6.8, 8.9] * 4)
DIPOLES = np.array([0.0, 0.3, 1.1, 1.85, 2.5, 3.9, 4.4, 6.1, 9.2, 0.7] * 4)
PORES = np.array([0.6, 1.1, 2.4, 3.3, 4.1, 5.0, 6.6, 8.1, 11.9, 14.2] * 4)


@pytest.mark.parametrize(("task", "values"), [(CONDUCTION, GAPS), (POLARITY, DIPOLES), (POROSITY, PORES)])
def test_usual_labels_pass(task, values):
    assert check_unit(task, values) == ""
    assert check_unit(task, np.append(values, np.nan)) == ""
    assert check_unit(task, np.append(values, 9999.0)) == ""  # one stray record is left out as such
    assert check_unit(task, np.zeros(3)) == ""


@pytest.mark.parametrize(
    ("task", "values", "unit"),
    [(CONDUCTION, GAPS, unit) for unit in ("meV", "kJ/mol", "kcal/mol", "1/cm")]
    + [(POROSITY, PORES, "pm"), (POLARITY, DIPOLES, "mD")]
    + [
        (CONDUCTION, GAPS, "J"),
        (POLARITY, DIPOLES, "C m"),
        (POLARITY, -DIPOLES, "C m"),
        (POLARITY, DIPOLES[:5], "C m"),
    ],
)
def test_labels_beyond_are_refused_with_the_factor(task, values, unit):
    with pytest.raises(UsageError) as caught:
        check_unit(task, values / task.other_units[unit])
    assert caught.value.kind == "implausible_labels"
    assert f"by {task.other_units[unit]:.6g} if they are in {unit}" in caught.value.hint


@pytest.mark.parametrize(
    ("task", "values", "unit"),
    [(CONDUCTION, GAPS, unit) for unit in ("Hartree", "Rydberg")]
    + [(POLARITY, DIPOLES, unit) for unit in ("e Å", "e bohr (atomic units)")]
    + [(POROSITY, PORES, "nm")],
)
def test_too_small_labels_are_told_with_the_factor(task, values, unit):
    told = check_unit(task, values / task.other_units[unit])
    assert f"by {task.other_units[unit]:.6g} if they are in {unit}" in told


def test_labels_far_too_small_are_refused_where_no_unit_fits():
    with pytest.raises(UsageError, match=r"the largest of 40 labels .* is 9.2e-20") as caught:
        check_unit(POLARITY, DIPOLES * 1e-20)
    assert caught.value.hint == "give dipole_D in D"


MANY = np.concatenate([np.zeros(900), np.random.default_rng(0).gamma(1.3, 1.7, 2100)])
"""Gaps as a collection of crystals has them: many metals, few wide ones."""
LARGE = ("meV", "kJ/mol", "kcal/mol", "1/cm")


@pytest.mark.parametrize("unit", LARGE)
def test_the_likeliest_unit_is_named_first(unit):
    with pytest.raises(UsageError) as caught:
        check_unit(CONDUCTION, MANY / CONDUCTION.other_units[unit])
    assert caught.value.hint.startswith(f"multiply them by {CONDUCTION.other_units[unit]:.6g} if they are in {unit}")


def test_of_many_labels_the_median_tells_the_unit():
    wide = np.append(MANY, [17.9, 16.6])  # by the largest alone Rydberg would pass
    assert check_unit(CONDUCTION, wide) == ""
    told = check_unit(CONDUCTION, wide / CONDUCTION.other_units["Rydberg"])
    assert "half of the labels" in told
    assert f"by {CONDUCTION.other_units['Rydberg']:.6g} if they are in Rydberg" in told


def test_few_labels_beyond_are_told_one_by_one():
    assert unit_hint(CONDUCTION, 5200.0) == " (in meV? multiply by 0.001)"
    assert unit_hint(CONDUCTION, 1e12) == ""
    assert unit_hint(CONDUCTION, math.nan) == ""
    assert check_unit(CONDUCTION, np.array([0.0, 1.2, 5200.0])) == ""


def test_tasks_of_the_users_own_are_not_judged():
    own = Task("yield", "yield_percent", "%", ("low", "high"), (50.0,))
    assert check_unit(own, GAPS * 1e6) == ""
    assert check_unit(own, GAPS * 1e-6) == ""
    assert Task.from_dict(own.as_dict()) == own
    assert Task.from_dict(CONDUCTION.as_dict()) == CONDUCTION


def test_estimators_refuse_them_too():
    from andersonn.estimators.samples import DataError
    from andersonn.estimators.targets import class_indices

    with pytest.raises(DataError, match=r"by 2.99793e\+29 if they are in C m"):
        class_indices(DIPOLES * 3.33564e-30, POLARITY)
    assert class_indices(DIPOLES, POLARITY).max() == 1


@pytest.mark.parametrize("side", ["train", "evaluate"])
def test_train_and_evaluate_refuse_dipoles_in_coulomb_meters(side, tmp_path):
    from typer.testing import CliRunner

    from andersonn.cli.main import app

    names = ["C", "CC", "CCC", "CO", "CCO", "CF", "CCF", "CC=O", "CC#N", "O"]
    rows = [f"{name},{dipole * 3.33564e-30:g}" for name, dipole in zip(names, DIPOLES, strict=False)]
    (tmp_path / "si.csv").write_text("\n".join(["smiles,dipole_D", *rows, ""]))
    words = [
        side,
        "polarity",
        "--data",
        str(tmp_path / "si.csv"),
        *(["--out", str(tmp_path / "m")] if side == "train" else []),
    ]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, UsageError)
    assert done.exception.kind == "implausible_labels"
    assert "multiply them by 2.99793e+29 if they are in C m" in done.exception.hint
