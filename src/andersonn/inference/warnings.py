"""What a prediction says besides its numbers: reasons to trust it less, and how its structure was read or generated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from andersonn.data.tasks import Task
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import DomainScore
from andersonn.structures import elements
from andersonn.structures.electrons import OF_DIPOLE, doubts_of, is_ordinary
from andersonn.structures.hydrogen_lengths import doubt_of_lengths
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.pores import BY_STRUCTURE
from andersonn.structures.structure import FARTHEST_BOND, Structure, expects_bonds, nearest_pair
from andersonn.structures.vacuum import is_alone

OPEN_SHELLS = "charged_or_open_shell"
"""Key in the provenance: how many training structures have a charge or an odd number of electrons."""
RARE = 10
"""An element in fewer training structures than this gets a warning."""
SURE = 0.8
"""A class of at least this probability and an estimate in another class contradict each other."""
SLACK = 0.05
"""Of the thresholds, or of the 90 % interval: an estimate beyond its class by less contradicts nothing."""
BOHR = 0.529177
"""In Å."""
WITH_BONDS = "the answer also counts a network that reads the bonds alone"
"""A note."""


def doubts_about(structure: Structure, image: NodeNeighborImage) -> tuple[str, ...]:
    """Reasons to doubt the structure itself, not its answer.

    Args:
        structure: the input.
        image: its image.
    """
    apart = too_far_apart(image)
    return tuple(dict.fromkeys((*structure.warnings, *doubts_of(structure), *([apart] if apart else []))))


def warnings_of(
    bundle: ModelBundle,
    structure: Structure,
    images: list[NodeNeighborImage],
    solve: dict[str, Any] | None,
    place: DomainScore | None,
) -> Iterator[str]:
    """Reasons to trust a prediction less.

    Args:
        bundle: the model.
        structure: the input.
        images: its image, and those of its further conformers.
        solve: how the fixed point was found, as in the JSON contract; None where the answer does not depend on it.
        place: distance from the training structures, if the model has an applicability domain.
    """
    image = images[0]
    of_dipole = bundle.task.unit == "D"
    yield from (doubt if of_dipole else doubt.removesuffix(OF_DIPOLE) for doubt in doubts_about(structure, image))
    if lengths := doubt_of_lengths(structure):
        yield lengths
    if bundle.plausibility is not None and (corrupted := bundle.plausibility.doubt(structure)):
        yield corrupted
    recipe, provenance = image.recipe, bundle.provenance
    if structure.cell is not None and not recipe.voids and is_alone(structure.xyz, structure.cell):
        yield "vacuum on all sides: a molecule or cluster in a box is no crystal"
    if not trained_electrons(bundle, structure):
        yield "the model was trained on neutral molecules without unpaired electrons; treat the answer as unreliable"
    if place is not None and place.distance > place.limit:
        yield (
            f"less like the training structures ({place.distance:.2g}) than 99 % of held-out ones (up to {place.limit:.2g}); "
            "see docs/domain.md"
        )
    counts = provenance.get("elements", {})
    for symbol in sorted({elements.symbols()[z] for z in structure.Z}):
        if counts.get(symbol, 0) < RARE:
            known = counts.get(symbol, 0)
            yield f"{symbol} occurs in {f'only {known}' if known else 'no'} training structure{'s' * (known > 1)}"
    if structure.periodic and not expects_bonds(structure.Z):
        yield "noble gases alone: training files have their compounds, and next to no crystal of them"
    largest = provenance.get("largest_image_rows", len(image))
    if len(image) > largest:
        kind = "heavy " if recipe.bonds else "distinct " if recipe.fold else ""
        yield f"{len(image)} {kind}atoms; the largest training structure has {largest}"
    voids = voids_of(image)
    for name, (low, high) in provenance.get("range_of_voids", {}).items():
        if not low <= voids[name] <= high:
            yield f"{name} is {voids[name]:.3g}, outside the {low:.3g} to {high:.3g} of training structures"
    if solve is None:
        return
    if solve["residual"] is None:
        if solve["status"] != "unjudged":
            yield f"the layers gave no finite state: {solve['status']}"
    elif solve["status"] not in ("converged", "settled"):
        yield f"the fixed point was not found: {solve['status']}, residual {solve['residual']:.1e}"


def contradiction(task: Task, k: int, p: float, value: float, interval: np.ndarray) -> str:
    """A warning that a model's class and its estimate, which come from two heads, contradict each other; empty if they do not.

    Args:
        task: the model's.
        k: index of the class.
        p: its probability.
        value: the estimate.
        interval: its 90 % interval, ``[2]``.
    """
    low, high = (-np.inf, *task.thresholds)[k], (*task.thresholds, np.inf)[k]
    if task.zero_is_class and k == 0:
        low = -np.inf
    slack = SLACK * max(*map(abs, task.thresholds), float(interval[1] - interval[0]))
    apart = max(low - value, value - high)
    left_out = max(low - interval[1], interval[0] - high)
    if apart <= slack or (p < SURE and left_out <= slack):
        return ""
    side = f"below {high:g}" if apart == value - high else f"from {low:g}"
    side = "0" if task.zero_is_class and k == 0 and task.thresholds[0] == 0.0 else side
    return (
        f"class and estimate contradict each other: {task.classes[k]} ({p:.2f}) means {task.quantity_words} {side} {task.unit}, "
        f"and the estimate is {value:.3g}"
    )


def trained_electrons(bundle: ModelBundle, structure: Structure) -> bool:
    """Whether the model was trained on such electrons: neutral and closed-shell, or also others. Those of crystals are not
    examined.
    """
    return structure.periodic or is_ordinary(structure) or bundle.provenance.get(OPEN_SHELLS, 0) >= RARE


def notes_of(bundle: ModelBundle, structure: Structure, images: list[NodeNeighborImage]) -> Iterator[str]:
    """How the structure was read or generated, and over how many conformers the prediction is averaged."""
    yield from structure.notes
    if bundle.config.conformers > 1 and structure.generated_geometry:
        yield _over(len(images), bundle.config.conformers)
    if bundle.beside is not None and bundle.beside.is_asked(structure):
        yield WITH_BONDS


def too_far_apart(image: NodeNeighborImage) -> str:
    """A warning that no two atoms are near enough for a bond, as when lengths are in bohr; empty if two are, or where no bond
    is expected: of a single atom, and of noble gases.
    """
    if image.recipe.bonds or (len(image) == 1 and not image.mask.any()) or not expects_bonds(image.Z):
        return ""
    row, slot = np.nonzero(image.mask)
    nearest = nearest_pair(image.Z[row], image.Z[image.neighbor_index[row, slot]], image.distance[row, slot])
    if nearest <= FARTHEST_BOND:
        return ""
    where = "none within reach" if not np.isfinite(nearest) else f"the nearest pair is {nearest:.2g} bond lengths apart"
    bohr = "; in bohr? Then multiply by 0.529177" if 0.65 < nearest * BOHR < FARTHEST_BOND else ""
    return f"no two atoms are near enough for a bond ({where}): check that lengths are in Å{bohr}"


def voids_of(image: NodeNeighborImage) -> dict[str, float]:
    """Pore descriptors by name; empty if the pores were not probed."""
    if not image.recipe.voids:
        return {}
    assert image.of_whole is not None  # as the pores were probed
    named = zip(image.recipe.graph_channels, image.of_whole.tolist(), strict=True)
    return {name: value for name, value in named if name in BY_STRUCTURE}


def _over(made: int, wanted: int) -> str:
    """Over how many conformers a prediction was averaged, in words."""
    fewer = f"; {wanted - made} more could not be made" if made < wanted else ""
    return (f"the answer is the mean over {made} conformers" if made > 1 else "the answer is of one conformer") + fewer
