"""A scientist: a trained model that takes files and objects and answers in the task's own terms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from andersonn.data.conformers import Further
from andersonn.data.imaging import images_for
from andersonn.data.store import ImageStore
from andersonn.errors import InputError, UsageError
from andersonn.inference.early_exit import ask_anytime
from andersonn.inference.explain import Explanation, explain, of_one_conformer
from andersonn.inference.forward import Outputs, ask, ask_mean
from andersonn.inference.model_bundle import Artifact
from andersonn.inference.prediction import Failure, Place, Prediction
from andersonn.inference.warnings import doubts, remarks, trained_electrons, voids_of
from andersonn.scientists.base import ScientistSpec
from andersonn.scientists.registry import find, registered, shipped, weights_folder
from andersonn.solvers import Status
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.readers import USUAL_COLUMNS, Columns, listed, sources, structures_of
from andersonn.structures.structure import Structure

AT_ONCE = 256
"""Structures imaged before the network is asked."""
Ready = tuple[str, Structure, list[NodeNeighborImage]]
"""Name of the input, structure, its image and those of further conformers over which the answer is averaged."""


class Predictor:
    """Answers for one task.

    Args:
        artifact: the trained model.
        name: how answers name it.
        folder: that it was read from, if any.
        anytime: stop solving once the class is settled, by the rule that the model learned on validation structures
            (:class:`~andersonn.inference.early_exit.Anytime`): fewer evaluations, the same class but for rare cases, and
            probabilities and estimates of a loose solve, whose status is then ``"settled"``.

    Raises:
        UsageError: the model learned of class labels alone, or of numbers without a name; or ``anytime`` and it has no
            such rule.
    """

    def __init__(self, artifact: Artifact, name: str, folder: Path | None = None, anytime: bool = False) -> None:
        if not artifact.provenance.get("has_quantity", True):
            raise UsageError(
                "no_quantity",
                f"the model {name!r} estimates no quantity, which a scientist does",
                "use it as an estimator, or fit one with a task on numbers",
            )
        self.artifact, self.name, self.folder = artifact, name, folder
        self.anytime = artifact.anytime if anytime else None
        if anytime and self.anytime is None:
            raise UsageError(
                "no_rule", f"the model {name!r} has no rule for answering early", "leave anytime out, or train it anew"
            )
        self.task = artifact.task
        self.recipe = artifact.config.image.recipe()

    @classmethod
    def load(cls, name: str | os.PathLike[str], device: str = "cpu", anytime: bool = False) -> Self:
        """The registered scientist of a task (``"conduction"``), or one from a folder that ``train`` wrote. A ``Path`` is
        always a folder, also if it is named as a task.
        """
        if isinstance(name, str) and name in registered():
            return cls.of_spec(registered()[name], device, anytime)
        return cls(Artifact.load(Path(name), device), str(name), Path(name), anytime)

    @classmethod
    def of_spec(cls, spec: ScientistSpec, device: str = "cpu", anytime: bool = False) -> Self:
        """A scientist with the weights that its declaration names.

        Raises:
            UsageError: it is untrained, or its weights cannot be read.
        """
        folder = weights_folder(spec)
        name = f"andersonn/{spec.name}" if spec is shipped().get(spec.name) else str(folder)
        return cls(Artifact.load(folder, device), name, folder, anytime)

    def predict(
        self, inputs: Any, smiles_column: str | None = None, path_column: str | None = None
    ) -> list[Prediction | Failure]:
        """Answers for files, folders, tables, SMILES, text of files, Structures, ASE and pymatgen objects: a list of them, or
        a single one.

        A string of one line that names no file and has no structure file's ending is taken as SMILES, perhaps with a name
        behind it (``"CCO ethanol"``); one of several lines, and bytes, as what a file holds. A table (CSV, Excel, Parquet, a
        DataFrame, a dict or a list of dicts) is read row by row: it needs a column of SMILES, of structures, of files, or
        ``atomic_numbers``, ``positions`` and perhaps ``cell``. A file with several structures gives several answers. An input
        that cannot be read gives a :class:`Failure`; the others are answered all the same.

        Args:
            inputs: one or many of these.
            smiles_column: of tables, if it has no usual name.
            path_column: of files, relative to the table's own folder.
        """
        return list(self.answers(listed(inputs), Columns(smiles_column, path_column)))

    def answers(
        self,
        inputs: Iterable[Any],
        columns: Columns = USUAL_COLUMNS,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Like :meth:`predict`, as a stream in the order of the inputs, reading no further ahead than a batch. What has
        been read is answered also when the user interrupts.

        Args:
            inputs: as for :meth:`predict`.
            columns: of tables, where they have no usual names.
            progress: called with (input, inputs read so far, structures read so far).
        """
        waiting: list[Ready | Failure] = []
        read = 0
        try:
            for number, (name, source) in enumerate(sources(inputs, columns), start=1):
                found = self.images(name, source)
                waiting.extend(found)
                read += len(found)
                if progress:
                    progress(name, number, read)
                if len(waiting) >= AT_ONCE:
                    ready, waiting = waiting, []
                    yield from self.answer(ready)
        except KeyboardInterrupt:
            yield from self.answer(waiting)
            raise
        yield from self.answer(waiting)

    def explain(self, inputs: Any) -> list[Explanation | Failure]:
        """Which atoms drove the answer: a contribution of every atom, as :mod:`andersonn.inference.explain` defines
        it. Inputs as for :meth:`predict`.
        """
        return list(self.explanations(listed(inputs)))

    def explanations(
        self, inputs: Iterable[Any], progress: Callable[[str, int, int], None] | None = None
    ) -> Iterator[Explanation | Failure]:
        """Like :meth:`explain`, as a stream in the order of the inputs.

        Args:
            inputs: as for :meth:`predict`.
            progress: called with (input, atoms removed so far, of how many) while a structure is worked on.
        """
        for name, source in sources(inputs):
            for item in self.images(name, source):
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

    def over_conformers(self, count: int) -> Self:
        """The same scientist, which averages over up to so many conformers of molecules whose geometry is made.

        Raises:
            UsageError: there must be at least one, and the task must be about molecules.
        """
        if count < 1 or self.task.periodic:
            reason = f"{count} conformers" if count < 1 else f"{self.task.name} is about crystals, not conformers"
            raise UsageError("bad_option", reason, "conformers are a number from 1, for molecules")
        config = self.artifact.config.model_copy(update={"conformers": count})
        return type(self)(replace(self.artifact, config=config), self.name, self.folder, self.anytime is not None)

    def images(self, name: str, source: Any) -> list[Ready | Failure]:
        """The structures of one input with their images, or what is wrong with it or with some of them.

        Args:
            name: of the input, for answers.
            source: what to read: a path, :class:`~andersonn.structures.readers.Smiles`, an object that is a structure, or a
                function that gives structures and, in the place of unsound ones, errors.
        """
        try:
            return [self._ready(name, structure) for structure in structures_of(name, source)]
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

    def answer(self, waiting: list[Ready | Failure]) -> Iterator[Prediction | Failure]:
        """One answer for each of what :meth:`images` gave, in their order; the network is asked about all at once."""
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
        rule = {"rule": self.anytime, "domain": self.artifact.domain}
        way = ask if self.anytime is None else partial(ask_anytime, **rule)
        outputs = ask_mean(self.artifact.network, store, np.arange(len(ready)), further, way)
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
        status = Status(outputs.status[k])
        early = status is Status.CONVERGED and outputs.residual[k] > self.artifact.config.model.solver.rtol
        return {
            "name": self.artifact.network.solver_name,
            "steps": steps,
            "evaluations": steps if explicit else steps + 1,
            "residual": None if explicit else float(outputs.residual[k]),
            "status": "settled" if early else status.name.lower(),
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
        place = place and replace(place, trained_electrons=trained_electrons(self.artifact, structure))
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
            notes=tuple(remarks(self.artifact, structure, images)),
            warnings=tuple(doubts(self.artifact, structure, images, solve, place)),
            voids=voids_of(images[0]),
            domain=place,
        )


