"""Which atoms or groups drove an answer: a contribution of each.

Three definitions, by what the network reads and by its head:

``deletion``, for most networks. The contribution of an atom is the log-odds ln(p / (1 − p)) of the class
    answered, less the log-odds of the same class for the structure without the atom (and its periodic images): imaged
    again, probed for voids again, solved again. Electrons and the distance from the training are those of the whole structure: without one atom the
    count would not balance, and that effect would outweigh the atom's own. It is positive if the atom supports the class. It is exact for one
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
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from andersonn.data.store import ImageStore
from andersonn.inference import explanation_html
from andersonn.inference.dipole_parts import DipoleParts
from andersonn.inference.forward import forward
from andersonn.inference.group_parts import Answers, GroupParts
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Prediction
from andersonn.models.electrons import counted_as
from andersonn.sanitize import harmless
from andersonn.structures import elements, oxidation
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.oxidation import Oxidation
from andersonn.structures.pores.bottleneck import Bottleneck
from andersonn.structures.structure import Structure, without

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BATCH_SIZE = 64
"""Structures with an atom removed in one forward pass: small, so that progress is shown."""
NO_DIRECTION = 0.1
"""D: the direction of a dipole smaller than this is not meaningful."""
DECISIVE = 0.25
"""Share of the total from which on a contribution decides an answer."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """An answer and the contribution of every atom to it.

    Attributes:
        prediction: the answer. Where the geometry of pores gives it, contributions are to the network's, which is beside it.
        structure: what was asked about.
        values: contribution of each atom, in the order of the structure, float64 ``[n]``.
        quantity: what the contributions are of, such as ``"log_odds_of_metal"`` or ``"dipole_D"``.
        total: the whole of it: the log-odds of the network's class, or |μ| in D, or the number answered.
        method: ``"deletion"``, ``"dipole"`` or ``"groups"``, see :mod:`andersonn.inference.explain`.
        warnings: of the answer, and reasons to trust the contributions less.
        dipole: parts of a dipole moment: vector, charges, bonds, groups; None of other answers.
        groups: of a molecule read by its bonds alone; None of other answers.
        bottleneck: the narrowest place of the widest way through a crystal whose pores were probed; None of other answers, and
            where there is no way.
    """

    prediction: Prediction
    structure: Structure
    values: np.ndarray
    quantity: str
    total: float
    method: str
    warnings: tuple[str, ...] = ()
    dipole: DipoleParts | None = None
    bottleneck: Bottleneck | None = None
    groups: GroupParts | None = None
    ok: ClassVar[Literal[True]] = True

    @property
    def label(self) -> str:
        """The class that contributions are about: the network's."""
        return self.prediction.network.get("class", self.prediction.label)

    @property
    def shares(self) -> np.ndarray:
        """Size of each contribution over the sum of all sizes, ``[n]``; zeros if no atom contributes."""
        sizes = np.abs(self.values)
        return sizes / max(sizes.sum(), 1e-12)

    @property
    def ranking(self) -> np.ndarray:
        """Atoms by falling size of their contribution, int64 ``[n]``."""
        return np.argsort(-np.abs(self.values), kind="stable")

    @property
    def of_elements(self) -> dict[str, tuple[int, float]]:
        """Element → number of its atoms and the mean of their contributions, by falling size of the mean."""
        found = {
            elements.symbols()[z]: (
                int((z == self.structure.Z).sum()),
                float(self.values[z == self.structure.Z].mean()),
            )
            for z in np.unique(self.structure.Z)
        }
        return dict(sorted(found.items(), key=lambda item: -abs(item[1][1])))

    @property
    def leader(self) -> tuple[str, float]:
        """Name and contribution of the part that contributes most: a group, or an atom where groups have none."""
        if self.groups is not None:
            return next(((part.group.name, part.value) for part in self.groups.parts), ("", 0.0))
        if self.dipole is not None:
            k = int(np.abs(self.dipole.of_groups).argmax())
            return self.dipole.groups[k].name, float(self.dipole.of_groups[k])
        atom = int(self.ranking[0])
        return elements.named(self.structure.Z, atom), float(self.values[atom])

    @property
    def _equals(self) -> str:
        """The leader's verb, and how many atoms of its element contribute the same, as equivalent atoms of a crystal do."""
        if self.groups is not None or self.dipole is not None:
            return " contributes most:"
        alike = self.structure.Z[self.ranking[0]] == self.structure.Z
        more = int(np.isclose(self.values[alike], self.values[self.ranking[0]], rtol=0.01).sum()) - 1
        return f" and {more} equal atom{'s' * (more > 1)} contribute most: each" if more else " contributes most:"

    @property
    def decisive(self) -> bool:
        """Whether some part contributes at least :data:`DECISIVE` of the total, and there is a total; of a number alone, which may lie
        anywhere, whether it changes the estimate by more than half its 90 % interval.
        """
        if not self.prediction.has_class:
            low, high = self.prediction.interval90
            return abs(self.leader[1]) > 0.5 * (high - low)
        least = NO_DIRECTION if self.dipole is not None else 0.0
        return abs(self.total) >= least and abs(self.leader[1]) >= DECISIVE * abs(self.total)

    @property
    def summary(self) -> list[str]:
        """Sentences: which part decides the answer, or that none does, and what bounds the bottleneck, which comes first where
        the geometry of pores answers.
        """
        if self.groups is not None and not self.groups.parts:
            return ["the molecule is one ring or chain, or one functional group: nothing in it can be replaced"]
        (name, value), total = self.leader, self.total
        label = self.label.replace("_", " ")
        if self.dipole is not None:
            what, kind = f"{value:+.2f} of {total:.2f} D", "group"
        elif not self.prediction.has_class:
            what, kind = f"{value:+.3g}, where the estimate is {total:.3g}", "group" if self.groups else "atom"
        else:
            what = f"{value:+.2f}, where the log-odds of {label} are {total:.2f}"
            kind = "group" if self.groups else "atom"
        first = (
            self.dipole.of_one_group(self.structure.Z)
            if self.decisive and self.dipole is not None and len(self.dipole.groups) == 1
            else f"{name}{self._equals} {what}"
            if self.decisive
            else f"no single {kind} decides: the largest contribution, of {name}, is {what}"
        )
        if self.groups is not None:
            part, form = self.groups.parts[0], ".3g" if not self.prediction.has_class else ".2f"
            what = "estimate is" if not self.prediction.has_class else f"log-odds of {label} are"
            return [first, f"without it, {part.without}, the {what} {total - part.value:{form}}"]
        narrowest = [] if self.bottleneck is None else [self.bottleneck.words(self.structure)]
        if not self.prediction.pores:
            return [first, *narrowest]
        narrowest = narrowest or ["nothing gets through the crystal: there is no bottleneck"]
        return [*narrowest, f"of the network's answer, {label}: {first}"]

    @property
    def quantity_words(self) -> str:
        """What the contributions are, as people say it."""
        if self.dipole is not None:
            return f"part of the dipole moment (|μ| = {self.total:.2f} D) / D"
        without = "without the group" if self.groups is not None else "when the atom is removed"
        if not self.prediction.has_class:
            return f"decrease of {self.quantity} (now {self.total:.3g}) {without}"
        whose = "network's " if self.prediction.pores else ""
        label = self.label.replace("_", " ")
        return f"decrease of the {whose}log-odds of {label} (now {self.total:.2f}) {without}"

    def plot(self, name: str = "", figure: Figure | None = None) -> Axes:
        """Draws the structure with its atoms or groups colored by their contributions, and bars of the largest ones.

        Args:
            name: of the structure, for the title; default: its own.
            figure: an empty matplotlib figure to draw in; None: a new one.

        Returns:
            The axes of the structure.
        """
        from andersonn.inference.explanation_plot import plot

        return plot(self, name, figure)

    def __repr__(self) -> str:
        found = self.prediction
        told = "; ".join([", ".join(found.in_words), *self.summary])
        return f"Explanation({harmless(found.id or found.input)!r}, {found.formula}: {told})"

    def _repr_html_(self) -> str:
        if self.groups is not None:
            parts = [(part.group.name, part.value) for part in self.groups.parts]
        elif self.dipole is not None:
            parts = [(g.name, float(v)) for g, v in zip(self.dipole.groups, self.dipole.of_groups, strict=True)]
        else:
            parts = [(elements.named(self.structure.Z, k), float(self.values[k])) for k in self.ranking.tolist()]
        parts.sort(key=lambda part: -abs(part[1]))
        told = [*self.summary, self.quantity_words, *([] if self.groups else ["atoms counted from 1"])]
        return explanation_html.card(self.prediction, self.structure, self.values, parts, told, self.warnings)

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract of ``explain``: that of ``predict`` and the contributions. ``atom`` and ``atoms`` are positions
        in Python's lists, counted from 0; names, and numbers in sentences, count from 1.
        """
        Z = self.structure.Z
        contributions = [
            {
                "atom": k,
                "element": elements.symbols()[Z[k]],
                "value": float(self.values[k]),
                "share": float(self.shares[k]),
                "name": elements.named(Z, k),
            }
            for k in range(len(Z))
        ]
        answer = self.prediction.as_dict() | {
            "warnings": list(self.warnings),
            "contributions": contributions,
            "quantity": self.quantity,
            "total": self.total,
            "method": self.method,
            "decisive": self.decisive,
            "summary": self.summary,
            "elements": [
                {"element": name, "atoms": count, "mean": mean} for name, (count, mean) in self.of_elements.items()
            ],
        }
        if self.dipole is not None:
            answer |= self.dipole.as_dict(Z)
        if self.groups is not None:
            answer |= {"elements": [], **self.groups.as_dict()}
        if self.bottleneck is not None:
            answer["bottleneck"] = self.bottleneck.as_dict(self.structure)
        return answer


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
        return Explanation(
            prediction, structure, parts.atoms, prediction.quantity, parts.total, "dipole", warnings, dipole=parts
        )
    values, total = _by_deletion(bundle, prediction, structure, images[0], progress)
    quantity = f"log_odds_of_{prediction.label}" if prediction.has_class else prediction.quantity
    bottleneck = Bottleneck.of(structure) if bundle.config.image.voids else None
    return Explanation(
        prediction, structure, values, quantity, total, "deletion", prediction.warnings, bottleneck=bottleneck
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
    """ln(p / (1 − p)) of a class by the calibrated probabilities, ``[N]``; without a class, the estimates.

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
    outputs = forward(bundle.network, store, np.arange(len(images)), change=change)
    scores = outputs.scores
    distances = None if distance is None else np.full(len(images), distance)
    if label is None:
        return bundle.calibration.estimates(scores, outputs.quantiles, np.full(len(images), made), distances)[0]
    p = bundle.calibration.probabilities(scores, np.full(len(images), made), distances)
    p = np.clip(p, 1e-12, None)
    return np.log(p[:, label]) - np.log(np.delete(p, label, axis=1).sum(axis=1))


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
    of = partial(log_odds, bundle, label=label, made=structure.generated_geometry, whole=structure, distance=distance)
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
