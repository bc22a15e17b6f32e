"""Structures with their images → outputs of the network → predictions in the terms of the task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.early_exit import EarlyExit, forward_early_exit
from andersonn.inference.forward import Outputs, averaged, forward, how_solved
from andersonn.inference.laws import NO_DIPOLE, laws_on, obeying
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import DomainScore, Prediction
from andersonn.inference.tails import Kinds
from andersonn.inference.warnings import contradiction, notes_of, trained_electrons, voids_of, warnings_of
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.structure import Structure

Ready = tuple[str, Structure, list[NodeNeighborImage]]
"""Name of the input, structure, its image and those of further conformers over which the answer is averaged."""


def outputs_of(bundle: ModelBundle, ready: Sequence[Ready], rule: EarlyExit | None = None) -> Outputs:
    """Outputs of the network, averaged over the conformers of each structure, by one forward pass over all, and pooled with those of a
    network of bonds alone, if there is one, where a geometry was generated.

    Args:
        bundle: the model.
        ready: at least one structure.
        rule: of early exit; None: every solve goes on to the network's own tolerance.
    """
    outputs = _by_geometry(bundle, ready, rule)
    if bundle.beside is None or not isinstance(bundle.calibration, DistributionCalibration):
        return outputs
    structures = [structure for _, structure, _ in ready]
    return bundle.beside.answered(structures, outputs, np.asarray(bundle.calibration.edges))


def _by_geometry(bundle: ModelBundle, ready: Sequence[Ready], rule: EarlyExit | None) -> Outputs:
    """Outputs of the network alone, averaged over conformers; see :func:`outputs_of`."""
    run = forward if rule is None else partial(forward_early_exit, rule=rule, domain=bundle.domain)
    network, recipe = bundle.network, bundle.config.image
    store = ImageStore.from_images([images[0] for _, _, images in ready], recipe)
    outputs = run(network, store, np.arange(len(ready)))
    conformers = [image for _, _, images in ready for image in images[1:]]
    if not conformers:
        return outputs
    owner = np.repeat(np.arange(len(ready)), [len(images) - 1 for _, _, images in ready])
    store = ImageStore.from_images(conformers, recipe)
    return averaged(outputs, run(network, store, np.arange(len(conformers))), owner)


def answers_of(bundle: ModelBundle, model: str, ready: Sequence[Ready], outputs: Outputs) -> Iterator[Prediction]:
    """The prediction for each structure.

    Args:
        bundle: the model.
        model: its name, as predictions give it.
        ready: the structures.
        outputs: of these, in their order.
    """
    task, calibration, domain = bundle.task, bundle.calibration, bundle.domain
    structures = [structure for _, structure, _ in ready]
    generated = np.array([structure.generated_geometry for structure in structures])
    kinds = Kinds.of([images[0].Z for _, _, images in ready])
    distances = None if domain is None else domain.distance(outputs.states, kinds.rows)
    # Not class_of: exactly at a cut there is nothing to tell. Of one distribution they cannot contradict each other.
    whole, laws = None, [""] * len(ready)
    if isinstance(calibration, DistributionCalibration):
        laws = laws_on(task, bundle.config.image.positions, calibration.edges, structures)
        found = calibration.distributions(outputs.scores, generated, distances, kinds)
        answers = calibration.classes_of(found), *calibration.read(found, generated, kinds)
        whole, probabilities, values, intervals = obeying(task, laws, calibration, found, answers)
    else:
        probabilities = calibration.probabilities(outputs.scores, generated)
        values, intervals = calibration.estimates(outputs.scores, outputs.quantiles, generated)
    for k, (name, structure, images) in enumerate(ready):
        solve = how_solved(outputs.part(np.array([k])), bundle.network.solver_name, bundle.config.model)
        trained, place = trained_electrons(bundle, structure), None
        if domain is not None and distances is not None:
            place = DomainScore(float(distances[k]), domain.limit, trained)
        p, value, label = probabilities[k], float(values[k]), int(probabilities[k].argmax())
        # By symmetry the answer is zero whatever the state is; that it was not found stands in `solver` all the same.
        warnings = tuple(warnings_of(bundle, structure, images, None if laws[k] == NO_DIPOLE else solve, place))
        if task.answer == "class" and whole is None and sum(value >= cut for cut in task.thresholds) != label:
            told = contradiction(task, label, float(p[label]), value, intervals[k])
            warnings += (told,) if told else ()
        yield Prediction(
            input=name,
            id=structure.id,
            formula=structure.formula,
            task=task.name,
            label=task.classes[label],
            probabilities=dict(zip(task.classes, p.tolist(), strict=True)),
            calibrated=calibration.fitted,
            quantity=task.quantity,
            value=value,
            interval90=(float(intervals[k][0]), float(intervals[k][1])),
            thresholds=task.thresholds,
            model=model,
            n_atoms=len(structure),
            solver=solve,
            notes=(*filter(None, (laws[k],)), *notes_of(bundle, structure, images)),
            warnings=warnings,
            voids=voids_of(images[0]),
            domain=place,
            distribution=None if whole is None else whole.part(k),
            kind=task.answer,
        )
