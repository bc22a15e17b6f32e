"""One training step of a cell whose memory is measured: by the equilibrium layer, or by a stack of the same cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.store import ImageStore, image_store
from andersonn.errors import UsageError
from andersonn.implicit import Equilibrium, ImplicitGradient
from andersonn.inference.loading import load_for
from andersonn.inference.predictor import Predictor
from andersonn.measuring.contenders import FORWARD, contenders
from andersonn.measuring.instrumented import require_equilibrium
from andersonn.models import ImageBatch, SolverConfig, lead
from andersonn.scientists.conduction import CONDUCTION
from andersonn.solvers import ForwardIteration, Solver
from andersonn.solvers.pytree import map_leaves

STACK = "stack"
LAYERS = (FORWARD, "anderson")
VARIANTS: dict[str, tuple[dict[str, Any], bool]] = {
    "window 1": ({"window": 1}, False),
    "window 2": ({"window": 2}, False),
    "bfloat16": ({"window_dtype": "bfloat16"}, False),
    "period 2": ({"period": 2}, False),
    "plain adjoint": ({}, True),
    "bfloat16, plain adjoint": ({"window_dtype": "bfloat16"}, True),
}
"""Forms of the layer with Anderson that need less memory: what differs in the solver of both passes, and whether Picard iteration
solves the adjoint problem, during which the window and the tape are both in memory."""
LABELS = {
    STACK: "explicit stack",
    FORWARD: "layer, Picard iteration",
    "anderson": "layer, Anderson",
    **{name: f"layer, Anderson, {name}" for name in VARIANTS},
}


@dataclass(frozen=True, eq=False)
class StepInput:
    """A cell, its input, of which those tensors want gradients that do in training, and what the solver needs to know."""

    cell: nn.Module
    x: Any
    offsets: Tensor | None
    config: SolverConfig

    @property
    def state(self) -> Tensor:
        """The first state: what the cell says, else zeros shaped as the input."""
        initial = getattr(self.cell, "initial", None)
        return torch.zeros_like(self.x) if initial is None else initial(self.x)

    def without_gradients(self) -> StepInput:
        """The same before any backward pass."""
        self.cell.zero_grad(set_to_none=True)
        return replace(self, x=map_leaves(_cut, self.x))


def scientist_with_layer(task: str, model: str | None, device: str) -> Predictor:
    """The scientist whose cell is measured.

    Raises:
        UsageError: there is none, or its network is a stack.
    """
    scientist = load_for(task, model, device)
    require_equilibrium(scientist.bundle.config.model)
    return scientist


def images_of(scientist: Predictor, files: Sequence[str], count: int, seed: int) -> tuple[ImageStore, np.ndarray]:
    """Images of ``count`` structures, drawn by ``seed``, and their indices in the store.

    Args:
        scientist: makes the images.
        files: of structures; empty: the embedded crystals.
        count: of structures.
        seed: of the draw.

    Raises:
        UsageError: there are no files for this task, or fewer usable structures.
    """
    task = scientist.task.name
    if not files and task != CONDUCTION.name:
        raise UsageError("no_data", f"no structures for {task} are included", "give --data FILE.parquet")
    records = read_records(files or (str(resources.files("andersonn.demo") / "crystals.parquet"),))
    if len(records) < count:
        raise _too_few(records, len(records), count)
    chosen = np.random.default_rng(seed).permutation(len(records))[: 2 * count]  # some may be unusable
    store = image_store(records.take(np.sort(chosen)), scientist.recipe)
    usable = np.flatnonzero(store.n_rows > 0)[:count]
    if len(usable) < count:
        raise _too_few(records, len(usable), count)
    return store, usable


def _too_few(records: Records, found: int, count: int) -> UsageError:
    return UsageError("no_records", f"{records.source!r} has {found} usable structures of {count}", "lower --batch")


def step_input(scientist: Predictor, store: ImageStore, images: np.ndarray, device: str) -> StepInput:
    """A scientist's cell on some images, its input as the encoder gives it in training."""
    batch = ImageBatch.from_store(store, images).to(device)
    network = lead(scientist.bundle.network)
    cell: Any = network.equilibrium.cell
    x = cell.prepare(network.encoder(batch), batch)
    return StepInput(cell, map_leaves(_cut, x), cell.offsets(batch), scientist.bundle.config.model.solver)


def _cut(leaf: Any) -> Any:
    """The same, detached; it requires a gradient if it would get one in training."""
    return leaf.detach().requires_grad_(leaf.requires_grad) if isinstance(leaf, Tensor) else leaf


def step(posed: StepInput, kind: str, depth: int) -> dict[str, int]:
    """One training step: forward, sum of squares, backward. A solver runs at tolerance 0 for exactly ``depth`` steps in
    either pass.

    Args:
        posed: the problem.
        kind: a key of :data:`LABELS`.
        depth: solver steps, or layers of the stack.

    Returns:
        For a layer, its evaluations in either pass.

    Raises:
        UsageError: there is no such kind.
    """
    if kind == STACK:
        _stack(posed, depth).square().sum().backward()
        return {}
    forward, adjoint = _solvers(posed.config, kind, depth)
    layer = Equilibrium(posed.cell, forward, ImplicitGradient(solver=adjoint))
    layer(posed.x, offsets=posed.offsets).square().sum().backward()
    assert layer.last is not None  # both passes have run
    assert layer.last_adjoint is not None
    return {"forward_evaluations": layer.last.evaluations, "adjoint_evaluations": layer.last_adjoint.evaluations}


def _solvers(config: SolverConfig, kind: str, depth: int) -> tuple[Solver, Solver | None]:
    if kind not in LABELS:
        raise UsageError("bad_kind", f"{kind!r} is no kind of training step", f"name one of {', '.join(LABELS)}")
    changes, plain = VARIANTS.get(kind, ({}, False))
    budget: dict[str, Any] = {"rtol": 0.0, "max_steps": depth}
    forward = replace(contenders(config)["anderson" if kind in VARIANTS else kind], **budget, **changes)
    return forward, ForwardIteration(**budget) if plain else None


def _stack(posed: StepInput, depth: int) -> Tensor:
    """The same cell, so many times; layers with weights of their own would take their weights more."""
    z = posed.state
    for _ in range(depth):
        z = posed.cell(z, posed.x)
    return z


def steps_needed(posed: StepInput, name: str) -> int | None:
    """Updates that Picard iteration (so many layers has a stack that comes as near to the fixed point) or Anderson takes
    until the worst sample meets the model's own tolerance; None if it does not within their budget.
    """
    solver = contenders(posed.config)[name]
    with torch.no_grad():
        found = Equilibrium(posed.cell, solver).solve(posed.x, offsets=posed.offsets)[1]
    return int(found.steps.max()) if found.all_converged else None


def kinds(variants: bool) -> tuple[str, ...]:
    """What is measured: layers, forms of it that need less memory if asked for, and the stack."""
    return (*LAYERS, *(VARIANTS if variants else ()), STACK)
