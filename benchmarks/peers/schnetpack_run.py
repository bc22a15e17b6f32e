"""PaiNN and SchNet of schnetpack, as its experiment ``qm9_dipole`` trains them: dipole-moment output, squared error, AdamW with
5e-4, batches of 100, rates that fall on a plateau. PaiNN's output reads its vectors, too, as in its article. A molecule's class is by
its predicted dipole moment. Neighbor lists are made once, not at every epoch, which is faster than schnetpack's own data module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytorch_lightning as pl
import schnetpack as spk
import torch
from ase import Atoms
from curve import Curve, Exported, Side, arguments
from schnetpack import properties, transform
from torch import nn

CUTOFF, WIDTH, BATCH = 5.0, 128, 100
DIPOLE = "dipole_moment"
ENDLESS = 1_000_000
TRANSFORMS = (transform.SubtractCenterOfMass(), transform.MatScipyNeighborList(CUTOFF), transform.CastTo32())
REPRESENTATIONS = {"painn": (spk.representation.PaiNN, 3), "schnet": (spk.representation.SchNet, 6)}
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def main() -> None:
    options = arguments(*REPRESENTATIONS)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", ".*num_workers.*")
    pl.seed_everything(options.seed)
    data = Exported.read(options.records)
    curve = Curve(options.out, options.budget, data)
    train = loader_of(samples_of(data.train), shuffle=True)
    with curve.paused():
        validation = loader_of(samples_of(data.validation))
    task = task_of(options.model)
    evaluate = evaluation(task, validation, data)
    watch = Watch(curve, evaluate)
    pl.Trainer(max_epochs=ENDLESS, accelerator="cpu", callbacks=[watch], num_sanity_val_steps=0, **QUIET).fit(
        task, train, validation
    )
    files = sorted(options.xyz.glob("*.xyz"))
    parameters = sum(p.numel() for p in task.parameters())
    epochs = round(curve.shown / len(data.train), 1)
    curve.finish(parameters, lambda n: predict(task, files[:n]), "xyz files", epochs=epochs)


def sample_of(atoms: Atoms, index: int) -> dict[str, torch.Tensor]:
    """What schnetpack's data sets give for a molecule."""
    sample = {
        properties.idx: torch.tensor([index]),
        properties.n_atoms: torch.tensor([len(atoms)]),
        properties.Z: torch.from_numpy(atoms.numbers.astype(np.int64)),
        properties.R: torch.from_numpy(atoms.positions),
        properties.cell: torch.from_numpy(atoms.cell.array).view(-1, 3, 3),
        properties.pbc: torch.from_numpy(atoms.pbc),
    }
    for change in TRANSFORMS:
        sample = change(sample)
    return sample


def samples_of(side: Side) -> list[dict[str, torch.Tensor]]:
    samples = []
    for i, (Z, xyz, value) in enumerate(zip(side.Z, side.xyz, side.values, strict=True)):
        samples.append(sample_of(Atoms(Z, xyz), i) | {DIPOLE: torch.tensor([value], dtype=torch.float32)})
    return samples


def loader_of(samples: list[dict[str, torch.Tensor]], shuffle: bool = False) -> spk.data.AtomsLoader:
    return spk.data.AtomsLoader(samples, batch_size=BATCH, shuffle=shuffle, num_workers=0)


def task_of(name: str) -> spk.AtomisticTask:
    kind, interactions = REPRESENTATIONS[name]
    basis = spk.nn.GaussianRBF(n_rbf=20, cutoff=CUTOFF)
    representation = kind(WIDTH, interactions, basis, cutoff_fn=spk.nn.CosineCutoff(CUTOFF))
    output = spk.atomistic.DipoleMoment(
        n_in=WIDTH, predict_magnitude=True, use_vector_representation=name == "painn", dipole_key=DIPOLE
    )
    model = spk.model.NeuralNetworkPotential(
        representation, input_modules=[spk.atomistic.PairwiseDistances()], output_modules=[output]
    )
    return spk.task.AtomisticTask(
        model,
        outputs=[spk.task.ModelOutput(name=DIPOLE, loss_fn=nn.MSELoss(), loss_weight=1.0)],
        optimizer_cls=torch.optim.AdamW,
        optimizer_args={"lr": 5e-4, "weight_decay": 0.0},
        scheduler_cls=spk.train.ReduceLROnPlateau,
        scheduler_args={"mode": "min", "factor": 0.5, "patience": 50, "min_lr": 1e-6, "smoothing_factor": 0.0},
        scheduler_monitor="val_loss",
    )


class Watch(pl.Callback):
    """Tells the curve of every batch; the validation after an epoch, for the plateau, is left out of the CPU-seconds."""

    def __init__(self, curve: Curve, evaluate: Callable) -> None:
        self.curve, self.judge = curve, evaluate

    def on_train_batch_end(self, trainer: pl.Trainer, task: spk.AtomisticTask, outputs, batch, index: int) -> None:
        trainer.should_stop |= self.curve.after_batch(len(batch[properties.n_atoms]), self.judge)

    def on_validation_start(self, trainer: pl.Trainer, task: spk.AtomisticTask) -> None:
        self.begin = self.curve.clock()

    def on_validation_end(self, trainer: pl.Trainer, task: spk.AtomisticTask) -> None:
        self.curve.left_out += self.curve.clock() - self.begin


def evaluation(
    task: spk.AtomisticTask, loader: spk.data.AtomsLoader, data: Exported
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    def evaluate() -> tuple[np.ndarray, np.ndarray]:
        values = dipoles(task, loader)
        return data.classes(values), values

    return evaluate


@torch.no_grad()
def dipoles(task: spk.AtomisticTask, loader: spk.data.AtomsLoader) -> np.ndarray:
    was_training = task.training
    task.eval()
    found = torch.cat([task.model(dict(batch))[DIPOLE].reshape(-1) for batch in loader])
    task.train(was_training)
    return found.double().numpy()


def predict(task: spk.AtomisticTask, files: list[Path]) -> np.ndarray:
    return dipoles(task, loader_of([sample_of(ase.io.read(file), i) for i, file in enumerate(files)]))


if __name__ == "__main__":
    main()
