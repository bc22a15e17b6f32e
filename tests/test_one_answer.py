"""One answer, however it is asked for: Python, answers cut afterwards, the command line as JSON and CSV, a screening, and the web in
all its routes give the same class, probabilities, estimate and interval, also at moved thresholds; and all refuse the same ones.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from ase.io import write

import andersonn
from andersonn import Scientist
from andersonn.cli.verbs import app
from andersonn.errors import UsageError
from andersonn.inference.answers import Answers
from andersonn.inference.by_geometry import pore_question
from andersonn.scientists.registry import find
from andersonn.web.boundary import curve_of
from andersonn.web.known import crystal
from andersonn.web.structure_text import as_cif
from tests.structures.known_frameworks import framework
from tests.web.conftest import Serving
from tests.workers.fakes import InThisProcess

EXAMPLES = Path(__file__).parents[1] / "examples"
CRYSTALS = [*sorted((EXAMPLES / "structures").iterdir()), "mp-588", "mp-767407"]
FRAMEWORKS = [*sorted((EXAMPLES / "frameworks").glob("*.cif")), "SOD", "CHA", "LTA"]
SMILES = ["O", "CO", "CCO", "c1ccccc1", "CC#N", "C[N+](=O)[O-]", "ClC=CCl"]
BAD = "broken.cif"
CASES = [
    ("conduction", CRYSTALS, {}, None),
    ("conduction", CRYSTALS, {}, (0.0, 1.5)),
    ("conduction", CRYSTALS, {}, (0.3, 6.0)),
    ("polarity", SMILES, {}, None),
    ("polarity", SMILES, {}, (1.7,)),
    ("porosity", FRAMEWORKS, {}, None),
    ("porosity", FRAMEWORKS, {}, (4.0, 12.0, 16.0)),
    ("porosity", FRAMEWORKS, {"radii": "O=1.35,Si=1.35", "convention": "zeo++-default"}, (1.5, 5.0, 20.0)),
    ("porosity", FRAMEWORKS, {"classes": "pld", "radii": "O=1.4"}, (3.8, 5.5)),
]  # fmt: skip
"""Task, what is asked about, options of pores, thresholds."""
WRONG = [
    ("conduction", "1", "needs 2 rising thresholds"), ("conduction", "1,2,3", "needs 2 rising thresholds"),
    ("conduction", "2,1", "needs 2 rising thresholds"), ("conduction", "1,1", "needs 2 rising thresholds"),
    ("conduction", "-1,2", "at least 0 eV"), ("conduction", "1,inf", "cannot be cut at inf"),
    ("conduction", "nan,1", "needs 2 rising thresholds"), ("conduction", "low", "no numbers"), ("conduction", "", "no numbers"),
    ("polarity", "0", "cannot be cut at 0"), ("polarity", "1,2", "needs 1 threshold"),
    ("porosity", "7,20", "cannot be cut at 7, 20"), ("porosity", "0,7,20", "cannot be cut at 0, 7, 20"),
    ("porosity", "7,2.4,20", "cannot be cut at 7, 2.4, 20"), ("porosity", "2.4,7,7", "cannot be cut at 2.4, 7, 7"),
    ("porosity", "nan,7,20", "cannot be cut at nan"), ("porosity", "2.4,7,inf", "cannot be cut at inf"),
]  # fmt: skip
"""Task, thresholds, what the refusal says."""
ASK = {"conduction": EXAMPLES / "structures/NaCl.cif", "polarity": "CCO", "porosity": FRAMEWORKS[0]}


@pytest.fixture(scope="module")
def server():
    serving = Serving("--read-seconds", "120", "--readers", "1")
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[Any, Path | str]:
    """What stands in :data:`CASES` → file or SMILES."""
    folder = tmp_path_factory.mktemp("files")
    found: dict[Any, Path | str] = dict(zip(SMILES, SMILES, strict=True))
    for name in (*CRYSTALS, *FRAMEWORKS):
        if isinstance(name, Path):
            found[name] = Path(shutil.copy(name, folder))
        elif name.startswith("mp-"):
            found[name] = folder / f"{name}.cif"
            found[name].write_text(as_cif(crystal(name)))
        else:
            found[name] = folder / f"{name}.vasp"
            write(found[name], framework(name), format="vasp", sort=True)
    found[BAD] = folder / BAD
    found[BAD].write_text("data_x\n_cell_length_a 1\n")
    return found


@pytest.fixture(scope="module")
def scientists():
    return {name: Scientist.load(name) for name in ASK}


def asked_of(scientist: Scientist, options: dict[str, str], cuts: tuple[float, ...] | None) -> Scientist:
    if options:
        scientist = scientist.asked(pore_question(find(scientist.task.name), **options))
    return scientist if cuts is None else scientist.with_thresholds(cuts)


def words(options: dict[str, str], cuts: tuple[float, ...] | None) -> list[str]:
    given = options if cuts is None else options | {"thresholds": ",".join(map(str, cuts))}
    return [f"--{name}={value}" for name, value in given.items()]


def close(found: dict[str, Any], expected: dict[str, Any], atol: float = 2e-3) -> None:
    """The same answer; numbers of networks differ by what other batches round."""
    assert (found["class"], list(found["thresholds"])) == (expected["class"], list(expected["thresholds"]))
    assert list(found["probabilities"]) == list(expected["probabilities"])
    ours, theirs = (
        [*a["probabilities"].values(), a["estimate"]["value"], *a["estimate"]["interval90"]] for a in (found, expected)
    )
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=atol)
    assert found["estimate"]["quantity"] == expected["estimate"]["quantity"]
    assert found["notes"] == expected["notes"]
    assert found["warnings"] == expected["warnings"]
    if "pores" in expected:
        assert found["pores"].keys() == expected["pores"].keys()
        for name, value in expected["pores"].items():
            assert found["pores"][name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9))


@pytest.mark.parametrize(("task", "inputs", "options", "cuts"), CASES)
def test_all_ways_to_ask_give_the_same_answer(
    task, inputs, options, cuts, files, scientists, server, tmp_path, capsys, monkeypatch
):
    chosen = [str(files[name]) for name in (*inputs, *(() if task == "polarity" else (BAD,)))]
    scientist = asked_of(scientists[task], options, cuts)
    answers = scientist.predict(chosen)
    expected = {answer.input: answer.as_dict() for answer in answers if answer.ok}
    assert len(expected) == len(inputs) >= 6
    assert [a.input for a in answers.failed] == ([] if task == "polarity" else [str(files[BAD])])
    for answer in expected.values():
        low, high = answer["estimate"]["interval90"]
        assert low <= answer["estimate"]["value"] <= high
        assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
        assert answer["class"] == max(answer["probabilities"], key=answer["probabilities"].get)

    if cuts is not None:
        _cut_afterwards(asked_of(scientists[task], options, None).predict(chosen), cuts, answers)
    said = ["predict", task, *chosen, *words(options, cuts), "--format"]
    assert app([*said, "json"], standalone_mode=False) == (task != "polarity")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["input"] for row in rows] == chosen
    for row in rows[: len(inputs)]:
        close(row, expected[row["input"]])
    app([*said, "csv"], standalone_mode=False)
    _as_csv(list(csv.DictReader(io.StringIO(capsys.readouterr().out))), expected)
    _screened(task, inputs, options, cuts, files, expected, tmp_path, monkeypatch)
    _over_http(server, task, chosen, options, cuts, expected)


def _cut_afterwards(before: Answers, cuts: tuple[float, ...], expected: Answers) -> None:
    """Exactly those of a scientist with the thresholds."""
    found = before.thresholds(cuts)
    assert [answer.as_dict() for answer in found] == [answer.as_dict() for answer in expected]
    assert [answer.as_dict() for answer in found.thresholds(before.task.thresholds)] == [a.as_dict() for a in before]


def _as_csv(rows: list[dict[str, str]], expected: dict[str, dict[str, Any]]) -> None:
    for row in rows:
        if row["error"]:
            assert row["input"].endswith(BAD)
            continue
        answer = expected[row["input"]]
        assert row["class"] == answer["class"]
        assert [float(cut) for cut in row["thresholds"].split(",")] == answer["thresholds"]
        low, high = answer["estimate"]["interval90"]
        ours = [float(row[name]) for name in ("probability", "value", "low90", "high90")]
        theirs = [answer["probabilities"][answer["class"]], answer["estimate"]["value"], low, high]
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)


def _screened(task, inputs, options, cuts, files, expected, tmp_path, monkeypatch) -> None:
    if task == "polarity":
        library = tmp_path / "list.smi"
        library.write_text("\n".join(inputs) + "\n")
    else:
        (library := tmp_path / "library").mkdir()
        for name in (*inputs, BAD):
            shutil.copy(files[name], library)
    monkeypatch.setattr("andersonn.workers.pool.Worker", InThisProcess)
    status = app(
        ["screen", task, str(library), "--out", str(tmp_path / "out"), "--workers", "1", *words(options, cuts)],
        standalone_mode=False,
    )
    assert status == (task != "polarity")
    rows = [row for shard in (tmp_path / "out/shards").iterdir() for row in pq.read_table(shard).to_pylist()]
    assert len(rows) == len(inputs)
    by_name = {Path(name).name if task != "polarity" else name: answer for name, answer in expected.items()}
    for row in rows:
        answer = by_name[row["id"] if task == "polarity" else row["input"]]
        assert row["class"] == answer["class"]
        ours = [*(row[f"p_{name}"] for name in answer["probabilities"]), row[answer["estimate"]["quantity"]]]
        ours += [row["low90"], row["high90"]]
        theirs = [*answer["probabilities"].values(), answer["estimate"]["value"], *answer["estimate"]["interval90"]]
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)
        assert row["notes"] == answer["notes"]


def _over_http(server: Serving, task, chosen, options, cuts, expected) -> None:
    params = options | ({} if cuts is None else {"thresholds": ",".join(map(str, cuts))})
    by_name = {Path(name).name if task != "polarity" else name: answer for name, answer in expected.items()}

    def sent(verb: str, names: list[str], headers: dict[str, str] | None = None, **more: Any):
        paths = [] if task == "polarity" else [Path(name) for name in names]
        form = [("files", (path.name, path.read_bytes())) for path in paths]
        data = {"smiles": names} if task == "polarity" else None
        address = f"/api/{verb}/{task}"
        return server.client.post(address, files=form or None, data=data, params=params | more, headers=headers)

    rows = sent("predict", chosen).json()["answers"]
    lines = sent("predict", chosen, {"accept": "application/x-ndjson"}, curves=True).text.splitlines()
    for found in (rows, [json.loads(line) for line in lines]):
        assert [row["input"] for row in found] == [*by_name, *([] if task == "polarity" else [BAD])]
        for row in found[: len(by_name)]:
            close(row, by_name[row["input"]])
    first = chosen[0]
    close(sent("inspect", [first]).json()["answer"], expected[first])
    explained = sent("explain", [first]).json()
    close(explained, expected[first] | {"warnings": explained["warnings"]})


@pytest.mark.parametrize(("task", "cuts", "told"), WRONG)
def test_wrong_thresholds_are_refused_with_cause_and_cure(task, cuts, told, scientists, server, capsys):
    with pytest.raises(UsageError, match=told) as raised:
        app(["predict", task, str(ASK[task]), f"--thresholds={cuts}"], standalone_mode=False)
    assert (raised.value.kind, bool(raised.value.hint)) == ("bad_thresholds", True)
    assert capsys.readouterr().out == ""
    paths, form = ([], {"smiles": "CCO"}) if task == "polarity" else ([ASK[task]], {})
    for verb in ("predict", "inspect"):
        answer = server.ask(verb, task, *paths, params={"thresholds": cuts}, **form)
        assert answer.status_code == 422
        assert answer.json()["error"] == raised.value.as_dict()
    try:
        numbers = [float(word) for word in cuts.split(",")]
    except ValueError:
        return
    with pytest.raises(UsageError, match=told):
        scientists[task].with_thresholds(numbers)


@pytest.mark.parametrize(
    ("task", "options", "told"),
    [
        ("porosity", {"radii": "O"}, "give element=length"), ("porosity", {"radii": "Zz=1"}, "radii as in"),
        ("porosity", {"radii": "O=big"}, "give numbers"), ("porosity", {"radii": "O=11"}, "from 0.1 to 10 Å"),
        ("porosity", {"radii": "O=nan"}, "from 0.1 to 10 Å"), ("porosity", {"convention": "zeo"}, "known"),
        ("porosity", {"classes": "width"}, "known"), ("conduction", {"radii": "O=1.4"}, "leave out"),
    ],
)  # fmt: skip
def test_wrong_options_of_pores_are_refused_by_the_web(task, options, told, server):
    answer = server.ask("predict", task, ASK[task], params=options)
    assert answer.status_code == 422
    assert told in answer.json()["error"]["hint"]


@pytest.mark.parametrize("task", list(ASK))
def test_an_answers_own_thresholds_are_taken_back(task, scientists):
    """What an answer prints as its thresholds can be given as thresholds, and changes nothing."""
    (before,) = scientists[task].predict([str(ASK[task])])
    (after,) = scientists[task].with_thresholds(before.thresholds).predict([str(ASK[task])])
    assert after.as_dict() == before.as_dict()
    if task == "porosity":
        assert before.thresholds[0] == before.pores["access_A"]


@pytest.mark.parametrize(("task", "inputs", "options", "cuts"), [case for case in CASES if case[3] is not None])
def test_a_threshold_at_the_estimate_divides_there(task, inputs, options, cuts, files, scientists):
    """Exactly at the estimate, half of the mass lies to either side, unless many values are the same: those belong above."""
    scientist = asked_of(scientists[task], options, None)
    answers = scientist.predict([str(files[name]) for name in inputs[:3]])
    for answer in answers:
        own = [cut for cut in answer.thresholds if cut != answer.thresholds[-1]]
        if not own or own[-1] < answer.value:
            (moved,) = answers[:].thresholds([*own, answer.value])[list(answers).index(answer) :][:1]
            above = moved.probabilities[scientist.task.classes[-1]]
            assert above >= 0.5 - 1e-6
            assert moved.value == answer.value


def test_the_page_moves_thresholds_as_python_does(scientists, files, tmp_path):
    """The page's own script, by Node, on the curves that answers bring."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    static = Path(andersonn.__file__).parent / "web/static"
    script = (static / "thresholds.js").read_text().replace('import { fixed, h, words } from "/static/dom.js";', "")
    (tmp_path / "thresholds.mjs").write_text(script)
    asked, expected = [], []
    for task, inputs, options, cuts in (case for case in CASES if case[3] is not None):
        scientist = asked_of(scientists[task], options, None)
        answers = scientist.predict([str(files[name]) for name in inputs])
        moved = answers.thresholds(cuts)
        for before, after in zip(answers, moved, strict=True):
            answer = before.as_dict() | {"curve": curve_of(before, scientist.pores)}
            about = {"classes": list(scientist.task.classes), "first_threshold_is_fixed": False}
            asked.append({"task": about, "answer": answer, "cuts": list(cuts)})
            expected.append(after)
    (tmp_path / "ask.mjs").write_text(
        'import { readFileSync } from "node:fs";\n'
        'import { estimateAt, mostProbable, probabilitiesAt } from "./thresholds.mjs";\n'
        'const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));\n'
        "console.log(JSON.stringify(asked.map(({ task, answer, cuts }) => {\n"
        "  const p = probabilitiesAt(task, answer, cuts);\n"
        "  return { p, label: mostProbable(p), estimate: estimateAt(answer, cuts) };\n"
        "})));\n"
    )
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    done = subprocess.run(
        [node, str(tmp_path / "ask.mjs"), str(tmp_path / "asked.json")], capture_output=True, text=True, check=True
    )
    for found, answer in zip(json.loads(done.stdout), expected, strict=True):
        assert found["label"] == answer.label
        assert found["p"] == pytest.approx(answer.probabilities, abs=1e-9)
        assert found["estimate"]["value"] == pytest.approx(answer.value, abs=1e-9)
        assert found["estimate"]["interval90"] == pytest.approx(answer.interval90, abs=1e-9)
