"""Many inputs over a few workers, watched, counted, and noted so that a run can go on after an interruption."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from andersonn.io.files import write_json
from tests.fuzz.corpus import ROOT, seeds
from tests.fuzz.judge import Finding
from tests.fuzz.worker import Box, save

HANG_SECONDS = 5.0
"""Processor seconds of one input, or …"""
STALL_SECONDS = 60.0
"""… seconds by the clock (a worker that waits uses no processor)."""
CHUNK = 400
PATIENCE = 240.0
"""Seconds that a worker may take to start."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Tally:
    """What became of the inputs so far; what of it is lost is tried again."""

    seed: int
    inputs: int
    next: int = 0
    open: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[list] = field(default_factory=list)
    guilty: list[int] = field(default_factory=list)
    slowest: list = field(default_factory=lambda: [0.0, -1, ""])
    peak_mb: float = 0.0
    images: int = 0
    arcs: int = 0
    kept: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    def add(self, report: dict) -> None:
        """Counts a worker's answer."""
        self.counts.update(report["counts"])
        self.findings += report["findings"]
        self.slowest = max(self.slowest, report["slowest"])
        self.images += report["images"]
        self.seconds += report["seconds"]
        for name in ("peak_mb", "arcs", "kept"):
            setattr(self, name, max(getattr(self, name), report[name]))

    @classmethod
    def read(cls, path: Path, seed: int, inputs: int) -> Tally:
        """The tally of an earlier run of the same seed, to go on with."""
        if not path.exists():
            return cls(seed, inputs)
        found = json.loads(path.read_text())
        if found["seed"] != seed:
            raise SystemExit(f"{path} is of seed {found['seed']}: give another --out")
        found["counts"] = Counter(found["counts"])
        return cls(**found | {"inputs": inputs})


class Hand:
    """One worker process and the chunk it works at."""

    def __init__(self, folder: Path, seed: int, guided: bool, number: int, module: str) -> None:
        self.box_path = folder / f"box-{number}"
        self.box = Box(self.box_path)
        self.box.idle()
        command = [sys.executable, "-m", module, str(folder), str(seed), str(self.box_path)]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [*command, "guided" if guided else "plain"], cwd=ROOT, env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.begin, self.started = -1, time.monotonic()

    def give(self, begin: int, end: int, skip: list[int]) -> None:
        self.begin = begin
        self.process.stdin.write(json.dumps({"begin": begin, "end": end, "skip": skip}) + "\n")
        self.process.stdin.flush()

    def hung(self) -> bool:
        """Whether the input on trial takes too long."""
        number, processor, clock = self.box.on_trial()
        if number == -1:
            return self.begin < 0 and time.monotonic() - self.started > PATIENCE
        spent = self._processor_seconds() - processor
        return spent > HANG_SECONDS or time.monotonic() - clock > STALL_SECONDS

    def _processor_seconds(self) -> float:
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()


def prepare(folder: Path, data: Path | None) -> None:
    """Writes the corpus."""
    for name in ("corpus", "kept"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not any((folder / "corpus").iterdir()):
        for kind, name, content in seeds(data):
            (folder / "corpus" / f"{kind}-{name}").write_bytes(content)


class Campaign:
    """A run of the fuzzer.

    Args:
        folder: corpus, findings, slow inputs and the tally go there; a run with the same folder goes on.
        inputs: how many are tried in all.
        seed: of the mutations. With several workers, or guided, mutants also depend on what was kept before.
        workers: processes.
        data: a folder of records, see :func:`tests.fuzz.corpus.seeds`.
        guided: keep mutants that reach new lines of the readers, and spoil those too.
        module: run as a worker; tests of the fuzzer give one that errs.
    """

    def __init__(
        self,
        folder: Path,
        inputs: int,
        seed: int = 0,
        workers: int = 1,
        data: Path | None = None,
        guided: bool = True,
        module: str = "tests.fuzz.worker",
    ) -> None:
        self.folder, self.workers, self.guided = folder.resolve(), workers, guided
        prepare(self.folder, data)
        self.tally = Tally.read(self.folder / "tally.json", seed, inputs)
        self._again, self._module = list(self.tally.open), module
        self._noted = 0.0

    def run(self, progress: Callable[[Tally], None] = lambda tally: None) -> Tally:
        """Tries all inputs that are left."""
        hands = [self._hand(k) for k in range(self.workers)]
        try:
            while any(hands):
                for k, hand in enumerate(hands):
                    if hand is not None and not self._attend(hand):
                        hand.kill()
                        hands[k] = self._hand(k) if self._again or self.tally.next < self.tally.inputs else None
                streams = [hand.process.stdout for hand in hands if hand]
                if streams:
                    select.select(streams, [], [], 0.2)
                self._note(hands)
                progress(self.tally)
        finally:
            for hand in filter(None, hands):
                hand.kill()
            self._note(hands, now=True)
        return self.tally

    def _hand(self, number: int) -> Hand:
        return Hand(self.folder, self.tally.seed, self.guided, number, self._module)

    def _attend(self, hand: Hand) -> bool:
        """Takes an answer and gives work; false if the worker is done for or not needed."""
        ready = select.select([hand.process.stdout], [], [], 0.0)[0]
        if not ready:
            if hand.hung():
                self._blame(hand, "hang", f"more than {HANG_SECONDS:g} s of processor time")
                return False
            return True
        line = hand.process.stdout.readline()
        if not line:
            code = hand.process.wait()
            self._blame(hand, "crash", f"the process died with status {code}")
            return False
        if hand.begin >= 0:
            self.tally.add(json.loads(line))
        hand.begin = -1
        begin = self._again.pop() if self._again else self.tally.next
        if begin >= self.tally.inputs:
            return False
        end = min(begin - begin % CHUNK + CHUNK, self.tally.inputs)
        self.tally.next = max(self.tally.next, end)
        hand.give(begin, end, self.tally.guilty)
        return True

    def _blame(self, hand: Hand, kind: str, detail: str) -> None:
        number = hand.box.on_trial()[0]
        if number == -1:
            raise RuntimeError(f"a worker ended before it tried anything: {detail}")
        form, name, content = hand.box.input()
        saved = save(self.folder, Finding(kind, detail), form, name, content)
        if number < 0:  # while learning: a kept mutant
            for path in (self.folder / "kept").glob(f"{form}-*"):
                if path.read_bytes() == content:
                    path.unlink()
            return
        self.tally.findings.append([number, kind, saved])
        self.tally.guilty.append(number)
        self.tally.counts[f"{form}\t!{kind}"] += 1
        self._again.append(hand.begin)

    def _note(self, hands: list[Hand | None], now: bool = False) -> None:
        if now or time.monotonic() - self._noted > 5.0:
            self._noted = time.monotonic()
            self.tally.open = [*self._again, *(hand.begin for hand in hands if hand and hand.begin >= 0)]
            write_json(self.folder / "tally.json", vars(self.tally))
