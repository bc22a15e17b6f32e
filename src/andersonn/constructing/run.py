"""``construct``: from a table to a calibrated, tested, reported model in a folder."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from andersonn.constructing.candidates import Candidate, baselines, last_layers
from andersonn.constructing.content import content_of
from andersonn.constructing.finishing import Finished, finished
from andersonn.constructing.forest import forest
from andersonn.constructing.learning import at_twice, learning_curve
from andersonn.constructing.material import Material, Start, material_for, starts_for, task_of, with_sides
from andersonn.constructing.measures import score_of
from andersonn.constructing.own_networks import FEWEST, Adapted, adapt, passes_within, validation_rows
from andersonn.constructing.report import verdict, write_report
from andersonn.constructing.understanding import Understanding
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_digest
from andersonn.data.store import image_store
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.io.files import alone_in, from_json, require_writable, write_json, write_whole
from andersonn.progress import Progress, Silent
from andersonn.training.folder import check_free, is_finished

BUDGET = 120.0
"""Seconds."""
CONSTRUCTION = "construction.json"
SECONDS_OF_VOIDS, SHARE = 0.06, 0.3
"""That pores of a structure take, about; and the share of the budget that they may take."""
TABLE = "table.parquet"
"""The usable rows with their sides: ``evaluate`` prints the test again from it."""
LEFT = 0.7
"""Share of the time left that training may take."""
NETWORK = "network"
"""Folder inside the model's, while a network of its own is trained."""


@dataclass(frozen=True, eq=False)
class Construction:
    """What a construction made.

    Attributes:
        folder: of the model.
        content: everything that the report shows, as JSON.
    """

    folder: Path
    content: dict[str, Any]

    def as_text(self) -> str:
        """What became of it, in a few lines."""
        return f"{verdict(self.content)}\n{self.folder / 'report.html'}"

    def as_dict(self) -> dict[str, Any]:
        """The content, as JSON."""
        return {"folder": str(self.folder), **self.content}


@dataclass(frozen=True, eq=False)
class _Tried:
    """All that was tried: the material with the shipped network alone, that of the chosen candidate, all candidates, and the network
    that was trained further.
    """

    shipped: Material
    material: Material
    candidates: list[Candidate]
    chosen: Candidate
    adapted: Adapted | None


def construct(
    understood: Understanding,
    out: Path,
    *,
    budget_s: float = BUDGET,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    command: str = "",
    start: Start | None = None,
) -> Construction:
    """Makes a scientist of a table. It tries last layers on shipped networks, networks of its own and simple baselines. It chooses by
    structures that they have not seen, calibrates, tests once, and writes the model's folder with ``report.html``.

    Args:
        understood: the table.
        out: folder; made if needed.
        budget_s: wall-clock seconds that trying may take, about.
        seed: of all draws.
        resume: go on with an unfinished construction in ``out``; a finished one is left as it is.
        progress: listener.
        command: for the report.
        start: the only model to start from; None: the shipped ones of that kind of structure.

    Raises:
        UsageError: too few structures can be used, or ``out`` is taken, holds another construction, or cannot be written to.
    """
    progress, began, cpu = progress or Silent(), time.monotonic(), time.process_time()
    require_writable(out)
    digest = _digest(understood, seed)
    with alone_in(out):
        if resume and is_finished(out) and (out / CONSTRUCTION).is_file():
            return _read(out, digest)
        check_free(out, resume)
        tried = _tried(understood, out, budget_s, seed, resume, progress, began, start)
        progress.start("calibration and test", 1)
        done = _finished(tried, understood, seed)
        known = tried.chosen if tried.chosen.baseline else _last_layer(tried)
        curve = learning_curve(tried.shipped, known, seed)
        progress.finish()
        spent = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu}
        content = content_of(understood, tried.material, tried.candidates, tried.chosen, done, curve, at_twice(curve))
        content |= {"command": command, "digest": digest, **spent}
        _write(out, done.bundle, content, with_sides(understood))
    return Construction(out, content)


