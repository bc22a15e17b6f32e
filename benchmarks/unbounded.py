"""Training where the cell is not bounded to contract: unsolved samples, and what comes of the training.

    python benchmarks/unbounded.py [--gain 2.0 2.5] [--seeds 0 1 2 3 4] [--solver anderson forward] [--epochs 5]

The training of ``andersonn demo``, with the solver's name and the bound on the cell's norm changed. A line is one training: samples
that the forward and the backward pass left unsolved, evaluations of batches in both passes, the largest loss of a batch, and
the validation loss at the end. A training is given up after :data:`LOST` batches whose states exceed :data:`HUGE`. About
20 s each on an idle core; nothing is timed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from andersonn.demo.experiment import demo_config, demo_records
from andersonn.errors import UsageError
from andersonn.scientists.conduction import CONDUCTION
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.trainer import Trainer

HUGE, LOST = 1e4, 15


class GivenUpError(Exception):
    """The training has diverged."""


@dataclass
class Counts:
    """What the solver did in a training."""

    steps: int = 0
    forward: int = 0
    adjoint: int = 0
    forward_unsolved: int = 0
    adjoint_unsolved: int = 0
    huge: int = 0
    worst: float = 0.0


class CountingTrainer(Trainer):
    """Counts at each batch."""

    counts = Counts()

    def _step(self, indices: np.ndarray, tally: object) -> float:
        loss = super()._step(indices, tally)
        layer, counts = self.network.equilibrium, self.counts
        counts.steps += 1
        counts.forward += layer.last.evaluations
        counts.adjoint += layer.last_adjoint.evaluations
        counts.forward_unsolved += int((~layer.last.converged).sum())
        counts.adjoint_unsolved += int((~layer.last_adjoint.converged).sum())
        counts.huge += bool(layer.last.z.abs().max() > HUGE)
        counts.worst = max(counts.worst, loss)
        if counts.huge > LOST:
            raise GivenUpError
        return loss


def dataset_of(seed: int) -> Dataset:
    """The demo's crystals, imaged and split."""
    return prepare(demo_records(), CONDUCTION, demo_config(seed, None, "anderson"), lambda *_: None)


def line(dataset: Dataset, gain: float, seed: int, solver: str, epochs: int) -> str:
    """One training in words."""
    config = demo_config(seed, epochs, solver)
    config = config.model_copy(update={"model": config.model.model_copy(update={"gain": gain})})
    trainer = CountingTrainer(dataset, CONDUCTION, config)
    trainer.counts = counts = Counts()
    try:
        while not trainer.done:
            trainer.run_epoch()
        end = f"{trainer.history[-1]['validation_loss']:.3f}"
    except (GivenUpError, UsageError):
        end = f"lost at batch {counts.steps}"
    return (
        f"gain {gain:g}, seed {seed}, {solver}: unsolved {counts.forward_unsolved} and {counts.adjoint_unsolved}, evaluations "
        f"{counts.forward} and {counts.adjoint}, largest loss {counts.worst:.3g}, validation loss {end}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gain", type=float, nargs="+", default=[2.0, 2.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--solver", nargs="+", choices=["anderson", "forward"], default=["anderson", "forward"])
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        dataset = dataset_of(seed)
        for gain in arguments.gain:
            for solver in arguments.solver:
                print(line(dataset, gain, seed, solver, arguments.epochs), flush=True)


if __name__ == "__main__":
    main()
