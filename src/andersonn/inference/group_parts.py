"""What each group of a molecule adds to an answer, for models that read bonds alone: the answer less that for the molecule without it.

Groups, and what a molecule is without one, are those of :mod:`andersonn.structures.group_replacement`. Of a model that answers with a number
the contribution is in its unit, of one with classes the log-odds of the class answered. Each molecule without a group is read and
answered as if a user had asked about it, its doubt included. It is exact for one group; contributions do not add up: two groups
taken together change the answer by more or less than the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.inference.prediction import Prediction
from andersonn.structures.group_replacement import Replaceable, replaceable_groups, replaced
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.readers.molecules.bonds_alone import graph_of

LEAST = 1e-12
"""Probabilities are not taken for smaller where their log-odds are."""
Answers = Callable[[Sequence[MolecularGraph]], list[Prediction]]


@dataclass(frozen=True)
class GroupPart:
    """A group and the answer without it.

    Attributes:
        group: which.
        atoms: with their hydrogens, counted from 0.
        value: contribution of the group.
        without: SMILES of the molecule without it.
        answer: for that molecule.
    """

    group: Replaceable
    atoms: tuple[int, ...]
    value: float
    without: str
    answer: Prediction

    def as_dict(self) -> dict[str, Any]:
        """As in the JSON contract of ``explain``."""
        named = {"group": self.group.name, "atoms": list(self.atoms), "functional": self.group.functional}
        return named | {"value": self.value, "without": self.without, **_short(self.answer)}


@dataclass(frozen=True)
class GroupParts:
    """The groups of a molecule, by falling size of their contributions, and the frame that they are attached to.

    Attributes:
        parts: the groups.
        total: the answer as a number, or the log-odds of its class.
        frame: SMILES of the molecule without any of the groups, and
        of_frame: the same number for it, and
        frame_answer: the answer for it; None where it cannot be made.
        warnings: groups that could not be replaced.
    """

    parts: tuple[GroupPart, ...]
    total: float
    frame: str
    of_frame: float
    frame_answer: Prediction | None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, prediction: Prediction, graph: MolecularGraph, answers: Answers) -> GroupParts:
        """What the groups of a molecule add to its answer.

        Args:
            prediction: the answer.
            graph: the molecule.
            answers: gives the answers for other molecules.

        Raises:
            InputError: its bonds are not known to RDKit.
        """
        total, groups = number_of(prediction, prediction), replaceable_groups(graph)
        left, warnings = _left(graph, [[group] for group in groups] + ([groups] if groups else []))
        asked = answers([molecule for molecule in left if molecule is not None])
        found = iter(asked)
        said = [None if molecule is None else next(found) for molecule in left]
        parts = []
        for group, molecule, answer in zip(groups, left, said, strict=False):
            if molecule is not None and answer is not None:
                atoms = tuple(np.flatnonzero(np.isin(graph.node_of_atom, group.nodes)).tolist())
                value = total - number_of(answer, prediction)
                parts.append(GroupPart(group, atoms, value, molecule.id, answer))
        parts.sort(key=lambda part: -abs(part.value))
        bare, answer = (left[-1], said[-1]) if groups else (None, prediction)
        frame = bare.id if bare is not None else "" if groups else graph.id
        of_frame = math.nan if answer is None else number_of(answer, prediction)
        return cls(tuple(parts), total, frame, of_frame, answer, tuple(warnings))

    def by_atom(self, count: int) -> np.ndarray:
        """Of each atom an even part of its group's contribution, and nothing of the frame's, ``[count]``."""
        found = np.zeros(count)
        for part in self.parts:
            found[list(part.atoms)] = part.value / len(part.atoms)
        return found

    @property
    def shown(self) -> list[tuple[str, tuple[int, ...], float]]:
        """Name, atoms besides hydrogens and contribution of each group, as pictures take them."""
        return [(part.group.name, part.group.nodes, part.value) for part in self.parts]

    def as_dict(self) -> dict[str, Any]:
        """As in the JSON contract of ``explain``; groups by falling size."""
        frame = None
        if self.frame_answer is not None:
            frame = {"smiles": self.frame, "value": self.of_frame, **_short(self.frame_answer)}
        return {"groups": [part.as_dict() for part in self.parts], "frame": frame}


def number_of(answer: Prediction, asked: Prediction) -> float:
    """What contributions are differences of: the estimate, or the log-odds ln(p / (1 − p)) of the class that was answered first.

    Args:
        answer: for a molecule.
        asked: the answer that is explained.
    """
    if not asked.has_class:
        return answer.value
    p = answer.probabilities[asked.label]
    others = sum(q for name, q in answer.probabilities.items() if name != asked.label)
    return math.log(max(p, LEAST)) - math.log(max(others, LEAST))


def _left(graph: MolecularGraph, chosen: list[list[Replaceable]]) -> tuple[list[MolecularGraph | None], list[str]]:
    """The molecule without each choice of groups, its SMILES as its id; None and a warning where that is no sound molecule."""
    from rdkit import Chem

    found: list[MolecularGraph | None] = []
    warnings: list[str] = []
    for groups in chosen:
        try:
            mol = replaced(graph, groups)
            found.append(graph_of(mol, Chem.MolToSmiles(mol)))
        except InputError as error:
            found.append(None)
            warnings.append(error.message)
    return found, warnings


def _short(answer: Prediction) -> dict[str, Any]:
    """Of the answer without a group, what is told."""
    told: dict[str, Any] = {"estimate": answer.value} if answer.has_estimate else {}
    if answer.has_class:
        told |= {"class": answer.label, "probability": answer.probabilities[answer.label]}
    return {f"{name}_without": value for name, value in told.items()}
