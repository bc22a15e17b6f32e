"""Scientists that are constructed in the web lab: by the API, and on the page in a real browser."""

from __future__ import annotations

import asyncio
import io
import shlex
import time
import zipfile
from types import SimpleNamespace

import pytest

from andersonn.errors import InputError
from andersonn.web.app import make_app
from andersonn.web.constructions import Constructions, is_private
from andersonn.web.lab import Lab
from andersonn.web.limits import Limits
from andersonn.web.table_question import Question, table_of
from tests.web.conftest import WAIT, Serving, needs_browser

HEADS = ("C", "CC", "CCC", "CCCC", "CO", "CCO", "CN", "CCN", "c1ccccc1", "C1CCCCC1")
SMILES = [head + tail for head in HEADS for tail in ("O", "N", "Cl", "C(=O)O")]
ROWS = [f"{smiles},{250 + 18 * len(smiles) + k % 4:.1f}" for k, smiles in enumerate(SMILES)]
TABLE = "\n".join(["SMILES,boiling point (K)", *ROWS]) + "\n"
ASKED = {"target": "boiling point", "split": "random", "minutes": "0.2"}


def post(serving, path="", text=TABLE, file_name="boil.csv", **data):
    return serving.client.post(f"/api/construct{path}", files={"file": (file_name, text.encode())}, data=data)


