"""A trained network with another last layer, and with descriptors of the whole structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from andersonn.models.batch import ImageBatch
from andersonn.models.config import ModelConfig
from andersonn.models.ensemble import worst_of
from andersonn.models.forest_layer import ForestLayer
from andersonn.models.kernel_layer import PARTS, KernelLayer
from andersonn.models.network import EquilibriumNetwork, Output

MOST_CLASSES = 1000


class KernelNetwork(EquilibriumNetwork):
    """A trained network whose own head is replaced by a last layer that was fitted to a table.

    Args:
        config: options of the network.
        n_classes: of its own head, which stays but is not used.
        layer: the last layer.
        n_descriptors: how many channels of the whole, the last, are descriptors.
        n_fragments: how many of these, the last, are counts.
        adapted: a second network that was trained further on the table; the states are then those of both, the first ones first.
    """

    def __init__(
        self,
        config: ModelConfig,
        n_classes: int,
        layer: KernelLayer | ForestLayer,
        n_descriptors: int,
        n_fragments: int,
        adapted: EquilibriumNetwork | None = None,
    ) -> None:
        super().__init__(config, n_classes)
        self.n_classes, self.layer, self.adapted = n_classes, layer, adapted
        self.n_descriptors, self.n_fragments = n_descriptors, n_fragments

    def described(self) -> dict[str, Any]:
        """What a model card says of the last layer, so that :meth:`of_description` can make the network."""
        content = {
            "kind": self.layer.kind,
            "parts": list(self.layer.parts),
            "shapes": self.layer.shapes(),
            "classes_of_own_head": self.n_classes,
            "descriptors": self.n_descriptors,
            "fragments": self.n_fragments,
        }
        if self.adapted is not None:
            options = self.adapted.config
            content["adapted"] = {"answer": options.answer, "bins": options.bins, "scores": self.adapted.n_scores}
        return content

    @classmethod
    def of_description(cls, config: ModelConfig, described: Any, weights: Mapping[str, Tensor]) -> KernelNetwork:
        """The network that :meth:`described` tells of, its weights still to be read.

        Args:
            config: options of the network.
            described: from a model card, perhaps damaged.
            weights: that will be read, by their names.

        Raises:
            ValueError, TypeError, KeyError: the description is none, or does not fit the weights.
        """
        if not isinstance(described, dict) or described.get("kind") not in (KernelLayer.kind, ForestLayer.kind):
            raise ValueError("its last layer is of an unknown kind")
        parts = tuple(described["parts"])
        if not parts or set(parts) - set(PARTS) or ("contributions" in parts and "fragments" not in parts):
            raise ValueError(f"its last layer has the parts {parts!r}, not some of {', '.join(PARTS)}")
        shapes = {str(name): tuple(int(k) for k in shape) for name, shape in described["shapes"].items()}
        stored = {
            name.removeprefix("layer."): tuple(v.shape) for name, v in weights.items() if name.startswith("layer.")
        }
        if shapes != stored:
            raise ValueError("the shapes of its last layer are not those of the weights")
        counts = [int(described[name]) for name in ("classes_of_own_head", "descriptors", "fragments")]
        if not (1 <= counts[0] <= MOST_CLASSES and 0 <= counts[2] <= counts[1]):
            raise ValueError(f"its last layer has impossible counts {counts}")
        adapted = None
        if "adapted" in described:
            options = config.model_copy(update={name: described["adapted"][name] for name in ("answer", "bins")})
            scores = int(described["adapted"]["scores"])
            if not (options.answer in ("classes", "distribution") and 1 <= scores <= MOST_CLASSES):
                raise ValueError("its adapted network has impossible options")
            adapted = EquilibriumNetwork(options, scores)
        layer = ForestLayer(shapes) if described["kind"] == ForestLayer.kind else KernelLayer(parts, shapes)
        return cls(config, counts[0], layer, counts[1], counts[2], adapted)

    def check(self) -> None:
        """Checks weights that were read.

        Raises:
            ValueError: they are no forest.
        """
        if isinstance(self.layer, ForestLayer):
            self.layer.check(self.n_descriptors - self.n_fragments)

    def forward(self, batch: ImageBatch, keys: Any = None) -> Output:
        """Scores of a batch of B images ``[B, E]`` or ``[B, C]``, the states, and quantiles that nothing reads."""
        output = super().forward(batch, keys)
        states, solution = output.states, output.solution
        if self.adapted is not None:
            other = self.adapted(batch, keys)
            states = torch.cat([states, other.states], dim=1)
            solution = worst_of([solution, other.solution])
        descriptors = states[:, :0]
        if self.n_descriptors:
            assert batch.of_whole is not None  # by the recipe of the images
            descriptors = batch.of_whole[:, -self.n_descriptors :].to(states.dtype)
        scores = self.layer(states, descriptors, self.n_fragments)
        quantiles = scores.new_zeros(len(scores), 0 if self.layer.of_number else 3)
        return Output(scores, quantiles, states, solution)
