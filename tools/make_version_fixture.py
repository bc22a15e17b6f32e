"""Writes what this version leaves behind when it trains, so that every later one can be asked to read it: for each task
an unfinished run, its records and a finished model with answers, all tiny.

To be run once for a released version: python tools/make_version_fixture.py (writes tests/fixtures/versions/VERSION)
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from andersonn import __version__
from andersonn.config import config_of
from andersonn.data.fetch import get
from andersonn.data.records import Records
from andersonn.data.sources import source
from andersonn.data.store import image_store
from andersonn.demo.experiment import demo_records
from andersonn.progress import Silent
from andersonn.scientists.registry import find
from andersonn.training.dataset import prepare
from andersonn.training.folder import CHECKPOINT
from andersonn.training.run import run_epochs, train
from andersonn.training.self_test import write_self_test
from andersonn.training.trainer import Trainer

FOLDER = Path(__file__).parents[1] / "tests/fixtures/versions"
TINY = ["epochs=2", "model.width=4", "radial=4", "columns=4", "max_rows=200", "device=cpu"]
OWN = {
    "conduction": [],
    "polarity": ["directions=2", "conformers=1"],
    "porosity": ["thresholds=[1.2,1.7]"],  # small enough for dense crystals to stand in each class
}
"""Options beside the task's own recipe."""
COLUMNS = ("id", "group", "atomic_numbers", "positions", "cell")


def records_of(task: str) -> Records:
    """A few real structures with values of the task's quantity."""
    if task == "polarity":
        records = Records.read(str(get(source("biomolecules"))[0]), ("dipole_D",))
        small = [i for i in range(len(records)) if len(records.atomic_numbers(i)) < 16]
        return taken(records, np.array(small[:60]), "dipole_D")
    records = demo_records()
    small = np.array([i for i in range(len(records)) if len(records.atomic_numbers(i)) < 9])
    gaps = records.label("band_gap_eV")[small]
    kinds = [small[gaps == 0.0], small[(gaps > 0.0) & (gaps < 3.0)], small[gaps >= 3.0]]
    records = records.take(np.sort(np.concatenate([kind[:40] for kind in kinds])))
    if task == "conduction":
        return taken(records, np.arange(len(records)), "band_gap_eV")
    store = image_store(records, config_of(find(task)).image)  # pore diameters from geometry
    values = store.of_whole[:, store.recipe.graph_channels.index("pld_A")].astype(float)
    table = records.table.append_column("pld_A", pa.array(values))
    return taken(Records(table, records.source), np.arange(len(records)), "pld_A")


def taken(records: Records, chosen: np.ndarray, label: str) -> Records:
    return Records(records.table.select([*COLUMNS, label]).take(pa.array(chosen)), "records.parquet")


def write(task: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    pq.write_table(records_of(task).table, folder / "records.parquet", compression="zstd")
    chosen = find(task).task
    records = Records.read(str(folder / "records.parquet"), (chosen.quantity,))
    config = config_of(find(task), None, [*TINY, *OWN[task]])
    train(chosen, records, config, folder / "model")
    write_self_test(folder / "model", find(task).self_test)
    if config.thresholds is not None:
        chosen = chosen.with_thresholds(config.thresholds)
    half = Trainer(prepare(records, chosen, config), chosen, config)
    with tempfile.TemporaryDirectory() as place:
        run_epochs(stopped(half, 1), Path(place), Silent())
        (folder / "unfinished").mkdir()
        shutil.copy(Path(place, CHECKPOINT), folder / "unfinished" / CHECKPOINT)


def stopped(trainer: Trainer, epochs: int) -> Trainer:
    """The trainer, which says it is done after so many epochs, as if the run had been killed there."""

    class Stopped(Trainer):
        done = property(lambda self: self.epoch >= epochs)

    trainer.__class__ = Stopped
    return trainer


def main():
    folder = FOLDER / __version__
    if folder.exists():
        raise SystemExit(f"{folder} is there already; what a released version wrote is not to be written again")
    for task in OWN:
        write(task, folder / task)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
