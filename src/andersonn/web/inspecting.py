"""Inspecting one structure, in a worker process with models of its own: its picture, how its fixed point is found,
which atoms drove the answer. See :class:`andersonn.workers.pool.Worker` for how it is asked.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from andersonn.data.store import ImageStore
from andersonn.errors import InputError
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.inference.explanation import Explanation
from andersonn.inference.forward import MAX_ROWS
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Failure
from andersonn.inference.predictor import Predictor
from andersonn.measuring.contenders import contenders
from andersonn.measuring.curves import residual_curves
from andersonn.measuring.problems import problems
from andersonn.structures.conformer_images import images_for
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.group_plot import svg_of
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.pores.view import pore_view
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure
from andersonn.web.boundary import boundary
from andersonn.web.known import similar
from andersonn.web.race import race
from andersonn.web.reading import confine, one_of
from andersonn.web.skeletal import skeletal
from andersonn.web.structure_text import files_of
from andersonn.web.view import graph_view, image_view, structure_view

T = TypeVar("T")
REPEATS = 5
"""Runs of each solver whose times are medians."""


def work(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """An explanation, an inspection or a race of iterations.

    Args:
        payload: perhaps ``pores``, ``strip_guests`` and ``clean``, where pores are asked about otherwise, or ``thresholds``, where
            classes are cut elsewhere; ``what`` (``"explain"``,
            ``"inspect"`` or ``"race"``), ``known`` (with ``model``: its ``folder``, the ``name`` that answers give it, ``conformers`` it
            averages over, and ``pores``, what is asked of them, as JSON), ``structure`` (which of the item's, from 0) and an item as
            :meth:`andersonn.web.inputs.Item.as_payload` gives it.
        settings: as for :func:`andersonn.web.reading.read`.

    Raises:
        InputError: the item cannot be read, has no such structure, or the task is not about its kind.
    """
    confine(settings["folder"])
    model = payload["known"]["model"]
    scientist = _scientist(**model | {"pores": payload.get("pores", model["pores"])})
    if "thresholds" in payload:
        scientist = scientist.with_thresholds(payload["thresholds"])
    with reading(scientist.recipe.bonds, scientist.bundle.config.conformers, scientist.recipe.largest_part):
        structure = one_of(payload, settings, payload["structure"])
    if payload["what"] == "explain":
        (explanation,) = scientist.explain([structure])
        explanation = _sound(explanation)
        return explanation.as_dict() | {"input": payload["shown"], **drawing(explanation)}
    if payload["what"] == "race":
        scientist.task.require_kind(structure)
        return race(scientist, NodeNeighborImage.from_structure(structure, scientist.recipe))
    return inspect(scientist, structure, payload["shown"])


def inspect(scientist: Predictor, structure: Structure, shown: str) -> dict[str, Any]:
    """All that the page shows of one structure but the explanation.

    Raises:
        InputError: the task is not about its kind.
    """
    scientist.task.require_kind(structure)
    images = images_for(structure, scientist.recipe, scientist.bundle.config.conformers)
    (answer,) = scientist.answer([(shown, structure, images)])
    answer = _sound(answer)
    graph = None
    if not scientist.recipe.bonds:  # else there are no positions
        graph = AtomBondGraph.from_structure(structure, scientist.recipe.columns + 1, scientist.recipe.reach)
    formula = skeletal(structure)
    return {
        "answer": answer.as_dict(),
        "structure": structure_view(structure, graph) if graph else None,
        "graph": graph_view(graph) if graph else None,
        "skeletal": formula,
        "pores": pore_view(structure, scientist.pores.options) if scientist.pores else None,
        "files": files_of(structure),
        "known": similar(structure, scientist.task.quantity, formula["smiles"] if formula else None),
        "image": image_view(images[0]),
        "boundary": boundary(scientist, answer, images, structure.generated_geometry),
        "convergence": convergence(scientist, images[0]),
    }


def drawing(explanation: Explanation) -> dict[str, str]:
    """The molecule with its groups in colors as SVG, under ``drawing``, where groups were explained; else nothing."""
    if explanation.groups is None:
        return {}
    assert isinstance(explanation.structure, MolecularGraph)  # of which there are groups
    return {"drawing": svg_of(explanation.structure, explanation.groups.shown)}


def convergence(scientist: Predictor, image: NodeNeighborImage) -> dict[str, Any] | None:
    """Residual at each evaluation of Anderson and of Picard iteration on this image, of conformers the first, from the
    network's own first state; None if it is a stack of layers. The evaluations to the tolerance count as those of answers do:
    the last check included.
    """
    options = scientist.bundle.config.model
    if options.layers:
        return None
    store = ImageStore.from_images([image], image.recipe)
    (problem,) = problems(scientist.bundle.network, store, np.array([0]), MAX_ROWS)
    solvers = contenders(options.solver)
    solvers.pop("auto")  # on a problem this small it would show its own overhead
    found = residual_curves(problem, solvers, REPEATS)
    return {"rtol": options.solver.rtol, "curves": found["curves"]}


@cache
def _scientist(folder: str, name: str, conformers: int, pores: str) -> Predictor:
    torch.set_num_threads(1)
    found, question = Predictor(ModelBundle.load(Path(folder)), name, Path(folder)), json.loads(pores)
    if found.bundle.config.conformers != conformers:
        found = found.over_conformers(conformers)
    return found if question is None else found.about_pores(PoreQuestion.from_dict(question))


def _sound(answer: T | Failure) -> T:
    if isinstance(answer, Failure):
        raise InputError(*(answer.error[key] for key in ("kind", "message", "hint")))
    return answer
