"""Every pattern of the package, and every function that text from outside goes through first, takes time proportional to
the length of what it is given, however that was made to keep it busy. Compared are ratios of this process's own CPU time,
never seconds of the clock, and the gentlest of up to ten ratios counts: other programs can make one steeper than the
function is, but never make a slow function gentle ten times.
"""

from __future__ import annotations

import ast
import math
import re
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from andersonn import sanitize
from andersonn.errors import InputError, did_you_mean
from andersonn.sanitize import lines_of
from andersonn.structures.readers.sniffing import sniffed
from andersonn.web import inputs, pages

try:
    from re import _parser as grammar
except ImportError:  # Python 3.10 and older
    import sre_parse as grammar

SOURCE = Path(__file__).parents[2] / "src/andersonn"
USES = ("compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
LONGEST = 1 << 15
"""Letters: what takes no measurable time by then is not quadratic, which would be 500 million steps."""
MEASURABLE = 2e-3
"""Seconds of the process, from which a ratio says something."""
STEEPEST = 9.0
"""Of four times the length; proportional is 4, quadratic 16."""


@dataclass(frozen=True)
class Found:
    """A pattern and the ways in which it is used."""

    where: str
    pattern: re.Pattern
    ways: frozenset[str]


def test_each_pattern_takes_time_in_proportion(pattern_found):
    for way in sorted(pattern_found.ways):
        use = used(pattern_found.pattern, way)
        for unit, make in hostile(pattern_found.pattern):
            steepness = growth(use, make)
            assert steepness < STEEPEST, (
                f"{pattern_found.where}: {pattern_found.pattern.pattern!r} by {way} on {unit!r}"
            )


@pytest.mark.parametrize(
    "function",
    [
        sanitize.visible, sanitize.redacted, sanitize.harmless, sanitize.cell, lines_of, sanitize.first_line, sniffed, inputs.printed,
        inputs.from_text, lambda text: inputs.from_file(text, b""), lambda text: inputs.from_file(text + "/x.cif", b"").stem,
        lambda text: inputs.collected([], text, [text]), lambda text: InputError("x", text, text),
        lambda text: did_you_mean(text, ["polarity", "conduction"]), lambda text: inputs.ending_of(text.encode(errors="replace"), "x"),
        pages.as_html,
    ],
    ids=lambda f: f.__qualname__,
)  # fmt: skip
def test_each_boundary_takes_time_in_proportion(function):
    units = [
        "a.", "a", ".", " ", "\n", "\r\n", "\t", "=", "?", "?key", "&a=", ";token=", "://", "a://", "a://b", "@", "a@", "authorization",
        "authorization: ", "x-api-key", "data_", "\n\n data_", "ATOM", "[", "]", "(", "C(", "C1", "\\", "/", "../", "'", "\"", "<a>",
        "\x1b[", "\u2028", "\udcff", "1 ", "1.5 1.5 1.5\n", "_cell", "Ω", "x\n",
    ]  # fmt: skip
    if (
        function is pages.as_html
    ):  # its input is a document of whoever made the model; the parser's own limits are not ours
        units = ["[x](y) ", '<a href="x">', "a | b\n", "* x\n", "x\n"]

    def quietly(text: str) -> object:
        try:
            return function(text)
        except InputError:
            return None

    for unit in units:
        for head in ("", "a://", "?key=", "authorization", "data_x\n"):
            steepness = growth(quietly, lambda n, unit=unit, head=head: head + (unit * (n // len(unit) + 1))[:n] + "!")
            assert steepness < STEEPEST, f"{head!r} and {unit!r} many times"


@pytest.mark.parametrize(
    ("pattern", "way", "text"),
    [
        (r"(\b[a-z][a-z0-9+.-]*://)[^/\s'\"]+@", "sub", "a."), (r"(?m)^\s*data_", "search", "\n"), (r"\[([^\]]+)\]\(x\)", "sub", "["),
        (r"(a+)+$", "fullmatch", "a"), (r"\s+$", "sub", " "),
    ],
)  # fmt: skip
def test_the_measure_sees_what_is_slow(pattern, way, text):
    """Patterns as the package once had them."""
    found = re.compile(pattern)
    if pattern == r"(a+)+$":  # exponential: any step is too much
        found, text = re.compile(r"a*a*$"), "a"
    assert any(growth(used(found, way), make) >= STEEPEST for _, make in hostile(found)), text


def growth(use: Callable[[str], object], make: Callable[[int], str]) -> float:
    """How many times as long four times the length takes; 1.0 if even the longest takes no time to speak of."""
    length = 1 << 10
    while (longer := took(use, make(4 * length))) < MEASURABLE:
        length *= 4
        if 4 * length > LONGEST:
            return 1.0
    short, long, ratio = make(length), make(4 * length), math.inf
    for _ in range(10):
        ratio = min(ratio, longer / max(min(took(use, short) for _ in range(3)), 1e-9))
        if ratio < STEEPEST:
            break
        longer = min(took(use, long) for _ in range(2))
    return ratio


def took(use: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    use(text)
    return time.process_time() - begun


def used(pattern: re.Pattern, way: str) -> Callable[[str], object]:
    """A use of a pattern on a text, as the package has it."""
    asked = pattern.pattern
    if isinstance(asked, bytes):
        return lambda text: used_on(pattern, way, text.encode("utf-8", "surrogateescape"))
    return lambda text: used_on(pattern, way, text)


def used_on(pattern: re.Pattern, way: str, text: str | bytes) -> object:
    if way in ("sub", "subn", "findall", "finditer", "split"):
        return sum(1 for _ in pattern.finditer(text))
    return getattr(pattern, way)(text)


def hostile(pattern: re.Pattern) -> Iterator[tuple[str, Callable[[int], str]]]:
    """Long texts of what a pattern looks for: each of its parts, alone and in pairs, after each of its beginnings, and ended
    by what it does not want.
    """
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = grammar.parse(text, pattern.flags & (re.I | re.M | re.S | re.X | re.A))
    heads = list(dict.fromkeys(["", *beginnings(tree)]))
    single = list(dict.fromkeys([*parts(tree), "a", ".", " ", "\n", "a.", "="]))
    units = list(dict.fromkeys(single + [a + b for a in single[:7] for b in single[:7] if a != b]))
    for unit in units:
        for head in heads[:: max(1, len(heads) // 4)]:
            yield head + unit, lambda n, unit=unit, head=head: head + (unit * (n // len(unit) + 1))[:n] + "\x00!"


def parts(tree) -> list[str]:
    """An example of each part of a pattern, whole words first."""
    found = [sample([node]) for node in tree] + [sample(tree)]
    for operation, argument in tree:
        for inner in inner_of(operation, argument):
            found += parts(inner)
        if operation is grammar.IN:
            found += letters_of(argument)
    return [text for text in dict.fromkeys(found) if text]


def beginnings(tree) -> list[str]:
    """Examples of the first parts of a pattern."""
    return ["".join(sample([node]) for node in tree[:k]) for k in range(1, len(tree))]


def inner_of(operation, argument) -> list:
    if operation in (grammar.MAX_REPEAT, grammar.MIN_REPEAT, getattr(grammar, "POSSESSIVE_REPEAT", None)):
        return [argument[2]]
    if operation is grammar.SUBPATTERN:
        return [argument[3]]
    if operation is grammar.BRANCH:
        return list(argument[1])
    if operation in (grammar.ASSERT, grammar.ASSERT_NOT):
        return [argument[1]]
    return []


def sample(tree) -> str:
    """A short text that a part of a pattern matches."""
    found = ""
    for operation, argument in tree:
        if operation is grammar.LITERAL:
            found += chr(argument)
        elif operation is grammar.NOT_LITERAL:
            found += "a" if argument != ord("a") else "b"
        elif operation is grammar.ANY:
            found += "a"
        elif operation is grammar.IN:
            found += letters_of(argument)[0]
        elif operation in (grammar.MAX_REPEAT, grammar.MIN_REPEAT):
            found += sample(argument[2]) * max(1, min(argument[0], 3))
        elif operation is grammar.SUBPATTERN:
            found += sample(argument[3])
        elif operation is grammar.BRANCH:
            found += sample(argument[1][0])
    return found


@cache
def letters_that(pattern: str) -> list[str]:
    found = re.compile(pattern)
    return [
        letter
        for letter in "a1 .=/:-_\n\t@?&()[]<>\"'" + string.printable + "\x00\x85\u2028\u202e\udcff"
        if found.match(letter)
    ]


def letters_of(alternatives) -> list[str]:
    """Some letters that a class takes, the plainest first."""
    words = {
        grammar.CATEGORY_DIGIT: r"\d", grammar.CATEGORY_SPACE: r"\s", grammar.CATEGORY_WORD: r"\w",
        grammar.CATEGORY_NOT_DIGIT: r"\D", grammar.CATEGORY_NOT_SPACE: r"\S", grammar.CATEGORY_NOT_WORD: r"\W",
    }  # fmt: skip
    negated, inside = False, ""
    for operation, argument in alternatives:
        if operation is grammar.NEGATE:
            negated = True
        elif operation is grammar.LITERAL:
            inside += re.escape(chr(argument))
        elif operation is grammar.RANGE:
            inside += f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
        elif operation is grammar.CATEGORY:
            inside += words[argument]
    return letters_that(f"[{'^' if negated else ''}{inside}]")[:3] or ["a"]


def patterns() -> list[Found]:
    """All patterns in the source: those given to functions of ``re``, and those compiled under a name, with the methods
    that are asked of that name anywhere.
    """
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    nodes = {path: list(ast.walk(tree)) for path, tree in trees.items()}
    asked: dict[str, set[str]] = {}
    for node in chain.from_iterable(nodes.values()):
        if isinstance(node, ast.Attribute) and node.attr in USES:
            name = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", None)
            asked.setdefault(name, set()).add(node.attr)
    found = []
    for path, tree in trees.items():
        constants, names = text_constants(tree), names_of_calls(nodes[path])
        for node in nodes[path]:
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in USES):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
                continue
            where, way = f"{path.relative_to(SOURCE)}:{node.lineno}", node.func.attr
            pattern = re.compile(text_of(node.args[0], constants, where), flags_of(node))
            ways = (
                {way} if way != "compile" else asked.get(names.get(node), set()) - {"compile"} or {"search", "finditer"}
            )
            found.append(Found(where, pattern, frozenset(ways)))
    return found


def names_of_calls(nodes: list[ast.AST]) -> dict[ast.AST, str]:
    """The names that values are given, by the calls in them."""
    return {
        call: node.targets[0].id
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        for call in ast.walk(node.value)
        if isinstance(call, ast.Call)
    }


def text_constants(tree: ast.Module) -> dict[str, str | bytes]:
    """Texts under a name in a module."""
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def text_of(node: ast.expr, constants: dict[str, str | bytes], where: str) -> str | bytes:
    """A pattern as it is written; a part that is computed stands for a word."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    if isinstance(node, ast.JoinedStr):
        return "".join(
            text_of(part, constants, where) if not isinstance(part, ast.FormattedValue) else part_of(part, constants)
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left, constants, where) + text_of(node.right, constants, where)
    raise AssertionError(f"{where}: write the pattern out, so that it can be tested: {ast.unparse(node)}")


def part_of(part: ast.FormattedValue, constants: dict[str, str | bytes]) -> str:
    return constants[part.value.id] if isinstance(part.value, ast.Name) and part.value.id in constants else "word"


def flags_of(node: ast.Call) -> int:
    """The flags of a call of ``re``."""
    given = [keyword.value for keyword in node.keywords if keyword.arg == "flags"]
    if node.func.attr == "compile" and len(node.args) > 1:
        given.append(node.args[1])
    return int(eval(ast.unparse(given[0]), {"re": re})) if given else 0  # our own source


FOUND = patterns()


@pytest.fixture(params=FOUND, ids=lambda found: found.where)
def pattern_found(request):
    return request.param


def test_the_patterns_are_found():
    texts = {found.pattern.pattern for found in FOUND}
    assert sanitize.QUERY.pattern in texts
    assert sanitize.HEADER.pattern in texts
    assert len(FOUND) >= 25
