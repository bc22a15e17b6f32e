"""Predictions at equal answers: each solver with each aid, and the same aids for every solver.

    python benchmarks/inference.py --data FOLDER … [--tasks conduction …] [--networks shipped "free convolution"]
        [--seeds 0 1 2] [--limit 500] [--repeats 3] [--out runs/inference]
    python benchmarks/inference.py --show [--out runs/inference]

Networks as in ``acceleration.py``: the shipped weights, and the convolution whose norm is not bounded, trained here as there,
once a seed. Of the shipped weights a seed draws the test structures. No label of the test side is read.

Solvers: Picard iteration, undamped and with β = 0.8, 0.7, 0.5, 0.3; Anderson as the model configures it; the automatic window.
Aids: the loosest tolerance of :data:`LADDER` that leaves 99.9 % of validation structures in their class, a learned first state,
early exit, the last two together, and bfloat16. Each aid is fitted for each solver by itself. "Layers" is the explicit stack: the
same weights, unrolled to the fewest layers that leave 99.9 % of validation structures in their class.

All answer the same test structures from images in memory, in turn, one round uncounted; seconds are of the processor, one thread:
batch, encoder, solve and head. "From files" adds what ``Scientist.predict`` takes for the same structures besides: reading,
image, calibration and applicability domain. "Same class" is compared with a solve to 1e-6.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import ase.io
import numpy as np
import torch
from ase import Atoms

from acceleration import DAMPING, NETWORKS, ranged
from andersonn import Scientist
from andersonn.config import config_of
from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.splits import split_of
from andersonn.data.store import ImageStore, image_store
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.early_exit import EarlyExit, class_scores, forward_early_exit
from andersonn.inference.fitted import Calibration
from andersonn.inference.forward import Outputs, forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.prediction import Failure
from andersonn.io.files import write_json
from andersonn.measuring.setting import cpu_name
from andersonn.models import EquilibriumNetwork, Stack
from andersonn.models.network import StateGuess
from andersonn.scientists.registry import find
from andersonn.solvers import Anderson, Picard, Solver
from andersonn.training.early_exit_fitting import fit_early_exit
from andersonn.training.first_state import fit_first_state
from andersonn.training.trainer import Trainer
from readings import FILES, STUDY, read, run_or_show

LADDER = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)
LAYERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
ENOUGH = 0.999
RIGHT = 0.998
"""Least share of test structures in the class of the tight solve for a row to count as a baseline at equal answers."""
BUDGET = 200
TIGHT = Anderson(rtol=1e-6, max_steps=500)
PICARD = "Picard"
ANDERSON = ("Anderson", "automatic")
AIDS = ("no aid", "loosest tolerance", "learned first state", "early exit", "first state and early exit", "bfloat16")
FROM_FILES = 60
"""Structures whose reading is timed."""
Asked = Callable[[np.ndarray], Outputs]


class Images(NamedTuple):
    """Records, their images, and the usable ones of each side."""

    records: Records
    store: ImageStore
    sides: dict[str, np.ndarray]


def networks(
    task: str, kind: str, folders: list[Path], limit: int, seed: int
) -> tuple[EquilibriumNetwork, Images, tuple[int, ...]]:
    """A trained network, images of some records of each side of its own split, and :func:`positions_of` its thresholds."""
    if kind == "shipped":
        bundle = Scientist.load(task).bundle
        images = drawn(labelled(task, tuple(folders)), bundle, limit, seed)
        return bundle.network.eval(), images, positions_of(bundle.calibration)
    dataset = read(task, folders)
    own = (*STUDY[task]["options"], "device=cpu", f"seed={seed}", "model.initializer=false", *NETWORKS[kind])
    trainer = Trainer(dataset, find(task).task, config_of(find(task), overrides=list(own)))
    while not trainer.done:
        trainer.run_epoch()
    trainer.use_best()
    draw = np.random.default_rng(seed)
    sides = {side: np.sort(draw.permutation(i)[:limit]) for side, i in dataset.sides.items()}
    images = Images(dataset.records, dataset.store, sides)
    return trainer.network.eval(), images, positions_of(trainer.raw_calibration)


@cache
def labelled(task: str, folders: tuple[Path, ...]) -> Records:
    """All records of a task's files; read once, since joining the groups of two files takes a minute."""
    files = [next(folder / file for folder in folders if (folder / file).exists()) for file in FILES[task]]
    return read_records(files, labels=(find(task).task.quantity,))


