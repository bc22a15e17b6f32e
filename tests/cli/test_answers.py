"""Tables for people: warnings with their inputs, notes summed up, progress on a terminal alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from andersonn.cli.answers import Reading, shared_warnings, summed_notes
from andersonn.cli.main import app

ROOT = Path(__file__).parents[2]


def test_notes_are_summed_up():
    made, added = "3-D geometry made by RDKit", "hydrogen atoms were added"
    notes = [(made, f"2 {added}"), (made, f"5 {added}"), (made,), ()]
    assert list(summed_notes(zip("abcd", notes, strict=True))) == [
        f"note: 3 of 4 inputs: {made}",
        f"note: a, b: 2 {added} (for instance)",
    ]
    assert list(summed_notes([("a", (made,))])) == [f"note: {made}"]
    assert list(summed_notes([("a", ()), ("b", ())])) == []
    many = list(summed_notes((f"{k}", (made, f"{k} atoms were added")) for k in range(300)))
    assert many == [f"note: 300 of 300 inputs: {made}", "note: 300 of 300 inputs: 0 atoms were added (for instance)"]
    assert list(summed_notes([("a", ("1 atom", "2 atoms")), ("b", ())])) == ["note: a: 1 atom", "note: a: 2 atoms"]


def test_a_warning_names_its_inputs():
    told = [("a", ("odd",)), ("b", ("odd", "rare \x1b[31m")), *((f"c{k}", ("odd",)) for k in range(5))]
    assert list(shared_warnings(told)) == ["! a, b, c0, c1 and 3 more: odd", "! b: rare \\x1b[31m"]


class Terminal:
    """Stands in for stderr."""

    def __init__(self, terminal):
        self.terminal = terminal

    def isatty(self):
        return self.terminal


def test_progress_is_for_terminals_and_long_work(monkeypatch):
    asked = []
    for terminal, quiet, patience, shown in (
        (False, False, 0, 0),
        (True, True, 0, 0),
        (True, False, 1e9, 0),
        (True, False, 0, 1),
    ):
        monkeypatch.setattr("sys.stderr", Terminal(terminal))
        monkeypatch.setattr("andersonn.cli.answers.PATIENCE", patience)
        reading = Reading(lambda: asked.append(1), quiet)
        monkeypatch.setattr(reading, "_started", lambda: (asked.append("bar"), (Bar(), 0))[1])
        reading.tell("x.cif", 1, 1)
        assert asked.count("bar") == shown
        reading.finish()


class Bar:
    """Takes what a bar takes."""

    def update(self, task, **values):
        assert values == {"completed": 1, "structures": 1, "name": "x.cif"}

    def stop(self):
        pass


@pytest.mark.parametrize(("columns", "whole"), [(80, False), (140, True)])
def test_classes_are_not_broken_in_a_narrow_terminal(columns, whole, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    printed = CliRunner().invoke(app, ["predict", "porosity", str(ROOT / "examples/frameworks")]).stdout
    assert "supermicroporous  1.00" in printed
    assert ("PLD / Å" in printed) == whole
    assert ("a wider terminal" in printed) != whole
