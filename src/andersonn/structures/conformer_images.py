"""Images of a structure and of further conformers of it."""

from __future__ import annotations

from andersonn.errors import InputError
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers.molecules.from_rdkit import further_conformers
from andersonn.structures.structure import Structure


def images_for(structure: Structure, recipe: ImageRecipe, conformers: int) -> list[NodeNeighborImage]:
    """The image of a structure, and those of further conformers if its geometry was generated.

    Args:
        structure: to predict for.
        recipe: of the images.
        conformers: the most that a prediction is averaged over, the structure's own geometry included.

    Raises:
        InputError: the structure has no image, see :meth:`NodeNeighborImage.from_structure`.
    """
    first = NodeNeighborImage.from_structure(structure, recipe)
    more = structure.generated_geometry and conformers > 1
    return [first, *(further_images(structure, recipe, conformers - 1) if more else [])]


def further_images(structure: Structure, recipe: ImageRecipe, count: int) -> list[NodeNeighborImage]:
    """Images of up to ``count`` further conformers of a structure whose geometry was generated, see
    :func:`~andersonn.structures.readers.molecules.from_rdkit.further_conformers`.
    """
    images = []
    for conformer in further_conformers(structure, count):
        try:
            images.append(NodeNeighborImage.from_structure(conformer, recipe))
        except InputError:  # two of its atoms overlap: the other conformers are used without it
            continue
    return images
