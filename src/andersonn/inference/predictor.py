"""Predictions of a trained model for files and objects, in the terms of its task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from andersonn.data.tasks import Task, cuts_of
from andersonn.errors import InputError, UsageError, did_you_mean, unknown
from andersonn.inference.answering import Ready, answers_of, outputs_of
from andersonn.inference.answers import Answers
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.embedding import embed
from andersonn.inference.explain import explain, explain_groups, of_one_conformer
from andersonn.inference.explanation import Explanation
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.moved_thresholds import cut_again, with_thresholds
from andersonn.inference.prediction import Failure, Prediction
from andersonn.inference.scientist_html import scale_of, scientist_html
from andersonn.io.files import path_of
from andersonn.models.ensemble import lead
from andersonn.progress import Bar, Progress, Silent
from andersonn.scientists.base import GEOMETRIES, ScientistSpec
from andersonn.scientists.registry import registered, shipped, weights_folder
from andersonn.structures.conformer_images import images_for
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.readers import USUAL_COLUMNS, Columns, counted, listed, sources, structures_of
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure

BATCH_SIZE = 256
"""Structures that are read and imaged before a forward pass over all of them."""


class Predictor:
    """Answers for one task.

    Args:
        bundle: the trained model.
        name: as predictions give it.
        folder: that it was read from, if any.
        anytime: early exit: stop solving once the class is decided, by the rule fitted on validation structures
            (:class:`~andersonn.inference.early_exit.EarlyExit`). It takes fewer evaluations and gives the same class but for rare
            cases. Probabilities and estimates are those of a loose solve, with status ``"settled"``.

    Attributes:
        moved: where :meth:`with_thresholds` cut the network's classes; None: as the model has them.

    Raises:
        UsageError: the model learned of labels alone, or of numbers without a name; or ``anytime`` and it has no such rule.
    """

    def __init__(self, bundle: ModelBundle, name: str, folder: Path | None = None, anytime: bool = False) -> None:
        if not bundle.provenance.get("has_quantity", True):
            raise UsageError(
                "no_quantity",
                f"the model {name!r} estimates no quantity, which a scientist does",
                "use it as an estimator, or fit one with a task on numbers",
            )
        self.bundle, self.name, self.folder = bundle, name, folder
        self.anytime = bundle.anytime if anytime else None
        if anytime and self.anytime is None:
            raise UsageError(
                "no_rule", f"the model {name!r} has no rule for answering early", "leave anytime out, or train it anew"
            )
        self.pores: PoreQuestion | None = None
        self.moved: tuple[float, ...] | None = None
        self.recipe = bundle.config.image

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {scale_of(self.task)})"

    def _repr_html_(self) -> str:
        return scientist_html(self.name, self.task, self.bundle)

    @property
    def task(self) -> Task:
        """What answers are about. Where the geometry of pores answers, the network's own is ``bundle.task``."""
        return self.bundle.task if self.pores is None else self.pores.task

    def about_pores(self, question: PoreQuestion) -> Self:
        """The same model, beside answers by the geometry of pores."""
        (other := copy(self)).pores = question
        return other

    def asked(self, question: PoreQuestion | None) -> Self:
        """The same model, beside answers to another question about pores, if there is one; else itself."""
        return self if question is None else self.about_pores(question)

    @classmethod
    def load(
        cls, name: str | os.PathLike[str], device: str = "cpu", anytime: bool = False, geometry: str | None = None
    ) -> Self:
        """The registered scientist of a task (``"conduction"``), or one from a folder that ``train`` wrote. A ``Path`` is
        always a folder, also if it is named as a task.

        Args:
            name: of the task, or the folder.
            device: it runs on.
            anytime: see :class:`Predictor`.
            geometry: ``"none"``, ``"one"`` or ``"many"``, how molecules without 3-D coordinates are read, see
                :data:`~andersonn.scientists.base.GEOMETRIES`; None: as the model does by default.

        Raises:
            UsageError: there is no such model, or it cannot read molecules so.
        """
        if isinstance(name, str) and name in registered():
            return cls.of_spec(registered()[name], device, anytime, geometry)
        if isinstance(name, str) and not (os.path.dirname(name) or os.path.exists(name)):
            told = f"there is no scientist {name!r}, and no such folder of a model"
            raise UsageError("no_model", told, did_you_mean(name, registered()))
        folder = path_of(name, "a scientist is the name of a task or a folder")
        return cls(ModelBundle.load(folder, device), str(name), folder, anytime)._in(geometry)

    @classmethod
    def of_spec(
        cls, spec: ScientistSpec, device: str = "cpu", anytime: bool = False, geometry: str | None = None
    ) -> Self:
        """A scientist with the weights that its declaration names for a geometry.

        Raises:
            UsageError: it is untrained, its weights cannot be read, or it cannot read molecules so.
        """
        chosen = spec.of_geometry(geometry)
        folder = weights_folder(chosen)
        ours = spec is shipped().get(spec.name)
        name = f"andersonn/{spec.name}{'' if chosen is spec else f'/{geometry}'}" if ours else str(folder)
        found = cls(ModelBundle.load(folder, device), name, folder, anytime)._in(geometry)
        return found if spec.by_geometry is None else found.about_pores(PoreQuestion.of(spec))

    def _in(self, geometry: str | None) -> Self:
        """The same model, answering for molecules in a geometry.

        Raises:
            UsageError: it was not trained for that.
        """
        if geometry is not None and geometry not in GEOMETRIES:
            raise unknown("geometry", geometry, GEOMETRIES)
        if geometry is None or (geometry == "none") == self.recipe.bonds:
            return self.over_conformers(1) if geometry == "one" else self
        trained = "on bonds alone" if self.recipe.bonds else "on geometries"
        told = f"the model {self.name!r} was trained {trained}, and cannot answer for geometry {geometry!r}"
        raise UsageError("other_geometry", told, "leave the geometry out, or name another model")

    def predict(
        self,
        inputs: Any,
        smiles_column: str | None = None,
        path_column: str | None = None,
        progress: bool | Progress = False,
    ) -> Answers:
        """Answers for files, folders, tables, SMILES, text of files, Structures, ASE and pymatgen objects: a list of them, or
        a single one.

        A string of one line that names no file and has no structure file's ending is taken as SMILES, perhaps with a name
        behind it (``"CCO ethanol"``). One of several lines, and bytes, are taken as what a file holds. A table (CSV, Excel, Parquet, a
        DataFrame, a dict or a list of dicts) is read row by row: it needs a column of SMILES, of structures, of files, or
        ``atomic_numbers``, ``positions`` and perhaps ``cell``. A file with several structures gives several answers. An input
        that cannot be read gives a :class:`Failure`; the others are answered all the same.

        Args:
            inputs: one or many of these.
            smiles_column: of tables, if it has no usual name.
            path_column: of files, relative to the table's own folder.
            progress: True shows a bar on stderr; or a listener, which is told how many inputs have been read.
        """
        columns, inputs = Columns(smiles_column, path_column), listed(inputs)
        listener = Bar() if progress is True else progress or Silent()
        if progress:
            listener.start(self.task.name, counted(inputs, columns))
        found: list[Prediction | Failure] = []
        structures: list[Structure | None] = []
        for batch in self._batches(inputs, columns, (lambda _, done, __: listener.update(done)) if progress else None):
            found += self.answer(batch)
            structures += [None if isinstance(item, Failure) else item[1] for item in batch]
        if progress:
            listener.finish()
        return Answers(self.task, found, structures, self._recut)

    def _recut(self, thresholds: Sequence[float] | float) -> tuple[Task, Callable[[Prediction, Structure], Prediction]]:
        """The task with other thresholds, and what cuts answers there."""
        moved = self.with_thresholds(thresholds)
        if moved.pores is not None:
            return moved.task, moved.pores.measured
        return moved.task, lambda answer, _: cut_again(moved.bundle, answer)

    def answers(
        self,
        inputs: Iterable[Any],
        columns: Columns = USUAL_COLUMNS,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Like :meth:`predict`, as a stream in the order of the inputs, reading no further ahead than a batch. After a
        KeyboardInterrupt, what has been read is answered before it is raised.

        Args:
            inputs: as for :meth:`predict`.
            columns: of tables, where they have no usual names.
            progress: called with (input, inputs read so far, structures read so far).
        """
        for batch in self._batches(inputs, columns, progress):
            yield from self.answer(batch)

    def _batches(
        self, inputs: Iterable[Any], columns: Columns, progress: Callable[[str, int, int], None] | None = None
    ) -> Iterator[list[Ready | Failure]]:
        """What is read of the inputs, about :data:`BATCH_SIZE` structures at a time; see :meth:`answers`."""
        waiting: list[Ready | Failure] = []
        read = 0
        try:
            for number, (name, source) in enumerate(sources(inputs, columns), start=1):
                found = self.images(name, source)
                waiting.extend(found)
                read += len(found)
                if progress:
                    progress(name, number, read)
                if len(waiting) >= BATCH_SIZE:
                    full, waiting = waiting, []
                    yield full
        except KeyboardInterrupt:
            yield waiting
            raise
        yield waiting

    def explain(self, inputs: Any) -> list[Explanation | Failure]:
        """Contributions of atoms or groups (:mod:`andersonn.inference.explain`). Inputs as for :meth:`predict`."""
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
        """The explanation of one answer. Where the geometry of pores answers, the contributions are to the network's."""
        found = self._by_network(item, progress)
        if self.pores is None or isinstance(found, Failure):
            return found
        answer = self.completed(found.prediction, item)
        return answer if isinstance(answer, Failure) else self.pores.explained(found, answer)

    def _by_network(self, item: Ready, progress: Callable[[str, int, int], None] | None) -> Explanation | Failure:
        name, structure, images = item
        (prediction,) = self.network_answers([item])
        assert isinstance(prediction, Prediction)  # what has images gets one
        try:
            if isinstance(structure, MolecularGraph):
                return explain_groups(prediction, structure, self._of_graphs)
            listener = partial(progress, name) if progress else None
            found = explain(self.bundle, prediction, structure, images, listener)
            if len(images) == 1 or found.dipole is not None:
                return found
            (alone,) = self.network_answers([(name, structure, images[:1])])
            assert isinstance(alone, Prediction)
            return replace(found, warnings=(*found.warnings, of_one_conformer(prediction, alone)))
        except InputError as error:  # of the structure with an atom removed
            return Failure(name, error.as_dict())
        except Exception as error:
            return Failure.of_defect(name, error)

    def _of_graphs(self, graphs: Sequence[MolecularGraph]) -> list[Prediction]:
        ready: list[Ready | Failure] = [(graph.id, graph, images_for(graph, self.recipe, 1)) for graph in graphs]
        return [answer for answer in self.network_answers(ready) if isinstance(answer, Prediction)]

    def over_conformers(self, count: int) -> Self:
        """The same model, averaging over up to ``count`` conformers of molecules whose geometry is generated.

        Raises:
            UsageError: there is none, or the task is not about molecules.
        """
        if count < 1 or self.task.periodic or self.recipe.bonds:
            reason = f"{count} conformers" if count < 1 else f"{self.task.name} is about crystals, not conformers"
            reason = f"the model {self.name!r} reads bonds alone, no conformers" if self.recipe.bonds else reason
            raise UsageError("bad_option", reason, "conformers are a number from 1, for molecules")
        config = self.bundle.config.model_copy(update={"conformers": count})
        (other := copy(self)).bundle = replace(self.bundle, config=config)
        return other

    def with_thresholds(self, thresholds: Sequence[float] | float) -> Self:
        """The same model with its classes cut elsewhere: probabilities are those of its distribution, estimates stay.

        Args:
            thresholds: as of :meth:`Answers.thresholds`. A number's are as many as are wanted, which makes classes of it.

        Raises:
            UsageError: classes cannot be cut there, or the model learned them at fixed thresholds, or answers early at its own.
        """
        if self.pores is not None:
            return self.about_pores(self.pores.cut(cuts_of(thresholds)))
        if self.anytime is not None:
            raise UsageError("fixed_thresholds", "early answers are decided at own thresholds", "leave one out")
        (other := copy(self)).bundle = with_thresholds(self.bundle, self.name, cuts_of(thresholds))
        other.moved = other.bundle.task.thresholds
        return other

    def images(self, name: str, source: Any) -> list[Ready | Failure]:
        """The structures of one input with their images, or what is wrong with it or with some of them.

        Args:
            name: of the input, as predictions give it.
            source: what to read: a path, :class:`~andersonn.structures.readers.Smiles`, an object that is a structure, or a
                function that gives structures and, in the place of unsound ones, errors.
        """
        found: list[Ready | Failure] = []
        try:
            recipe, conformers = self.recipe, self.bundle.config.conformers
            how = nullcontext() if self.task.periodic else reading(recipe.bonds, conformers, recipe.largest_part)
            with how:
                reader = partial(structures_of, name, source)
                structures = reader() if self.pores is None else self.pores.read(reader)
            for structure in structures:
                try:
                    if isinstance(structure, InputError):
                        raise structure
                    self.task.require_kind(structure)
                    images = images_for(structure, self.recipe, self.bundle.config.conformers)
                    found.append((name, structure, images))
                except InputError as error:
                    found.append(Failure(name, error.as_dict()))
        except InputError as error:
            return [Failure(name, error.as_dict())]
        except Exception as error:  # a defect of ours in one input must not end a run of thousands
            return [Failure.of_defect(name, error)]
        return found

    def answer(self, waiting: list[Ready | Failure]) -> list[Prediction | Failure]:
        """One answer for each of what :meth:`images` gave, in their order, by one forward pass over all structures."""
        return list(map(self.completed, self.network_answers(waiting), waiting))

    def completed(self, network: Prediction | Failure, item: Ready | Failure) -> Prediction | Failure:
        """The answer to one of what :meth:`images` gave: the network's, unless the geometry of pores answers.

        Args:
            network: what :meth:`network_answers` gave for it.
            item: that was asked about.
        """
        return network if self.pores is None else self.pores.answered(network, item)

    def network_answers(self, waiting: list[Ready | Failure]) -> list[Prediction | Failure]:
        """Like :meth:`answer`, always by the network."""
        ready = [item for item in waiting if not isinstance(item, Failure)]
        if not ready:
            return [item for item in waiting if isinstance(item, Failure)]
        predictions = answers_of(self.bundle, self.name, ready, outputs_of(self.bundle, ready, self.anytime))
        return [item if isinstance(item, Failure) else next(predictions) for item in waiting]

    def embed(
        self,
        inputs: Any,
        smiles_column: str | None = None,
        path_column: str | None = None,
        errors: Literal["nan", "raise"] = "nan",
    ) -> np.ndarray:
        """What the network's head reads of each structure: features for a model, a map or a search of neighbors of your own;
        :mod:`andersonn.inference.embedding` says what they are.

        Args:
            inputs: as for :meth:`predict`. Rows are in the order of its answers: one for each structure.
            smiles_column: as for :meth:`predict`.
            path_column: as for :meth:`predict`.
            errors: ``"nan"``: what cannot be read gets a row of NaN, and the others are embedded all the same; ``"raise"``: it
                is an error.

        Returns:
            Features, float32 ``[n, d]``; d is :attr:`n_features`.

        Raises:
            InputError: an input cannot be read, and ``errors`` is ``"raise"``.
            UsageError: ``errors`` is neither.

        Examples:
            >>> import andersonn as an
            >>> an.Scientist.load("polarity").embed(["CCO", "CC#N"]).shape
            (2, 129)
        """
        batches = self._batches(listed(inputs), Columns(smiles_column, path_column))
        return embed(self.bundle, batches, errors)

    @property
    def n_features(self) -> int:
        """d: how many features :meth:`embed` gives of a structure."""
        return lead(self.bundle.network).n_features