def _digest(understood: Understanding, seed: int) -> str:
    """SHA-256 of all that a construction depends on but for time: structures, values, sides, question and seed."""
    records = with_sides(understood)
    parts = (
        split_digest(records, SplitRule()), records.label_digest(understood.quantity), str(task_of(understood)), str(seed),
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read(out: Path, digest: str) -> Construction:
    """The finished construction in a folder.

    Raises:
        UsageError: it is of another table, question or seed.
    """
    content = from_json((out / CONSTRUCTION).read_text(encoding="utf-8"))
    if content.get("digest") != digest:
        told = f"{str(out)!r} holds a scientist of another table, target, split or seed"
        raise UsageError("taken", told, "choose another --out or delete it")
    return Construction(out, content)


def _tried(
    understood: Understanding, out: Path, budget_s: float, seed: int, resume: bool, progress: Progress, began: float,
    start: Start | None,
) -> _Tried:  # fmt: skip
    """All candidates, and the best of them."""
    starts = starts_for(understood) if start is None else [start]
    material, candidates = _last_layers(understood, starts, budget_s, seed, progress, began)
    layer = min(candidates, key=lambda each: each.score)
    progress.start("baselines", 3)
    simple: list[Candidate] = []
    for baseline in baselines(material):
        simple.append(baseline)
        progress.update(len(simple))
    simple.append(grown := forest(material, seed))
    progress.finish()
    best = min(layer, grown, key=lambda each: each.score)
    left, adapted = budget_s - (time.monotonic() - began), None
    if len(material.dataset.sides["train"]) >= FEWEST and (passes := passes_within(material, LEFT * left)):
        progress.say(f"the {material.start.task.name} network is trained further: {passes} passes")
        adapted = adapt(understood, material, layer, out / NETWORK, passes, seed, resume, progress)
    if adapted is None:
        return _Tried(material, material, [*candidates, *simple], best, None)
    rival = score_of(adapted.rival) if best is layer else grown.extra["among"](validation_rows(material))
    tried = [*candidates, adapted.under_last_layer, adapted.alone, *simple]
    found = min(adapted.under_last_layer, adapted.alone, key=lambda each: each.score)
    if found.score < rival:
        found = replace(found, note=f"{found.note}, where the {best.name} has {rival:.3g}")
        tried = [found if each.name == found.name else each for each in tried]
        return _Tried(material, adapted.material if found.fitted else material, tried, found, adapted)
    return _Tried(material, material, tried, best, adapted)


def _last_layers(
    understood: Understanding, starts: list[Start], budget_s: float, seed: int, progress: Progress, began: float
) -> tuple[Material, list[Candidate]]:
    """Last layers on each shipped scientist of that matter that there is time for; the material of the best."""
    found: list[tuple[Material, list[Candidate]]] = []
    for given in starts:
        left = budget_s - (time.monotonic() - began)
        slow = given.slow and SECONDS_OF_VOIDS * len(understood.records) > SHARE * left
        if found and slow:
            progress.say(f"{given.name} is not tried: its images take longer than the budget allows")
            continue
        material = material_for(understood, given, seed, progress)
        progress.start(f"last layers on {given.name}", 3)
        layers = []
        for k, each in enumerate(last_layers(material, seed), start=1):
            layers.append(each)
            progress.update(k)
        progress.finish()
        found.append((material, layers))
    return min(found, key=lambda pair: min(each.score for each in pair[1]))


def _last_layer(tried: _Tried) -> Candidate:
    """The best last layer on the shipped network alone: of it alone is known what it answers without each fold."""
    layers = (
        each
        for each in tried.candidates
        if each.fitted is not None and each.measured_on == len(tried.shipped.fitted) and not each.baseline
    )
    return min(layers, key=lambda each: each.score)


def _finished(tried: _Tried, understood: Understanding, seed: int) -> Finished:
    """The chosen model, calibrated and tested."""
    if tried.chosen.fitted is None:
        return _of_network(tried, understood)
    return finished(tried.chosen, tried.material, understood, seed)


def _of_network(tried: _Tried, understood: Understanding) -> Finished:
    """The test of a network that was calibrated and tested by its training."""
    assert tried.adapted is not None  # it is what was chosen
    bundle, material = tried.adapted.bundle, tried.material
    store = image_store(understood.records, bundle.config.image)
    tested, tested_rows = forward(bundle.network, store, material.tested), store.n_rows[material.tested]
    bundle = replace(bundle, provenance=bundle.provenance | {"metrics": {"test": bundle.provenance["metrics"]["test"]}})
    assert bundle.domain is not None  # a training fits one
    distances = bundle.domain.distance(tested.states, tested_rows)
    return Finished(bundle, tested, distances, bundle.provenance["metrics"]["test"])


def _write(out: Path, bundle: ModelBundle, content: dict[str, Any], records: Records) -> None:
    """All files; ``model.json`` last, so that a killed construction is not taken for a finished one."""
    write_whole(out / TABLE, lambda name: pq.write_table(records.table, name))
    write_json(out / CONSTRUCTION, content)
    write_report(content, out)
    write_json(out / "metrics.json", bundle.provenance["metrics"])
    bundle.save(out)
    shutil.rmtree(out / NETWORK, ignore_errors=True)
