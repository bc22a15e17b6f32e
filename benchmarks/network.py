"""Time of a prediction's parts from images in memory: functions of distance computed and read from a table, messages summed by
PyTorch and by compiled code.

    python benchmarks/network.py [--data FOLDER] [--tasks conduction …] [--structures 1000] [--rows 2048] [--repeats 15]

Structures are drawn from the first file of each task in FOLDER; without it, from the embedded crystals, for conduction alone. Microseconds
of the processor per image row, one thread, all parts in turn within one process; medians [quartiles]. "Before" is the way of the
last release: everything computed, by PyTorch. Then the largest differences that both changes make to what users see, and a step of
training (forward, backward, AdamW) of new networks on the same structures in milliseconds: with ``--training``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from andersonn import Scientist
from andersonn.config import config_of
from andersonn.data.merging import read_records
from andersonn.data.store import ImageStore, image_store
from andersonn.measuring.clock import timing
from andersonn.measuring.setting import cpu_name
from andersonn.models import EquilibriumNetwork, ImageBatch, message_cell, message_kernel, row_batches
from andersonn.models.encoder import NEAR_SCALE, ImageEncoder
from andersonn.scientists.registry import find
from andersonn.structures.image import ImageRecipe
from lean import FILES, SLOTS

NEVER = 2**60


@contextmanager
def before(network: EquilibriumNetwork, exact: bool = True, by_torch: bool = True):
    """Inside, functions of distance are computed, and messages summed by PyTorch."""
    encoder, large = network.encoder, message_cell.LARGE
    if exact:
        encoder._by_distance = lambda d: encoder._read_gaussians(torch.exp(-d / NEAR_SCALE) if encoder.near else d)
    message_cell.LARGE = NEVER if by_torch else 1
    try:
        yield
    finally:
        encoder.__dict__.pop("_by_distance", None)
        message_cell.LARGE = large


def images(task: str, folder: Path | None, structures: int, recipe: ImageRecipe | None = None) -> ImageStore:
    """Images of some structures, by default as the shipped network reads them."""
    file = folder / FILES[task][0] if folder else resources.files("andersonn.demo") / "crystals.parquet"
    records = read_records([str(file)], labels=())
    chosen = np.sort(np.random.default_rng(0).permutation(len(records))[:structures])
    return image_store(records.take(chosen), recipe or Scientist.load(task).recipe)


def parts(network: EquilibriumNetwork, batch: ImageBatch) -> dict[str, Callable[[], Any]]:
    """Name → what to time."""
    cell, layer = network.equilibrium.cell, network.equilibrium
    features = network.encoder(batch)
    x, offsets = cell.prepare(features, batch), cell.offsets(batch)
    z = layer.solve(x, offsets=offsets)[0].clone()

    def way(run: Callable[[], Any], **options: bool) -> Callable[[], Any]:
        def timed() -> Any:
            with before(network, **options):
                return run()

        return timed

    new = {"exact": False, "by_torch": False}
    return {
        "encoder, before": way(lambda: network.encoder(batch)),
        "encoder, table": way(lambda: network.encoder(batch), **new),
        "filters": lambda: cell.prepare(features, batch),
        "evaluation, before": way(lambda: cell(z, x)),
        "evaluation, compiled": way(lambda: cell(z, x), **new),
        "solve, before": way(lambda: layer.solve(x, offsets=offsets)),
        "solve, compiled": way(lambda: layer.solve(x, offsets=offsets), **new),
        "images to answers, before": way(lambda: network(batch)),
        "images to answers, table": way(lambda: network(batch), exact=False),
        "images to answers, table and compiled": way(lambda: network(batch), **new),
    }


def steps(task: str, folder: Path | None, structures: int) -> dict[str, Callable[[], Any]]:
    """Name → a step of training on a batch as the task's own recipe makes it."""
    found: dict[str, Callable[[], Any]] = {}
    for name, by_torch, words in (
        ("present, before", True, ()),
        ("present, compiled", False, ()),
        (f"lean, {SLOTS[task]} slots", False, (f"image.columns={SLOTS[task]}", "model.encoder=lean")),
    ):
        config = config_of(find(task), overrides=words)
        store = images(task, folder, structures, config.image)
        usable = np.flatnonzero(store.n_rows > 0)
        chosen = next(row_batches(store.n_rows, usable, config.max_rows, config.max_images))
        batch = ImageBatch.from_store(store, chosen)
        torch.manual_seed(0)
        network = EquilibriumNetwork(config.model, len(find(task).task.classes)).train()
        optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

        @torch.enable_grad()
        def step(network=network, optimizer=optimizer, batch=batch, by_torch=by_torch) -> None:
            with before(network, exact=False, by_torch=by_torch):
                output = network(batch)
                optimizer.zero_grad()
                (
                    output.scores.logsumexp(dim=1).mean() + output.quantiles.square().sum() / len(output.scores)
                ).backward()
                optimizer.step()

        found[f"{name} ({len(batch.Z)} rows)"] = step
    return found


def seconds(things: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Processor seconds of each, in turn, the first round left out."""
    found: dict[str, list[float]] = {name: [] for name in things}
    for round_ in range(repeats + 1):
        for name, run in things.items():
            begin = process_time()
            run()
            if round_:
                found[name].append(process_time() - begin)
    return found


@torch.no_grad()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tasks", nargs="+", choices=tuple(FILES), default=["conduction"])
    parser.add_argument("--structures", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--training", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{cpu_name()}, PyTorch {torch.__version__}; compiled code: {message_kernel.why_not() or 'there'}")
    for task in arguments.tasks:
        network = Scientist.load(task).bundle.network.eval()
        store = images(task, arguments.data, arguments.structures)
        chosen = next(row_batches(store.n_rows, np.flatnonzero(store.n_rows > 0), arguments.rows))
        batch = ImageBatch.from_store(store, chosen)
        rows = len(batch.Z)
        print(
            f"\n{task}: {rows} rows of {len(batch)} structures, {batch.weight.shape[1]} slots, width {network.config.width}"
        )
        print("\n| part | µs per row |\n|---|---|")
        for name, rounds in seconds(parts(network, batch), arguments.repeats).items():
            t = timing([1e6 * each / rows for each in rounds])
            print(f"| {name} | {t.median:.2f} [{t.low:.2f}–{t.high:.2f}] |")
        differences(network, batch)
        if arguments.training:
            for name, rounds in seconds(steps(task, arguments.data, arguments.structures), arguments.repeats).items():
                t = timing([1e3 * each for each in rounds])
                print(f"training step, {name}: {t.median:.0f} ms [{t.low:.0f}–{t.high:.0f}]")


def differences(network: EquilibriumNetwork, batch: ImageBatch) -> None:
    """Prints how far both changes move features, probabilities and quantiles, and how long a table takes."""
    encoder: ImageEncoder = network.encoder
    with before(network):
        old, true = network(batch), encoder(batch)
    with before(network, exact=False, by_torch=False):
        new, found = network(batch), encoder(batch)
    moved = float((found.rows - true.rows).abs().max() / true.rows.abs().max())
    p = float((new.scores.softmax(1) - old.scores.softmax(1)).abs().max())
    q = float((new.quantiles - old.quantiles).abs().max() / old.quantiles.abs().max()) if old.quantiles.numel() else 0.0
    begin = process_time()
    encoder._tabulated()
    built = 1e3 * (process_time() - begin)
    print(
        f"\nrows move by {moved:.1e} of the largest, probabilities by {p:.1e}, quantiles by {q:.1e}; a table takes {built:.0f} ms"
    )


if __name__ == "__main__":
    main()
