"""What the solvers cost on an accelerator: one command, a Markdown table, eight minutes at most on a card.

    python benchmarks/gpu.py [--device cuda] [--out gpu.md]
    python benchmarks/gpu.py --device cpu --quick          whether the program runs at all

Measured are: what a step of mixing adds to an evaluation, beside the time that moving its memory takes at the bandwidth of a copy
measured here; Anderson extrapolation beside Picard iteration on the three included models; a training step of each, its peak memory
included. Structures are the embedded crystals and a few distorted molecules; large batches repeat them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from andersonn import Anderson, Broyden, Equilibrium, ForwardIteration
from andersonn.data.store import ImageStore
from andersonn.demo.experiment import demo_records
from andersonn.errors import InputError
from andersonn.inference.loading import load_for
from andersonn.io.files import write_text
from andersonn.measuring.clock import waiter
from andersonn.measuring.contenders import FORWARD, contenders
from andersonn.measuring.peak_memory import peak_bytes
from andersonn.measuring.setting import machine_line, setting
from andersonn.measuring.training_step import step, step_input
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.structure import Structure

TASKS = ("conduction", "polarity", "porosity")
SHAPES = ((64, 128), (1024, 1024), (4096, 8192))
MIXERS = {
    "Picard": ForwardIteration(),
    "Anderson, window 5": Anderson(),
    "Anderson, window 10": Anderson(window=10),
    "Broyden": Broyden(),
}
PASSES = {"Picard": 6, "Anderson, window 5": 26, "Anderson, window 10": 36, "Broyden": 0}
"""States that an evaluation's mixing reads and writes at least; 0: it grows with the steps."""
MOLECULES = {
    (8, 1, 1): ((0, 0, 0), (0.96, 0, 0), (-0.24, 0.93, 0)),
    (7, 1, 1, 1): ((0, 0, 0.1), (0.94, 0, -0.28), (-0.47, 0.81, -0.28), (-0.47, -0.81, -0.28)),
    (6, 8, 8): ((0, 0, 0), (1.16, 0, 0), (-1.16, 0, 0)),
    (6, 1, 1, 1, 1): ((0, 0, 0), (0.63, 0.63, 0.63), (-0.63, -0.63, 0.63), (-0.63, 0.63, -0.63), (0.63, -0.63, -0.63)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes and single runs")
    parser.add_argument("--out", type=Path, help="the table, a file; default: standard output alone")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here; try the program with --device cpu --quick")
    page = "\n".join(table(arguments.device, arguments.quick))
    print(page)
    if arguments.out:
        write_text(arguments.out, page + "\n")


def table(device: str, quick: bool) -> list[str]:
    """The page's lines."""
    repeats = 1 if quick else 7
    bandwidth = copy_bandwidth(device, 2**20 if quick else 2**28)
    lines = [machine_line(setting(device) | {"repeats": repeats}), "", f"Copy: {bandwidth / 1e9:.0f} GB/s.", ""]
    lines += ["| mixing of one evaluation | rows × width | µs | floor, µs |", "|---|---|---|---|"]
    for shape in SHAPES[:1] if quick else SHAPES:
        for name, micro, floor in mixing_times(device, shape, bandwidth, repeats):
            lines.append(f"| {name} | {shape[0]} × {shape[1]} | {micro:.0f} | {floor} |")
    lines += ["", "| model, structures | Picard | Anderson | training step, Picard | Anderson | peak memory of that |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [model_row(task, device, 4 if quick else 512, repeats) for task in TASKS]
    return lines


def copy_bandwidth(device: str, count: int) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.zeros(count, device=device)
    target, wait = torch.empty_like(source), waiter(device)
    return 2 * 4 * count / best_seconds(lambda: target.copy_(source), wait, 5)


def best_seconds(work, wait, repeats: int) -> float:
    """Least time of so many runs, after one that warms up."""
    took = []
    for _ in range(repeats + 1):
        wait()
        begin = time.perf_counter()
        work()
        wait()
        took.append(time.perf_counter() - begin)
    return min(took[1:])


def mixing_times(device: str, shape: tuple[int, int], bandwidth: float, repeats: int):
    """By solver its name, what it adds to an evaluation in µs, and the floor."""
    shift = torch.randn(shape, device=device)
    z0, wait, steps = torch.zeros_like(shift), waiter(device), 20

    def f(z):
        return torch.add(shift, z, alpha=0.999)

    def evaluations():
        z = z0
        for _ in range(steps + 1):
            z = f(z)

    plain = best_seconds(evaluations, wait, repeats)
    for name, solver in MIXERS.items():
        solver = replace(solver, rtol=1e-30, max_steps=steps)
        took = best_seconds(lambda solver=solver: solver.solve(f, z0), wait, repeats)
        moved = PASSES[name] * shift.numel() * 4 / bandwidth * 1e6
        yield name, (took - plain) / (steps + 1) * 1e6, f"{moved:.0f}" if moved else "–"


def images(task: str, recipe, count: int) -> ImageStore:
    """Images of so many structures for a task; the same ones again where there are fewer."""
    generator, made = np.random.default_rng(0), []
    if task == "polarity":
        structures = [
            Structure(np.array(numbers), np.array(positions) + generator.normal(0, 0.02, (len(numbers), 3)))
            for numbers, positions in list(MOLECULES.items()) * -(-count // len(MOLECULES))
        ]
    else:
        structures = demo_records()
    for i in range(min(2 * count, len(structures))):
        try:
            made.append(NodeNeighborImage.from_structure(structures[i], recipe))
        except InputError:
            continue
    return ImageStore.from_images((made * -(-count // len(made)))[:count], recipe)


def model_row(task: str, device: str, count: int, repeats: int) -> str:
    """One line of the second table: times in ms, evaluations, and memory in MiB."""
    scientist = load_for(task, None, device)
    posed = step_input(scientist, images(task, scientist.recipe, count), np.arange(count), device)
    wait, cells = waiter(device), []
    for name in (FORWARD, "anderson"):
        layer = Equilibrium(posed.cell, contenders(posed.config)[name])
        with torch.no_grad():
            took = best_seconds(lambda layer=layer: layer(posed.x, offsets=posed.offsets), wait, repeats)
        cells.append(f"{1e3 * took:.1f} ms, {layer.last.evaluations} evaluations")
    depth = layer.last.evaluations - 1
    for name in (FORWARD, "anderson"):
        took = best_seconds(lambda name=name: step(posed.without_gradients(), name, depth), wait, repeats)
        cells.append(f"{1e3 * took:.1f} ms")
    peak = peak_bytes(lambda: step(posed.without_gradients(), "anderson", depth), device)
    cells.append("–" if peak is None else f"{peak / 2**20:.0f} MiB")
    return f"| {task}, {count} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
