"""A second network beside one that reads geometries: it reads the bonds alone of molecules whose geometry was generated.

A generated conformer need not be the one that a molecule has. A network that never saw a geometry errs on other molecules than one that
did, so the mean of both distributions (a linear opinion pool: M. Stone, Annals of Mathematical Statistics 32, 1339, 1961) is right more
often than either, and wide where they disagree. Molecules that bring a geometry are answered by that alone, and so are small ones: they
have few conformers, and what bonds alone say of one that is like no other can be far from right.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from andersonn.config import TrainConfig
from andersonn.data.store import ImageStore
from andersonn.errors import InputError
from andersonn.inference.distribution import Distributions
from andersonn.inference.forward import Outputs, forward, log_softmax
from andersonn.inference.tails import MOST_OF_FEW
from andersonn.models import EquilibriumNetwork
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.readers.molecules.bonds_alone import graph_of
from andersonn.structures.structure import Structure

NOTES = "notes"
LEAST = 1e-9
"""Mass between two edges at least, where its logarithm is taken."""


@dataclass(frozen=True, eq=False)
class BondsBeside:
    """A network of bonds alone that answers by a distribution.

    Attributes:
        network: in evaluation mode.
        config: it was trained with.
        edges: of its masses, in the task's unit, rising, float64 ``[E']``.
        share: its weight in the mean, 0 to 1.
    """

    network: EquilibriumNetwork
    config: TrainConfig
    edges: np.ndarray
    share: float

    def __post_init__(self) -> None:
        """Checks that it fits together.

        Raises:
            ValueError: it does not.
        """
        edges = np.asarray(self.edges)
        rising = edges.ndim == 1 and bool(np.isfinite(edges).all()) and bool((np.diff(edges) > 0).all())
        reads = self.config.image.bonds and self.config.model.answer == "distribution"
        if not (rising and reads and len(edges) == self.network.n_scores):
            raise ValueError("its network of bonds alone gives no distribution")
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"the share of its network of bonds alone is {self.share!r}, not 0 to 1")

    def masses(self, store: ImageStore, indices: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Masses between other edges ``[E]``, ``[n, E]``, of molecules at ``indices`` of a store of their bonds."""
        return masses_between(forward(self.network, store, indices).scores, self.edges, edges)

    def pooled(self, outputs: Outputs, rows: np.ndarray, theirs: np.ndarray) -> Outputs:
        """Outputs with scores that are the weighted mean of both at some positions.

        Args:
            outputs: by geometry, of n molecules.
            rows: positions of m of them, int64 ``[m]``.
            theirs: what :meth:`masses` gave for these, ``[m, E]``.
        """
        return outputs._replace(scores=pool(outputs.scores, rows, theirs, self.share))

    def answered(self, structures: Sequence[Structure], outputs: Outputs, edges: np.ndarray) -> Outputs:
        """Outputs pooled with those of the bonds alone, where these are asked.

        Args:
            structures: n of them.
            outputs: by geometry, of the same.
            edges: of these outputs' masses, ``[E]``.
        """
        images, rows = [], []
        for k, structure in enumerate(structures):
            image = self._image(structure)
            if image is not None:
                images.append(image)
                rows.append(k)
        if not images:
            return outputs
        store = ImageStore.from_images(images, self.config.image)
        return self.pooled(outputs, np.array(rows), self.masses(store, np.arange(len(images)), edges))

    def is_asked(self, structure: Structure) -> bool:
        """Whether it is asked about a molecule: one with a generated geometry, of more than six heavy atoms."""
        made = structure.generated_geometry and structure.source_mol is not None
        return made and int(np.count_nonzero(structure.Z > 1)) > MOST_OF_FEW

    def _image(self, structure: Structure) -> NodeNeighborImage | None:
        """Of the bonds of a molecule that it is asked about; None of others, or if the bonds cannot be read alone."""
        if not self.is_asked(structure):
            return None
        from rdkit import Chem

        mol = Chem.Mol(structure.source_mol)  # type: ignore[call-overload]  # RDKit's stubs forget bytes
        try:
            return NodeNeighborImage.from_structure(graph_of(mol), self.config.image)
        except InputError:
            return None

    def save(self, path: str | Path) -> None:
        """Writes it as safetensors."""
        notes = {
            "config": self.config.model_dump(mode="json"),
            "edges": np.asarray(self.edges).tolist(),
            "share": self.share,
        }
        weights = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        save_file(weights, path, metadata={NOTES: json.dumps(notes)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """As :meth:`save` wrote it.

        Raises:
            ValueError, TypeError, KeyError, RuntimeError, UsageError, SafetensorError: the file holds something else.
        """
        with safe_open(path, framework="pt") as file:
            notes: dict[str, Any] = json.loads((file.metadata() or {})[NOTES])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dictionary
        if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
            raise ValueError("weights of its network of bonds alone are not finite numbers")
        config = TrainConfig.make(notes["config"])
        network = EquilibriumNetwork(config.model, 2)  # of a distribution, whose masses do not depend on classes
        network.load_state_dict(weights)
        return cls(network.eval(), config, np.array(notes["edges"], dtype=np.float64), float(notes["share"]))


def pool(scores: np.ndarray, rows: np.ndarray, theirs: np.ndarray, share: float) -> np.ndarray:
    """Scores with another network's answer mixed in at some rows.

    Args:
        scores: of n molecules, ``[n, E]``; rows that are not named stay as they are.
        rows: positions of m of them, int64 ``[m]``.
        theirs: masses of the other network, ``[m, E]``.
        share: weight of these masses in the mean, 0 to 1.

    Returns:
        ``[n, E]``: at the named rows the logarithm of the weighted mean of both networks' masses.
    """
    mean = (1.0 - share) * np.exp(log_softmax(scores[rows])) + share * theirs
    mixed = np.array(scores)
    mixed[rows] = np.log(np.maximum(mean, LEAST))
    return mixed


def masses_between(scores: np.ndarray, edges: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Masses of distributions between other edges, ``[n, E]``; each sums to 1.

    Args:
        scores: of masses between ``edges``, ``[n, E']``.
        edges: of the distributions, ``[E']``; the first has a mass of its own (:mod:`andersonn.models.distribution`).
        others: ``[E]``, with the same first edge; what lies above the last falls to it.
    """
    found = Distributions.of_scores(edges, scores)
    below = [found.below(float(edge), or_at=True) for edge in others[:-1]]
    return np.diff(np.stack([*below, np.ones(len(scores))], axis=1), axis=1, prepend=0.0)