def load_for(
    task: str, model: str | os.PathLike[str] | None = None, device: str = "cpu", anytime: bool = False
) -> Predictor:
    """The model of a task, or the model in a folder, which must be of that task.

    Args:
        task: name of the task, or the Python file that declares it.
        model: folder that ``train`` wrote; None: the weights that the task's declaration names.
        device: it runs on.
        anytime: see :class:`Predictor`.

    Raises:
        UsageError: there is no such task or model, or the model is for another task.
    """
    if model is None:
        return Predictor.of_spec(find(task), device, anytime)
    found = Predictor.load(Path(model), device, anytime)
    require_task(found.task.name, task, model)
    return found


def require_task(found: str, asked: str, model: str | os.PathLike[str]) -> None:
    """Checks that a model in a folder is of the task that was asked for.

    Args:
        found: task of the model.
        asked: name of a task, or the Python file that declares it.
        model: the folder.

    Raises:
        UsageError: it is not, or there is no such task.
    """
    if found != asked and found != find(asked).name:  # which tells a misspelt name as such
        raise UsageError("wrong_task", f"the model in {str(model)!r} is for {found}, not {asked}", "name its own task")


def _defect(name: str, error: Exception) -> Failure:
    unexpected = InputError("internal", f"{type(error).__name__}: {error}", "this is a defect; please report it")
    return Failure(name, unexpected.as_dict())
