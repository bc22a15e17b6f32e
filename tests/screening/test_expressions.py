from __future__ import annotations

import pyarrow as pa
import pytest

from andersonn import Scientist
from andersonn.errors import UsageError
from andersonn.screening.expressions import NUMBER
from andersonn.screening.table import expression, schema_of

SCHEMA = schema_of(Scientist.load("conduction"))
TABLE = pa.table(
    {
        "class": ["metal", "insulator", "insulator"],
        "p": pa.array([0.99, 0.97, 0.6], pa.float32()),
        "value": pa.array([0.0, 5.0, 3.5], pa.float32()),
        "n_atoms": pa.array([1, 2, 9], pa.int32()),
        "inside": pa.array([True, None, False]),
        "distance": pa.array([0.1, None, 2.0], pa.float32()),
        "id": ["a", "b", "c"],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("class == 'insulator' and p > 0.95", [1]),
        ("class == 'insulator' or p > 0.95", [0, 1, 2]),
        ('class in ("metal", "semiconductor")', [0]),
        ("class not in ('metal',) and not p > 0.95", [2]),
        ("3 < value <= 5", [1, 2]),
        ("value / n_atoms > 2", [1]),
        ("-value + 2 * n_atoms >= 2", [0, 2]),
        ("inside", [0]),
        ("not inside", [2]),
        ("distance < 1 or not distance < 1", [0, 2]),
        ("id != 'a'", [1, 2]),
        ("1 / 0 > 5", [0, 1, 2]),
        ("(p > 0.95) == True", [0, 1]),
    ],
)
def test_conditions(text, rows):
    kept = TABLE.filter(expression(text, SCHEMA)(TABLE))
    assert kept["id"].to_pylist() == ["abc"[row] for row in rows]


def test_score():
    assert expression("value - p", SCHEMA, NUMBER)(TABLE).to_pylist() == pytest.approx([-0.99, 4.03, 2.9])


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("clas == 'metal'", "did you mean 'class'"),
        ("class == 'insulater'", "did you mean 'insulator'"),
        ("'isulator' == class", "did you mean 'insulator'"),
        ("class in ('metall',)", "did you mean 'metal'"),
        ("status == 'converge'", "did you mean 'converged'"),
        ("p > 'x'", "compared"),
        ("p", "not a condition"),
        ("p and class == 'metal'", "where a truth is needed"),
        ("", "no condition"),
        ("p > ", "no condition"),
        ("p > 0.9; p < 1", "no condition"),
        ("p > 0.9\nq", "no condition"),
        ("'metal' in class", "after 'in' comes a list"),
        ("p is 1", "is"),
    ],
)
def test_slips_are_named(text, cure):
    with pytest.raises(UsageError, match=cure):
        expression(text, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "p.__class__ == 1",
        "(lambda: 1)() == 1",
        "[x for x in (1, 2)] == 1",
        "9 ** 9 ** 9 > 1",
        "p @ p > 1",
        "f'{p}' == '1'",
        "(p := 1) > 0",
        "value if inside else p > 1",
        "'a' * 10 == 'a'",
        "-" * 1500 + "1 > 0",
        "(" * 1500 + ")" * 1500,
        "1e999 > p",
        "b'a' == id",
        "None == id",
    ],
)
def test_nothing_but_the_language_is_understood(text):
    with pytest.raises(UsageError):
        expression(text, SCHEMA)