def drawn(records: Records, bundle: ModelBundle, limit: int, seed: int) -> Images:
    """Images of ``limit`` records of each side of the bundle's own split; those that make none are left out."""
    draw = np.random.default_rng(seed)
    chosen = {side: np.sort(draw.permutation(i)[:limit]) for side, i in split_of(records, bundle.config.split).items()}
    part = records.take(np.concatenate(list(chosen.values())))
    store = image_store(part, bundle.config.image)
    ends = np.cumsum([0, *map(len, chosen.values())])
    usable = store.n_rows > 0
    sides = {s: a + np.flatnonzero(usable[a:b]) for s, a, b in zip(chosen, ends[:-1], ends[1:], strict=True)}
    return Images(part, store, sides)


class Ways:
    """Every solver with every aid, for one network."""

    def __init__(self, network: EquilibriumNetwork, images: Images, seed: int, positions: tuple[int, ...] = ()) -> None:
        self.positions = positions
        self.network, self.store, self.sides = network, images.store, images.sides
        self.layer, self.own = network.equilibrium, replace(network.equilibrium.solver, max_steps=BUDGET)
        self.guess = StateGuess(self.layer.cell, network.config.width)
        self.layer.initializer = self.guess
        fit_first_state(network, self.store, self.sides["train"], seed=seed)
        self.layer.initializer = None
        self.tight = classes(self.answers(TIGHT)(self.sides["validation"]), positions)

    def solvers(self) -> dict[str, Solver]:
        """Name → solver, to the model's tolerance."""
        plain = Picard(rtol=self.own.rtol, max_steps=BUDGET)
        damped = {f"{PICARD}, β = {beta:g}": replace(plain, mixing=beta) for beta in DAMPING}
        return {PICARD: plain, **damped, ANDERSON[0]: self.own, ANDERSON[1]: replace(self.own, window="auto")}

    def all(self) -> dict[tuple[str, str], tuple[Asked, str]]:
        """(solver, aid) → how, and what was chosen for it; aids that save nothing on validation are left out."""
        found: dict[tuple[str, str], tuple[Asked, str]] = {}
        for name, solver in self.solvers().items():
            loose = self.loosest(solver)
            half = partial(torch.autocast, "cpu", torch.bfloat16)
            found[name, AIDS[0]] = self.answers(solver), ""
            found[name, AIDS[1]] = self.answers(loose), f"{loose.rtol:g}"
            found[name, AIDS[2]] = self.answers(solver, self.guess), ""
            for aid, first in ((AIDS[3], None), (AIDS[4], self.guess)):
                rule = self.rule(solver, first)
                if rule is not None:
                    way = partial(forward_early_exit, rule=rule)
                    found[name, aid] = self.answers(solver, first, way), f"{rule.rtol:g}"
            found[name, AIDS[5]] = self.answers(solver, around=half), ""
        layers = self.fewest_layers()
        if layers is not None:
            found["explicit stack", AIDS[0]] = self.stacked(layers), f"{layers} layers"
        return found

    def answers(
        self,
        solver: Solver,
        first: torch.nn.Module | None = None,
        way: Callable[..., Outputs] = forward,
        around: Callable[[], AbstractContextManager] = nullcontext,
    ) -> Asked:
        """Answers with a solver, perhaps from a learned first state, in another way, inside a context."""

        def asked(indices: np.ndarray) -> Outputs:
            with self.solving(solver, first), around():
                return way(self.network, self.store, indices)

        return asked

    @contextmanager
    def solving(self, solver: Solver, first: torch.nn.Module | None) -> Iterator[None]:
        """The network solves so inside this block."""
        self.layer.solver, self.layer.initializer = solver, first
        try:
            yield
        finally:
            self.layer.solver, self.layer.initializer = self.own, None

    def stacked(self, layers: int) -> Asked:
        """Answers of the same weights as an explicit, tied stack."""

        def asked(indices: np.ndarray) -> Outputs:
            self.network.equilibrium = Stack([self.layer.cell], layers)
            try:
                return forward(self.network, self.store, indices)
            finally:
                self.network.equilibrium = self.layer

        return asked

    def keeps(self, asked: Asked) -> bool:
        """Whether enough validation structures keep their class."""
        return bool((classes(asked(self.sides["validation"]), self.positions) == self.tight).mean() >= ENOUGH)

    def loosest(self, solver: Solver) -> Solver:
        """The solver at the loosest tolerance that leaves the classes of validation structures as they are."""
        looser = (replace(solver, rtol=rtol) for rtol in LADDER if rtol > solver.rtol)
        return next((each for each in looser if self.keeps(self.answers(each))), solver)

    def fewest_layers(self) -> int | None:
        """Layers of the explicit stack; None where even the deepest changes classes."""
        return next((n for n in LAYERS if self.keeps(self.stacked(n))), None)

    def rule(self, solver: Solver, first: torch.nn.Module | None) -> EarlyExit | None:
        """The early-exit rule of a solver, fitted on validation structures."""
        chosen = self.sides["validation"]
        with self.solving(solver, first):
            full = forward(self.network, self.store, chosen)
            return fit_early_exit(self.network, self.store, chosen, full, self.positions)


