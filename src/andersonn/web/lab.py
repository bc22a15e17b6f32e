"""The laboratory behind the routes: models, processes that read and inspect, and the way of a question through them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andersonn.data.tasks import thresholds_from
from andersonn.errors import InputError, UsageError, unknown
from andersonn.scientists.base import GEOMETRIES
from andersonn.scientists.registry import registered
from andersonn.web import pages
from andersonn.web.asked import AS_USUAL, Asked
from andersonn.web.briefing import briefing, folder_of
from andersonn.web.inputs import Item, from_file, from_smiles
from andersonn.web.limits import ConcurrencyLimit, Count, Limits, Precedence, Refusal, too_many
from andersonn.web.listing import Listing
from andersonn.web.rows import error_of, require_few, row_of
from andersonn.web.worker_pool import AsyncWorkerPool

if TYPE_CHECKING:
    from andersonn.inference.predictor import Predictor
    from andersonn.web.answering import Answerer

GIVING_WAY = 0.25
"""Seconds that a part of a list waits, at most, while single structures are answered."""


class Lab:
    """Answers questions; made at once, and ready when its models are loaded.

    Args:
        limits: on what it takes.
        models: folders of own models, each in place of the one that comes with its task.

    Attributes:
        scientists: by task; filled when the models are loaded.
        by_geometry: those for molecules that are read otherwise than by default, by :func:`named`.
        unavailable: tasks that cannot be asked about: ``name``, ``summary``, and ``kind``, ``message`` and ``hint`` of what
            is missing.
    """

    def __init__(self, limits: Limits, models: list[Path] | None = None) -> None:
        self.limits, self._models = limits, models or []
        self.scientists: dict[str, Predictor] = {}
        self.by_geometry: dict[str, Predictor] = {}
        self.unavailable: list[dict[str, str]] = []
        self._questions = ConcurrencyLimit(limits.waiting, "questions")
        self._singles = Precedence()
        self._inspections = ConcurrencyLimit(limits.working, "inspections and explanations")
        self._known: dict[str, dict[str, Any]] = {}
        """By task, or task and geometry: what processes have to know of who answers; JSON. It goes with every question, so that they
        know a scientist that was added while they run."""
        self._answerer: Answerer | None = None
        self._reading: AsyncWorkerPool | None = None
        self._listing: AsyncWorkerPool | None = None
        self._working: AsyncWorkerPool | None = None
        self._place = tempfile.TemporaryDirectory(prefix="andersonn-web-", ignore_cleanup_errors=True)
        self._ready: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begins to load the models, while pages are served already; questions wait for it."""
        self._ready = asyncio.create_task(self._start())
        return self._ready

    @property
    def is_ready(self) -> bool:
        """Whether questions are answered without waiting for the models."""
        return self._ready is not None and self._ready.done() and not self._ready.cancelled()

    async def ready(self) -> None:
        """Waits for the models."""
        assert self._ready is not None
        await asyncio.shield(self._ready)

    async def add(self, folder: Path) -> str:
        """Lets one more scientist answer, in place of one of its name if there is any; returns its task's name.

        Args:
            folder: of its model.

        Raises:
            UsageError: it holds no model that can be read.
        """
        from andersonn.inference.predictor import Predictor

        await self.ready()
        assert self._answerer is not None
        own = await asyncio.to_thread(Predictor.load, folder)
        name, own.name = own.task.name, folder.name  # where it lies here is nothing to visitors
        self.scientists[name] = own
        for geometry in GEOMETRIES:
            self.by_geometry.pop(named(name, geometry), None)
        self._load_geometries(name)
        self._answerer.scientists = self._all
        self._learn()
        return name

    async def remove(self, name: str) -> None:
        """Lets the scientist of a task answer no more; one that is not there stays so."""
        await self.ready()
        assert self._answerer is not None
        self.scientists.pop(name, None)
        for geometry in GEOMETRIES:
            self.by_geometry.pop(named(name, geometry), None)
        self._answerer.scientists = self._all
        self._learn()

    def folder(self, task: str) -> Path:
        """Where the model of a task lies, once the models are loaded.

        Raises:
            UsageError: there is no such task, or no model of it.
        """
        return folder_of(self._scientist(task))

    def counts(self) -> dict[str, int]:
        """What waits, and what was asked of the models so far."""
        asked = self._answerer
        waiting = {"waiting": self._questions.inside, "working": self._inspections.inside}
        return waiting | {"batches": asked.batches if asked else 0, "structures": asked.structures if asked else 0}

    async def close(self) -> None:
        """Ends all processes and threads; what was asked before is answered."""
        if self._ready is not None:
            self._ready.cancel()
            await asyncio.gather(self._ready, return_exceptions=True)
        for pool in (self._reading, self._listing, self._working):
            if pool is not None:
                await asyncio.to_thread(pool.close)
        if self._warming is not None:  # stopped in the midst of it, it fails, which is nobody's fault
            await asyncio.gather(self._warming, return_exceptions=True)
        if self._answerer is not None:
            await asyncio.to_thread(self._answerer.close)
        self._place.cleanup()

    async def predict(self, task: str, items: list[Item], how: Asked = AS_USUAL) -> list[dict[str, Any]]:
        """One object a structure, or an error a bad input, in the order of the inputs.

        Raises:
            Refusal: too many at once, or the queue is full.
            UsageError: there is no such task, or no model of it that can be asked so.
        """
        return [row async for rows in (await self.listing(task, items, how)).rows() for row in rows]

    async def listing(
        self, task: str, items: list[Item], how: Asked = AS_USUAL
    ) -> Listing[tuple[Item, dict[str, Any]]]:
        """As :meth:`predict`, as a stream. All is counted first.

        Raises:
            Refusal: too many at once, or the queue is full.
            UsageError: there is no such task, or no model of it that can be asked so.
        """
        require_few(items, self.limits)
        with ExitStack() as place:
            place.enter_context(self._questions.entered())
            await self.ready()
            self._scientist(task)
            name = self._named(task, how.geometry)
            asked = self._asked(name, how)
            parts = await self._parts(items)
            if len(parts) == 1:
                place.enter_context(self._singles.taken())
            read = partial(self._read, len(parts) > 1, name, Count(self.limits.structures), asked)
            answer = partial(self._answered, name, asked, how.curves, len(parts) > 1)
            return Listing(parts, read, answer, self.limits.readers + 1, place.pop_all())

    async def _parts(self, items: list[Item]) -> list[tuple[Item, dict[str, Any]]]:
        """The parts of all items, each to be read alone; counted, and nothing read yet.

        Raises:
            Refusal: there are too many.
        """
        assert self._reading is not None
        found: list[tuple[Item, dict[str, Any]]] = []
        for item in items:
            payload = item.as_payload()
            try:
                split = (await self._reading.ask({"what": "split", **payload}))["parts"] if item.is_divisible else None
            except InputError as error:
                if error.kind == "too_many":
                    raise Refusal(413, error.kind, f"{item.shown}: {error.message}", error.hint) from None
                split = [payload | {"error": error.as_dict()}]
            found += [(item, part) for part in ([payload] if split is None else split)]
            if len(found) > self.limits.structures:
                raise too_many("structures", len(found), self.limits.structures)
        return found

    async def _answered(
        self, name: str, asked: dict[str, Any], curves: bool, of_list: bool, rows: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The rows, with answers in place of structures."""
        assert self._answerer is not None
        ready = [row["ready"] for row in rows if "ready" in row]
        pores, cuts = asked.get("pores", ""), tuple(asked.get("thresholds", ()))
        answers = iter(await self._answerer.answer(name, ready, pores, of_list, cuts) if ready else [])
        from andersonn.inference.by_geometry import PoreQuestion
        from andersonn.web.boundary import curve_of

        question = PoreQuestion.from_dict(json.loads(pores)) if pores else self._all[name].pores
        found = [next(answers) if "ready" in row else row for row in rows]
        return [
            one
            if isinstance(one, dict)
            else one.as_dict() | ({"curve": curve_of(one, question)} if curves and one.ok else {})
            for one in found
        ]

    async def inspect(
        self, what: str, task: str, items: list[Item], structure: int, how: Asked = AS_USUAL
    ) -> dict[str, Any]:
        """An explanation (``"explain"``), an inspection (``"inspect"``) or a race of iterations (``"race"``) on one structure of one
        input.

        Raises:
            Refusal: there is not exactly one input, or the queue is full.
            InputError: as :func:`andersonn.web.inspecting.work`.
            UsageError: there is no such task, or no model of it that can be asked so.
        """
        require_few(items, self.limits)
        if len(items) > 1:
            raise too_many("inputs to inspect", len(items), 1)
        payload = items[0].as_payload()
        with self._inspections.entered():
            await self.ready()
            self._scientist(task)
            name = self._named(task, how.geometry)
            assert self._working is not None
            asked = {"what": what, "known": self._known[name], "structure": structure, **self._asked(name, how)}
            return await self._working.ask(asked | payload)

    def geometries(self, task: str) -> list[str]:
        """How a task can read molecules without coordinates, as :attr:`Asked.geometry`, its default first; empty for a
        task about crystals alone.
        """
        scientist = self._scientist(task)
        if scientist.task.periodic:
            return []
        own = "none" if scientist.recipe.bonds else "many"
        return [own, *(one for one in GEOMETRIES if one != own and named(task, one) in self.by_geometry)]

    @property
    def _all(self) -> dict[str, Predictor]:
        """Who answers, by task and by :func:`named`."""
        return self.scientists | self.by_geometry

    def _scientist(self, task: str) -> Predictor:
        """Who answers for a task.

        Raises:
            UsageError: there is no such task, or no model of it.
        """
        if task in self.scientists:
            return self.scientists[task]
        for row in self.unavailable:
            if row["name"] == task:
                raise UsageError(row["kind"], row["message"], row["hint"])
        raise unknown("task", task, self.scientists)

    def _named(self, task: str, geometry: str | None) -> str:
        """The name of who answers for a task in a geometry.

        Raises:
            UsageError: nobody does.
        """
        known = self.geometries(task)
        if geometry is None or geometry == next(iter(known), "many"):
            return task
        if geometry not in known:
            raise unknown("geometry", geometry, known or ["many"])
        return named(task, geometry)

    def _asked(self, name: str, how: Asked) -> dict[str, Any]:
        """What payloads say of pores and thresholds; empty if nothing is asked but as usual.

        Raises:
            UsageError: an option cannot be read, or the model cannot be asked so.
        """
        from andersonn.inference.by_geometry import pore_question

        scientist = self._all[name]
        spec = registered().get(scientist.task.name)
        question = None if spec is None else pore_question(spec, **how.pores or {})
        if question is not None and scientist.pores is None:
            told = f"the model {scientist.name!r} answers by its network"
            raise UsageError("bad_option", told, "leave out convention, radii, classes, strip_guests and clean")
        asked = scientist.asked(question)
        if how.thresholds is not None:
            asked = asked.with_thresholds(thresholds_from(how.thresholds))
        if asked.pores is None or asked.pores is scientist.pores:
            return {} if asked.moved is None else {"thresholds": list(asked.moved)}
        words = {"strip_guests": asked.pores.strip_guests, "clean": asked.pores.clean}
        return words | {"pores": json.dumps(asked.pores.as_dict(), sort_keys=True)}

    async def _read(
        self, of_list: bool, task: str, count: Count, asked: dict[str, Any], part: tuple[Item, dict[str, Any]]
    ) -> list[dict[str, Any]]:
        item, payload = part
        shown = {"input": item.shown} | ({"id": payload["id"]} if payload.get("id") else {})
        if "error" in payload:
            return [shown | {"error": error_of(payload).as_dict()}]
        try:
            # A list has processes of its own, and gives way even so: a single structure waits for no list.
            pool = self._listing if of_list else self._reading
            assert pool is not None
            if of_list:
                await self._singles.give_way(GIVING_WAY)
            found = (await pool.ask({"known": self._known[task], **payload, **asked}))["found"]
            count.add(len(found))
        except InputError as error:
            return [shown | {"error": error.as_dict()}]
        return [row_of(shown, row) for row in found]

    async def _start(self) -> None:
        await asyncio.to_thread(self._load)
        limits = self.limits
        settings = {"folder": self._place.name, "atoms": limits.atoms, "structures": limits.structures}
        self._reading = AsyncWorkerPool("andersonn.web.reading:read", settings, limits.readers, limits.read_seconds)
        self._listing = AsyncWorkerPool("andersonn.web.reading:read", settings, limits.readers, limits.read_seconds)
        self._working = AsyncWorkerPool("andersonn.web.inspecting:work", settings, 1, limits.work_seconds)
        first = self._first_question()
        await self._reading.warm(first)
        self._warming = asyncio.create_task(self._warm(self._working, self._listing, first))

    @staticmethod
    async def _warm(working: AsyncWorkerPool, listing: AsyncWorkerPool, first: dict[str, Any]) -> None:
        """Starts what is not needed for the first answer."""
        await working.warm({"what": "inspect", "structure": 0, **first})
        await listing.warm(first)

    def _first_question(self) -> dict[str, Any]:
        """An example of a scientist that is there, with which processes load what they need."""
        for example in pages.examples():
            if example["task"] in self.scientists:
                smiles, name, text = (example.get(part, "") for part in ("smiles", "file", "text"))
                item = from_smiles(smiles) if smiles else from_file(name, text.encode())
                return {"known": self._known[example["task"]], **item.as_payload()}
        # Nobody gives an example: a question that may be refused, but is understood.
        return {"known": next(iter(self._known.values())), **from_smiles("C").as_payload()}

    def _load(self) -> None:
        import torch

        from andersonn.inference.predictor import Predictor
        from andersonn.web.answering import Answerer

        torch.set_num_threads(1)  # reading keeps the other cores busy, and batches are small
        for folder in self._models:
            own = Predictor.load(folder)
            self.scientists[own.task.name] = own
        for name, spec in registered().items():
            if name in self.scientists:
                continue
            try:
                self.scientists[name] = Predictor.of_spec(spec)
            except UsageError as error:  # untrained or damaged; the others can answer all the same
                words = {"name": name, "summary": spec.task.summary or spec.task.quantity_words}
                self.unavailable.append(words | error.as_dict())
        if not self.scientists:
            raise UsageError("untrained", "no scientist has a model", "train one and name its folder with --model")
        for name in self.scientists:
            self._load_geometries(name)
        self._answerer = Answerer(self._all)
        self._learn()

    def _load_geometries(self, name: str) -> None:
        """Loads who answers of a task for molecules that are read otherwise than by default: by weights of their own, or in one
        conformer.
        """
        from andersonn.inference.predictor import Predictor

        scientist, spec = self.scientists[name], registered().get(name)
        if not scientist.recipe.bonds and scientist.task.periodic is False:
            self.by_geometry[named(name, "one")] = scientist.over_conformers(1)
        if spec is None or scientist.folder != spec.weights:
            return  # an own model is asked as it was trained
        for geometry in spec.geometries:
            if spec.of_geometry(geometry).trained:
                self.by_geometry[named(name, geometry)] = Predictor.of_spec(spec, geometry=geometry)

    def _learn(self) -> None:
        """Writes down what processes have to know of all who answer."""
        self._known = {name: briefing(scientist) for name, scientist in self._all.items()}


def named(task: str, geometry: str) -> str:
    """How who answers for a task in a geometry is named."""
    return f"{task}/{geometry}"
