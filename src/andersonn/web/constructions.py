"""Constructing scientists in the web lab: tables are looked at, one scientist is constructed at a time, and answers in the lab."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from andersonn.constructing.naming import NAME
from andersonn.errors import AndersonnError
from andersonn.io.files import require_writable
from andersonn.web.construction_job import RESUMABLE, Job
from andersonn.web.doors import LOOPBACK
from andersonn.web.inputs import Item
from andersonn.web.lab import Lab
from andersonn.web.limits import ConcurrencyLimit, Refusal
from andersonn.web.table_question import Question
from andersonn.web.worker_pool import AsyncWorkerPool

log = logging.getLogger(__name__)
ID = re.compile(r"[0-9a-f]{12}")
LOOKS = 4
"""Tables that may wait to be looked at."""
LEAST_SECONDS = 10.0
DELETED = ".deleted"
"""Ending of a folder that is being deleted; a server that ends meanwhile leaves it to the next."""


def is_private(host: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a server that listens on ``host`` is reached from this machine alone; a further name is that of a proxy."""
    return not allowed and (host in LOOPBACK or host == "::1")


class Constructions:
    """All constructions of a server.

    Args:
        lab: in which the scientists answer.
        folder: that keeps them; None for one that is removed at the end.
        allowed: whether visitors may construct.

    Raises:
        UsageError: the folder cannot be written to.
    """

    def __init__(self, lab: Lab, folder: Path | None = None, allowed: bool = True) -> None:
        self.lab, self.allowed, self.temporary = lab, allowed, folder is None
        if folder is not None:
            require_writable(folder)
        self._own = (
            None if folder else tempfile.TemporaryDirectory(prefix="andersonn-constructed-", ignore_cleanup_errors=True)
        )
        self.folder = folder.resolve() if folder else Path(self._own.name)  # type: ignore[union-attr]  # one of both is there
        self._scratch = tempfile.TemporaryDirectory(prefix="andersonn-tables-", ignore_cleanup_errors=True)
        self.jobs: dict[str, Job] = {}
        self._busy = False
        self._current: Job | None = None
        self._looks = ConcurrencyLimit(LOOKS, "tables")
        self._running: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        settings = {"rows": lab.limits.table_rows, "folder": self._scratch.name}
        self._pool = AsyncWorkerPool("andersonn.web.table_reading:look", settings, 1, lab.limits.work_seconds)

    def start(self) -> None:
        """Finds what an earlier server constructed in the same folder, and lets it answer."""
        for folder in sorted(self.folder.iterdir()):
            if folder.name.endswith(DELETED) and ID.fullmatch(folder.name.removesuffix(DELETED)):
                shutil.rmtree(folder, ignore_errors=True)
            elif ID.fullmatch(folder.name):
                try:
                    self.jobs[folder.name] = Job.kept(folder)
                except (ValueError, KeyError, TypeError, OSError):
                    log.warning("%s holds no construction that can be read; it is left out", folder)
        self._serving = asyncio.create_task(self._serve_all())

    async def close(self) -> None:
        """Stops the construction at hand, whose work is kept, and removes what is temporary."""
        for job in self.jobs.values():
            if job.state == "running":
                await asyncio.to_thread(job.stop, self.temporary)
        tasks = [task for task in (self._running, self._serving) if task is not None]
        if self._serving is not None:
            self._serving.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._pool.close)
        self._scratch.cleanup()
        if self._own is not None:
            self._own.cleanup()

    def as_dict(self) -> dict[str, Any]:
        """What the page has to know at first."""
        limits = self.lab.limits
        return {
            "allowed": self.allowed,
            "temporary": self.temporary,
            "limits": {"megabytes": limits.megabytes, "rows": limits.table_rows, "minutes": limits.construct_minutes},
            "jobs": [self.shown(job) for job in self.jobs.values()] if self.allowed else [],
        }

    def shown(self, job: Job) -> dict[str, Any]:
        """A construction as the page has it; ``answers`` says whether its scientist is one of the lab's. Until that is decided, it runs: a
        page asks no more once it is done.
        """
        scientist = self.lab.scientists.get(job.name)
        told = job.as_dict() | job.on_disk() | {"answers": scientist is not None and scientist.folder == job.model}
        return told | ({"state": "running"} if job is self._current and job.state == "done" else {})

    def job(self, id: str) -> Job:
        """A construction by its id.

        Raises:
            Refusal: there is none, or visitors may not construct.
        """
        self.require_allowed()
        if not ID.fullmatch(id) or id not in self.jobs:
            raise Refusal(
                404, "unknown_construction", "there is no construction of that id", "GET /api/construct lists all"
            )
        return self.jobs[id]

    def finished(self, id: str) -> Job:
        """A construction that is done.

        Raises:
            Refusal: there is none, or it is not done.
        """
        job = self.job(id)
        if job.state != "done":
            raise Refusal(
                409, "not_done", f"the construction of {job.name} is {job.state}", "wait for it, or go on with it"
            )
        return job

    def require_allowed(self) -> None:
        """Checks that visitors may construct.

        Raises:
            Refusal: they may not.
        """
        if not self.allowed:
            told = "constructing takes minutes of a processor, and others than this machine can reach this server"
            raise Refusal(403, "not_allowed", told, "start it with --allow-construct, or use andersonn construct")

    async def look(self, item: Item, question: Question | None) -> dict[str, Any]:
        """Columns of a table and what it says, as :func:`andersonn.web.table_reading.look`.

        Raises:
            Refusal: visitors may not construct, or too many tables wait.
            InputError: the table cannot be used.
        """
        self.require_allowed()
        with self._looks.entered():
            return await self._pool.ask({**item.as_payload(), "question": question and question.as_dict()})

    async def begin(self, item: Item, question: Question) -> Job:
        """Begins to construct.

        Raises:
            Refusal: visitors may not, another one is being constructed, or the budget or the name is refused.
            InputError: the table cannot be used.
        """
        self.require_allowed()
        most = 60.0 * self.lab.limits.construct_minutes
        if not LEAST_SECONDS <= question.seconds <= most:
            told = f"a budget of {question.seconds:g} s is not between {LEAST_SECONDS:g} s and {most / 60:g} min"
            raise Refusal(422, "bad_budget", told, "choose one between; andersonn construct has no limit")
        self._enter()
        try:
            await self.lab.ready()
            looked = await self.look(item, question)
            name = self._free_name(question.name, looked["understanding"]["name"])
            job = await asyncio.to_thread(self._new, item, replace(question, name=name), looked["text"])
        except BaseException:
            self._busy = False
            raise
        self.jobs[job.id] = job
        self._running = asyncio.create_task(self._run(job))
        return job

    async def resume(self, id: str) -> Job:
        """Goes on with a construction that did not come to its end.

        Raises:
            Refusal: there is none, it needs no more work, or another one is being constructed.
        """
        job = self.job(id)
        if job.state not in RESUMABLE:
            raise Refusal(409, "not_resumable", f"the construction of {job.name} is {job.state}", "begin a new one")
        self._enter()
        job.state = "running"
        self._running = asyncio.create_task(self._run(job))
        return job

    async def cancel(self, id: str) -> Job:
        """Stops a construction; what is done is kept. One that has ended stays as it is.

        Raises:
            Refusal: there is none.
        """
        job = self.job(id)
        if job.state == "running":
            await asyncio.to_thread(job.stop)
            if self._running is not None:
                await asyncio.shield(self._running)
        return job

    async def delete(self, id: str) -> None:
        """Deletes a construction with its table, model and report; its scientist answers no more.

        Raises:
            Refusal: there is none, it is running, or its folder cannot be deleted.
        """
        job = self.job(id)
        if job.state == "running":
            raise Refusal(409, "running", f"{job.name} is being constructed", "cancel it first")
        if (
            self._running is not None and not self._running.done()
        ):  # it may be that of this one, which is about to answer
            await asyncio.shield(self._running)
        answers = self.shown(job)["answers"]
        if self.jobs.pop(id, None) is None:  # somebody else deleted it meanwhile
            return
        try:
            doomed = await asyncio.to_thread(job.folder.rename, job.folder.with_name(id + DELETED))
        except OSError as error:
            self.jobs[id] = job
            told = f"its folder cannot be deleted: {error.strerror or error}"
            raise Refusal(409, "not_deleted", told, "look at the rights of the folder on the server") from None
        if answers:
            await self.lab.remove(job.name)
        await asyncio.to_thread(shutil.rmtree, doomed, ignore_errors=True)

    def _enter(self) -> None:
        if self._busy:
            raise Refusal(429, "busy", "a scientist is being constructed already", "wait for it, or cancel it")
        self._busy = True

    def _free_name(self, asked: str | None, found: str) -> str:
        """The name of the scientist: that which was asked for, or one made of what was found that nobody has.

        Raises:
            Refusal: somebody has the one that was asked for.
        """
        taken = {
            *self.lab.scientists,
            *(row["name"] for row in self.lab.unavailable),
            *(job.name for job in self.jobs.values()),
        }
        if found not in taken:
            return found
        if asked is not None:
            raise Refusal(422, "bad_name", f"there is a scientist {asked!r} already", "choose another name")
        names = (f"{found[:36]}_{k}" for k in range(2, len(taken) + 3))
        return next(name for name in names if name not in taken and NAME.fullmatch(name))

    def _new(self, item: Item, question: Question, text: str) -> Job:
        job_id = secrets.token_hex(6)
        folder = self.folder / job_id
        folder.mkdir()
        assert item.ending is not None  # as table_of gives it
        assert question.name is not None  # as begin gives it
        job = Job(job_id, folder, f"{item.stem}{item.ending}", question.name, question, text)
        (folder / job.source).write_bytes(item.content)
        job.keep()
        return job

    async def _run(self, job: Job) -> None:
        self._current = job
        try:
            await asyncio.to_thread(job.run)
            if job.state == "done":
                await self._serve(job)
            await asyncio.to_thread(self._keep, job)
        finally:
            self._busy, self._current = False, None

    async def _serve(self, job: Job) -> None:
        """Has a scientist answer in the lab."""
        try:
            await self.lab.add(job.model)
        except AndersonnError as error:
            job.error = error.as_dict()

    async def _serve_all(self) -> None:
        await self.lab.ready()
        for job in [job for job in self.jobs.values() if job.state == "done"]:
            await self._serve(job)

    @staticmethod
    def _keep(job: Job) -> None:
        try:
            job.keep()
        except OSError as error:  # the scientist itself is there
            log.warning("%s cannot be written: %s", job.folder, error)