def classes(outputs: Outputs, positions: tuple[int, ...]) -> np.ndarray:
    """Of scores of classes, or of masses by where the thresholds lie among them."""
    return class_scores(outputs.scores, positions).argmax(axis=1)


def positions_of(calibration: Calibration | DistributionCalibration) -> tuple[int, ...]:
    """Of the thresholds among the masses of distributions; none for scores of classes."""
    return calibration.class_positions() if isinstance(calibration, DistributionCalibration) else ()


def compare(
    network: EquilibriumNetwork, images: Images, repeats: int, seed: int, positions: tuple[int, ...] = ()
) -> dict[str, Any]:
    """All ways in turn; ``positions`` as of :func:`positions_of`."""
    ways = Ways(network, images, seed, positions)
    test = images.sides["test"]
    tight, every = classes(ways.answers(TIGHT)(test), positions), ways.all()
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in every}
    outputs: dict[tuple[str, str], Outputs] = {}
    for round_ in range(repeats + 1):
        for key, (asked, _) in every.items():
            begin = process_time()
            outputs[key] = asked(test)
            if round_:
                seconds[key].append((process_time() - begin) / len(test))
    rows = []
    for key, found in outputs.items():
        solver, aid = key
        stack = isinstance(found.residual, np.ndarray) and np.isnan(found.residual).all()
        rows.append(
            {
                "solver": solver,
                "aid": aid,
                "chosen": every[key][1],
                "evaluations": float((found.steps + (not stack)).mean()),
                "seconds": float(np.median(seconds[key])),
                "same_class": float((classes(found, positions) == tight).mean()),
                "unconverged": 0.0 if stack else float((found.status != 0).mean()),
            }
        )
    return {"n": len(test), "rtol": ways.own.rtol, "rows": rows}


def seconds_besides(task: str, images: Images) -> float:
    """Seconds a structure of a whole ``predict`` from files, less those of the network: reading, image, and what follows."""
    scientist, chosen = Scientist.load(task), images.sides["test"][:FROM_FILES]
    bundle = scientist.bundle
    store = image_store(images.records.take(chosen), bundle.config.image)
    whole, network = [], []
    with tempfile.TemporaryDirectory() as folder:
        paths = [written(images.records[int(i)], Path(folder) / f"{k}") for k, i in enumerate(chosen)]
        for _ in range(4):
            begin = process_time()
            answers = scientist.predict(paths)
            middle = process_time()
            forward(bundle.network, store, np.arange(len(chosen)))
            whole.append(middle - begin)
            network.append(process_time() - middle)
    failed = [each for each in answers if isinstance(each, Failure)]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(paths)} written structures were not answered: {failed[0]}")
    return (float(np.median(whole[1:])) - float(np.median(network[1:]))) / len(paths)


def written(structure: Any, path: Path) -> str:
    """A structure as a CIF file, or as xyz if it is no crystal; its path."""
    periodic = structure.cell is not None
    atoms = Atoms(structure.Z, structure.xyz, cell=structure.cell if periodic else None, pbc=periodic)
    file = path.with_suffix(".cif" if periodic else ".xyz")
    ase.io.write(file, atoms)
    return str(file)


