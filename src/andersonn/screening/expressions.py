"""Conditions and scores over the columns of results: a small language, parsed and checked, never executed as Python.

``class == 'insulator' and p > 0.95``: names of columns, numbers, words, ``and or not``, comparisons (also chained, and
``in`` a list), ``+ - * /`` and brackets. A comparison with a missing value is not true, and neither is its opposite.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from andersonn.errors import UsageError, did_you_mean

LONGEST = 2000
"""Characters."""
NUMBER, WORD, TRUTH = "number", "word", "truth"
COMPARISONS: dict[type, Callable[..., Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
ARITHMETIC: dict[type, Callable[..., Any]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: pc.divide,
}
HINT = (
    "such as \"class == 'insulator' and p > 0.95\"; columns, numbers, 'words', and or not, == != < <= > >= in, + - * /"
)
KEYWORD = "class_"
"""What ``class``, a keyword of Python, is called while Python's own parser reads it."""
Evaluate = Callable[[pa.Table], Any]


class Expression:
    """A checked expression.

    Args:
        text: what the user wrote.
        kinds: column → ``"number"``, ``"word"`` or ``"truth"``.
        words: column → the words it can hold, where they are known.
        wanted: ``"truth"`` of a condition, ``"number"`` of a score.

    Raises:
        UsageError: it is none, names no column or word there is, or is of another kind.
    """

    def __init__(
        self,
        text: str,
        kinds: Mapping[str, str],
        words: Mapping[str, tuple[str, ...]] | None = None,
        wanted: str = TRUTH,
    ) -> None:
        self.text = text
        self._kinds, self._words = dict(kinds), dict(words or {})
        try:
            kind, self._evaluate = self._built(_parsed(text))
        except RecursionError:
            raise _bad(f"{text[:60]!r} is nested too deeply") from None
        if kind != wanted:
            meant = "a condition" if wanted == TRUTH else "a number"
            raise _bad(f"{text!r} is a {kind}, not {meant}")

    def __call__(self, table: pa.Table) -> pa.Array | pa.ChunkedArray:
        """One value a row; null where a column that decides is null."""
        value = self._evaluate(table)
        return value if isinstance(value, (pa.Array, pa.ChunkedArray)) else pa.array([value.as_py()] * len(table))

    def _built(self, node: ast.AST) -> tuple[str, Evaluate]:
        if isinstance(node, ast.Constant):
            return _constant(node.value)
        if isinstance(node, ast.Name):
            return self._column(node.id)
        if isinstance(node, ast.BoolOp):
            join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
            parts = [self._of_kind(value, TRUTH) for value in node.values]
            return TRUTH, lambda table: reduce(join, (part(table) for part in parts))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            change, kind = (pc.invert, TRUTH) if isinstance(node.op, ast.Not) else (pc.negate, NUMBER)
            part = self._of_kind(node.operand, kind)
            return kind, lambda table: change(part(table))
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            compute = ARITHMETIC[type(node.op)]
            left, right = self._of_kind(node.left, NUMBER), self._of_kind(node.right, NUMBER)
            return NUMBER, lambda table: compute(_double(left(table)), _double(right(table)))
        if isinstance(node, ast.Compare):
            return TRUTH, self._compared(node)
        raise _bad(f"{ast.unparse(node).replace(KEYWORD, 'class')[:60]!r} is not part of the language")

    def _of_kind(self, node: ast.AST, wanted: str) -> Evaluate:
        kind, evaluate = self._built(node)
        if kind != wanted:
            raise _bad(f"{ast.unparse(node).replace(KEYWORD, 'class')!r} is a {kind} where a {wanted} is needed")
        return evaluate

    def _column(self, name: str) -> tuple[str, Evaluate]:
        name = "class" if name == KEYWORD else name
        if name not in self._kinds:
            raise UsageError("unknown_column", f"results have no {name!r}", did_you_mean(name, self._kinds))
        return self._kinds[name], lambda table: table[name]

    def _compared(self, node: ast.Compare) -> Evaluate:
        sides = [node.left, *node.comparators]
        parts = [self._pair(*three) for three in zip(sides, node.ops, sides[1:], strict=False)]
        return lambda table: reduce(pc.and_kleene, (part(table) for part in parts))

    def _pair(self, left: ast.AST, operator: ast.cmpop, right: ast.AST) -> Evaluate:
        kind, first = self._built(left)
        if isinstance(operator, (ast.In, ast.NotIn)):
            return self._member(left, kind, first, isinstance(operator, ast.NotIn), right)
        if type(operator) not in COMPARISONS:
            raise _bad("'is' compares nothing here")
        other, second = self._built(right)
        if kind != other:
            raise _bad(f"a {kind} is compared with a {other} in {self.text!r}")
        self._check_word(left, right)
        self._check_word(right, left)
        compare = COMPARISONS[type(operator)]
        return lambda table: compare(first(table), second(table))

    def _member(self, left: ast.AST, kind: str, first: Evaluate, negated: bool, right: ast.AST) -> Evaluate:
        if not isinstance(right, (ast.List, ast.Tuple, ast.Set)) or not right.elts:
            raise _bad("after 'in' comes a list, such as ('metal', 'insulator')")
        values = []
        for element in right.elts:
            if not isinstance(element, ast.Constant) or _constant(element.value)[0] != kind:
                raise _bad(f"the list after 'in' must hold {kind}s")
            self._check_word(left, element)
            values.append(element.value)

        def member(table: pa.Table) -> Any:
            tests = (pc.equal(first(table), pa.scalar(value)) for value in values)
            found = reduce(pc.or_kleene, tests)
            return pc.invert(found) if negated else found

        return member

    def _check_word(self, column: ast.AST, value: ast.AST) -> None:
        """A word that its column never holds is a slip, not a condition."""
        if not isinstance(column, ast.Name) or not isinstance(value, ast.Constant):
            return
        name = "class" if column.id == KEYWORD else column.id
        known = self._words.get(name)
        if known is not None and value.value not in known:
            raise UsageError("unknown_word", f"{name} is never {value.value!r}", did_you_mean(str(value.value), known))


def _parsed(text: str) -> ast.AST:
    if len(text) > LONGEST:
        raise _bad(f"{len(text)} characters are too many")
    try:
        tokens = [
            (kind, KEYWORD if kind == tokenize.NAME and word == "class" else word)
            for kind, word, *_ in tokenize.generate_tokens(io.StringIO(text.strip()).readline)
        ]
        return ast.parse(tokenize.untokenize(tokens).strip(), mode="eval").body
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        raise _bad(f"{text!r} is no condition") from None


def _constant(value: Any) -> tuple[str, Evaluate]:
    if isinstance(value, bool):
        kind = TRUTH
    elif isinstance(value, (int, float)) and abs(value) < 1e300:
        kind, value = NUMBER, float(value)
    elif isinstance(value, str):
        kind = WORD
    else:
        raise _bad(f"{value!r} is neither a number nor a word")
    scalar = pa.scalar(value)
    return kind, lambda table: scalar


def _double(value: Any) -> Any:
    return pc.cast(value, pa.float64())


def _bad(reason: str) -> UsageError:
    return UsageError("bad_expression", reason, HINT)