def until(serving, id, *states):
    end = time.monotonic() + 5 * WAIT  # of ten seconds of a processor, at low priority
    while time.monotonic() < end:
        job = serving.client.get(f"/api/construct/{id}").json()
        if job["state"] in states:
            return job
        time.sleep(0.5)
    raise RuntimeError(f"it is still {job}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("constructed")


@pytest.fixture(scope="module")
def serving(folder):
    found = Serving("--readers", "1", "--table-rows", "50", "--constructed", str(folder))
    yield found
    found.close()


@pytest.fixture(scope="module")
def built(serving):
    """A scientist that was cancelled at once, resumed and constructed."""
    begun = post(serving, **ASKED)
    assert begun.status_code == 202, begun.text
    id = begun.json()["id"]
    busy = post(serving, **ASKED)
    cancelled = serving.client.post(f"/api/construct/{id}/cancel").json()
    early = serving.client.get(f"/api/construct/{id}/report")
    resumed = serving.client.post(f"/api/construct/{id}/resume")
    done = until(serving, id, "done", "failed")
    return SimpleNamespace(
        id=id, begun=begun.json(), busy=busy, cancelled=cancelled, early=early, resumed=resumed, done=done
    )


def test_a_table_is_looked_at(serving):
    columns = post(serving, "/look").json()
    assert columns["rows"] == 40
    assert [(each["name"], each["numbers"]) for each in columns["columns"]] == [
        ("SMILES", False),
        ("boiling point (K)", True),
    ]
    assert columns["columns"][1]["sample"] == [row.split(",")[1] for row in ROWS[:3]]
    assert columns["understanding"] is None
    found = post(serving, "/look", **ASKED).json()
    assert (found["understanding"]["unit"], found["understanding"]["n"]) == ("K", 40)
    assert found["understanding"]["sides"] == {"train": 32, "validation": 4, "test": 4}
    assert "40 molecules, from SMILES, in 40 rows" in found["text"]
    pasted = serving.client.post("/api/construct/look", data={"text": TABLE, **ASKED, "thresholds": "330, 380"}).json()
    assert pasted["understanding"]["thresholds"] == [330.0, 380.0]
    assert pasted["understanding"]["source"] == "pasted.csv"


@pytest.mark.parametrize(
    ("text", "name", "data", "kind", "cure"),
    [
        (TABLE, "boil.csv", {"target": "boiling pont"}, "missing_column", "did you mean 'boiling point (K)'?"),
        (TABLE, "boil.csv", {"target": "boiling point", "thresholds": "low"}, "bad_thresholds", "write them as"),
        (TABLE, "boil.csv", {"target": "boiling point", "structures": "/etc"}, "missing_column", "it has the columns"),
        ("\n".join([TABLE, *ROWS]), "boil.csv", {}, "too_many", "has no limit"),
        ("data_x\n_cell_length_a 1\n", "NaCl.cif", {}, "bad_table", "CSV, TSV, Excel, Parquet, SDF"),
        ("\n".join(TABLE.splitlines()[:6]), "boil.csv", {"target": "boiling point"}, "too_few_rows", "add rows"),
    ],
)
def test_a_bad_table_is_refused_with_its_cure(serving, text, name, data, kind, cure):
    for path in ("/look", "") if "target" in data else ("/look",):
        refused = post(serving, path, text, name, **data)
        error = refused.json()["error"]
        assert (refused.status_code, error["kind"]) == (413 if kind == "too_many" else 422, kind), error
        assert cure in error["hint"]


def test_files_that_rows_name_are_not_read(serving, tmp_path):
    (tmp_path / "secret.xyz").write_text("1\n\nHe 0 0 0\n")
    rows = "\n".join(f"{tmp_path}/secret.xyz,{k}" for k in range(20))
    refused = post(serving, "/look", f"file,value\n{rows}\n", target="value")
    assert refused.status_code == 422
    assert "He" not in refused.text


@pytest.mark.parametrize(
    ("data", "kind"),
    [({"minutes": "0.01"}, "bad_budget"), ({"minutes": "500"}, "bad_budget"), ({"minutes": "nan"}, "bad_budget"), ({"target": ""}, "no_target"), ({"name": "conduction"}, "bad_name"), ({"name": "../x"}, "bad_name"), ({"seed": "-1"}, "bad_request")],
)  # fmt: skip
def test_a_bad_question_is_refused(serving, data, kind):
    refused = post(serving, **ASKED | data)
    assert (refused.status_code, refused.json()["error"]["kind"]) == (422, kind)


@pytest.mark.parametrize("id", ["000000000000", "x", "..%2f..", "%2e%2e", "0" * 5000])
def test_ids_are_of_constructions_alone(serving, id):
    for method, path in (
        ("GET", ""),
        ("GET", "/report"),
        ("GET", "/model.zip"),
        ("POST", "/cancel"),
        ("POST", "/resume"),
        ("DELETE", ""),
    ):
        assert serving.client.request(method, f"/api/construct/{id}{path}").status_code == 404


def test_one_at_a_time_cancelled_and_resumed(built, serving):
    assert built.begun["state"] == "running"
    assert (built.busy.status_code, built.busy.json()["error"]["kind"]) == (429, "busy")
    assert (built.cancelled["state"], built.cancelled["resumable"]) == ("cancelled", True)
    assert (built.early.status_code, built.early.json()["error"]["kind"]) == (409, "not_done")
    assert built.resumed.status_code == 202
    again = serving.client.post(f"/api/construct/{built.id}/resume")
    assert (again.status_code, again.json()["error"]["kind"]) == (409, "not_resumable")


def test_the_scientist_answers_in_the_lab_at_once(built, serving):
    assert (built.done["state"], built.done["error"], built.done["answers"]) == ("done", None, True)
    assert "boiling point" in built.done["verdict"]
    tasks = {task["name"]: task for task in serving.client.get("/api/tasks").json()["tasks"]}
    assert tasks["boiling_point"]["unit"] == "K"
    (answer,) = serving.ask("predict", "boiling_point", smiles="CCCO").json()["answers"]
    assert 300 < answer["estimate"]["value"] < 345
    assert answer["model"] == "boiling_point"
    listed = serving.ask("predict", "boiling_point", text="CCO\nCCCO\nCCN\n").json()["answers"]
    assert [row["task"] for row in listed] == ["boiling_point"] * 3
    look = serving.ask("inspect", "boiling_point", smiles="CCCO").json()
    assert look["answer"]["estimate"]["value"] == pytest.approx(answer["estimate"]["value"], abs=0.5)
    assert serving.ask("explain", "boiling_point", smiles="CCCO").status_code == 200
    assert "Model card: boiling point" in serving.client.get("/api/cards/boiling_point?format=html").text.replace(
        "_", " "
    )
    (shipped,) = serving.ask("predict", "polarity", smiles="CCO").json()["answers"]
    assert shipped["task"] == "polarity"


def test_report_and_model_can_be_taken_along(built, serving):
    report = serving.client.get(f"/api/construct/{built.id}/report")
    assert "boiling point" in report.text
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy
    packed = serving.client.get(f"/api/construct/{built.id}/model.zip")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        names = set(archive.namelist())
    assert {"boiling_point/model.json", "boiling_point/model.safetensors", "boiling_point/report.html"} <= names


def test_a_name_that_is_taken(built, serving):
    refused = post(serving, **ASKED, name="boiling_point")
    assert (refused.status_code, refused.json()["error"]["kind"]) == (422, "bad_name")
    other = post(serving, **ASKED).json()
    serving.client.post(f"/api/construct/{other['id']}/cancel")
    assert other["name"] == "boiling_point_2"


def test_a_later_server_knows_what_was_constructed(built, folder):
    later = Serving("--readers", "1", "--constructed", str(folder))
    try:
        until(later, built.id, "done")
        end = time.monotonic() + WAIT
        while not later.client.get(f"/api/construct/{built.id}").json()["answers"]:
            assert time.monotonic() < end
            time.sleep(0.1)
        (answer,) = later.ask("predict", "boiling_point", smiles="CCCO").json()["answers"]
        assert answer["task"] == "boiling_point"
    finally:
        later.close()


def test_a_construction_is_deleted_unless_it_runs(built, serving, folder):
    running = post(serving, **ASKED | {"minutes": "5"}).json()
    refused = serving.client.delete(f"/api/construct/{running['id']}")
    assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "running")
    serving.client.post(f"/api/construct/{running['id']}/cancel")
    listed = {job["id"]: job for job in serving.client.get("/api/construct").json()["jobs"]}
    assert listed[running["id"]]["megabytes"] >= 0
    assert listed[running["id"]]["begun"].endswith("Z")
    assert (folder / running["id"]).is_dir()
    gone = serving.client.delete(f"/api/construct/{running['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert not [path for path in folder.iterdir() if path.name.startswith(running["id"])]
    assert running["id"] not in {job["id"] for job in serving.client.get("/api/construct").json()["jobs"]}
    assert serving.client.delete(f"/api/construct/{running['id']}").status_code == 404
    (answer,) = serving.ask("predict", "boiling_point", smiles="CCCO").json()["answers"]
    assert answer["task"] == "boiling_point", "another one was deleted"
    again = post(serving, **ASKED, name=running["name"])
    assert again.status_code == 202, "the name is free again"
    serving.client.post(f"/api/construct/{again.json()['id']}/cancel")
    serving.client.delete(f"/api/construct/{again.json()['id']}")


def test_what_a_server_had_no_time_to_delete_is_deleted_by_the_next(tmp_path):
    (tmp_path / "0123456789ab.deleted/model").mkdir(parents=True)
    (tmp_path / "mine.deleted").mkdir()

    async def begin():
        found = Constructions(Lab(Limits(readers=1)), tmp_path)
        found.lab._ready = asyncio.create_task(asyncio.sleep(60))
        found.start()
        await found.close()
        found.lab._ready.cancel()

    asyncio.run(begin())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.deleted"]


@pytest.mark.parametrize(
    ("host", "names", "private"),
    [("127.0.0.1", [], True), ("localhost", [], True), ("::1", [], True), ("0.0.0.0", [], False), ("::", [], False), ("", [], False), ("192.168.1.5", [], False), ("127.0.0.1", ["lab.example.org"], False)],
)  # fmt: skip
def test_who_can_reach_a_server(host, names, private):
    assert is_private(host, names) is private


def test_where_others_can_ask_nothing_is_constructed_unless_allowed():
    testclient = pytest.importorskip("fastapi.testclient")
    lab = Lab(Limits(readers=1))
    app = make_app(lab, "0.0.0.0")
    client = testclient.TestClient(app, base_url="http://127.0.0.1")  # not started: all is refused before any work
    assert client.get("/api/construct").json()["allowed"] is False
    for path in ("", "/look"):
        refused = client.post(f"/api/construct{path}", data={"text": TABLE, **ASKED})
        assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "not_allowed")
        assert "--allow-construct" in refused.json()["error"]["hint"]
    assert client.get("/api/construct/000000000000").status_code == 403
    allowed = Constructions(lab, allowed=True)
    assert allowed.as_dict()["allowed"] is True
    assert allowed.as_dict()["temporary"] is True


