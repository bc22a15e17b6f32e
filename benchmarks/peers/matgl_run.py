"""MEGNet of matgl, to learn a value of crystals as matgl's tutorial trains it: its network, graphs, loss and optimizer, the values
scaled by mean and deviation. Batches of 32 crystals: small, for many steps in little time.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from curve import Curve, Exported, Side, arguments
from lightning import pytorch as pl
from matgl.ext.pymatgen import Structure2Graph, get_element_list
from matgl.graph.data import MGLDataset, collate_fn_graph
from matgl.layers import BondExpansion
from matgl.models import MEGNet
from matgl.utils.training import ModelLightningModule
from pymatgen.core import Structure
from torch.utils.data import DataLoader

CUTOFF, BATCH = 4.0, 32
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def main() -> None:
    options = arguments("megnet")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    data = Exported.read(options.records)
    with tempfile.TemporaryDirectory() as folder:
        converter = Structure2Graph(elements_of(data), cutoff=CUTOFF)
        curve = Curve(options.out, options.budget, data)
        train = dataset(data.train, converter, Path(folder, "train"))
        with curve.paused():
            validation = dataset(data.validation, converter, Path(folder, "validation"))
    pl.seed_everything(options.seed, verbose=False)
    values = data.train.values
    module = ModelLightningModule(
        model=network(converter.element_types), data_mean=float(values.mean()), data_std=float(values.std())
    )
    watch = Watch(curve, module, validation)
    loader = DataLoader(train, batch_size=BATCH, shuffle=True, collate_fn=collate_fn_graph)
    pl.Trainer(max_epochs=-1, accelerator="cpu", inference_mode=False, callbacks=[watch], **QUIET).fit(module, loader)
    curve.evaluate(watch.evaluate)
    files = sorted(options.files.iterdir())
    curve.finish(
        sum(p.numel() for p in module.model.parameters()),
        lambda n: predict(module, converter, files[:n]),
        "cif files",
        epochs=round(curve.shown / len(train), 1),
    )


def elements_of(data: Exported) -> tuple[str, ...]:
    return get_element_list([crystal for side in (data.train, data.validation) for crystal in crystals(side)])


def crystals(side: Side) -> list[Structure]:
    rows = zip(side.cells, side.Z, side.xyz, strict=True)
    return [Structure(cell, Z, xyz, coords_are_cartesian=True) for cell, Z, xyz in rows]


def dataset(side: Side, converter: Structure2Graph, folder: Path) -> MGLDataset:
    values = {"value": side.values.tolist()}
    return MGLDataset(structures=crystals(side), labels=values, converter=converter, root=str(folder), save_cache=False)


def network(elements: tuple[str, ...]) -> MEGNet:
    """As in the tutorial, where most are the defaults."""
    bonds = BondExpansion(rbf_type="Gaussian", initial=0.0, final=5.0, num_centers=100, width=0.5)
    return MEGNet(element_types=elements, bond_expansion=bonds, cutoff=CUTOFF)


class Watch(pl.Callback):
    """Keeps the curve, batch by batch."""

    def __init__(self, curve: Curve, module: ModelLightningModule, validation: MGLDataset) -> None:
        self.curve, self.module, self.validation = curve, module, validation

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs, batch, index: int) -> None:
        trainer.should_stop |= self.curve.after_batch(len(batch[3]), self.evaluate)

    def evaluate(self) -> tuple[np.ndarray, np.ndarray]:
        """Classes and values of the validation side."""
        values = estimates(self.module, DataLoader(self.validation, batch_size=BATCH, collate_fn=collate_fn_graph))
        return self.curve.data.classes_at_best(values), values


@torch.no_grad()
def estimates(module: ModelLightningModule, batches) -> np.ndarray:
    was_training = module.training
    module.eval()
    found = [module(g=g, lat=lat, state_attr=state).reshape(-1) for g, lat, state, _ in batches]
    module.train(was_training)
    return (torch.cat(found) * module.data_std + module.data_mean).numpy()


def predict(module: ModelLightningModule, converter: Structure2Graph, files: list[Path]) -> np.ndarray:
    """From CIF files, by pymatgen and matgl's converter."""
    graphs = [converter.get_graph(Structure.from_file(file)) for file in files]
    rows = [(g, lat, torch.tensor(state, dtype=torch.float32), {"value": 0.0}) for g, lat, state in graphs]
    return estimates(module, (collate_fn_graph(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)))


if __name__ == "__main__":
    main()
