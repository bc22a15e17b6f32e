from __future__ import annotations

import asyncio
import gc
import gzip
import json
import signal
import sys

import pytest
from ase.io import write

from andersonn import Scientist
from andersonn.errors import InputError
from andersonn.inference.by_geometry import pore_question
from andersonn.scientists.registry import find
from andersonn.web.lab import Lab
from andersonn.web.limits import Limits
from tests.structures.test_guests import filled
from tests.web.conftest import EXAMPLES

QUARTZ, COPPER = EXAMPLES / "structures/quartz.cif", EXAMPLES / "structures/Cu.cif"
SOLVENTS = EXAMPLES / "molecules/solvents.sdf"


def close_to(found, expected):
    """Equal but for rounding: batches of other make-up are added up in another order."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            close_to(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            close_to(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=2e-2, abs=2e-3)
    else:
        assert found == expected


def test_answers_are_those_of_the_command_line(server):
    answer = server.ask("predict", "conduction", QUARTZ, COPPER)
    assert answer.status_code == 200
    expected = [a.as_dict() for a in Scientist.load("conduction").predict([str(QUARTZ), str(COPPER)])]
    for row in expected:
        row["input"] = row["input"].rpartition("/")[2]
    close_to(answer.json()["answers"], expected)


MOF = EXAMPLES / "frameworks/zinc-ultramicroporous.cif"


@pytest.mark.parametrize(
    "options", [{}, {"convention": "zeo++-default", "radii": "O=1.4", "classes": "pld", "clean": True}]
)
def test_pores_are_answered_as_elsewhere(server, options):
    """Predictions, explanations and inspections, under the same options."""
    question = pore_question(find("porosity"), **options)
    (expected,) = Scientist.load("porosity").asked(question).predict([str(MOF)])
    (found,) = server.ask("predict", "porosity", MOF, params=options).json()["answers"]
    explained = server.ask("explain", "porosity", MOF, params=options).json()
    inspected = server.ask("inspect", "porosity", MOF, params=options).json()["answer"]
    for content in (found, explained, inspected):
        assert (content["class"], content["thresholds"]) == (expected.label, list(expected.thresholds))
        close_to(content["pores"], expected.pores)
        assert content["network"]["class"] == expected.network["class"]
    assert "bottleneck" in explained


def test_guests_are_removed_where_that_is_asked(server, tmp_path):
    wet = tmp_path / "wet.vasp"
    write(wet, filled("LTA", "H2O"), format="vasp")
    answers = [
        server.ask("predict", "porosity", wet, params={"strip_guests": strip}).json()["answers"][0] for strip in (0, 1)
    ]
    assert any("guests" in text for text in answers[0]["warnings"])
    assert any("guests" in text for text in answers[1]["notes"])


@pytest.mark.parametrize(
    ("task", "options"),
    [("porosity", {"radii": "O"}), ("porosity", {"convention": "none"}), ("conduction", {"clean": True})],
)
def test_wrong_options_of_pores_are_told(server, task, options):
    answer = server.ask("predict", task, QUARTZ, params=options)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["hint"]


def test_a_bad_file_leaves_the_others(server):
    answer = server.ask("predict", "polarity", SOLVENTS, QUARTZ, smiles=["C1CC"])
    assert answer.status_code == 200
    found = answer.json()["answers"]
    assert [row["input"] for row in found] == ["solvents.sdf"] * 4 + ["quartz.cif", "C1CC"]
    assert [row["error"]["kind"] for row in found if "error" in row] == ["periodic", "bad_smiles"]


@pytest.mark.parametrize(("name", "formula"), [("quartz.cif", "SiO2"), ("SrTiO3.vasp", "SrTiO3")])
def test_pasted_crystals(server, name, formula):
    text = (EXAMPLES / "structures" / name).read_text()
    (answer,) = server.ask("predict", "conduction", text=text).json()["answers"]
    assert answer["input"] == "pasted text"
    assert answer["formula"] == formula


def test_pasted_molecules(server):
    water = "3\n\nO 0 0 0.117\nH 0 0.757 -0.471\nH 0 -0.757 -0.471\n"
    (xyz,) = server.ask("predict", "polarity", text=water).json()["answers"]
    (one,) = server.ask("predict", "polarity", text="O\n").json()["answers"]
    several = server.ask("predict", "polarity", text="O water\nCC ethane\n").json()["answers"]
    assert xyz["formula"] == one["formula"] == several[0]["formula"]
    assert one["input"] == "O"
    assert several[1]["id"].endswith("ethane")


def test_names_tables_and_packed_files(server):
    for form in (
        {"smiles": "O water"},
        {"text": "O water"},
        {"text": "smiles,name\nO,water\n"},
        {"text": "O\twater\n"},
    ):
        (answer,) = server.ask("predict", "polarity", **form).json()["answers"]
        assert (answer["id"], answer["formula"]) == ("water", "H2O")
    for name, content in (
        ("lib.csv", b"smiles,name\nO,water\n"),
        ("lib.csv.gz", gzip.compress(b"smiles,name\nO,water\n")),
    ):
        assert server.send(name, content, "polarity").json()["answers"][0]["id"] == "water"
    packed = server.send("quartz.cif.gz", gzip.compress(QUARTZ.read_bytes())).json()["answers"]
    assert [answer["n_atoms"] for answer in packed] == [9]


def test_files_of_the_server_are_not_read_for_a_table(server):
    answer = server.send("lib.csv", f"name,file\nx,{QUARTZ.resolve()}\ny,/etc/passwd\n".encode())
    assert answer.status_code == 422
    assert [row["error"]["kind"] for row in answer.json()["answers"]] == ["missing_file"] * 2


def test_explanation_is_that_of_the_command_line(server):
    found = server.ask("explain", "conduction", QUARTZ).json()
    (expected,) = Scientist.load("conduction").explain([str(QUARTZ)])
    assert found["input"] == "quartz.cif"
    assert found["quantity"] == expected.quantity
    assert found["decisive"] is expected.decisive
    assert len(found["summary"]) == 1
    assert [row["value"] for row in found["contributions"]] == pytest.approx(expected.values.tolist(), abs=0.05)


def test_a_look_has_all_views(server):
    found = server.ask("inspect", "conduction", QUARTZ).json()
    assert len(found["structure"]["atoms"]) == found["answer"]["n_atoms"] == 9
    assert len(found["structure"]["balls"]) > 9  # those on faces of the cell are repeated
    assert found["graph"]["bonds"] == 12
    assert found["graph"]["coordination"] == [4, 4, 4, 2, 2, 2, 2, 2, 2]
    assert sum(edge[2] for edge in found["graph"]["edges"]) == 12
    assert found["image"]["symbols"] == ["Si", "O"]
    anderson, forward = (found["convergence"]["curves"][name]["residual"] for name in ("anderson", "forward"))
    assert min(anderson) < 1e-5
    assert len(anderson) <= len(forward)


def test_a_look_at_one_of_several(server):
    found = server.ask("inspect", "polarity", SOLVENTS, params={"structure": 2}).json()
    assert found["answer"]["id"] == "solvents:water"
    missing = server.ask("inspect", "polarity", SOLVENTS, params={"structure": 9})
    assert missing.status_code == 422
    assert missing.json()["error"]["kind"] == "no_such_structure"


@pytest.mark.parametrize(
    ("path", "data", "status", "kind"),
    [
        ("/api/predict/polar", {"smiles": "C"}, 404, "unknown_task"),
        ("/api/predict/polarity", {}, 422, "no_input"),
        ("/api/predict/polarity", {"smiles": ["C"] * 7}, 413, "too_many"),
        ("/api/predict/polarity", {"text": "C\n" * 7}, 413, "too_many"),
        ("/api/predict/polarity", {"smiles": "C1CC"}, 422, "bad_smiles"),
        ("/api/predict/polarity", {"smiles": "C" * 100}, 422, "too_large"),
        ("/api/explain/polarity", {"smiles": ["C", "CC"]}, 413, "too_many"),
        ("/api/explain/polarity?structure=x", {"smiles": "C"}, 422, "bad_request"),
        ("/api/predict/polarity", {"text": "C" * 2_000_000}, 413, "too_large"),
        ("/nowhere", {}, 404, "unknown_page"),
    ],
)
def test_refusals_name_cause_and_cure(server, path, data, status, kind):
    answer = server.client.post(path, data=data)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["kind"] == kind
    assert answer.json()["error"]["hint"]


def test_a_body_without_announced_size_is_cut_off(server):
    boundary = b"--x\r\nContent-Disposition: form-data; name=files; filename=a.cif\r\n\r\n"
    answer = server.client.post(
        "/api/predict/conduction",
        content=(part for part in [boundary, *[b"0" * 100_000] * 30]),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["kind"] == "too_large"


@pytest.mark.parametrize("body", [b"", b"--x", b"--x\r\n\r\n\r\n--x--", b"\x00\xff" * 500])
def test_a_broken_form_is_no_defect(server, body):
    answer = server.client.post(
        "/api/predict/conduction", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["kind"] in ("bad_request", "no_input")


def test_pages_need_nothing_from_elsewhere(server):
    page = server.client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/static/main.js", "/static/base.css", "/static/icon.svg", "/openapi.json"):
        answer = server.client.get(path)
        assert answer.status_code == 200
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "").replace("http://127.0.0.1", "")
        assert "https://" not in answer.text


def test_documentation_names_every_operation(server):
    paths = server.client.get("/openapi.json").json()["paths"]
    assert {"/api/predict/{task}", "/api/explain/{task}", "/api/inspect/{task}", "/api/tasks"} <= paths.keys()


def test_cards_and_report(server):
    card = server.client.get("/api/cards/porosity").json()
    assert card["task"] == "porosity"
    html = server.client.get("/api/cards/porosity", params={"format": "html"}).text
    assert "<h1>Model card: porosity</h1>" in html
    assert "style=" not in html
    assert "<table>" in server.client.get("/api/report").text
    assert server.client.get("/api/cards/no").status_code == 404


def test_every_example_is_answered(server):
    for example in server.client.get("/api/examples").json():
        if "smiles" in example:
            answer = server.ask("predict", example["task"], smiles=example["smiles"])
        else:
            answer = server.send(example["file"], example["text"].encode(), example["task"])
        assert answer.status_code == 200, example["name"]
        assert all("class" in row for row in answer.json()["answers"])


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--model", "{}"], "model.json"), (["--atoms", "0"], "above 0"), (["--host", "1.2.3.4"], "listen")],
)
def test_a_wrong_call_ends_with_a_line(tmp_path, monkeypatch, capsys, one_thread, options, word):
    from andersonn.cli.main import main

    options = [option.format(tmp_path) for option in options]
    monkeypatch.setattr(sys, "argv", ["andersonn", "serve", "--port", "0", *options])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr().err
    assert caught.value.code == 2, said
    assert word in said.splitlines()[-1]
    assert "Traceback" not in said


def test_health(server):
    found = server.client.get("/api/health").json()
    assert found["status"] == "ready"
    assert json.dumps(found)


@pytest.mark.parametrize("path", ["/", "/api/health", "/api/examples", "/openapi.json", "/static/main.js", "/nosuch"])
def test_head_is_get_without_the_body(server, path):
    head, get = server.client.head(path), server.client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert int(head.headers["content-length"]) >= 1
    assert server.client.head("/api/predict/polarity").status_code == 405


def test_a_warm_up_that_is_stopped_is_no_error():
    """Nobody is told of a task whose error was never retrieved."""
    told = []

    async def stopped():
        raise InputError("aborted", "the library ended its process (SIGKILL)", "")

    async def live():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        lab = Lab(Limits())
        lab._warming = asyncio.create_task(stopped())
        await lab.close()
        del lab
        gc.collect()

    asyncio.run(live())
    assert told == []


def test_molecules_are_read_in_the_geometry_that_is_asked_for(server):
    def notes(**params):
        (answer,) = server.ask("predict", "polarity", smiles="NCCCO", params=params).json()["answers"]
        assert answer["model"] == (
            "andersonn/polarity/none" if params.get("geometry") == "none" else "andersonn/polarity"
        )
        return " ".join(answer["notes"])

    assert "by its bonds alone" in notes(geometry="none")
    assert "mean over 3 conformers" in notes(geometry="many") == notes()
    assert "ETKDG" in notes(geometry="one")
    assert "conformers" not in notes(geometry="one")
    for task, geometry in (("polarity", "flat"), ("conduction", "none"), ("conduction", "one")):
        for verb in ("predict", "inspect", "explain"):
            refused = server.ask(verb, task, smiles="C", params={"geometry": geometry})
            assert (refused.status_code, refused.json()["error"]["kind"]) == (404, "unknown_geometry")


def test_a_look_and_an_explanation_take_the_same_geometries(server):
    def asked(verb, geometry):
        return server.ask(verb, "polarity", smiles="NCCCO", params={"geometry": geometry})

    flat, one = asked("inspect", "none").json(), asked("inspect", "one").json()
    assert flat["answer"]["model"] == "andersonn/polarity/none"
    assert (flat["structure"], flat["graph"]) == (None, None)
    assert flat["image"]["symbols"] == ["N", "C", "C", "C", "O"]
    assert flat["convergence"]["curves"].keys() == {"anderson", "forward"}
    assert "conformers" not in " ".join(one["answer"]["notes"])
    assert len(one["structure"]["atoms"]) == one["answer"]["n_atoms"] == 14
    (predicted,) = server.ask("predict", "polarity", smiles="NCCCO", params={"geometry": "one"}).json()["answers"]
    for found in (one["answer"], asked("explain", "one").json()):
        assert found["estimate"]["value"] == pytest.approx(predicted["estimate"]["value"], abs=2e-3)
    groups = asked("explain", "none").json()
    assert [group["group"] for group in groups["groups"]] in (["NH2", "OH"], ["OH", "NH2"])
    assert groups["drawing"].startswith("<?xml")


def test_geometries_are_listed_and_documented(server):
    known = {task["name"]: task["geometries"] for task in server.client.get("/api/tasks").json()["tasks"]}
    assert known == {"conduction": [], "polarity": ["many", "none", "one"], "porosity": []}
    paths = server.client.get("/openapi.json").json()["paths"]
    for verb in ("predict", "explain", "inspect"):
        names = [each["name"] for each in paths[f"/api/{verb}/{{task}}"]["post"]["parameters"]]
        assert "geometry" in names


def test_a_look_counts_evaluations_as_the_answer_does(server):
    for path in (QUARTZ, COPPER):
        found = server.ask("inspect", "conduction", path).json()
        residual = found["convergence"]["curves"]["anderson"]["residual"]
        reached = next(k for k, value in enumerate(residual, 1) if value <= found["convergence"]["rtol"])
        assert reached == found["answer"]["solver"]["evaluations"]
