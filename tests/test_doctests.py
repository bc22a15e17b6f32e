"""The examples in the docstrings of the public names run and show what they print."""

from __future__ import annotations

import doctest

import pytest

import andersonn

FINDER = doctest.DocTestFinder(exclude_empty=True)
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE
SHOWN = {
    "Anderson",
    "Equilibrium",
    "EquilibriumClassifier",
    "EquilibriumRegressor",
    "GraphImager",
    "ImplicitGradient",
    "NodeNeighborImage",
    "Records",
    "Scientist",
    "Structure",
    "Task",
    "TrainConfig",
    "fixed_point",
}
"""Names whose docstrings must hold an example."""


def examples_of(name: str) -> list[doctest.DocTest]:
    """Those in the docstring of a public name, and of its methods."""
    return [found for found in FINDER.find(getattr(andersonn, name), name, module=False, globs={}) if found.examples]


@pytest.mark.parametrize("name", [name for name in andersonn.__all__ if name in SHOWN or examples_of(name)])
def test_examples_run(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = examples_of(name)
    assert found, f"{name} has no example"
    for example in found:
        said: list[str] = []
        failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append)
        assert not failed, "".join(said)


def test_the_names_are_public():
    assert set(andersonn.__all__) >= SHOWN
