"""Help texts: they fit the screen, name the tasks, and speak in words; the shell completes tasks."""

from __future__ import annotations

import os
import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from andersonn.cli.task_list import reflowed, tasks_like
from andersonn.cli.verbs import app
from andersonn.scientists.registry import registered


def verbs(command=None, words=()):
    """The words of every verb."""
    command = command or get_command(app)
    if not hasattr(command, "commands"):
        return [words]
    return [each for name, sub in command.commands.items() for each in verbs(sub, (*words, name))]


def help_of(*words):
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return done.output


def test_there_are_verbs():
    assert {("predict",), ("measure", "solvers"), ("label", "dipole"), ("data", "get")} <= set(verbs())


@pytest.mark.parametrize("words", [(), ("measure",), ("label",), ("data",), *verbs()], ids=" ".join)
def test_help_fits_and_speaks_in_words(words):
    text = help_of(*words)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"<\w|list\[|{\w+}|\.\.\.\]|\w…", text), text
    assert not re.search(r"\[\[", text)


@pytest.mark.parametrize(
    "words", [words for words in verbs() if "TASK" in help_of(*words).partition("\n\n")[0]], ids=" ".join
)
def test_help_of_a_verb_about_tasks_lists_them(words):
    text = help_of(*words)
    for name, spec in registered().items():
        assert re.search(rf"^ {name} +(\w+ +)?{spec.task.summary}", text, flags=re.M), text


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_every_verb_has_an_example(words):
    assert re.search(rf"Examples?:\s+(\S+ )*andersonn {' '.join(words)}", help_of(*words)), help_of(*words)


def test_usage_names_what_is_to_be_given():
    assert "predict [OPTIONS] TASK [INPUT]..." in help_of("predict")
    assert "measure solvers [OPTIONS] [TASK]" in help_of("measure", "solvers")
    assert "label pore [OPTIONS] INPUT..." in help_of("label", "pore")


def test_paragraphs_are_filled_and_lists_and_examples_keep_their_lines():
    text = "First\nline.\n\nTasks:\none  1\ntwo  2\n\nExamples: andersonn a; andersonn b\n--c d\n\nExample: andersonn e\nExample: andersonn f"
    assert reflowed(text).split("\n") == [
        "First line.", "", "Tasks:", "one  1", "two  2", "", "Examples:", "  andersonn a", "  andersonn b --c d", "",
        "Examples:", "  andersonn e", "  andersonn f",
    ]  # fmt: skip


def test_tasks_are_completed():
    assert [name for name, _ in tasks_like("po")] == ["polarity", "porosity"]
    assert [name for name, _ in tasks_like("")] == list(registered())
    assert tasks_like("./my_own.py") == []


@pytest.mark.parametrize("verb", ["predict", "explain", "screen", "card", "train", "evaluate", "measure inference"])
def test_the_shell_is_told_the_tasks(verb):
    words = f"andersonn {verb} con"
    asked = {"_ANDERSONN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = CliRunner().invoke(app, [], prog_name="andersonn", env={**os.environ, **asked})
    assert done.output.split() == ["conduction"]


def test_a_switch_that_is_on_shows_the_word_that_turns_it_off_alone():
    text = help_of("explain")
    assert "--no-picture" in text
    assert not re.search(r"--picture\b", text)
    assert "--no-picture" in help_of("explain")  # nothing was changed for good
    for words in verbs():
        for option in re.findall(r"--no-(\w+)", help_of(*words)):
            assert not re.search(rf"(?<!-no)--{option}\b", help_of(*words)), words


def test_the_list_of_verbs_has_a_sentence_each_and_examples():
    text = help_of()
    assert text.index("predict ") < text.index("train ")
    assert "andersonn predict polarity --smiles CCO" in text
    rows = re.sub(r"\s*│\n│\s{11,}", " ", text.partition("─ Commands ─")[2])
    told = re.findall(r"│ (\w+) +(.*?) *│", rows)
    assert len(told) > 10
    assert all(re.fullmatch(r"[^.]*(?:\(.*\))?\.", sentence) for _, sentence in told), told
