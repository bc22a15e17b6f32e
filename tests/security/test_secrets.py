"""Keys and passwords are taken from the environment alone, and stand in no message, log, manifest or progress line."""

from __future__ import annotations

import io
import json
import sys
import types
import zipfile
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from andersonn.cli import main as program
from andersonn.cli import verbs
from andersonn.cli.console import Bars
from andersonn.data import materials_project
from andersonn.errors import InputError, UsageError
from andersonn.sanitize import redacted
from andersonn.scientist import Scientist
from andersonn.scientists.registry import weights_folder
from andersonn.screening import Screening, Settings
from andersonn.screening.parsing import Reader
from andersonn.screening.storage import contents, files_of, shown, unreachable

SECRET = "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY"
SIGNED = f"https://b.s3.amazonaws.com/lib.zip?X-Amz-Credential=AKIA77/x&X-Amz-Signature={SECRET}&X-Amz-Expires=60"
XYZ = "3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"cannot open s3://user:{SECRET}@bucket/x: no", "cannot open s3://***@bucket/x: no"),
        (f"ftp://u:p@{SECRET}@host/x", "ftp://***@host/x"),
        (f"https://h/x?sig={SECRET}&se=1", "https://h/x?sig=***&se=1"),
        (f"'https://h/x?access_token={SECRET}'", "'https://h/x?access_token=***'"),
        (f"https://h/x?a=1&X-Goog-Signature={SECRET}#f", "https://h/x?a=1&X-Goog-Signature=***#f"),
        (f"{{'Authorization': 'Bearer {SECRET}', 'X-API-KEY': '{SECRET}'}}", "{'Authorization': 'Bearer ***', 'X-API-KEY': '***'}"),
        ("https://h/x?key=&n=1 O=C(C)N a@b.c C[C@H](N)O s3://b/a@2x.cif", "https://h/x?key=&n=1 O=C(C)N a@b.c C[C@H](N)O s3://b/a@2x.cif"),
    ],
)  # fmt: skip
def test_what_unlocks_is_hidden_and_nothing_else(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "name", ["MP_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HF_TOKEN", "my_password"]
)
def test_values_of_the_environment_are_hidden_wherever_they_stand(name, monkeypatch):
    monkeypatch.setenv(name, SECRET)
    error = InputError("x", f"the server says: bad key {SECRET}!", f"not {SECRET}")
    assert SECRET not in json.dumps(error.as_dict()) + str(error)
    monkeypatch.setenv(name, "cif")  # too short to be one, and a word of any message
    assert InputError("x", "a cif").message == "a cif"


def test_the_materials_project_s_key_is_asked_of_the_environment_and_not_told(tmp_path, monkeypatch):
    class Client:
        def __init__(self, key):
            assert key == SECRET
            raise RuntimeError(f"401 for https://api/?API_KEY={key}, header {{'X-API-KEY': '{key}'}}, key {key}")

    module = types.ModuleType("mp_api.client")
    module.MPRester = Client
    monkeypatch.setitem(sys.modules, "mp_api.client", module)
    monkeypatch.setitem(sys.modules, "mp_api", types.ModuleType("mp_api"))
    monkeypatch.setattr(materials_project.importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(UsageError, match="MP_API_KEY"):
        materials_project.fetch(tmp_path, "x.parquet")
    monkeypatch.setenv("MP_API_KEY", SECRET)
    with pytest.raises(InputError) as caught:
        materials_project.fetch(tmp_path, "x.parquet")
    assert "401" in caught.value.message
    assert SECRET not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_unexpected_error_logs_no_secret(monkeypatch, capsys, tmp_path):
    def failing():
        hidden = SECRET  # a variable of a frame of the traceback
        raise RuntimeError(f"boto: https://u:{hidden}@h/x?X-Amz-Signature={hidden}, env {hidden}")

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["andersonn", "screen", f"s3://u:{SECRET}@b/x"])
    monkeypatch.setattr(verbs, "app", failing)
    with pytest.raises(SystemExit):
        program.main()
    (log,) = (tmp_path / "logs").iterdir()
    text = log.read_text() + capsys.readouterr().err
    assert "boto" in text
    assert SECRET not in text
    assert "AWS_SECRET_ACCESS_KEY" not in log.read_text()  # the environment is not written down


def test_names_of_signed_libraries_tell_no_signature():
    assert shown(SIGNED) == "lib.zip"
    assert shown("https://u:p@host") == "***@host"
    assert shown("s3://b/what?.cif") == "what?.cif"
    assert SECRET not in str(unreachable(SIGNED, OSError(f"403 for {SIGNED}")))


def test_a_library_behind_a_password_is_named_without_it(monkeypatch, tmp_path, capsys):
    """Of what a run writes and says: the manifest's options, names of inputs, reasons of rejects, progress."""
    where = f"memory://user:{SECRET}@host/lib.zip?X-Amz-Signature={SECRET}"
    store, packed = MemoryFileSystem(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("water.xyz", XYZ)
        archive.writestr("bad.xyz", "no\n")
    store.pipe({"/secrets/lib.zip": packed.getvalue()})
    monkeypatch.setattr("andersonn.screening.storage._system", lambda uri: (store, "/secrets/lib.zip"))
    screening = Screening(Settings(str(weights_folder("polarity")), "andersonn/polarity"), where, tmp_path / "out")
    options = screening._options(Scientist.load("polarity"))
    chunks = [chunk for shard in screening.shards() for chunk in shard.chunks]
    units = list(Reader(chunks).units())
    with pytest.raises(InputError) as caught:
        units[1].make()
    bars = Bars()
    bars.start(f"polarity: {where}", 1)
    bars.update(1, f"reading {where}")
    bars.say(where)
    told = json.dumps(
        [options, [unit.input for unit in units], [chunk.name for chunk in chunks], caught.value.as_dict()]
    )
    said = capsys.readouterr()
    assert SECRET not in told + said.out + said.err
    assert "lib.zip" in options["library"]
    assert units[0].make()[0].formula == "H2O"


def test_errors_of_stores_tell_no_password(monkeypatch):
    for uri in (f"memory://user:{SECRET}@host/none.zip", f"unknown://u:{SECRET}@host/x"):
        with pytest.raises(UsageError) as caught:
            list(files_of(uri))
        assert SECRET not in str(caught.value)
    (gone,) = contents([f"memory://user:{SECRET}@host/gone.cif"], 10)
    assert SECRET not in str(gone)


def test_no_option_takes_a_key():
    """A key in an option would stand in the list of processes and in the shell's history."""
    source = Path(__file__).parents[2] / "src/andersonn/cli"
    for path in source.rglob("*.py"):
        text = path.read_text().lower()
        assert not any(word in text for word in ("api_key", "api-key", "--key", "password", "--token")), path
