"""Several commands in one process, which loads the models once: ``several.py WORDS``, a list of lists in JSON."""

from __future__ import annotations

import json
import os
import sys

from andersonn.cli import entry, streams


def main() -> None:
    """Each command ends with its status between zeros, on both streams."""
    streams.prepare()
    for words in json.loads(sys.argv.pop()):
        sys.argv[:] = [
            "andersonn",
            *(os.fsdecode(word.encode("utf-8")) for word in words),
        ]  # as the system hands them on
        status = entry._status_of(entry._verbs)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            stream.buffer.write(bytes([0]) + str(status).encode() + bytes([0]))
            stream.flush()


def without_workers() -> None:
    """The same; what workers do is done in this process."""
    from andersonn.workers import pool
    from tests.workers.fakes import InThisProcess

    pool.Worker = InThisProcess
    main()


if __name__ == "__main__":
    main()
