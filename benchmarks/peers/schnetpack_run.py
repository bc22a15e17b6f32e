"""PaiNN and SchNet as schnetpack's experiment ``qm9_dipole`` trains them: the same networks, cutoff, loss, optimizer, batches and
averaged weights; PaiNN with atomic dipoles, as its paper has it. Neighbor lists are made once and kept, where schnetpack makes
them in every epoch. Its learning rate falls only after 75 epochs without progress, which no budget here comes to.

schnetpack 2.1.1 imports a name of a type from torch that newer versions have elsewhere; it is put back before.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import ase.io
import numpy as np
import torch
import torch.utils.data.dataloader as torch_loader
from torch.utils.data.sampler import Sampler

if not hasattr(torch_loader, "T_co"):
    torch_loader.T_co = Sampler.__parameters__[0]
import schnetpack as spk
from curve import Curve, Exported, Side, arguments
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from schnetpack import properties
from schnetpack.data import AtomsLoader
from schnetpack.interfaces import AtomsConverter
from schnetpack.transform import CastTo32, MatScipyNeighborList, SubtractCenterOfMass
from torch_ema import ExponentialMovingAverage

CUTOFF, BATCH, RATE, DECAY = 5.0, 100, 5e-4, 0.995
DIPOLE = properties.dipole_moment
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
Example = dict[str, torch.Tensor]


def main() -> None:
    options = arguments("painn", "schnet")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", ".*num_workers.*")
    data = Exported.read(options.records)
    curve = Curve(options.out, options.budget, data)
    train = examples(data.train)
    with curve.paused():
        validation = examples(data.validation)
    seed_everything(options.seed, verbose=False)
    model = network(options.model)
    output = spk.task.ModelOutput(DIPOLE, loss_fn=torch.nn.MSELoss(), metrics={})
    task = spk.task.AtomisticTask(model, [output], torch.optim.AdamW, optimizer_args={"lr": RATE, "weight_decay": 0.0})
    watch = Watch(curve, model, validation)
    loader = AtomsLoader(train, batch_size=BATCH, shuffle=True)
    Trainer(max_epochs=-1, accelerator="cpu", inference_mode=False, callbacks=[watch], **QUIET).fit(task, loader)
    curve.evaluate(watch.evaluate)
    watch.average.copy_to()
    files = sorted(options.files.iterdir())
    curve.finish(
        sum(p.numel() for p in model.parameters()),
        lambda n: predict(model, files[:n]),
        "xyz files",
        epochs=round(curve.shown / len(train), 1),
    )


def network(name: str) -> spk.model.NeuralNetworkPotential:
    common = {"radial_basis": spk.nn.GaussianRBF(20, CUTOFF), "cutoff_fn": spk.nn.CosineCutoff(CUTOFF)}
    if name == "painn":
        representation = spk.representation.PaiNN(n_atom_basis=128, n_interactions=3, **common)
    else:
        representation = spk.representation.SchNet(n_atom_basis=128, n_interactions=6, **common)
    moment = spk.atomistic.DipoleMoment(
        n_in=128, dipole_key=DIPOLE, predict_magnitude=True, use_vector_representation=name == "painn"
    )
    return spk.model.NeuralNetworkPotential(
        representation, input_modules=[spk.atomistic.PairwiseDistances()], output_modules=[moment]
    )


def examples(side: Side) -> list[Example]:
    """Each molecule with its neighbors and its value, as schnetpack's data set gives it."""
    transforms = (SubtractCenterOfMass(), MatScipyNeighborList(cutoff=CUTOFF), CastTo32())
    found = []
    for Z, xyz, value in zip(side.Z, side.xyz, side.values, strict=True):
        example = {
            properties.n_atoms: torch.tensor([len(Z)]),
            properties.Z: torch.tensor(Z),
            properties.R: torch.tensor(xyz),
            properties.cell: torch.zeros(1, 3, 3, dtype=torch.float64),
            properties.pbc: torch.zeros(3, dtype=torch.bool),
            DIPOLE: torch.tensor([value]),
        }
        for transform in transforms:
            example = transform(example)
        found.append(example)
    return found


class Watch(Callback):
    """Averages the weights and keeps the curve, batch by batch."""

    def __init__(self, curve: Curve, model: torch.nn.Module, validation: list[Example]) -> None:
        self.curve, self.model, self.validation = curve, model, validation
        self.average = ExponentialMovingAverage(model.parameters(), decay=DECAY)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs, batch: Example, index: int
    ) -> None:
        self.average.update()
        trainer.should_stop |= self.curve.after_batch(len(batch[properties.n_atoms]), self.evaluate)

    @torch.no_grad()
    def evaluate(self) -> tuple[np.ndarray, np.ndarray]:
        """Classes and values of the validation side by the averaged weights."""
        was_training = self.model.training
        self.model.eval()
        with self.average.average_parameters():
            found = [self.model(batch)[DIPOLE] for batch in AtomsLoader(self.validation, batch_size=BATCH)]
        self.model.train(was_training)
        values = torch.cat(found).numpy()
        return self.curve.data.classes_at_best(values), values


@torch.no_grad()
def predict(model: torch.nn.Module, files: list[Path]) -> np.ndarray:
    """From xyz files, by schnetpack's converter."""
    model.eval()
    convert = AtomsConverter(MatScipyNeighborList(cutoff=CUTOFF), transforms=[SubtractCenterOfMass()])
    atoms = [ase.io.read(file) for file in files]
    batches = [convert(atoms[i : i + BATCH]) for i in range(0, len(atoms), BATCH)]
    return torch.cat([model(batch)[DIPOLE] for batch in batches]).numpy()


if __name__ == "__main__":
    main()
