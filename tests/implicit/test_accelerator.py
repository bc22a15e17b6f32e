"""The layer on a pretend accelerator, in a process of its own: torch's autograd engine must not have run before it knows the device."""

import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("accelerator_cases.py")


def test_the_layer_on_an_accelerator():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(command, cwd=CASES.parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
