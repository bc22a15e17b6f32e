"""Downloads against a server on this machine that fails as real ones do."""

import hashlib
import http.server
import json
import sys
import threading
import types
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from andersonn.data import fetch as fetching
from andersonn.data import materials_project
from andersonn.data.download import Patience, digest, fetch_file, fetch_json
from andersonn.data.fetch import cached, folder_of, get
from andersonn.data.sources import SOURCES, Source, source
from andersonn.errors import InputError, UsageError

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8))
SHA = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
QUICK = Patience(tries=4, pause=0.01, seconds=5.0)


class Server:
    """Answers a path by its script: one step a request, the last step for all further ones.

    Steps: ``ok``; a status number; ``cut`` (half of what was promised); ``changed`` (other content and tag);
    ``ignore`` (the whole file whatever range was asked for); ``shifted`` (206 from a wrong place).
    """

    def __init__(self):
        self.scripts, self.requests, self.texts = {}, [], {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append((self.path, dict(self.headers)))
                script = server.scripts.get(self.path, ["ok"])
                self.step(script.pop(0) if len(script) > 1 else script[0])

            def step(self, step):
                if isinstance(step, int):
                    self.send_error(step)
                    return
                content = server.texts.get(self.path, CONTENT)
                tag = '"v1"'
                if step == "changed":
                    content, tag = content[::-1], '"v2"'
                wanted = self.headers.get("Range")
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                if step == "ignore" or self.headers.get("If-Range", tag) != tag:
                    start = 0
                self.send_response(206 if start else 200)
                self.send_header("ETag", tag)
                if start:
                    stated = start + 7 if step == "shifted" else start
                    self.send_header("Content-Range", f"bytes {stated}-{len(content) - 1}/{len(content)}")
                body = content[start:]
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if step == "cut" else body)

            def log_message(self, *words):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def ranges(self):
        return [headers.get("Range") for _, headers in self.requests]


@pytest.fixture
def server():
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANDERSONN_OFFLINE", raising=False)
    return tmp_path / "cache"


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "file")


