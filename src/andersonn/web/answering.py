"""One model a task, asked by one thread: what arrives while it works is answered together in the next batch."""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import threading
from concurrent.futures import Future
from typing import Any

from andersonn.errors import InputError
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.prediction import Failure, Prediction
from andersonn.inference.predictor import BATCH_SIZE, Predictor

log = logging.getLogger(__name__)
Question = tuple[tuple[str, str], list[Any], "Future[list[Prediction | Failure]]"]
"""Task, and as JSON what is asked of pores or nothing; structures; where the answers go."""


class Answerer:
    """Asks scientists in batches.

    Args:
        scientists: by task.

    Attributes:
        batches, structures: asked so far.
    """

    def __init__(self, scientists: dict[str, Predictor]) -> None:
        self.scientists, self.batches, self.structures = scientists, 0, 0
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="answering", daemon=True)
        self._thread.start()

    async def answer(self, task: str, ready: list[Any], pores: str = "") -> list[Prediction | Failure]:
        """Answers to structures with their images, as :func:`andersonn.structures.conformer_images.images_for` makes them.

        Args:
            task: whose scientist answers.
            ready: structures.
            pores: what is asked of pores, as JSON of a :class:`~andersonn.inference.by_geometry.PoreQuestion`; empty: as usual.
        """
        promised: Future[list[Prediction | Failure]] = Future()
        self._questions.put(((task, pores), ready, promised))
        return await asyncio.wrap_future(promised)

    def close(self) -> None:
        """Answers what waits, then ends."""
        self._questions.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            first = self._questions.get()
            taken, going = self._with_what_waits(first)
            for asked in {asked for asked, _, _ in taken}:
                self._answer(asked, [question for question in taken if question[0] == asked])

    def _with_what_waits(self, first: Question | None) -> tuple[list[Question], bool]:
        taken: list[Question] = []
        question, count = first, 0
        while question is not None:
            taken.append(question)
            count += len(question[1])
            if count >= BATCH_SIZE or self._questions.empty():
                return taken, True
            question = self._questions.get()
        return taken, False

    def _scientist(self, asked: tuple[str, str]) -> Predictor:
        task, pores = asked
        return self.scientists[task].asked(PoreQuestion.from_dict(json.loads(pores)) if pores else None)

    def _answer(self, asked: tuple[str, str], questions: list[Question]) -> None:
        together = [item for _, ready, _ in questions for item in ready]
        try:
            answers = self._scientist(asked).answer(together)
        except Exception:
            log.exception("a batch of %d structures failed; each question is asked alone", len(together))
            answers = [answer for _, ready, _ in questions for answer in self._alone(asked, ready)]
        self.batches, self.structures = self.batches + 1, self.structures + len(together)
        start = 0
        for _, ready, promised in questions:
            if promised.set_running_or_notify_cancel():
                promised.set_result(answers[start : start + len(ready)])
            start += len(ready)

    def _alone(self, asked: tuple[str, str], ready: list[Any]) -> list[Prediction | Failure]:
        found: list[Prediction | Failure] = []
        for item in ready:
            try:
                found += self._scientist(asked).answer([item])
            except Exception as error:
                told = InputError("internal", f"{type(error).__name__}: {error}", "this is a defect; please report it")
                found.append(Failure(item[0], told.as_dict()))
        return found
