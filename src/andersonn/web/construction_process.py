"""A construction in a process of its own: ``python -m andersonn.web.construction_process FOLDER``.

The folder holds ``job.json`` and the table. Progress goes to stdout, one JSON object a line: ``{"work", "share", "left", "note"}`` or
``{"said"}``, and at the end ``{"done": true}``, ``{"cancelled": true}`` or ``{"error"}``. SIGINT ends it; what is done is kept, and the
next start goes on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from andersonn.errors import AndersonnError
from andersonn.web.table_question import Question
from andersonn.workers.process_limits import kill_with_parent, prefer_oom_kill

JOB = "job.json"
EVERY = 0.25
"""Seconds between two lines about the same work."""
NICE = 5
"""Priority that is given up, so that questions are answered while a scientist is constructed."""


class Told:
    """Progress as lines of JSON."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._work, self._total, self._begin, self._last = "", 1.0, 0.0, 0.0

    def tell(self, **content: Any) -> None:
        """One line, at once."""
        print(json.dumps(content), file=self._stream, flush=True)

    def start(self, task: str, total: float) -> None:
        """A piece of work begins."""
        self._work, self._total, self._begin, self._last = task, max(total, 1e-9), time.monotonic(), 0.0
        self.tell(work=task, share=0.0, left=None, note="")

    def update(self, done: float, note: str = "") -> None:
        """So much of it is done."""
        now, share = time.monotonic(), min(done / self._total, 1.0)
        if now - self._last < EVERY and share < 1.0:
            return
        self._last = now
        left = (now - self._begin) * (1.0 / share - 1.0) if share > 0.0 else None
        self.tell(work=self._work, share=share, left=left, note=note)

    def finish(self) -> None:
        """It is complete."""
        self.tell(work=self._work, share=1.0, left=0.0, note="")

    def say(self, text: str) -> None:
        """A message."""
        self.tell(said=text)


def work(folder: Path, progress: Told) -> None:
    """Constructs, or goes on with it.

    Args:
        folder: of the job.
        progress: listener.

    Raises:
        UsageError: the table or its target cannot be used.
    """
    from andersonn.constructing.run import construct
    from andersonn.constructing.understanding import understand

    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    question, out = Question.from_dict(job["question"]), folder / job["name"]
    progress.tell(work="reading the table", share=0.0, left=None, note="")
    understood = understand(
        folder / job["source"], question.target, read_files=False, progress=progress, **question.options()
    )
    command = question.command(job["source"], job["name"])
    construct(
        understood, out, budget_s=question.seconds, seed=question.seed, resume=True, progress=progress, command=command
    )


def main() -> None:
    """Works on the folder that is named."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also of a server that was started in the background
    kill_with_parent()
    prefer_oom_kill()
    if hasattr(os, "nice"):
        os.nice(NICE)
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print to descriptor 1 whatever sys.stdout is
    progress = Told(stream)
    try:
        work(Path(sys.argv[1]), progress)
    except KeyboardInterrupt:
        progress.tell(cancelled=True)
    except AndersonnError as error:
        progress.tell(error=error.as_dict())
    except OSError as error:
        told = AndersonnError(
            "failed", f"{error.strerror or error}", "free some space on the server's disk, then go on"
        )
        progress.tell(error=told.as_dict())
    else:
        progress.tell(done=True)


if __name__ == "__main__":
    main()