def tables(found: dict[str, Any]) -> str:
    """Markdown: a table a task and network; medians over the seeds, and the range of the ratios."""
    lines = [f"{found['machine']}, PyTorch {found['torch']}.", ""]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in found["runs"]:
        groups.setdefault((each["task"], each["network"]), []).append(each)
    for (task, network), runs in groups.items():
        seeds = ", ".join(str(each["seed"]) for each in runs)
        lines += [f"### {task}, {network}", ""]
        lines += [f"Seeds {seeds}; {runs[0]['n']} structures each, to {runs[0]['rtol']:g}.", ""]
        lines += [
            "| aid | solver | evaluations | from images, times as fast | from files | same class | not converged |"
        ]
        lines += ["|---" * 7 + "|", *rows_of(runs), "", *summary(runs), ""]
    return "\n".join(lines)


def rows_of(runs: list[dict[str, Any]]) -> list[str]:
    """A row for each aid and solver that every seed has."""
    by_key = [{(row["aid"], row["solver"]): row for row in each["rows"]} for each in runs]
    keys = [key for key in sorted(by_key[0], key=_order) if all(key in each for each in by_key)]
    lines = []
    for key in keys:
        picked = [each[key] for each in by_key]
        plain = [each[AIDS[0], PICARD]["seconds"] for each in by_key]
        images = [p / row["seconds"] for p, row in zip(plain, picked, strict=True)]
        files = [
            (p + each["besides"]) / (row["seconds"] + each["besides"])
            for p, row, each in zip(plain, picked, runs, strict=True)
        ]
        chosen = "/".join(dict.fromkeys(row["chosen"] for row in picked if row["chosen"]))
        middle = {name: np.median([row[name] for row in picked]) for name in ("evaluations", "unconverged")}
        lines.append(
            f"| {key[0]}{f' ({chosen})' if chosen else ''} | {key[1]} | {middle['evaluations']:.2f} | "
            f"{ranged(images)} | {ranged(files)} | "
            f"{min(row['same_class'] for row in picked):.4f} | {middle['unconverged']:.1%} |"
        )
    return lines


def _order(key: tuple[str, str]) -> int:
    return AIDS.index(key[0])


def summary(runs: list[dict[str, Any]]) -> list[str]:
    """For each aid: the faster of Anderson's two beside the fastest other solver with the same aid and the same classes."""
    lines = ["| aid | Anderson's seconds beside those of the best other solver, times as fast | evaluations, fewer |"]
    lines += ["|---|---|---|"]
    for aid in AIDS:
        pairs = [pair for pair in (_best(each["rows"], aid) for each in runs) if pair is not None]
        if not pairs:
            continue
        faster = [other["seconds"] / ours["seconds"] for ours, other in pairs]
        fewer = [other["evaluations"] / ours["evaluations"] for ours, other in pairs]
        names = "/".join(dict.fromkeys(other["solver"] for _, other in pairs))
        lines.append(f"| {aid} | {ranged(faster)} ({names}) | {ranged(fewer)} |")
    return lines


def _best(rows: list[dict[str, Any]], aid: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    right = [row for row in rows if row["aid"] == aid and row["same_class"] >= RIGHT]
    ours = [row for row in right if row["solver"] in ANDERSON]
    others = [row for row in right if row["solver"] not in ANDERSON]
    if not ours or not others:
        return None
    fastest: Callable[[dict[str, Any]], float] = lambda row: row["seconds"]  # noqa: E731
    return min(ours, key=fastest), min(others, key=fastest)


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compares those that are asked for and not there yet."""
    out = arguments.out.with_suffix(".json")
    found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"runs": []}
    found |= {"machine": f"{cpu_name()}, one thread", "torch": torch.__version__}
    for kind, task, seed in product(arguments.networks, arguments.tasks, arguments.seeds):
        where = {"task": task, "network": kind, "seed": seed}
        if any(where.items() <= each.items() for each in found["runs"]):
            continue
        network, images, positions = networks(task, kind, arguments.data, arguments.limit, seed)
        result = compare(network, images, arguments.repeats, seed, positions)
        result["besides"] = seconds_besides(task, images)
        found["runs"].append(where | result)
        write_json(out, found)
        print(f"{task}, {kind}, seed {seed}: done", flush=True)
    return found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[Path()])
    parser.add_argument("--tasks", nargs="+", choices=tuple(STUDY), default=list(STUDY))
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=["shipped", "free convolution"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/inference"))
    return parser.parse_args()


def main() -> None:
    run_or_show(parsed(), study, tables)


if __name__ == "__main__":
    main()
