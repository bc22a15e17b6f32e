"""Lists, tables and files of many records: counted first, answered row by row, cancelled by leaving."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time

import pytest

from andersonn.errors import InputError
from andersonn.structures.readers import read_each
from andersonn.structures.structure import Structure
from andersonn.web.inputs import from_file, from_smiles, from_text
from andersonn.web.limits import ConcurrencyLimit
from andersonn.web.listing import AHEAD, BATCH, Listing
from andersonn.web.reading import one_of, structures_of
from andersonn.web.splitting import split
from tests.web.conftest import EXAMPLES

SOLVENTS = EXAMPLES / "molecules/solvents.sdf"
LINES = {"accept": "application/x-ndjson"}
SETTINGS = {"atoms": 100, "structures": 50}
FRAMES = "3\nwater\nO 0 0 0.117\nH 0 0.757 -0.471\nH 0 -0.757 -0.471\n2\nx\nH 0 0 0\nH 0 0 0.74\n"
LISTS = {
    "named.smi": b"CCO ethanol\n\n# a remark\nO\nC1CC broken\nCCO ethanol\n",
    "headed.smi": b"smiles\tname\nCCO\tethanol\nO\twater\n",
    "lib.csv": b'name,smiles\nethanol,CCO\n"a, b",O\nnone,\nbroken,C1CC\n,CC\nlong,C,x,y\n',
    "lib.tsv": b"smiles\tid\nCCO\tethanol\nO\t7\n",
    "frames.xyz": FRAMES.encode(),
    "crlf.xyz": FRAMES.replace("\n", "\r\n").encode(),
    "solvents.sdf": SOLVENTS.read_bytes(),
    "lib.csv.gz": gzip.compress(b"smiles,name\nO,water\nCC,ethane\n"),
    "old.smi": "CCO äthanol\nO wasser\n".encode("cp1252"),
}


def said(item):
    return item.id if isinstance(item, Structure) else (item.kind, item.message)


@pytest.mark.parametrize("name", LISTS)
def test_parts_are_read_as_the_whole_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    payload = from_file(name, LISTS[name]).as_payload()
    parts = split(payload, 50)
    found = []
    for part in parts:
        try:
            found += structures_of(part, SETTINGS)
        except InputError as error:
            found.append(error)
    (tmp_path / name).write_bytes(LISTS[name])
    assert [said(item) for item in found] == [said(item) for item in read_each(tmp_path / name)]
    for number, item in enumerate(found):
        if isinstance(item, Structure):
            assert one_of(payload, SETTINGS, number).id == item.id


@pytest.mark.parametrize("number", [-1, 2])
def test_a_part_that_is_not_there(number):
    payload = from_text("C\nCC").as_payload()
    with pytest.raises(InputError, match="the input has 2"):
        one_of(payload, SETTINGS, number)


def test_what_is_no_list_is_one_whole():
    quartz = (EXAMPLES / "structures/quartz.cif").read_bytes()
    for item in (
        from_smiles("CCO ethanol"),
        from_file("quartz.cif", quartz),
        from_file("x.smi", b"CCO\n"),
        from_text(FRAMES.partition("2\n")[0]),
    ):
        assert split(item.as_payload(), 50) is None


def test_who_reads_is_small():
    """PyTorch and PyArrow would cost each of the processes seconds and hundreds of megabytes."""
    told = "import sys, andersonn.web.reading; print(sorted({'torch', 'pyarrow', 'sklearn'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_too_many_parts_are_refused_unread():
    with pytest.raises(InputError, match="more than 3 structures"):
        split(from_text("C1CC\n" * 4).as_payload(), 3)


def streamed(serving, task, **data):
    files = data.pop("files", None)
    with serving.client.stream("POST", f"/api/predict/{task}", data=data, files=files, headers=LINES) as answer:
        answer.read()
        rows = [json.loads(line) for line in answer.text.split("\n") if line]
        return answer, rows


def test_a_stream_holds_what_an_answer_does(server):
    text = "CCO ethanol\nC1CC broken\nO\n"
    files = [("files", ("solvents.sdf", SOLVENTS.read_bytes()))]
    answer, rows = streamed(server, "polarity", text=text[:-2])
    whole = server.ask("predict", "polarity", text=text[:-2]).json()["answers"]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["x-inputs"] == "2"
    assert [row["id"] for row in rows] == ["pasted_text:ethanol", "pasted_text:broken"] == [row["id"] for row in whole]
    assert rows[1]["error"] == whole[1]["error"]
    assert rows[0]["estimate"]["value"] == pytest.approx(whole[0]["estimate"]["value"], abs=2e-3)
    answer, rows = streamed(server, "polarity", files=files, smiles="CC")
    assert (answer.headers["x-inputs"], len(rows)) == ("5", 5)


def test_a_stream_of_errors_alone_is_a_stream(server):
    answer, rows = streamed(server, "conduction", text="CCO\nO\n")
    assert answer.status_code == 200
    assert {row["error"]["kind"] for row in rows} == {"not_periodic"}


def test_limits_are_counted_before_work_begins(server):
    before = server.client.get("/api/health").json()["structures"]
    for data in (
        {"text": "C\n" * 7},
        {"files": [("files", ("a.csv", b"smiles\n" + b"C\n" * 7))]},
        {"smiles": ["C"] * 7},
    ):
        answer, rows = streamed(server, "polarity", **data)
        assert answer.status_code == 413
        assert rows[0]["error"]["kind"] == "too_many"
    answer, rows = streamed(server, "polar", smiles="C")
    assert answer.status_code == 404
    after = server.client.get("/api/health").json()
    assert (after["structures"], after["waiting"]) == (before, 0)


MANY = "".join(f"{'C' * (k % 12 + 1)}O alcohol {k}\n" for k in range(400))


def test_a_single_structure_does_not_wait_for_a_list_and_leaving_cancels_it(wide):
    def health():
        return wide.client.get("/api/health").json()

    before = health()["structures"]
    with wide.client.stream("POST", "/api/predict/polarity", data={"text": MANY}, headers=LINES) as answer:
        assert answer.headers["x-inputs"] == "400"
        lines = answer.iter_lines()
        assert next(lines).startswith('{"input": "pasted text"')
        single = wide.ask("predict", "conduction", EXAMPLES / "structures/quartz.cif")
        assert single.status_code == 200
        assert health()["waiting"] == 1, "the list ended before the single structure was answered"
    until = time.monotonic() + 60
    while health()["waiting"] and time.monotonic() < until:
        time.sleep(0.05)
    assert health()["waiting"] == 0
    assert health()["structures"] - before < 400


def listed(count, slow=(), at_once=2):
    """A listing of numbers, what was done with them, and its place among requests."""
    done = {"read": [], "asked": [], "most": 0, "now": 0}
    limit = ConcurrencyLimit(1, "requests")
    place = limit.entered()
    place.__enter__()

    async def read(part):
        done["now"] += 1
        done["most"] = max(done["most"], done["now"])
        try:
            await asyncio.sleep(0.05 if part in slow else 0)
            done["read"].append(part)
        finally:
            done["now"] -= 1
        return [{"ready": part}]

    async def answer(rows):
        done["asked"].append(len(rows))
        return rows

    return Listing(range(count), read, answer, at_once, place), done, limit


def test_rows_keep_their_order_and_few_are_read_ahead():
    async def all_rows():
        listing, done, limit = listed(100, slow=(0, 50))
        rows = [row["ready"] async for some in listing.rows() for row in some]
        return rows, done, limit.inside

    rows, done, inside = asyncio.run(all_rows())
    assert rows == list(range(100))
    assert done["read"] != rows, "a slow one holds up those behind it"
    assert done["most"] == 2
    assert max(done["asked"]) <= BATCH
    assert inside == 0


def test_leaving_a_listing_cancels_it():
    async def some_rows():
        listing, done, limit = listed(100)
        rows = listing.rows()
        await anext(rows)
        await rows.aclose()
        await asyncio.sleep(0.1)
        unasked, _, other = listed(3)
        unasked.close()
        return done, limit.inside, other.inside

    done, inside, unasked = asyncio.run(some_rows())
    assert len(done["read"]) <= AHEAD + BATCH
    assert (done["now"], inside, unasked) == (0, 0, 0)
