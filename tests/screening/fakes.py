"""The worker's own function, with inputs that misbehave by name: in real subprocesses, where a crash is a crash."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from andersonn.inference import predictor
from andersonn.screening import worker
from andersonn.structures.structure import Structure

COMPUTE = "tests.screening.fakes:compute"
images_for = predictor.images_for


def misbehave(structure: Structure, *options):
    name = structure.id.rpartition(":")[2]
    if name == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "hang":
        time.sleep(60)
    if name == "memory":
        raise MemoryError
    if name == "once" and not (mark := Path(os.environ["FAKES"], name)).exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return images_for(structure, *options)


def compute(payload, settings):
    predictor.images_for = misbehave
    return worker.compute(payload, settings)