def test_a_question_as_command_and_python():
    question = Question.of(
        "log S",
        "-4, -2",
        "low, mid, high",
        "random",
        name="mine",
        unit="log(mol/L)",
        structures="",
        seconds=90.0,
        seed=3,
    )
    words = shlex.split(question.command("it's.csv", "mine"))
    assert words[:5] == ["andersonn", "construct", "it's.csv", "--target", "log S"]
    assert "--thresholds=-4,-2" in words
    assert words[words.index("--budget") + 1] == "90s"
    called = {}
    program = question.python("it's.csv", "mine").replace("import andersonn as an\n", "")
    exec(program, {"an": SimpleNamespace(construct=lambda *given, **how: called.update(given=given, how=how))})
    assert called["given"] == ("it's.csv", "log S", "mine")
    assert called["how"]["thresholds"] == [-4.0, -2.0]
    assert (called["how"]["seed"], called["how"]["budget"], called["how"]["split"]) == (3, 90, "random")
    assert Question.from_dict(question.as_dict()) == question


def test_a_packed_table_keeps_its_name():
    item = table_of("boil.csv.gz", b"\x1f\x8b", "")
    assert (item.stem, item.ending) == ("boil", ".csv")


def test_one_table_a_request():
    for name, content, text in (("", b"", " "), ("a.csv", b"a,b\n", "a,b\n")):
        with pytest.raises(InputError) as refused:
            table_of(name, content, text)
        assert refused.value.kind == "no_table"


