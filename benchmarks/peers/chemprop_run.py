"""chemprop (D-MPNN) as its command line trains a classifier of SMILES: the same network, featurizer, rates and batches; only the
number of epochs is set by the budget.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from chemprop import data as chemdata
from chemprop import models, nn
from curve import PROBE, Curve, Exported, Pace, Side, arguments
from lightning import pytorch as pl
from torch.utils.data import DataLoader

BATCH = 64
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", ".*num_workers.*")
    data = Exported.read(options.records)
    curve = Curve(options.out, options.budget, data)
    train = dataset_of(data.train, data.classes(data.train.values))
    train.cache = True  # as the command line does
    loader = chemdata.build_dataloader(train, batch_size=BATCH, num_workers=0, seed=options.seed)
    with curve.paused():
        validation = chemdata.build_dataloader(
            dataset_of(data.validation, data.labels), batch_size=BATCH, shuffle=False
        )
    pace, until, seen = Pace(curve), curve.spent + PROBE * options.budget, [0]

    def probe(size: int) -> bool:
        seen[0] += size
        return pace.after_batch(seen[0], until)

    fit(network(options.seed), loader, 1, probe)
    epochs = pace.epochs(len(train))
    model = network(options.seed)
    evaluate = evaluation(model, validation)
    fit(model, loader, epochs, lambda size: curve.after_batch(size, evaluate))
    curve.evaluate(evaluate)
    curve.finish(
        sum(p.numel() for p in model.parameters()),
        lambda n: predict(model, data.validation, n),
        "SMILES",
        epochs=epochs,
    )


def dataset_of(side: Side, classes: np.ndarray) -> chemdata.MoleculeDataset:
    points = zip(side.smiles, classes, strict=True)
    return chemdata.MoleculeDataset([chemdata.MoleculeDatapoint.from_smi(s, [float(c)]) for s, c in points])


def network(seed: int) -> models.MPNN:
    """Defaults of ``chemprop train --task-type classification``."""
    pl.seed_everything(seed, verbose=False)
    return models.MPNN(nn.BondMessagePassing(), nn.NormAggregation(), nn.BinaryClassificationFFN(), batch_norm=False)


def fit(model: models.MPNN, loader: DataLoader, epochs: int, after_batch: Callable[[int], bool]) -> None:
    """Trains; ``after_batch`` is told the size of every batch and says whether to stop."""
    pl.Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[Watch(after_batch)], **QUIET).fit(model, loader)


class Watch(pl.Callback):
    def __init__(self, after_batch: Callable[[int], bool]) -> None:
        self.after_batch = after_batch

    def on_train_batch_end(self, trainer: pl.Trainer, model: models.MPNN, outputs, batch, index: int) -> None:
        trainer.should_stop |= self.after_batch(len(batch.Y))


def evaluation(model: models.MPNN, loader: DataLoader) -> Callable[[], tuple[np.ndarray, None]]:
    def evaluate() -> tuple[np.ndarray, None]:
        return (probabilities(model, loader) >= 0.5).astype(np.int64), None

    return evaluate


@torch.no_grad()
def probabilities(model: models.MPNN, loader: DataLoader) -> np.ndarray:
    was_training = model.training
    model.eval()
    found = torch.cat([model(batch.bmg, batch.V_d, batch.X_d).reshape(-1) for batch in loader])
    model.train(was_training)
    return found.numpy()


def predict(model: models.MPNN, side: Side, n: int) -> np.ndarray:
    points = [chemdata.MoleculeDatapoint.from_smi(text) for text in side.smiles[:n]]
    loader = chemdata.build_dataloader(chemdata.MoleculeDataset(points), batch_size=BATCH, shuffle=False)
    return probabilities(model, loader)


if __name__ == "__main__":
    main()
