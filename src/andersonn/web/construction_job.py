"""One construction of the web lab: its folder, its process, and how far it is."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from andersonn import launch
from andersonn.constructing.verdict import verdict
from andersonn.errors import AndersonnError
from andersonn.io.files import from_json, write_json, write_whole
from andersonn.sanitize import lines_of
from andersonn.web.construction_process import JOB
from andersonn.web.table_question import Question

log = logging.getLogger(__name__)
RESUMABLE = ("cancelled", "interrupted", "failed")
REPORT, CONTENT, LOG = "report.html", "construction.json", "log.txt"
MOST_SAID = 50
PATIENCE = 15.0
"""Seconds in which a process that is told to stop may put away its work."""


@dataclass
class Job:
    """A construction.

    Attributes:
        id: 12 hexadecimal digits; also the name of its folder.
        folder: that holds ``job.json``, the table, and the model in a folder called like the scientist.
        source: file name of the table.
        name: of the scientist.
        question: what is asked of the table.
        text: what was understood of it.
        state: ``running``, ``done``, ``cancelled``, ``interrupted`` (the server ended) or ``failed``.
        error: why it failed, as JSON.
        verdict: on the finished scientist.
        progress: ``work``, ``share`` (0 to 1), ``left`` (seconds; None if unknown) and ``note`` of the piece of work at hand.
        said: messages, oldest first.
    """

    id: str
    folder: Path
    source: str
    name: str
    question: Question
    text: str
    state: str = "running"
    error: dict[str, str] | None = None
    verdict: str | None = None
    progress: dict[str, Any] | None = None
    said: list[str] = field(default_factory=list)
    stopping: bool = False
    process: subprocess.Popen[str] | None = None

    @classmethod
    def kept(cls, folder: Path) -> Job:
        """That of an earlier server.

        Raises:
            ValueError, KeyError, OSError: the folder holds none.
        """
        content = from_json((folder / JOB).read_text(encoding="utf-8"))
        state = "interrupted" if content["state"] == "running" else content["state"]
        question = Question.from_dict(content.pop("question"))
        return cls(folder.name, folder, question=question, **content | {"state": state})

    @property
    def model(self) -> Path:
        """Folder of the model."""
        return self.folder / self.name

    def on_disk(self) -> dict[str, Any]:
        """``megabytes`` of its folder, and when it was ``begun``, as ISO 8601 in UTC; None where files come and go just now."""
        try:
            size = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
            begun = datetime.fromtimestamp((self.folder / self.source).stat().st_mtime, UTC)
        except OSError:
            return {"megabytes": None, "begun": None}
        return {"megabytes": round(size / 1e6, 2), "begun": begun.isoformat(timespec="seconds").replace("+00:00", "Z")}

    def keep(self) -> None:
        """Writes ``job.json``.

        Raises:
            OSError: it cannot be written.
        """
        names = ("source", "name", "text", "state", "error", "verdict")
        write_json(
            self.folder / JOB, {name: getattr(self, name) for name in names} | {"question": self.question.as_dict()}
        )

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "id": self.id, "state": self.state, "name": self.name, "source": self.source, "target": self.question.target,
            "text": self.text, "error": self.error, "verdict": self.verdict, "progress": self.progress, "said": self.said,
            "stopping": self.stopping, "resumable": self.state in RESUMABLE,
            "command": self.question.command(self.source, self.name), "python": self.question.python(self.source, self.name),
        }  # fmt: skip

    def run(self) -> None:
        """Runs the process to its end, and reads what it tells; the state says how it ended. Blocks."""
        self.state, self.error, self.said, self.progress = "running", None, [], None
        try:
            self.keep()
            with open(self.folder / LOG, "w", encoding="utf-8") as errors:
                self.process = launch.start(
                    "andersonn.web.construction_process", str(self.folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=errors, text=True, encoding="utf-8", start_new_session=True,
                )  # fmt: skip
                if self.stopping:  # told while it was started
                    _interrupt(self.process)
                ended = self._listen(self.process)
            if self.stopping and not ended.get("done"):
                self.state = "cancelled"
            elif ended.get("done"):
                self.verdict = verdict(from_json((self.model / CONTENT).read_text(encoding="utf-8")))
                self.state = "done"
            else:
                self.state, self.error = "failed", ended.get("error") or self._death(self.process)
        except OSError as error:
            self.state, self.error = "failed", _of_system(error)
        finally:
            self.process, self.stopping = None, False

    def stop(self, interrupted: bool = False) -> None:
        """Tells the process to stop, and ends it if it does not; blocks until it is gone."""
        self.stopping, process = True, self.process
        if process is None:
            return
        _interrupt(process)
        try:
            process.wait(0.2 if interrupted else PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def zipped(self) -> Path:
        """The model's folder as a zip file, made when it is first asked for. Blocks.

        Raises:
            OSError: it cannot be written.
        """
        path = self.folder / f"{self.name}.zip"
        if not path.is_file():
            write_whole(path, self._zip)
        return path

    def _zip(self, path: str) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.model.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    archive.write(file, Path(self.name, file.relative_to(self.model)))

    def _listen(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Keeps what the process tells of its progress; returns its last word, which is empty if it died."""
        assert process.stdout is not None
        ended: dict[str, Any] = {}
        with process.stdout:
            for line in process.stdout:
                try:
                    told = json.loads(line)
                except ValueError:  # it was killed within a line
                    continue
                if "work" in told:
                    self.progress = told
                elif "said" in told:
                    self.said = [*self.said, told["said"]][-MOST_SAID:]
                else:
                    ended = told
        process.wait()
        return ended

    def _death(self, process: subprocess.Popen[str]) -> dict[str, str]:
        last = lines_of((self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip())[-1:]
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
        told = f"its process ended with {how}{': ' + last[0][:300] if last else ''}"
        return AndersonnError("aborted", told, "go on with it, or construct it with a smaller table").as_dict()


def _interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)


def _of_system(error: OSError) -> dict[str, str]:
    return AndersonnError(
        "failed", f"{error.strerror or error}", "make room on the server's disk, then go on"
    ).as_dict()
