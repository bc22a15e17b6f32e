"""One model a task, asked by one thread: what arrives while it works is answered together in the next batch. Lists give way: single
structures go before them, and lists are answered in pieces that take a moment each.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from andersonn.errors import InputError
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.prediction import Failure, Prediction
from andersonn.inference.predictor import BATCH_SIZE, Predictor

log = logging.getLogger(__name__)
Answers = list[Prediction | Failure]
SINGLE, LIST, END = 0, 1, 2
"""What goes first; the end waits for all."""
MOMENT = 0.05
"""Seconds of the processor that a piece of a list should take: about four times what a batch costs besides its structures."""
MOST_AT_ONCE = 32
"""Structures of a list that are answered at once."""
AT_FIRST = 4
"""The same of the first piece."""


_Asked = tuple[str, str, tuple[float, ...]]


@dataclass(order=True)
class _Question:
    """Structures that wait for answers.

    Attributes:
        urgency: :data:`SINGLE`, :data:`LIST` or :data:`END`.
        number: in the order of arrival.
        asked: task, as JSON what is asked of pores or nothing, and thresholds of the network's classes, none as it has them.
        ready: structures.
        promised: where the answers go.
    """

    urgency: int
    number: int
    asked: _Asked = field(default=("", "", ()), compare=False)
    ready: list[Any] = field(default_factory=list, compare=False)
    promised: Future[Answers] = field(default_factory=Future, compare=False)


class Answerer:
    """Asks scientists in batches.

    Args:
        scientists: by task.
        clock: seconds that the answering thread has worked.

    Attributes:
        batches, structures: asked so far.
    """

    def __init__(self, scientists: dict[str, Predictor], clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self.scientists, self.batches, self.structures = scientists, 0, 0
        self._questions: queue.PriorityQueue[_Question] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._at_once: dict[_Asked, int] = {}
        self._thread = threading.Thread(target=self._run, name="answering", daemon=True)
        self._thread.start()

    async def answer(
        self,
        task: str,
        ready: list[Any],
        pores: str = "",
        of_list: bool = False,
        thresholds: tuple[float, ...] = (),
    ) -> Answers:
        """Answers to structures with their images, as :func:`andersonn.structures.conformer_images.images_for` makes them.

        Args:
            task: whose scientist answers.
            ready: structures.
            pores: what is asked of pores, as JSON of a :class:`~andersonn.inference.by_geometry.PoreQuestion`; empty: as usual.
            of_list: whether others may be answered first.
            thresholds: where the network's classes are cut; empty: as it has them.
        """
        question = _Question(LIST if of_list else SINGLE, next(self._numbers), (task, pores, thresholds), ready)
        self._questions.put(question)
        return await asyncio.wrap_future(question.promised)

    def close(self) -> None:
        """Answers what waits, then ends."""
        self._questions.put(_Question(END, next(self._numbers)))
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._questions.get()
            if first.urgency == END:
                return
            if first.urgency == LIST:
                self._answer_list(first)
            else:
                self._answer_singles(first)

    def _answer_singles(self, first: _Question) -> None:
        """Answers a question together with the other singles that wait."""
        taken = [first]
        while sum(len(question.ready) for question in taken) < BATCH_SIZE:
            found = self._next_single()
            if found is None:
                break
            taken.append(found)
        for asked in dict.fromkeys(question.asked for question in taken):
            self._answer([question for question in taken if question.asked == asked])

    def _next_single(self) -> _Question | None:
        """A single that waits; None if there is none."""
        try:
            found = self._questions.get_nowait()
        except queue.Empty:
            return None
        if found.urgency == SINGLE:
            return found
        self._questions.put(found)  # it keeps its number, and so its turn
        return None

    def _answer_list(self, question: _Question) -> None:
        """Answers a part of a list piece by piece; singles that arrive meanwhile are answered in between."""
        answers: Answers = []
        while len(answers) < len(question.ready):
            if answers and (found := self._next_single()):
                self._answer_singles(found)
            size = self._at_once.get(question.asked, AT_FIRST)
            piece = question.ready[len(answers) : len(answers) + size]
            begin = self._clock()
            answers += self._answers(question.asked, piece)
            each = (self._clock() - begin) / len(piece)
            self._at_once[question.asked] = max(1, min(int(MOMENT / max(each, 1e-6)), 2 * size, MOST_AT_ONCE))
            if question.promised.cancelled():
                return
        _keep(question.promised, answers)

    def _answer(self, questions: list[_Question]) -> None:
        """Answers questions to the same scientist in one batch."""
        answers = self._answers(questions[0].asked, [item for question in questions for item in question.ready])
        start = 0
        for question in questions:
            _keep(question.promised, answers[start : start + len(question.ready)])
            start += len(question.ready)

    def _answers(self, asked: _Asked, together: list[Any]) -> Answers:
        try:
            answers = self._scientist(asked).answer(together)
        except Exception:
            log.exception("a batch of %d structures failed; each is asked alone", len(together))
            answers = self._alone(asked, together)
        self.batches, self.structures = self.batches + 1, self.structures + len(together)
        return answers

    def _scientist(self, asked: _Asked) -> Predictor:
        task, pores, thresholds = asked
        found = self.scientists[task].asked(PoreQuestion.from_dict(json.loads(pores)) if pores else None)
        return found.with_thresholds(thresholds) if thresholds else found

    def _alone(self, asked: _Asked, ready: list[Any]) -> Answers:
        found: Answers = []
        for item in ready:
            try:
                found += self._scientist(asked).answer([item])
            except Exception as error:
                told = InputError("internal", f"{type(error).__name__}: {error}", "this is a defect; please report it")
                found.append(Failure(item[0], told.as_dict()))
        return found


def _keep(promised: Future[Answers], answers: Answers) -> None:
    """Gives answers to who waits for them, unless nobody does."""
    if promised.set_running_or_notify_cancel():
        promised.set_result(answers)
