"""Functions that behave badly on purpose, in worker processes, and a worker without a process."""

import json
import os
import time

from andersonn.errors import InputError
from andersonn.workers.process import answer, named
from andersonn.workers.process_limits import time_limit


def misbehave(payload, settings):
    """What the payload says: reserve memory, end the process, or take too long; else an echo."""
    if "gigabytes" in payload:
        return {"held": len(bytearray(int(payload["gigabytes"] * 2**30)))}
    if "status" in payload:
        os._exit(payload["status"])
    if "sleep" in payload:
        with time_limit(settings["seconds"]):
            time.sleep(payload["sleep"])
    return {"echo": payload}


class InThisProcess:
    """Takes the place of a worker where the process is not what is tested: starting one takes seconds of a core.

    The function still sees JSON alone, and its errors come back as a worker tells them.
    """

    def __init__(self, compute, settings, threads=1, gigabytes=None):
        self._compute, self._settings = named(compute), json.loads(json.dumps(settings))

    def ask(self, payload, seconds):
        given = json.loads(json.dumps(payload))
        found = json.loads(json.dumps(answer(self._compute, given, self._settings)))
        if "error" in found:
            raise InputError(**found["error"])
        return found["result"]

    def wait(self, seconds):
        pass

    def close(self):
        pass

    def forget(self):
        pass
