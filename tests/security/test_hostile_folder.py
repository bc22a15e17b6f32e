"""Every verb, and every process that it starts, run in a folder of Python files that nobody asked for: none is imported.

The files have the names of all modules of Python and of the packages that are used. Each writes down that it was imported.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from andersonn import launch
from tests import forked

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/andersonn"
EXAMPLES = ROOT / "examples"
PACKAGES = [
    "andersonn", "ase", "click", "cloudpickle", "cycler", "fastapi", "filelock", "fsspec", "gemmi", "h11", "joblib", "markdown_it",
    "matplotlib", "multipart", "numpy", "packaging", "PIL", "pip", "psutil", "pyarrow", "pydantic", "pyscf", "pyzeo", "ray", "rdkit",
    "rich", "safetensors", "scipy", "setuptools", "sitecustomize", "sklearn", "starlette", "tblite", "threadpoolctl", "torch", "typer",
    "typing_extensions", "usercustomize", "uvicorn", "uvloop", "vesin", "conftest", "evil", "__main__", "_virtualenv", "uvicorn_worker",
    "httptools", "websockets", "codecarbon", "pynvml", "jax", "torchdeq", "tests", "main", "setup",
]  # fmt: skip
"""And what those look for that may not be there."""
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
HOSTILE = """import os, sys
with open(os.environ["MARKER"], "a") as log:
    log.write(f"{__name__} in {sys.orig_argv}\\n")
"""
RUN = """
import sys
sys.argv = [sys.argv[1], "x", sys.argv[2]]
from andersonn.cli.main import main
import json
for verb in json.loads(sys.argv[2]):
    sys.argv[1:] = verb
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print(f"STATUS {code} {verb}", flush=True)
"""
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


def shadow(folder: Path, names) -> Path:
    """Fills a folder with hostile modules of these names, and with something to ask about."""
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text(HOSTILE)
    for name in ("andersonn", "numpy", "torch", "joblib", "ray", "matplotlib"):
        if name in names:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(HOSTILE)
    if "andersonn" in names:
        for part in ("workers", "cli", "web"):
            (folder / "andersonn" / part).mkdir()
            (folder / "andersonn" / part / "__init__.py").write_text(HOSTILE)
        (folder / "andersonn/workers/process.py").write_text(HOSTILE)
    (folder / "matplotlibrc").write_text("backend: module://evil\ntext.usetex: True\nfont.size: 999\n")
    (folder / ".pyscf_conf.py").write_text(HOSTILE)
    (folder / "pyvenv.cfg").write_text("home = .\n")
    (folder / ".env").write_text("PYTHONPATH=.\n")
    (folder / "sub").mkdir()
    for name in ("structures/quartz.cif", "structures/Cu.cif", "frameworks/mof-5.cif", "molecules/solvents.sdf"):
        (folder / Path(name).name).write_bytes((EXAMPLES / name).read_bytes())
        (folder / "sub" / Path(name).name).write_bytes((EXAMPLES / name).read_bytes())
    table = pq.read_table(SOURCE / "demo/crystals.parquet")
    pq.write_table(table.take(np.arange(0, len(table), 30)), folder / "few.parquet")
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return shadow(tmp_path_factory.mktemp("hostile") / "here", [*sys.stdlib_module_names, *PACKAGES])


@pytest.fixture
def surroundings(tmp_path):
    """The environment of a run, which cannot import from anywhere but what is installed."""
    told = {
        "PYTHONPATH": str(ROOT / "src"),
        "MARKER": str(tmp_path / "marker"),
        "ANDERSONN_CACHE": str(tmp_path / "cache"),
    }
    return os.environ | told | {"OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}


def imported(surroundings) -> str:
    path = Path(surroundings["MARKER"])
    return path.read_text() if path.exists() else ""


def run(hostile, surroundings, *verbs, program="andersonn"):
    command = [sys.executable, "-P", "-c", RUN, program, json.dumps(verbs)]
    done = subprocess.run(command, cwd=hostile, env=surroundings, capture_output=True, text=True)
    assert imported(surroundings) == ""
    codes = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("STATUS")]
    assert len(codes) == len(verbs), done.stderr
    return codes, done.stdout + done.stderr


def test_the_trap_works(hostile, surroundings):
    """As any program does that is started there by -m."""
    subprocess.run([sys.executable, "-m", "json.tool", "--help"], cwd=hostile, env=surroundings, capture_output=True)
    assert imported(surroundings) != ""


def test_verbs(hostile, surroundings):
    """All in one process, which imports each module once, from the same folder as each by itself would."""
    small = ["epochs=1", "model.width=8", "columns=8", "radial=8", "max_rows=400", "device=cpu"]
    codes, said = run(
        hostile, surroundings,
        ["--version"], ["predict", "conduction", "quartz.cif", "sub"], ["predict", "polarity", "--smiles", "CCO", "-f", "json"],
        ["explain", "conduction", "quartz.cif"], ["draw", "quartz.cif", "--out", "quartz.png"], ["card", "polarity"],
        ["doctor"], ["data", "list"], ["data", "info", "qm9"], ["data", "get", "qm9", "--offline"],
        ["evaluate", "conduction", "--data", "few.parquet", "--side", "all", "--no-baselines"],
        ["train", "conduction", "--data", "few.parquet", "--out", "model", *small],
        ["screen", "conduction", "sub", "--out", "screened", "--workers", "1"],
        ["measure", "memory", "--depths", "1", "--batch", "1", "--out", "memory"],
        ["label", "pore", "mof-5.cif", "--out", "pores.parquet"], ["label", "dipole", "--smiles", "O", "--out", "dipoles.parquet"],
    )  # fmt: skip
    assert codes[:14] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0], said  # of the folder, molecules are no crystals
    assert set(codes[14:]) <= {0, 2}  # 2 where the extra is not installed


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


def test_pictures_do_not_take_the_settings_of_the_folder(hostile, surroundings, tmp_path):
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean/quartz.cif").write_bytes((hostile / "quartz.cif").read_bytes())
    words = ["draw", "quartz.cif", "--out"]
    command = [sys.executable, "-P", "-m", "andersonn.cli.main", *words, str(tmp_path / "a.png")]
    assert subprocess.run(command, cwd=hostile, env=surroundings).returncode == 0
    assert forked.run(*words, tmp_path / "b.png", cwd=tmp_path / "clean").returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert imported(surroundings) == ""


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
    pytest.importorskip("ray.data")
    codes, said = run(hostile, surroundings, BY_RAY)
    assert codes == [0], said


def test_ray_with_a_search_path_that_holds_the_current_folder(tmp_path, surroundings):
    pytest.importorskip("ray.data")
    folder = shadow(tmp_path / "here", HOSTILE_TO_IMPORTS)
    surroundings["PYTHONPATH"] += f"{os.pathsep}{os.pathsep}.{os.pathsep}{folder}"
    codes, said = run(folder, surroundings, BY_RAY)
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
