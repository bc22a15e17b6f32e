"""Numbers that stand in several places agree: those of the scientists with their model.json, others with the page that has the table."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from andersonn.training.card import page_of

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src/andersonn/scientists/weights"
FOLDERS = sorted(path.parent.name for path in WEIGHTS.glob("*/model.json"))
MODELS = {name: json.loads((WEIGHTS / name / "model.json").read_text(encoding="utf-8")) for name in FOLDERS}
spec = importlib.util.spec_from_file_location("make_card", ROOT / "tools/make_card.py")
make_card = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_card)


def words_of(page: str) -> str:
    """A page with its blanks as one each and without bold, so that a sentence is found however it is broken."""
    return re.sub(r"\s+", " ", (ROOT / page).read_text(encoding="utf-8")).replace("**", "")


def number(model: str, path: str) -> Any:
    """A number of a model.json by the names that lead to it; those that hold a point stand between slashes."""
    found: Any = MODELS[model]
    for key in re.findall(r"/([^/]+)/|([^./]+)", path):
        found = found[key[0] or key[1]]
    return found


C18, CEX, CQM = (
    "metrics.test.by_file./crystals_2018.parquet/",
    "metrics.test.by_file./crystals_extra.parquet/",
    "metrics.test.by_file./qmof_gaps.parquet/",
)
QM9, PER = "metrics.test.by_file./molecules_qm9.parquet/", "metrics.test.by_file./molecules_pereira2018.parquet/"
FOREST = "baselines.random_forest.accuracy"
BOOSTED = "baselines.boosted_trees.accuracy"
SAID = [
    ("docs/for_chemists.md", "accuracy {:.3f} on {:,} test crystals of compositions never seen, {:.3f} on {:,} more and {:.3f} on {:,} frameworks",
     "conduction", [f"{file}.{key}" for file in (C18, CEX, CQM) for key in ("accuracy", "n")]),
    ("docs/for_chemists.md", "Boosted trees alone, which are part of the answer, have {:.3f}, {:.3f} and {:.3f}",
     "conduction", [f"{file}.{BOOSTED}" for file in (C18, CEX, CQM)]),
    ("docs/for_chemists.md", "mean error of the gap is {:.3f}, {:.3f} and {:.3f} eV",
     "conduction", [f"{file}.mae" for file in (C18, CEX, CQM)]),
    ("docs/for_chemists.md", "accuracy {:.3f} on {:,} test molecules. On QM9 alone it is {:.3f}, with a mean error of {:.3f} D; on the set given as SMILES {:.3f} and {:.3f} D",
     "polarity", ["metrics.test.accuracy", "metrics.test.n", f"{QM9}.accuracy", f"{QM9}.mae", f"{PER}.accuracy", f"{PER}.mae"]),
    ("docs/for_chemists.md", "accuracy {:.3f} on {:,} test frameworks", "porosity", ["metrics.test.accuracy", "metrics.test.n"]),
    ("README.md", "Of those in the file that has SMILES alone, polarity has {:.3f}", "polarity", [f"{PER}.accuracy"]),
    ("README.md", "0.828 beside {:.3f}", "polarity", ["metrics.validation.by_file./molecules_pereira2018.parquet/.accuracy"]),
    ("docs/conformers.md", "The network that reads atoms in space has {:.3f} on QM9, with the computed geometry, and {:.3f} on the second file",
     "polarity", [f"metrics.validation.by_file./molecules_{name}.parquet/.accuracy" for name in ("qm9", "pereira2018")]),
    ("docs/conformers.md", "The network has {:.3f} and {:.3f} there", "polarity_bonds",
     [f"metrics.validation.by_file./molecules_{name}.parquet/.accuracy" for name in ("qm9", "pereira2018")]),
    ("docs/conformers.md", "| QM9 | {:,} | {:.3f} | {:.3f} | {:.3f} | {:.3f} | {:.2f} D |", "polarity_bonds",
     [f"{QM9}.n", f"{QM9}.baselines.majority.accuracy", f"{QM9}.{FOREST}", f"{QM9}.accuracy", f"{QM9}.ece", f"{QM9}.mae"]),
    ("docs/conformers.md", "| Pereira and Aires-de-Sousa | {:,} | {:.3f} | {:.3f} | {:.3f} | {:.3f} | {:.2f} D |", "polarity_bonds",
     [f"{PER}.n", f"{PER}.baselines.majority.accuracy", f"{PER}.{FOREST}", f"{PER}.accuracy", f"{PER}.ece", f"{PER}.mae"]),
    ("docs/conformers.md", "| test, all files | {:,} | {:.3f} | {:.3f} | {:.3f} | {:.3f} | {:.2f} D |", "polarity_bonds",
     ["metrics.test.n", "metrics.test.baselines.majority.accuracy", f"metrics.test.{FOREST}", "metrics.test.accuracy", "metrics.test.ece", "metrics.test.mae"]),
    ("docs/reproducing.md", "conduction: accuracy {:.3f}", "conduction", ["metrics.test.accuracy"]),
    ("docs/reproducing.md", "polarity: {:.3f}", "polarity", ["metrics.test.accuracy"]),
    ("docs/reproducing.md", "polarity by bonds alone: {:.3f}", "polarity_bonds", ["metrics.test.accuracy"]),
    ("docs/reproducing.md", "porosity: {:.3f}", "porosity", ["metrics.test.accuracy"]),
]  # fmt: skip
"""Page, what it says, whose model.json, and where the numbers are in it."""


@pytest.mark.parametrize(("page", "phrase", "model", "paths"), SAID, ids=lambda x: x if isinstance(x, str) else "")
def test_pages_say_what_the_models_have(page, phrase, model, paths):
    expected = phrase.format(*(number(model, path) for path in paths))
    assert expected in words_of(page), f"{page} should say: {expected}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_cards_are_what_the_generator_writes(folder):
    assert (ROOT / f"docs/cards/{folder}.md").read_text(encoding="utf-8") == page_of(WEIGHTS / folder)


@pytest.mark.parametrize(("page", "link"), [("README.md", "docs/cards/"), ("docs/measured.md", "cards/")])
def test_the_table_of_the_scientists_is_what_the_generator_writes(page, link):
    assert sorted(make_card.NAMES) == FOLDERS
    assert make_card.table(link) in (ROOT / page).read_text(encoding="utf-8"), "run python tools/make_card.py"


def test_the_counts_of_the_automatic_choice_agree():
    page = words_of("docs/measured.md")
    picard, unsolved = re.search(r"\| Picard iteration \| ([\d,]+) \| (\d+) \|", page).groups()
    own, left = re.search(r"`Anderson\(\"auto\"\)`, the default \| ([\d,]+) \| (\d+) \|", page).groups()
    share = round(100 * int(own.replace(",", "")) / int(picard.replace(",", "")))
    said = f"needed {share} % of Picard iteration's evaluations and left {left} samples unsolved instead of {unsolved}"
    assert said in words_of("README.md"), f"README.md should say: {said}"
    assert f"{own} against {picard} of Picard iteration" in words_of("docs/reproducing.md")
    assert f"takes {own} and leaves {left}" in words_of("docs/experiments.md")


def test_what_is_said_of_the_contest_is_in_its_table():
    row = re.search(r"time at least 2 × ahead of the best peer's Anderson or Broyden \| best of ours \|.*?\| (\d+) % of (\d+) cases \(median ([\d.]+) ×\)",
                    words_of("docs/solver_contest.md"))  # fmt: skip
    share, cases, median = row.groups()
    assert f"{median} times faster in the median of {cases} cases" in words_of("README.md")
    assert f"{median} times faster in the median of {cases} cases, at least twice in {share} % of them" in words_of(
        "docs/measured.md"
    )


def solved_in_the_contest() -> Counter[str]:
    """Solver → solves that met their tolerance, counted in the tables of the contest's page."""
    found: Counter[str] = Counter()
    names: list[str] = []
    for line in (ROOT / "docs/solver_contest.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "problem":
            names = cells
        elif len(cells) == len(names) and names:
            found.update(name for name, cell in zip(names, cells, strict=True) if re.match(r"\**\d+\**( ·|$)", cell))
            found["all"] += re.search(r", \d+$", cells[0]) is not None
    return found


def test_what_each_solver_solves_is_counted_in_the_contest():
    solved, page = solved_in_the_contest(), words_of("docs/measured.md")
    shown = (
        ('| `Anderson("auto")`, our default | {} |', "Anderson auto"),
        ("| Picard iteration | {} | | |", "forward iteration"),
        ("| torchdeq, Anderson, window 6 | {} |", "torchdeq Anderson m=6"),
        ("| torchdeq, Broyden | {} |", "torchdeq Broyden"),
        ("| tutorial, Anderson, window 5 | {} |", "tutorial Anderson m=5"),
    )
    for text, name in shown:
        assert text.format(solved[name]) in page
    assert (
        f"on {solved['all']} solves of {solved['all'] // 2} cases: our default solves {solved['Anderson auto']}"
        in words_of("README.md")
    )


def number_of_records(name: str) -> int:
    """Records of a set in the package."""
    return pq.read_metadata(ROOT / f"src/andersonn/data/sets/{name}.parquet").num_rows


def test_the_records_behind_the_weights_add_up():
    said = words_of("docs/data.md")
    counts = re.search(
        r"`polarity`: ([\d,]+) molecules of `qm9` .*? ([\d,]+) of `pereira2018` .*?, ([\d,]+) of `common-chemicals` "
        r"and ([\d,]+) of `small-molecules`. ([\d,]+) stiff ones of the last two are in it a second time, as SMILES, and so are ([\d,]+) of `qm9`",
        said,
    )
    parts = [int(count.replace(",", "")) for count in counts.groups()]
    assert sum(parts) == number("polarity", "data.records")
    labeled = {name: number_of_records(name) for name in ("common_chemicals", "small_molecules")}
    assert parts[2:4] == [labeled["common_chemicals"], labeled["small_molecules"]]
    assert parts[4] <= parts[2] + parts[3]
    assert "The network by bonds alone has each molecule once." in said
    assert sum(parts[:4]) == number("polarity_bonds", "data.records")
    frameworks = re.search(r"`porosity`: ([\d,]+) frameworks of `core-mof` .*? and ([\d,]+) of `qmof`", said)
    assert sum(int(count.replace(",", "")) for count in frameworks.groups()) == number("porosity", "data.records")


def test_the_first_answer_of_the_readme_is_what_the_program_prints(monkeypatch):
    from typer.testing import CliRunner

    from andersonn.cli.main import app

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    printed = CliRunner().invoke(app, ["predict", "conduction", "examples/structures"]).output
    shown = re.search(r"```text\n(input.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)[1]
    lines = [line.rstrip() for line in printed.splitlines()]
    assert [line for line in shown.splitlines() if line not in lines] == []


def test_a_wrong_number_would_be_seen():
    assert (
        number("conduction", f"{C18}.n")
        == MODELS["conduction"]["metrics"]["test"]["by_file"]["crystals_2018.parquet"]["n"]
    )
    assert "accuracy 0.123 on" not in words_of("docs/for_chemists.md")
