"""Which atoms or groups drove an answer: a contribution of each.

Three definitions, by what the network reads and by its head:

``deletion``, for most networks. The contribution of an atom is the log-odds ln(p / (1 − p)) of the class
    answered, less the log-odds of the same class for the structure without the atom (and its periodic images): imaged
    again, probed for voids again, solved again. Electrons and the distance from the training are those of the whole structure: without one atom the
    count would not balance, and that effect would outweigh the atom's own. Boosted trees beside the network are left out. It is positive if the atom supports the class. It is exact for one
    atom, dimensionless, and it does not add up: two atoms removed together change the answer by more or less than the
    sum. Atoms with equal surroundings get equal contributions. In a larger cell of the same crystal an atom is a
    smaller part, and its contribution is smaller. The only atom of a structure gets the whole of the log-odds. Of a model that
    answers with a number alone, it is the estimate less that without the atom, in its unit.

``dipole``, for a network with a dipole head. The contribution of an atom is its part of the dipole moment μ along μ, in D, the mean
    over conformers where the answer is one, and the contributions add up to |μ| (of a molecule without dipole, |μ| < 0.001 D, all
    are 0). Those of bonds and of functional groups come with them; :mod:`andersonn.inference.dipole_parts` defines them all.

``groups``, for a network that reads bonds alone. The contribution of a group is the answer less that for the molecule without it, which has
    hydrogen in its place; :mod:`andersonn.inference.group_parts` defines it. An atom's is an even part of its group's.

Of pores, the atoms at the bottleneck are named besides (:mod:`andersonn.structures.pores.bottleneck`). Where the geometry of pores
answers, they are the explanation, and contributions of atoms are those to the network's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference.dipole_parts import DipoleParts
from andersonn.inference.explanation import NO_DIRECTION, WITH_TREES, Explanation
from andersonn.inference.forward import forward
from andersonn.inference.group_parts import Answers, GroupParts
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Prediction
from andersonn.models.electrons import counted_as
from andersonn.models.trees_beside import NetworkWithTrees, without_trees
from andersonn.structures import elements, oxidation
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.oxidation import Oxidation
from andersonn.structures.pores.bottleneck import Bottleneck
from andersonn.structures.structure import Structure, without

NOTABLE_D = 0.1
"""Difference between the dipole moment of contributions and the answer that is told."""
BATCH_SIZE = 64
"""Structures with an atom removed in one forward pass: small, so that progress is shown."""
Progress = Callable[[int, int], None]


def explain(
    bundle: ModelBundle,
    prediction: Prediction,
    structure: Structure,
    images: Sequence[NodeNeighborImage],
    progress: Progress | None = None,
) -> Explanation:
    """The explanation of an answer.

    Args:
        bundle: the model that gave it.
        prediction: the answer.
        structure: what was asked about.
        images: its image, and those of further conformers over which the answer is averaged. Atoms are removed from the first.
        progress: called with (atoms removed so far, of how many).
    """
    if bundle.config.model.head == "dipole":
        parts = DipoleParts.of(bundle.network, structure, images)
        accident = f"the dipole moment is only {parts.total:.2f} D, so that its direction, and each contribution, is accidental"
        warnings = (*prediction.warnings, *([accident] if parts.total < NO_DIRECTION else []))
        both = bundle.beside is not None and bundle.beside.is_asked(structure)
        if both and abs(parts.total - prediction.value) > NOTABLE_D:
            warnings = (*warnings, _by_geometry_alone(parts.total, prediction.value))
        return Explanation(
            prediction, structure, parts.atoms, prediction.quantity, parts.total, "dipole", warnings, dipole=parts
        )
    values, total = _by_deletion(bundle, prediction, structure, images[0], progress)
    quantity = f"log_odds_of_{prediction.label}" if prediction.has_class else prediction.quantity
    bottleneck = Bottleneck.of(structure) if bundle.config.image.voids else None
    warnings = prediction.warnings + ((WITH_TREES,) if isinstance(bundle.network, NetworkWithTrees) else ())
    return Explanation(prediction, structure, values, quantity, total, "deletion", warnings, bottleneck=bottleneck)


def _by_geometry_alone(total: float, value: float) -> str:
    """A warning that contributions add up to one network's dipole moment, where the answer is of two networks."""
    return (
        f"contributions are those of the network that reads geometries, of {total:.2f} D; the answer, {value:.2f} D, also counts one that "
        "reads the bonds alone"
    )


def explain_groups(prediction: Prediction, graph: MolecularGraph, answers: Answers) -> Explanation:
    """The explanation of an answer of a model that reads bonds alone.

    Args:
        prediction: the answer.
        graph: what was asked about.
        answers: gives the model's answers for other molecules.

    Raises:
        InputError: the molecule's bonds are not known.
    """
    parts = GroupParts.of(prediction, graph, answers)
    quantity = f"log_odds_of_{prediction.label}" if prediction.has_class else prediction.quantity
    warnings = (*prediction.warnings, *parts.warnings)
    values = parts.by_atom(len(graph))
    return Explanation(prediction, graph, values, quantity, parts.total, "groups", warnings, groups=parts)


