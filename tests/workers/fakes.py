"""Functions that behave badly on purpose, in worker processes."""

import os
import time

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
