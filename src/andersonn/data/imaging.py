"""Structure → the images a scientist of a task is asked with. Needs no torch, so that readers apart can do it."""

from __future__ import annotations

from andersonn.data.conformers import further_images
from andersonn.data.tasks import Task
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.structure import Structure


def images_for(structure: Structure, task: Task, recipe: ImageRecipe, conformers: int) -> list[NodeNeighborImage]:
    """The image of a structure, and those of further conformers if its geometry was made.

    Args:
        structure: what is asked about.
        task: of the question; it is about crystals or about molecules.
        recipe: of the images.
        conformers: over how many the answer is averaged, at most.

    Raises:
        InputError: a molecule is asked about where the task is about crystals, or the other way round.
    """
    task.require_kind(structure)
    first = NodeNeighborImage.from_structure(structure, recipe)
    return [first] if conformers == 1 else [first, *further_images(structure, recipe, conformers - 1)]
