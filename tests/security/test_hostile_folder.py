"""Every verb, and every process that it starts, run in a folder of Python files that nobody asked for: none is imported.

The files have the names of all modules of Python and of the packages that are used. Each writes down that it was imported.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from andersonn import launch
from tests import forked
from tests.security.conftest import PACKAGES, ROOT, SOURCE, run, shadow, surroundings_at, written

HOSTILE_TO_IMPORTS = [
    *(name for name in PACKAGES if name not in ("sitecustomize", "usercustomize", "_virtualenv")),
    "json", "typing", "re", "csv", "argparse", "logging", "tempfile", "subprocess", "dataclasses", "hashlib",
]  # fmt: skip
"""Names of modules that Python does not load by itself before any line of ours."""
STARTS = (
    "subprocess.",
    "os.system",
    "os.popen",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.fork",
    "multiprocessing.",
    "asyncio.create_sub",
)
LIBRARY = """
import os, sys
from andersonn import Scientist
from andersonn.estimators.samples import made_images
from andersonn.structures.image import ImageRecipe
from andersonn.workers.pool import Worker

before = dict(os.environ)
files = ["quartz.cif"] * 12
assert len(made_images(files, ImageRecipe(), None, 1, 2)) == 12
worker = Worker("andersonn.labels.molecules:formal_charge", {})
try:
    worker.ask({}, 60.0)
except Exception as error:
    assert "No module" not in str(error), error
worker.close()
assert dict(os.environ) == before
(answer,) = Scientist.load("conduction").predict(["quartz.cif"])
print(answer.label)
"""


@pytest.fixture
def surroundings(tmp_path):
    return surroundings_at(tmp_path)


def imported(surroundings) -> str:
    return written(surroundings["MARKER"])


def test_the_trap_works(hostile, surroundings):
    """As any program does that is started there by -m."""
    subprocess.run([sys.executable, "-m", "json.tool", "--help"], cwd=hostile, env=surroundings, capture_output=True)
    assert imported(surroundings) != ""


def test_verbs(ran):
    assert ran.imported == ""
    assert all(code in expected for code, expected in ran.statuses), ran.said


def test_what_is_used_as_a_library(hostile, surroundings):
    """Someone's own code, which may import from where it likes; what it starts through us does not."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LIBRARY],
        cwd=hostile,
        env=surroundings,
        capture_output=True,
        text=True,
    )
    assert imported(surroundings) == ""
    assert done.stdout.split() == ["insulator"], done.stderr


@pytest.mark.slow  # seconds for a server; that it starts its processes as other verbs do is tested below
def test_the_web_lab(hostile, surroundings):
    command = [sys.executable, "-P", "-m", "andersonn.cli.main", "serve", "--port", "0"]
    serving = subprocess.Popen(command, cwd=hostile, env=surroundings, stderr=subprocess.PIPE, text=True)
    try:
        url = serving.stderr.readline().split()[3]
        files = {"files": ("quartz.cif", (hostile / "quartz.cif").read_bytes())}
        with httpx.Client(base_url=url, timeout=240) as client:
            assert client.post("/api/predict/conduction", files=files).status_code == 200
            assert client.post("/api/inspect/conduction", files=files).status_code == 200
    finally:
        serving.send_signal(signal.SIGINT)
        serving.communicate()
    assert imported(surroundings) == ""


