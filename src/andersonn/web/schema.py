"""The shapes of what the API answers, for its documentation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """What is wrong."""

    kind: str = Field(description="machine-readable name", examples=["bad_cif"])
    message: str = Field(description="the cause")
    hint: str = Field(description="the cure")


class Refused(BaseModel):
    """A request that was refused as a whole."""

    error: Problem


class Estimate(BaseModel):
    """Of the quantity under the class."""

    quantity: str = Field(description="as the column of labels is named, its unit in the name")
    value: float
    interval90: tuple[float, float]


class Answer(BaseModel):
    """As an object of `andersonn predict --format json`: an answer, or `input` and `error`."""

    model_config = ConfigDict(populate_by_name=True)
    input: str = Field(description="name of the file, or the SMILES")
    id: str | None = None
    formula: str | None = None
    task: str | None = None
    label: str | None = Field(
        None, alias="class", description="the most probable class; null of a model that answers with a number"
    )
    probabilities: dict[str, float] | None = None
    calibrated: bool | None = None
    estimate: Estimate | None = Field(None, description="null of a model that answers with a label")
    thresholds: list[float] | None = Field(
        None,
        description="where the classes are cut, in the unit of the estimate's quantity; of pore widths the first is also the sphere "
        "that must get in (`access_A` of `pores`). `thresholds` of a question takes the same numbers",
    )
    model: str | None = None
    n_atoms: int | None = None
    solver: dict[str, Any] | None = Field(None, description="name, steps, evaluations, residual, status")
    notes: list[str] | None = Field(None, description="how the input was read or made; no reason to doubt the answer")
    warnings: list[str] | None = Field(None, description="reasons to doubt the answer")
    domain: dict[str, Any] | None = Field(None, description="distance, limit, inside")
    voids: dict[str, float] | None = Field(None, description="of models that read the pores: what was computed of them")
    pores: dict[str, Any] | None = Field(None, description="of answers by the geometry of pores: what was measured")
    network: dict[str, Any] | None = Field(
        None, description="of these: the network's own answer, which changes nothing"
    )
    curve: dict[str, Any] | None = Field(
        None,
        description="of questions with `curves`: cuts and the probability of more than each, straight in between, under quantity; of "
        "pores under window and cavity. Null of answers that come from no distribution",
    )
    error: Problem | None = None


class Answers(BaseModel):
    """One object a structure, in the order of the inputs."""

    answers: list[Answer]
    error: Problem | None = Field(None, description="the first one, where no input could be answered")


class Explained(Answer):
    """As an object of `andersonn explain --format json`: the answer and the contribution of every atom."""

    contributions: list[dict[str, Any]] = Field(
        description="atom (position, from 0), element, value, share, name (as people count, from 1)"
    )
    quantity: str = Field(examples=["log_odds_of_metal"])
    total: float
    method: str = Field(examples=["deletion", "dipole", "groups"])
    decisive: bool = Field(description="whether a single atom or group decides the answer")
    summary: list[str] = Field(description="sentences: what decides, and what bounds a bottleneck")
    elements: list[dict[str, Any]] = Field(description="element, atoms (how many), mean of their contributions")
    dipole: dict[str, Any] | None = Field(None, description="vector_D, of_conformers_D, charges_e")
    bonds: list[dict[str, Any]] | None = Field(
        None, description="atoms (from 0), elements, value in D, names (from 1), largest first"
    )
    groups: list[dict[str, Any]] | None = Field(
        None,
        description="group, atoms (from 0), functional, value, largest first; where bonds alone were read also without (SMILES of the "
        "molecule without the group) and the answer for that",
    )
    frame: dict[str, Any] | None = Field(None, description="smiles and value of the molecule without any of the groups")
    drawing: str | None = Field(None, description="SVG of the molecule with its groups in colors")
    bottleneck: dict[str, Any] | None = Field(
        None, description="diameter_A, center_A, touching: atom (from 0), element, distances, name (from 1)"
    )


class Substance(BaseModel):
    """A known substance of the data sets in the package."""

    name: str
    formula: str
    smiles: str | None = Field(None, description="of a molecule")
    quantity: str | None = Field(None, description="of which there is a reference value")
    value: float | None = None
    source: str | None = Field(None, description="of the value")


class Known(Substance):
    """One that is like the structure asked about."""

    similarity: float = Field(
        description="0 to 1: of molecules Tanimoto's of Morgan fingerprints, of crystals by the distance of compositions"
    )
    same: bool = Field(description="of molecules the same constitution; of crystals the same composition")


class Found(BaseModel):
    """Known substances that fit a query, the best first."""

    found: list[Substance]


class StructureText(BaseModel):
    """A structure as the text of a file."""

    name: str
    text: str = Field(description="CIF")


class Race(BaseModel):
    """Iterations on maps with the fixed point of an input's own, which contract less and less."""

    rtol: float = Field(description="tolerance of the model")
    own_rate: float = Field(description="spectral radius of the input's own map at its fixed point")
    damping: float = Field(description="β of the damped iteration")
    rates: list[dict[str, Any]] = Field(
        description="rate; residuals at each evaluation: plain, damped, anderson (window → residuals)"
    )


