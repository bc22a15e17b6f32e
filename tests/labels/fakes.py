"""Labelers that behave badly on purpose, run in real subprocesses."""

import os
import time
from pathlib import Path

from andersonn.errors import InputError
from andersonn.labels.run import Labeler


def volume(payload, settings):
    """The 'label' is the sum of the positions; names of structures say how to misbehave."""
    id = payload["id"]
    print("libraries print what they like, also {}", flush=True)
    os.write(1, b"and so do C++ libraries\n")
    if settings.get("log"):
        with Path(settings["log"]).open("a") as stream:
            stream.write(id + "\n")
    if id.startswith("abort"):
        exact = payload["structure"]["positions"][0] == [0.0, 0.0, 0.0]
        if exact or id == "abort always":
            print("voro++: internal error", flush=True)
            os.abort()
    if id == "nan":
        return {"values": {"sum_A": float("nan")}}
    if settings.get("pid"):
        half = Path(f"{settings['pid']}.half")
        half.write_text(str(os.getpid()))
        half.replace(settings["pid"])  # whoever is killed meanwhile leaves the note whole
    if id == "hang":
        time.sleep(60)
    if id == "exit":
        os._exit(3)
    if id == "raise":
        raise ZeroDivisionError("by nothing")
    if id == "refuse":
        raise InputError("odd", "it is odd", "make it even")
    if settings.get("until"):
        wait_for(settings["until"], settings["log"])
    time.sleep(settings.get("sleep", 0.0))
    structure = payload["structure"] or {"atomic_numbers": [1], "positions": [[0, 0, 0]], "cell": None}
    return {"values": {"sum_A": float(sum(map(sum, structure["positions"])))}, "notes": ["fake"]}


def wait_for(count, log):
    """Waits until so many have begun: two can only meet if they run at the same time."""
    for _ in range(600):
        if len(Path(log).read_text().split()) >= count:
            return
        time.sleep(0.1)
    raise InputError("alone", "the others did not come", "run more workers")


def labeler(**settings):
    return Labeler("fake", "tests.labels.fakes:volume", "sums", ("sum_A",), settings, jitter=1e-5, retries=2)
