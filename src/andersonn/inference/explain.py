"""Which atoms drove an answer: a contribution of every atom.

Two definitions, by the head of the network:

``deletion``, for most networks. The contribution of an atom is the log-odds ln(p / (1 − p)) of the class
    answered, less the log-odds of the same class for the structure without the atom (and its periodic images): imaged
    again, probed for voids again, solved again. Electrons are counted as in the whole structure: without one atom the
    count would not balance, and that effect would outweigh the atom's own. It is positive if the atom supports the class. It is exact for one
    atom, dimensionless, and it does not add up: two atoms removed together change the answer by more or less than the
    sum. Atoms with equal surroundings get equal contributions. In a larger cell of the same crystal an atom is a
    smaller part, and its contribution is smaller. The only atom of a structure gets the whole of the log-odds.

``dipole``, for a network with a dipole head. It builds the dipole moment μ of latent charges q and of charge passed between
    neighbors. The contribution of an atom is its part of the vector along μ, in D, and the contributions add up to |μ| (of a molecule
    without dipole, |μ| < 0.001 D, all are 0).
    A charge has a dipole only with another charge, so that q_i (r_i − c) would depend on an arbitrary origin c and be
    large far from it; instead charges are taken to flow to where they are along bonds by the least-squares way, each
    bond's dipole is shared evenly by its two atoms, and no origin is left (the idea of T. A. Keith's origin-independent
    atomic dipoles, in *The Quantum Theory of Atoms in Molecules*, 2007).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.inference.forward import dipole_of, forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Prediction
from andersonn.models.electrons import counted_as
from andersonn.models.heads import DEBYE_PER_E_ANGSTROM
from andersonn.structures import elements, oxidation
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.oxidation import Oxidation
from andersonn.structures.structure import Structure, without

BATCH_SIZE = 64
"""Structures with an atom removed in one forward pass: small, so that progress is shown."""
NO_DIRECTION = 0.1
"""D: the direction of a dipole smaller than this is not meaningful."""
NOISE = 1e-3
"""D: a dipole smaller than this is rounding error; nothing contributes to it."""
HOP = 1e-4
"""Conductance between atoms without a bond, at 1 Å, relative to a bond: enough to connect two molecules."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Explanation:
    """An answer and the contribution of every atom to it.

    Attributes:
        prediction: the answer.
        structure: what was asked about.
        values: contribution of each atom, in the order of the structure, float64 ``[n]``.
        quantity: what the contributions are of, such as ``"log_odds_of_metal"`` or ``"dipole_D"``.
        total: the whole of it: the log-odds of the answer, or |μ| in D.
        method: ``"deletion"`` or ``"dipole"``, see :mod:`andersonn.inference.explain`.
        warnings: of the answer, and reasons to trust the contributions less.
    """

    prediction: Prediction
    structure: Structure
    values: np.ndarray
    quantity: str
    total: float
    method: str
    warnings: tuple[str, ...] = ()
    ok: ClassVar[Literal[True]] = True

    @property
    def shares(self) -> np.ndarray:
        """Size of each contribution over the sum of all sizes, ``[n]``; zeros if no atom contributes."""
        sizes = np.abs(self.values)
        return sizes / max(sizes.sum(), 1e-12)

    @property
    def ranking(self) -> np.ndarray:
        """Atoms by falling size of their contribution, int64 ``[n]``."""
        return np.argsort(-np.abs(self.values), kind="stable")

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract of ``explain``: that of ``predict`` and the contributions. Atoms are counted from 0."""
        rows = zip(self.structure.Z, self.values, self.shares, strict=True)
        contributions = [
            {"atom": atom, "element": elements.symbols()[z], "value": float(value), "share": float(share)}
            for atom, (z, value, share) in enumerate(rows)
        ]
        return self.prediction.as_dict() | {
            "warnings": list(self.warnings),
            "contributions": contributions,
            "quantity": self.quantity,
            "total": self.total,
            "method": self.method,
        }


def explain(
    bundle: ModelBundle,
    prediction: Prediction,
    structure: Structure,
    image: NodeNeighborImage,
    progress: Progress | None = None,
) -> Explanation:
    """The explanation of an answer.

    Args:
        bundle: the model that gave it.
        prediction: the answer.
        structure: what was asked about.
        image: its image.
        progress: called with (atoms removed so far, of how many).
    """
    if bundle.config.model.head == "dipole":
        values, total = _by_dipole(bundle, structure, image)
        accident = (
            f"the dipole moment is only {total:.2f} D, so that its direction, and each contribution, is accidental"
        )
        warnings = (*prediction.warnings, *([accident] if total < NO_DIRECTION else []))
        return Explanation(prediction, structure, values, prediction.quantity, total, "dipole", warnings)
    values, total = _by_deletion(bundle, prediction, structure, image, progress)
    quantity = f"log_odds_of_{prediction.label}"
    return Explanation(prediction, structure, values, quantity, total, "deletion", prediction.warnings)


def require_explainable(name: str, recipe: ImageRecipe) -> None:
    """Checks that contributions of atoms can be told.

    Args:
        name: of the model.
        recipe: of its images.

    Raises:
        UsageError: it reads bonds alone; contributions are those of atoms in space.
    """
    if recipe.bonds:
        told = f"the model {name!r} reads bonds alone, and its answers cannot be explained"
        raise UsageError("no_explanation", told, "explain with a model of geometries (geometry many, the default)")


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
    bundle: ModelBundle, images: list[NodeNeighborImage], label: int, made: bool, whole: Structure | None = None
) -> np.ndarray:
    """ln(p / (1 − p)) of a class by the calibrated probabilities, ``[N]``.

    Args:
        bundle: the model.
        images: at least one.
        label: index of the class.
        made: whether the geometry was made by a reader.
        whole: what the images are parts of, whose electrons a network counts; default: those of each image.
    """
    store = ImageStore.from_images(images, images[0].recipe)
    change = None if whole is None else partial(counted_as, Z=whole.Z)
    scores = forward(bundle.network, store, np.arange(len(images)), change=change).scores
    p = bundle.calibration.probabilities(scores, np.full(len(images), made))
    p = np.clip(p, 1e-12, None)
    return np.log(p[:, label]) - np.log(np.delete(p, label, axis=1).sum(axis=1))


def _by_deletion(
    bundle: ModelBundle,
    prediction: Prediction,
    structure: Structure,
    image: NodeNeighborImage,
    progress: Progress | None,
) -> tuple[np.ndarray, float]:
    """Contributions ``[n]`` and the log-odds of the class answered; one atom of each row is removed."""
    label = bundle.task.classes.index(prediction.label)
    (total,) = log_odds(bundle, [image], label, structure.generated_geometry)
    if len(structure) == 1:
        return np.array([total]), float(total)
    rows, first = np.unique(image.color[image.atom_row], return_index=True)
    left: list[float] = []
    for start in range(0, len(first), BATCH_SIZE):
        images = [left_without(structure, atom, image.recipe) for atom in first[start : start + BATCH_SIZE]]
        left.extend(log_odds(bundle, images, label, structure.generated_geometry, structure))
        if progress:
            progress(len(left), len(first))
    by_row = total - np.array(left)
    return by_row[np.searchsorted(rows, image.color[image.atom_row])], float(total)


def _by_dipole(bundle: ModelBundle, structure: Structure, image: NodeNeighborImage) -> tuple[np.ndarray, float]:
    """Contributions ``[n]`` in D and |μ| in D."""
    dipole = dipole_of(bundle.network, ImageStore.from_images([image], image.recipe), 0)
    charges, local = (part.double().numpy()[image.atom_row] for part in (dipole.charges, dipole.local))
    parts = DEBYE_PER_E_ANGSTROM * _of_charges(structure, charges) + local
    total = parts.sum(axis=0)
    length = float(np.linalg.norm(total))
    return (parts @ total / length if length > NOISE else np.zeros(len(parts))), length


def _of_charges(structure: Structure, charges: np.ndarray) -> np.ndarray:
    """Dipoles of atoms in e Å, ``[n, 3]``, by the charge that flows along bonds; they add up to the dipole of the charges
    about the center of nuclear charge. A total charge is spread as the nuclear charge is, which has no dipole there.
    """
    n, xyz = len(structure), structure.xyz
    if n == 1:
        return np.zeros((1, 3))
    nuclear = structure.Z.astype(float)
    charges = charges - charges.sum() * nuclear / nuclear.sum()
    apart = xyz[:, None] - xyz[None, :]
    conductance = HOP / (np.square(apart).sum(axis=2) + np.eye(n)) ** 3 * (1.0 - np.eye(n))
    graph = AtomBondGraph.from_structure(structure)
    conductance[graph.i[graph.bonded], graph.j[graph.bonded]] = 1.0
    conductance = np.maximum(conductance, conductance.T)
    laplacian = np.diag(conductance.sum(axis=1)) - conductance
    potential = np.linalg.solve(laplacian + np.full((n, n), 1.0 / n), charges)
    flow = conductance * (potential[:, None] - potential[None, :])  # what atom i has from atom j
    return 0.5 * np.einsum("ij,ijc->ic", flow, apart)