def of_one_conformer(prediction: Prediction, alone: Prediction) -> str:
    """A warning that contributions are those of the first conformer, where the answer is a mean over several.

    Args:
        prediction: the answer.
        alone: what the answer would be by the first conformer alone.
    """
    said = f"contributions are those of the first conformer alone, of {alone.value:.2f} {alone.quantity.rpartition('_')[2]}"
    if alone.label == prediction.label:
        return said
    return f"{said}, which by itself would be answered {alone.label}: they do not explain {prediction.label}"


def left_without(structure: Structure, atoms: Any, recipe: ImageRecipe) -> NodeNeighborImage:
    """The image of what is left of a structure without some atoms, its electrons counted as in the whole structure.

    Args:
        structure: of n atoms.
        atoms: which are removed, counted from 0; fewer than n.
        recipe: how images are made.
    """
    image = NodeNeighborImage.from_structure(without(structure, atoms), recipe)
    if not recipe.oxidation:
        return image
    assert image.of_row is not None  # as the recipe asks for oxidation states
    assert image.of_whole is not None
    whole, rows, of_whole = Oxidation.of(structure.Z), image.of_row.copy(), image.of_whole.copy()
    of_element = np.zeros((elements.MAX_Z + 1, len(oxidation.BY_ATOM)), dtype=np.float32)
    of_element[structure.Z] = whole.by_atom  # atoms of an element have one state
    rows[:, [recipe.node_channels.index(name) for name in oxidation.BY_ATOM]] = of_element[image.Z]
    of_whole[[recipe.graph_channels.index(name) for name in oxidation.BY_STRUCTURE]] = whole.by_structure
    return replace(image, of_row=rows, of_whole=of_whole)


def log_odds(
    bundle: ModelBundle,
    images: list[NodeNeighborImage],
    label: int | None,
    made: bool,
    whole: Structure | None = None,
    distance: float | None = None,
) -> np.ndarray:
    """ln(p / (1 − p)) of a class by the calibrated probabilities, ``[N]``; without a class, the estimates. By the network alone: boosted
    trees beside it never saw a structure with a hole, and what they say of one is accidental.

    Args:
        bundle: the model.
        images: at least one.
        label: index of the class; None: of a model that answers with a number alone.
        made: whether the geometry was made by a reader.
        whole: what the images are parts of, whose electrons a network counts; default: those of each image.
        distance: of the whole structure from those of the training, for models that doubt more where it is large. It is kept as
            atoms are removed: that every part is unlike the training would hide what the atom adds.
    """
    store = ImageStore.from_images(images, images[0].recipe)
    change = None if whole is None else partial(counted_as, Z=whole.Z)
    outputs = forward(_alone(bundle).network, store, np.arange(len(images)), change=change)
    scores = outputs.scores
    distances = None if distance is None else np.full(len(images), distance)
    if label is None:
        return bundle.calibration.estimates(scores, outputs.quantiles, np.full(len(images), made), distances)[0]
    p = bundle.calibration.probabilities(scores, np.full(len(images), made), distances)
    p = np.clip(p, 1e-12, None)
    return np.log(p[:, label]) - np.log(np.delete(p, label, axis=1).sum(axis=1))


def _alone(bundle: ModelBundle) -> ModelBundle:
    """The model without boosted trees beside its network; the same one if it has none."""
    network = bundle.network
    return replace(bundle, network=without_trees(network)) if isinstance(network, NetworkWithTrees) else bundle


def _by_deletion(
    bundle: ModelBundle,
    prediction: Prediction,
    structure: Structure,
    image: NodeNeighborImage,
    progress: Progress | None,
) -> tuple[np.ndarray, float]:
    """Contributions ``[n]`` and the log-odds of the class answered, or the estimate; one atom of each row is removed."""
    label = bundle.task.classes.index(prediction.label) if prediction.has_class else None
    distance = None if prediction.domain is None else prediction.domain.distance
    alone = _alone(bundle)  # once, not for each batch
    of = partial(log_odds, alone, label=label, made=structure.generated_geometry, whole=structure, distance=distance)
    (total,) = of([image])
    if len(structure) == 1:
        return np.array([total]), float(total)
    rows, first = np.unique(image.color[image.atom_row], return_index=True)
    left: list[float] = []
    for start in range(0, len(first), BATCH_SIZE):
        images = [left_without(structure, atom, image.recipe) for atom in first[start : start + BATCH_SIZE]]
        left.extend(of(images))
        if progress:
            progress(len(left), len(first))
    by_row = total - np.array(left)
    return by_row[np.searchsorted(rows, image.color[image.atom_row])], float(total)