@pytest.mark.parametrize(
    "script", [["ok"], [503, "ok"], [429, 500, 502, "ok"], ["cut", "ok"], ["cut", 503, "cut", "ok"]]
)
def test_a_file_arrives_whole_whatever_happens(server, tmp_path, script):
    server.scripts["/file"] = script
    seen = []
    fetch_file(server.url + "/file", tmp_path / "file", SHA, len(CONTENT), QUICK, lambda *x: seen.append(x))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert leftovers(tmp_path) == []
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_broken_download_goes_on_where_it_was(server, tmp_path):
    server.scripts["/file"] = ["cut", 503, 503, 503, 503, 503]
    with pytest.raises(InputError, match="503.*goes on where it broke off"):
        fetch_file(server.url + "/file", tmp_path / "file", SHA, patience=QUICK)
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").read_bytes() == CONTENT[: len(CONTENT) // 2]
    server.scripts["/file"] = ["ok"]
    fetch_file(server.url + "/file", tmp_path / "file", SHA, patience=QUICK)
    assert server.ranges()[-1] == f"bytes={len(CONTENT) // 2}-"
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("step", ["ignore", "shifted"])
def test_servers_that_do_not_resume(server, tmp_path, step):
    server.scripts["/file"] = ["cut", step, "ok"]
    fetch_file(server.url + "/file", tmp_path / "file", SHA, patience=QUICK)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_not_pieced_together(server, tmp_path):
    server.scripts["/file"] = ["cut", "changed"]
    fetch_file(server.url + "/file", tmp_path / "file", patience=QUICK)
    assert (tmp_path / "file").read_bytes() == CONTENT[::-1]


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    server.scripts["/file"] = ["changed"]
    with pytest.raises(InputError, match="sha256"):
        fetch_file(server.url + "/file", tmp_path / "file", SHA, patience=QUICK)
    with pytest.raises(InputError, match="300000 bytes instead of 5"):
        fetch_file(server.url + "/file", tmp_path / "file", size=5, patience=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_refusals_are_not_repeated(server, tmp_path):
    server.scripts["/file"] = [404]
    with pytest.raises(InputError, match="404"):
        fetch_file(server.url + "/file", tmp_path / "file", patience=QUICK)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there(tmp_path, server):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(InputError, match="tried 2 times"):
        fetch_file(server.url + "/file", tmp_path / "file", patience=Patience(2, 0.01, 2.0))
    with pytest.raises(InputError, match="web address"):
        fetch_file("file:///etc/passwd", tmp_path / "file")


def test_json_answers(server):
    server.texts["/a"] = b'{"x": 1}'
    server.scripts["/a"] = [500, "ok"]
    assert fetch_json(server.url + "/a", QUICK) == {"x": 1}
    server.texts["/b"] = b"<html>"
    with pytest.raises(InputError, match="JSON"):
        fetch_json(server.url + "/b", QUICK)


def by_url(server, **facts):
    given = {"sha256": SHA.removeprefix("sha256:"), "size": len(CONTENT)} | facts
    return Source("test", "t", "polarity", "l", 1, "CC0", "c", "x", "url", server.url + "/file", ("file",), **given)


def test_the_cache_is_used_checked_and_repaired(server, cache):
    wanted = by_url(server)
    assert cached(wanted) is None
    (path,) = get(wanted, patience=QUICK)
    assert path == cache / "data/test/file"
    assert get(wanted, offline=True) == [path]
    assert len(server.requests) == 1
    path.write_bytes(CONTENT[:-1] + b"x")
    assert cached(wanted) is None
    assert cached(wanted, check=False) == [path]
    with pytest.raises(InputError, match="damaged"):
        get(wanted, offline=True)
    get(wanted, patience=QUICK)
    assert path.read_bytes() == CONTENT
    get(wanted, patience=QUICK, again=True)
    assert len(server.requests) == 3
    (folder_of(wanted) / "manifest.json").write_text("{")
    assert cached(wanted) is None


def test_offline_by_environment(server, cache, monkeypatch):
    monkeypatch.setenv("ANDERSONN_OFFLINE", "1")
    with pytest.raises(InputError, match="network is off"):
        get(by_url(server))
    assert server.requests == []
    monkeypatch.setenv("ANDERSONN_OFFLINE", "0")
    assert get(by_url(server), patience=QUICK)


def article(server, **changes):
    """As figshare's API describes a public article, cut to what matters and more."""
    file = {
        "id": 1, "name": "qmof.zip", "size": len(CONTENT), "is_link_only": False, "supplied_md5": "",
        "download_url": server.url + "/files/1", "computed_md5": MD5, "mimetype": "application/zip",
    }  # fmt: skip
    link = {"id": 2, "name": "elsewhere", "size": 0, "is_link_only": True, "download_url": "", "computed_md5": ""}
    return json.dumps({"id": 13147324, "title": "QMOF Database", "files": [file | changes, link]}).encode()


def test_figshare(server, cache):
    server.texts["/articles/13147324"] = article(server)
    server.scripts["/articles/13147324"] = [503, "ok"]
    server.scripts["/files/1"] = ["cut", "ok"]
    (path,) = get(source("qmof"), patience=QUICK, figshare=server.url)
    assert path.name == "qmof.zip"
    assert path.read_bytes() == CONTENT
    assert get(source("qmof"), offline=True) == [path]


@pytest.mark.parametrize(
    "changes", [{"name": "../evil"}, {"name": "manifest.json"}, {"size": None}, {"is_link_only": True}]
)
def test_figshare_answers_that_cannot_be_used(server, cache, changes):
    server.texts["/articles/13147324"] = article(server, **changes)
    with pytest.raises(InputError, match="article 13147324"):
        get(source("qmof"), patience=QUICK, figshare=server.url)


def test_figshare_with_another_checksum(server, cache):
    server.texts["/articles/13147324"] = article(server, computed_md5="0" * 32)
    with pytest.raises(InputError, match="md5"):
        get(source("qmof"), patience=QUICK, figshare=server.url)
    assert cached(source("qmof")) is None


def test_pip_brings_a_package(cache, monkeypatch):
    made = by_package = Source("p", "t", "x", "l", 1, "MIT", "c", "x", "package", "thing==1", ("thing.whl",))
    calls = []

    def pip(*command, **options):
        calls.append(list(command))
        (fetching.Path(command[command.index("--dest") + 1]) / "thing.whl").write_bytes(CONTENT)
        return types.SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(fetching.launch, "run", pip)
    monkeypatch.setattr(fetching.importlib.util, "find_spec", lambda name: object())
    (path,) = get(made, patience=QUICK)
    assert path.read_bytes() == CONTENT
    assert calls[0][:2] == ["pip", "download"]
    assert calls[0][-1] == "thing==1"
    assert [p.name for p in path.parent.iterdir() if p.is_dir()] == []
    wrong = Source("q", "t", "x", "l", 1, "MIT", "c", "x", "package", "thing==1", ("thing.whl",), sha256="0" * 64)
    with pytest.raises(InputError, match="do not trust"):
        get(wrong)
    failed = types.SimpleNamespace(returncode=1, stderr="ERROR: No matching distribution found for thing==1")
    monkeypatch.setattr(fetching.launch, "run", lambda *a, **k: failed)
    with pytest.raises(InputError, match="No matching distribution"):
        get(by_package, again=True)
    monkeypatch.setattr(fetching.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip"):
        get(by_package, again=True)


class Client:
    """Stands for mp-api's client, with a recorded answer; fails where it is told to."""

    fails: ClassVar[set] = set()
    asked: ClassVar[list] = []

    def __init__(self, key):
        assert key == "secret"
        self.materials = types.SimpleNamespace(summary=types.SimpleNamespace(search=self.search))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def search(self, num_elements, fields, all_fields, include_gnome):
        count = num_elements[0]
        assert num_elements == (count, count)
        assert set(fields) >= {"structure", "band_gap"}
        assert include_gnome is False
        Client.asked.append(count)
        if count in Client.fails:
            raise ConnectionError("reset by peer")
        structure = types.SimpleNamespace(
            atomic_numbers=(14, 14),
            cart_coords=[[0, 0, 0], [1.36, 1.36, 1.36]],
            lattice=types.SimpleNamespace(matrix=[[0, 2.7, 2.7], [2.7, 0, 2.7], [2.7, 2.7, 0]]),
        )
        item = types.SimpleNamespace(material_id=f"mp-{count}", formula_pretty="Si", structure=structure, band_gap=0.6)
        nothing = types.SimpleNamespace(material_id="mp-0", formula_pretty="Si", structure=None, band_gap=None)
        return [item, nothing]


@pytest.fixture
def mp_api(monkeypatch, cache):
    Client.fails, Client.asked = set(), []
    module, package = types.ModuleType("mp_api.client"), types.ModuleType("mp_api")
    module.MPRester = Client
    monkeypatch.setitem(sys.modules, "mp_api", package)
    monkeypatch.setitem(sys.modules, "mp_api.client", module)
    monkeypatch.setattr(materials_project.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("MP_API_KEY", "secret")


def test_the_materials_project_goes_on_after_a_failure(mp_api):
    from andersonn.data.records import Records

    Client.fails = {4}
    with pytest.raises(InputError, match="reset by peer"):
        get(source("materials-project"))
    Client.fails = set()
    (path,) = get(source("materials-project"))
    assert Client.asked == [1, 2, 3, 4, 4, 5, 6, 7, 8, 9]
    records = Records.read(path, labels=("band_gap_eV",))
    assert records.ids == [f"mp-{k}" for k in range(1, 10)]
    assert records[0].periodic
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


def test_the_materials_project_needs_a_key_and_its_client(mp_api, monkeypatch):
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(UsageError, match="MP_API_KEY"):
        get(source("materials-project"))
    monkeypatch.setattr(materials_project.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install mp-api"):
        get(source("materials-project"))


def test_what_is_listed():
    with pytest.raises(UsageError, match="did you mean 'qm9'"):
        source("qm8")
    for item in SOURCES.values():
        facts = item.as_dict()
        assert facts["licence"]
        assert facts["citation"]
        assert facts["checksum"]
        json.dumps(facts)


def test_the_shipped_set_needs_no_network(cache, monkeypatch):
    monkeypatch.setenv("ANDERSONN_OFFLINE", "1")
    (path,) = get(source("biomolecules"))
    assert pq.read_schema(path).names[0] == "id"
    assert digest(path)
