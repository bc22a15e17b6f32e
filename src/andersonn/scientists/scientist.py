"""A scientist: a trained model that takes files and objects and answers in the task's own terms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.data.conformers import Further
from andersonn.data.imaging import images_for
from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.data.tasks import TASKS, task
from andersonn.errors import InputError
from andersonn.matter.image import NodeNeighborImage
from andersonn.matter.readers import Smiles, as_structure, find_files, format_of, from_smiles, printable, read_each
from andersonn.matter.structure import Structure
from andersonn.scientists.answers import Failure, Place, Prediction
from andersonn.scientists.doubts import doubts, voids_of
from andersonn.scientists.explain import Explanation, explain, of_one_conformer
from andersonn.scientists.recipes import config_of
from andersonn.scientists.shipped import shipped_folder
from andersonn.solvers import Status
from andersonn.training.artifact import Artifact
from andersonn.training.config import TrainConfig
from andersonn.training.inference import Outputs, ask_mean
from andersonn.training.progress import Progress
from andersonn.training.run import train

AT_ONCE = 256
"""Structures imaged before the network is asked."""
Ready = tuple[str, Structure, list[NodeNeighborImage]]
"""Name of the input, structure, its image and those of further conformers over which the answer is averaged."""


class Scientist:
    """Answers for one task.

    Args:
        artifact: the trained model.
        name: how answers name it.
    """

    def __init__(self, artifact: Artifact, name: str) -> None:
        self.artifact, self.name = artifact, name
        self.task = artifact.task
        self.recipe = artifact.config.image.recipe()

    @classmethod
    def load(cls, name: str | os.PathLike[str], device: str = "cpu") -> Scientist:
        """The shipped scientist of a task (``"conduction"``), or one from a folder that ``train`` wrote. A ``Path`` is
        always a folder, also if it is named as a task.
        """
        if isinstance(name, str) and name in TASKS:
            return cls(Artifact.load(shipped_folder(name), device), f"andersonn/{name}")
        return cls(Artifact.load(Path(name), device), str(name))

    @classmethod
    def train(
        cls,
        task_name: str,
        records: Records | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        config: TrainConfig | None = None,
        out: str | os.PathLike[str] = "model",
        resume: bool = False,
        progress: Progress | None = None,
    ) -> Scientist:
        """Trains a new scientist and saves it in ``out``; see :func:`andersonn.training.run.train`.

        Args:
            task_name: such as ``"conduction"``.
            records: a table of labelled structures, or the Parquet file or files that hold it.
            config: options; the task's own defaults if None.
            out: folder for the model.
            resume: go on with an unfinished run in ``out``.
            progress: listener.
        """
        chosen = task(task_name)
        if isinstance(records, (str, os.PathLike)):
            records = [records]
        if not isinstance(records, Records):
            records = read_records(records, labels=(chosen.quantity,))
        return cls(train(chosen, records, config or config_of(task_name), Path(out), resume, progress), str(out))

    def predict(self, inputs: Any) -> list[Prediction | Failure]:
        """Answers for files, folders, SMILES, Structures, ASE and pymatgen objects: a list of them, or a single one.

        A string that names no file and has no structure file's ending is taken as SMILES. A file with several structures
        gives several answers. An input that cannot be read gives a :class:`Failure`; the others are answered all the same.
        """
        return list(self.answers(_listed(inputs)))

    def answers(self, inputs: Iterable[Any]) -> Iterator[Prediction | Failure]:
        """Like :meth:`predict`, as a stream in the order of the inputs, reading no further ahead than a batch. What has
        been read is answered also when the user interrupts.
        """
        waiting: list[Ready | Failure] = []
        try:
            for name, source in _sources(inputs):
                waiting.extend(self._images(name, source))
                if len(waiting) >= AT_ONCE:
                    ready, waiting = waiting, []
                    yield from self._answer(ready)
        except KeyboardInterrupt:
            yield from self._answer(waiting)
            raise
        yield from self._answer(waiting)

    def answers_to_images(self, waiting: list[Ready | Failure]) -> list[Prediction | Failure]:
        """Answers about structures that have been read and imaged elsewhere, by
        :func:`andersonn.data.imaging.images_for`, all in one batch; failures stay in their places.
        """
        return list(self._answer(waiting))

    def explain(self, inputs: Any) -> list[Explanation | Failure]:
        """Which atoms drove the answer: a contribution of every atom, as :mod:`andersonn.scientists.explain` defines
        it. Inputs as for :meth:`predict`.
        """
        return list(self.explanations(_listed(inputs)))

    def explanations(
        self, inputs: Iterable[Any], progress: Callable[[str, int, int], None] | None = None
    ) -> Iterator[Explanation | Failure]:
        """Like :meth:`explain`, as a stream in the order of the inputs.

        Args:
            inputs: as for :meth:`predict`.
            progress: called with (input, atoms removed so far, of how many) while a structure is worked on.
        """
        for name, source in _sources(inputs):
            for item in self._images(name, source):
                yield item if isinstance(item, Failure) else self._explanation(item, progress)

    def _explanation(self, item: Ready, progress: Callable[[str, int, int], None] | None) -> Explanation | Failure:
        name, structure, images = item
        (prediction,) = self._predictions([item])
        try:
            listener = partial(progress, name) if progress else None
            found = explain(self.artifact, prediction, structure, images[0], listener)
            if len(images) == 1:
                return found
            (alone,) = self._predictions([(name, structure, images[:1])])
            return replace(found, warnings=(*found.warnings, of_one_conformer(prediction, alone)))
        except InputError as error:  # of the structure with an atom removed
            return Failure(name, error.as_dict())
        except Exception as error:
            return _defect(name, error)

    def _images(self, name: str, source: Any) -> list[Ready | Failure]:
        """The structures of one input with their images, or what is wrong with it or with some of them."""
        try:
            return [self._ready(name, structure) for structure in _structures(name, source)]
        except InputError as error:
            return [Failure(name, error.as_dict())]
        except Exception as error:  # a defect of ours in one input must not end a run of thousands
            return [_defect(name, error)]

    def _ready(self, name: str, structure: Structure | InputError) -> Ready | Failure:
        try:
            if isinstance(structure, InputError):
                raise structure
            return name, structure, images_for(structure, self.task, self.recipe, self.artifact.config.conformers)
        except InputError as error:
            return Failure(name, error.as_dict())

    def _answer(self, waiting: list[Ready | Failure]) -> Iterator[Prediction | Failure]:
        ready = [item for item in waiting if not isinstance(item, Failure)]
        predictions = iter(self._predictions(ready))
        for item in waiting:
            yield item if isinstance(item, Failure) else next(predictions)

    def _predictions(self, ready: list[Ready]) -> list[Prediction]:
        if not ready:
            return []
        store = ImageStore.from_images([images[0] for _, _, images in ready], self.recipe)
        others = [image for _, _, images in ready for image in images[1:]]
        of = np.repeat(np.arange(len(ready)), [len(images) - 1 for _, _, images in ready])
        further = Further(ImageStore.from_images(others, self.recipe), of) if others else None
        outputs = ask_mean(self.artifact.network, store, np.arange(len(ready)), further)
        calibration = self.artifact.calibration
        made = np.array([structure.made_geometry for _, structure, _ in ready])
        p = calibration.probabilities(outputs.scores, made)
        values, intervals = calibration.estimates(outputs.quantiles, made)
        places = self._places(outputs)
        return [
            self._prediction(*ready[k], p[k], values[k], intervals[k], self._solve(outputs, k), places[k])
            for k in range(len(ready))
        ]

    def _places(self, outputs: Outputs) -> list[Place | None]:
        """Where each structure lies, seen from those of the training."""
        domain = self.artifact.domain
        if domain is None:
            return [None] * len(outputs.states)
        return [Place(distance, domain.limit) for distance in domain.distance(outputs.states).tolist()]

    def _solve(self, outputs: Outputs, k: int) -> dict[str, Any]:
        """How the fixed point of one structure was found, as in the JSON contract; of an explicit stack, which looks for
        none, the layers, and no residual.
        """
        steps, explicit = int(outputs.steps[k]), bool(self.artifact.config.model.layers)
        return {
            "name": self.artifact.network.solver_name,
            "steps": steps,
            "evaluations": steps if explicit else steps + 1,
            "residual": None if explicit else float(outputs.residual[k]),
            "status": Status(outputs.status[k]).name.lower(),
        }

    def _prediction(
        self,
        name: str,
        structure: Structure,
        images: list[NodeNeighborImage],
        probabilities: np.ndarray,
        value: float,
        interval: np.ndarray,
        solve: dict[str, Any],
        place: Place | None,
    ) -> Prediction:
        return Prediction(
            input=name,
            id=structure.id,
            formula=structure.formula,
            task=self.task.name,
            label=self.task.classes[int(probabilities.argmax())],
            probabilities={c: float(p) for c, p in zip(self.task.classes, probabilities, strict=True)},
            calibrated=self.artifact.calibration.fitted,
            quantity=self.task.quantity,
            value=float(value),
            interval90=(float(interval[0]), float(interval[1])),
            thresholds=self.task.thresholds,
            model=self.name,
            n_atoms=len(structure),
            solver=solve,
            warnings=tuple(doubts(self.artifact, structure, images, solve, place)),
            voids=voids_of(images[0]),
            domain=place,
        )


def _defect(name: str, error: Exception) -> Failure:
    unexpected = InputError("internal", f"{type(error).__name__}: {error}", "this is a defect; please report it")
    return Failure(name, unexpected.as_dict())


def _listed(inputs: Any) -> Iterable[Any]:
    """Inputs of a call that takes one or many."""
    single = isinstance(inputs, (str, os.PathLike, Structure)) or not isinstance(inputs, Iterable)
    return [inputs] if single or hasattr(inputs, "get_positions") or hasattr(inputs, "cart_coords") else inputs


def _sources(inputs: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """(name, what to read) of each input; folders become their files."""
    for position, item in enumerate(inputs):
        if isinstance(item, Smiles):
            yield str(item), item
        elif isinstance(item, str) and _may_be_smiles(item):
            yield item, _Word(item)
        elif not isinstance(item, (str, os.PathLike)):
            yield getattr(item, "id", "") or f"input {position + 1}", item
        elif not os.fspath(item):  # as Path it would be the current folder
            yield "", InputError("missing_file", "the name of an input is empty", "give a file or folder")
        elif os.path.isdir(item):
            try:
                yield from ((printable(file), file) for file in find_files(Path(item)))
            except InputError as error:
                yield printable(item), error
        else:
            yield printable(item), Path(item)


class _Word(Smiles):
    """A string that is SMILES or the name of a file that does not exist."""

    __slots__ = ()


def _may_be_smiles(text: str) -> bool:
    named_as_file = text.startswith(("/", ".", "~")) or format_of(Path(text)) is not None
    return bool(text) and not named_as_file and text.isprintable() and not os.path.exists(text)


def _structures(name: str, source: Any) -> list[Structure | InputError]:
    """What one source holds."""
    if isinstance(source, InputError):
        raise source
    if isinstance(source, Smiles):
        return [_from_word(source) if isinstance(source, _Word) else from_smiles(source)]
    if isinstance(source, os.PathLike):
        return read_each(source)
    try:
        return [as_structure(source, id=name)]
    except TypeError as error:
        raise InputError("unknown_object", str(error), "or give the path of a file") from None


def _from_word(text: str) -> Structure:
    """The molecule of a word; one that is no SMILES was perhaps meant as a file."""
    try:
        return from_smiles(text)
    except InputError as error:
        if error.kind != "bad_smiles":
            raise
        kind = "bad_smiles" if set(text) & set("()[]=#@") else "missing_file"
        raise InputError(kind, f"there is no file {text!r}, and {error.message}", error.hint) from None