@pytest.mark.parametrize("way", [pytest.param("module", marks=pytest.mark.slow), "script"])
@pytest.mark.parametrize(
    "paths",
    [
        pytest.param("", id="clean", marks=pytest.mark.slow),
        pytest.param(f"{os.pathsep}{os.pathsep}.{os.pathsep}HERE", id="empty, dot and here"),
    ],
)
def test_a_search_path_that_holds_the_current_folder(tmp_path, surroundings, way, paths):
    """The files that Python itself loads before any line of ours are out of our hands; all others are not."""
    names = list(HOSTILE_TO_IMPORTS)
    if way == "module":
        names.remove("andersonn")  # python -m andersonn is that of the folder, if there is one
    if way == "script":
        names = [name for name in names if name != "re"]  # which the script that pip writes imports itself
    folder = shadow(tmp_path / "here", names)
    surroundings["PYTHONPATH"] += paths.replace("HERE", str(folder))
    start = ["-m", "andersonn.cli.main"] if way == "module" else [str(tmp_path / "andersonn")]
    (tmp_path / "andersonn").write_text("import sys\nfrom andersonn.cli.main import main\nsys.exit(main())\n")
    verb = ["screen", "conduction", "quartz.cif", "--out", "s", "--workers", "1"]
    done = subprocess.run([sys.executable, *start, *verb], cwd=folder, env=surroundings, capture_output=True, text=True)
    assert imported(surroundings) == ""
    assert done.returncode == 0, done.stderr


def test_a_package_in_the_current_folder_is_still_found(surroundings):
    """Who works in the folder that holds the package itself asked for it."""
    surroundings["PYTHONPATH"] = "."
    command = [
        sys.executable,
        "-m",
        "andersonn.cli.main",
        "data",
        "list",
    ]
    code = f"import andersonn; assert andersonn.__file__.startswith({str(SOURCE)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", env=surroundings, check=True)
    done = subprocess.run(command, cwd=ROOT / "src", env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pictures_do_not_take_the_settings_of_the_folder(hostile, ran, tmp_path):
    (tmp_path / "quartz.cif").write_bytes((hostile / "quartz.cif").read_bytes())
    assert forked.run("draw", "quartz.cif", "--out", "clean.png", cwd=tmp_path).returncode == 0
    assert (hostile / "quartz.png").read_bytes() == (tmp_path / "clean.png").read_bytes()


def test_pyscf_is_pointed_away_from_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert launch.settled({}) == {}
    (tmp_path / ".pyscf_conf.py").write_text("raise SystemExit")
    told = launch.settled({})["PYSCF_CONFIG_FILE"]
    assert os.path.isfile(told)  # it looks on if it is none
    exec(compile(Path(told).read_text(), told, "exec"), {})
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.pyscf_conf.py").write_text("")
    assert launch.settled({})["PYSCF_CONFIG_FILE"] == str(tmp_path / "home/.pyscf_conf.py")
    assert launch.settled({"PYSCF_CONFIG_FILE": "own"}) == {"PYSCF_CONFIG_FILE": "own"}


BY_RAY = ["screen", "conduction", "quartz.cif", "--out", "by_ray", "--workers", "1", "--engine", "ray"]


def test_ray(hostile, surroundings):
    """Its daemons and the workers that it starts, which look for modules where the driver does."""
    pytest.importorskip("ray")
    codes, said = run(hostile, surroundings, BY_RAY)
    assert imported(surroundings) == ""
    assert codes == [0], said


def test_ray_with_a_search_path_that_holds_the_current_folder(tmp_path, surroundings):
    pytest.importorskip("ray")
    folder = shadow(tmp_path / "here", HOSTILE_TO_IMPORTS)
    surroundings["PYTHONPATH"] += f"{os.pathsep}{os.pathsep}.{os.pathsep}{folder}"
    codes, said = run(folder, surroundings, BY_RAY)
    assert imported(surroundings) == ""
    assert codes == [0], said


def test_children_are_started_in_one_place():
    """No other module starts a Python, nor has joblib or Ray start one outside of the guard."""
    for path in SOURCE.rglob("*.py"):
        if path == SOURCE / "launch.py":
            continue
        text = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not {name for name in called if name.startswith(STARTS)}, path
        used = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
        assert "sys.executable" not in used or path.name == "diagnosis.py", path  # which shows it
        assert "joblib import" not in text or path == SOURCE / "workers/parallel.py", path
        if "Parallel(" in text or "cluster.init(" in text:
            assert "SafeChildren()" in text, path
