"""Training that SIGKILL ended goes on by the same command and ends with the same bytes as an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import few
from tests.faults.runs import ONE_THREAD, PROGRAM, andersonn, content, training
from tests.forked import start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such signals")
KILLS = 50
MORTAL = "tests.faults.mortal:main"


@pytest.mark.timeout(1500)
def test_killed_at_three_steps_and_resumed_it_is_the_same_model(data, model, tmp_path):
    out = tmp_path / "killed"
    command = training(data, out, "--resume")
    ends = [start(step, out, *command, call=MORTAL).wait() for step in (5, 25, 50, 10**9, 10**9)]
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, -signal.SIGKILL, 0, 0]
    assert content(out) == content(model)


def killed(way: str, words: list[str], out: Path, cache: Path, dice: random.Random) -> tuple[int, list[str]]:
    """The exit status of a run that was killed in one of these ways, unless it ended before, and what it said."""
    command = [*PROGRAM, *words]
    if way == "files":
        command = [sys.executable, "-m", "tests.faults.mortal", str(dice.randint(1, STEPS)), str(out), *words]
    environment = ONE_THREAD | {"ANDERSONN_CACHE": str(cache)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        said = []
        least = dice.randint(1, 10) * 10 if way == "steps" else 0
        if way == "start":
            time.sleep(dice.uniform(0.0, 4.0))
            process.kill()
        for line in process.stderr:
            said.append(line)
            name, _, rest = line.partition(": ")
            if name == SAID.get(way) and (not least or int(rest.split()[0]) >= least):
                time.sleep(dice.uniform(0.0, 1.0))
                process.kill()
                said.append(process.stderr.read())
    while alive(process.pid):  # children end with it, or this test runs into its limit of time
        time.sleep(0.1)
    return process.returncode, said


SAID = {"imaging": "graph images", "steps": "training", "finish": "calibration, test, domain and baselines"}
"""The bar during which a run is killed."""
STEPS = 110
"""On files, in a run of five epochs."""


def alive(group: int) -> list[str]:
    """What still runs of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, its_group = rest.split()[:3]
        if int(its_group) == group and state != "Z":
            found.append(name)
    return found


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_fifty_random_moments_it_is_the_same_model(demo_sample, tmp_path, capsys):
    data = few(demo_sample, tmp_path, 3)
    whole = tmp_path / "whole"
    assert andersonn(*training(data, whole, "epochs=5")).returncode == 0
    expected = content(whole)
    dice, kills, runs = random.Random(0), Counter(), 0
    while kills.total() < KILLS:
        runs += 1
        out, cache = tmp_path / f"killed{runs}", tmp_path / f"cache{runs}"
        words = training(data, out, "epochs=5", "--resume")
        end = -signal.SIGKILL
        while end:
            ways = ["start", "steps", "steps", "finish", "files", "files"]
            way = dice.choice(ways if list(cache.glob("images/*")) else [*ways, "imaging", "imaging", "imaging"])
            end, said = killed(way if kills.total() < KILLS else "never", words, out, cache, dice)
            assert end in (0, -signal.SIGKILL), said
            kills[way] += end != 0
        assert content(out) == expected, f"run {runs}"
    with capsys.disabled():
        print(f"\n{kills.total()} kills in {runs} runs: {dict(kills)}")