@needs_browser
def test_the_page_in_a_browser(built, serving, opened, tmp_path):
    table = tmp_path / "boil.csv"
    table.write_text(TABLE)
    page = opened(serving, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.get_by_role("link", name="Construct").click()
    page.wait_for_selector(".job .badge.done")
    assert page.is_disabled("#look")
    page.set_input_files("#file", table)
    page.wait_for_selector("#look:enabled")
    assert page.input_value("#target") == "boiling point (K)"
    page.get_by_text("Classes, split, structures").press("Enter")
    page.select_option("#split", "random")
    page.get_by_role("button", name="Look").press("Enter")
    page.wait_for_selector("#understanding h2")
    assert "40 molecules" in page.inner_text("#understanding")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Construct", exact=True).click()
    page.wait_for_selector(".job progress")
    assert page.is_disabled("#begin")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".job .badge.cancelled")
    assert "can" not in page.inner_text("#problems")
    assert page.get_by_role("button", name="Go on").first.is_visible()
    page.wait_for_selector("#begin:enabled")
    card = page.locator(f".job[data-id='{built.id}']")
    assert "typical error" in card.inner_text()
    with page.expect_download() as download:
        card.get_by_role("link", name="Download the model").click()
    assert download.value.suggested_filename == "boiling_point.zip"
    card.get_by_role("link", name="Ask it in the lab").click()
    page.wait_for_selector("#tasks input")
    page.wait_for_function("() => document.querySelector('#tasks input:checked')?.value === 'boiling_point'")
    page.go_back()
    card = page.locator(f".job[data-id='{built.id}']")
    card.get_by_role("button", name="Delete").press("Enter")
    assert "for good" in card.inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Keep it"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Delete"
    assert card.get_by_role("link", name="Report").is_visible()
    page.keyboard.press("Enter")
    card.get_by_role("button", name="Delete for good").click()
    card.wait_for(state="detached")
    assert page.inner_text("#status") == "boiling point is deleted."
    tasks = serving.client.get("/api/tasks").json()["tasks"]
    assert "boiling_point" not in [task["name"] for task in tasks]
    assert serving.ask("predict", "boiling_point", smiles="CCO").status_code == 404
    assert serving.client.get(f"/api/construct/{built.id}/model.zip").status_code == 404


def test_a_construction_is_done_once_its_scientist_answers():
    job = SimpleNamespace(name="a", model="m", state="done", as_dict=lambda: {"state": "done"}, on_disk=dict)
    lab = SimpleNamespace(lab=SimpleNamespace(scientists={}), _current=job)
    assert Constructions.shown(lab, job) == {"state": "running", "answers": False}
    lab.lab.scientists["a"], lab._current = SimpleNamespace(folder="m"), None
    assert Constructions.shown(lab, job) == {"state": "done", "answers": True}