class Look(BaseModel):
    """All that the page shows of one structure but the explanation."""

    answer: Answer
    structure: dict[str, Any] | None = Field(
        description="balls and half bonds in Å, cell, colors and radii of elements; null where "
        "bonds alone were read, and there are no positions"
    )
    graph: dict[str, Any] | None = Field(description="edges of the atom-bond network; null as the structure")
    skeletal: dict[str, Any] | None = Field(
        description="of a molecule: strokes of its skeletal formula, places of its atoms, SMILES; null where bonds cannot be told"
    )
    pores: dict[str, Any] | None = Field(
        description="of answers by the geometry of pores: cavity and window (center, diameter), channels (spheres), guests (atoms)"
    )
    files: dict[str, str] = Field(description="the structure as text of files: cif, xyz")
    known: list[Known] = Field(
        description="the most similar known substances with reference values, the most similar first"
    )
    image: dict[str, Any] = Field(description="rows and columns of the graph image")
    boundary: dict[str, Any] = Field(
        description="probability of the quantity being above each of many cuts, and by which rule"
    )
    convergence: dict[str, Any] | None = Field(
        description="residual (and seconds) at each evaluation, Anderson and Picard iteration; null of a stack of layers"
    )


class Figure(BaseModel):
    """A figure of what was measured."""

    id: str
    group: str = Field(
        description="scientists; or ahead, level, behind: where Anderson wins, makes no difference, loses"
    )
    title: str
    sentence: str
    kind: str = Field(description="bars or lines")
    axis: str
    head: list[str] = Field(description="of the table of its numbers")
    rows: list[list[str]]
    command: str = Field(description="that prints the numbers")
    source: str = Field(description="page of the documentation")
    bars: list[dict[str, Any]] | None = Field(None, description="label, group, value, text, role")
    steps: list[str] | None = None
    curves: list[dict[str, Any]] | None = Field(None, description="name, role, values")


class Measurements(BaseModel):
    """What was measured, as figures."""

    groups: dict[str, str] = Field(description="their titles")
    figures: list[Figure]


class TaskAbout(BaseModel):
    """A task that can be asked about."""

    name: str
    summary: str
    answer: str = Field(description="class, number or label")
    classes: list[str]
    thresholds: list[float] = Field(description="between the classes, as trained")
    quantity: str
    quantity_words: str
    unit: str
    range: list[float] = Field(description="of the page's axis")
    first_threshold_is_fixed: bool
    periodic: bool | None = Field(description="whether it is about crystals; null of both")
    model: str
    explained_at_once: bool
    pore_options: bool = Field(
        description="whether options of answers about pores hold: convention, radii and the others"
    )
    geometries: list[str] = Field(description="how molecules without coordinates can be read, the default first")


class Unavailable(Problem):
    """A task without a model that can be read."""

    name: str
    summary: str


class Tasks(BaseModel):
    """What can be asked."""

    tasks: list[TaskAbout]
    unavailable: list[Unavailable]
    limits: dict[str, float] = Field(description="as the options of `andersonn serve`")
    endings: list[str] = Field(description="of files that can be read")


class Example(BaseModel):
    """A structure to try: a file with its text, or SMILES."""

    name: str
    task: str
    formula: str | None = Field(description="null of several structures")
    file: str | None = None
    text: str | None = None
    smiles: str | None = None


class Health(BaseModel):
    """How the server is."""

    status: str = Field(description="loading or ready")
    version: str
    waiting: int = Field(description="questions")
    working: int = Field(description="inspections and explanations")
    batches: int = Field(description="that the models answered so far")
    structures: int
