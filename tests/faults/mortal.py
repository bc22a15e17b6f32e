"""The program, killed at its n-th step on the files of a folder: called with the words ``N FOLDER WORDS…``."""

from __future__ import annotations

import os
import signal
import sys

STEPS = frozenset({"open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "os.truncate"})
"""Of the events that Python tells an audit hook, those by which files change or are about to."""


def die_at(step: int, folder: str) -> None:
    """Sends this process SIGKILL right before its step of that number, from 1, on a path in the folder."""
    count = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event in STEPS and any(isinstance(word, str) and word.startswith(folder) for word in arguments):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main() -> None:
    """Runs the program, unless it is killed before."""
    from andersonn.cli import main as program

    die_at(int(sys.argv[1]), sys.argv[2])
    sys.argv[1:] = sys.argv[3:]
    program.main()


if __name__ == "__main__":
    main()
