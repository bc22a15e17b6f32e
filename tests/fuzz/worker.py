"""The process in which inputs are tried: it may die of them.

Reads lines of JSON, ``{"begin", "end", "skip"}``, and answers each with what became of those inputs. Before an input is
tried it stands in a file in shared memory, so that whoever watches knows what killed the process.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import random
import resource
import struct
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

HEAD = struct.Struct("<qddqqq")
"""Number of the input (-1: none), processor seconds and clock when it began, lengths of kind, name and content."""
BOX_BYTES = 4 << 20
SHARES = {"cif": 22, "xyz": 15, "poscar": 13, "pdb": 13, "mol2": 9, "mmcif": 9, "sdf": 11, "smi": 3, "word": 5}
PACKED = {"zip": 2, "tar": 2, "tgz": 1, "gz": 1, "bz2": 1, "xz": 1, "parquet": 2}
SHARES |= PACKED
ENDS = {"smi": b"\n", "sdf": b"$$$$"}
MOST_RECORDS = {"smi": 3, "sdf": 2}
TRACED = 8
"""One input in so many is traced."""
ON_DISK = 40
"""One input in so many is read from a file."""
GIGABYTE = 1 << 30


class Box:
    """The input on trial, in a file that two processes map."""

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size != BOX_BYTES:
            path.write_bytes(HEAD.pack(-1, 0.0, 0.0, 0, 0, 0) + bytes(BOX_BYTES - HEAD.size))
        with path.open("r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), BOX_BYTES)

    def put(self, number: int, kind: str, name: str, content: bytes) -> None:
        """Records the input that is tried next."""
        parts = [kind.encode(), name.encode(), content[: BOX_BYTES - 4096]]
        body = b"".join(parts)
        self._map[HEAD.size : HEAD.size + len(body)] = body
        self._map[: HEAD.size] = HEAD.pack(number, time.process_time(), time.monotonic(), *map(len, parts))

    def idle(self) -> None:
        """Nothing is on trial."""
        self._map[: HEAD.size] = HEAD.pack(-1, 0.0, 0.0, 0, 0, 0)

    def on_trial(self) -> tuple[int, float, float]:
        """Number of the input (-1 if none), processor seconds of the worker and the clock when it began."""
        return HEAD.unpack(self._map[: HEAD.size])[:3]

    def input(self) -> tuple[str, str, bytes]:
        """Kind, name and content of the input on trial."""
        *_, a, b, c = HEAD.unpack(self._map[: HEAD.size])
        body = self._map[HEAD.size : HEAD.size + a + b + c]
        return body[:a].decode(), body[a : a + b].decode(), body[a + b :]


class Pool:
    """Seeds by format, and the mutants that reached something new."""

    def __init__(self, folder: Path, guided: bool) -> None:
        self._kept, self.guided = folder / "kept", guided
        self.inputs: dict[str, list[bytes]] = {kind: [] for kind in SHARES}
        self.mutants: dict[str, list[bytes]] = {kind: [] for kind in SHARES}
        self._known: set[str] = set()
        for path in sorted((folder / "corpus").iterdir()):
            self.inputs[path.name.partition("-")[0]].append(path.read_bytes())

    def refresh(self) -> None:
        """Takes in what other workers kept."""
        for name in sorted(set(os.listdir(self._kept)) - self._known):
            self._known.add(name)
            self.mutants[name.partition("-")[0]].append((self._kept / name).read_bytes())

    def keep(self, kind: str, content: bytes) -> None:
        """Adds a mutant for this and the other workers."""
        name = f"{kind}-{hashlib.sha256(content).hexdigest()[:16]}"
        if name not in self._known and len(content) < 20_000:
            part = self._kept.parent / f"part-{os.getpid()}"
            part.write_bytes(content)
            os.replace(part, self._kept / name)
            self._known.add(name)
            self.mutants[kind].append(content)

    def draw(self, rng: random.Random, kind: str) -> bytes:
        """A seed or, as often, a kept mutant."""
        kept = self.mutants[kind]
        return rng.choice(kept if self.guided and kept and rng.random() < 0.5 else self.inputs[kind])


def made(pool: Pool, seed: int, number: int) -> tuple[str, str, bytes]:
    """Kind, name and content of an input."""
    from tests.fuzz import packed
    from tests.fuzz.corpus import SUFFIX

    rng = random.Random(f"{seed}:{number}")
    kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
    content = spoilt(pool, rng, kind)
    if kind in PACKED:
        content = packed.made(rng, kind, content, lambda inside: spoilt(pool, rng, inside))
    name = rng.choice(("POSCAR", "CONTCAR.bad")) if kind == "poscar" and rng.random() < 0.1 else f"case{SUFFIX[kind]}"
    return kind, name, content


def spoilt(pool: Pool, rng: random.Random, kind: str) -> bytes:
    """A mutant of a seed of that kind."""
    from tests.fuzz.mutations import mutate

    other = kind if rng.random() < 0.8 else rng.choice(list(SHARES))
    content = mutate(rng, pool.draw(rng, kind), pool.draw(rng, other))
    if kind in ENDS:  # each may need a geometry: a long file takes long, and that is no hang
        content = ENDS[kind].join(content.split(ENDS[kind])[: MOST_RECORDS[kind]])
    return content


class Worker:
    """Tries inputs and counts what became of them."""

    def __init__(self, folder: Path, seed: int, box: Path, guided: bool) -> None:
        from tests.fuzz.arcs import Arcs

        self._folder, self._seed, self._box = folder, seed, Box(box)
        self._scratch = box.parent / f"scratch-{box.name}"
        self._scratch.mkdir(exist_ok=True)
        self._pool, self._arcs = Pool(folder, guided), Arcs()
        self._pool.refresh()
        self._learn(None if guided else 1)
        bounded()
        self._start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._most = self._start

    def _learn(self, count: int | None) -> None:
        """Reads what is known to be sound, so that all is imported and, if guided, its arcs are not taken for new ones."""
        from tests.fuzz.corpus import SUFFIX
        from tests.fuzz.judge import Finding, judge

        for mutants in (False, True):
            for kind, contents in (self._pool.mutants if mutants else self._pool.inputs).items():
                for content in contents[: 10 if kind in ("word", "smi") else count][:count]:
                    if mutants:
                        self._box.put(-2, kind, f"case{SUFFIX[kind]}", content)
                    try:
                        self._arcs.new_of(lambda k=kind, c=content: judge(k, f"case{SUFFIX[k]}", c))
                    except Finding:
                        continue
        self._box.idle()

    def run(self, begin: int, end: int, skip: list[int]) -> dict:
        """What became of the inputs ``begin`` … ``end - 1``."""
        self._pool.refresh()
        counts: Counter[str] = Counter()
        report = {"findings": [], "slowest": [0.0, -1, ""], "images": 0}
        before = time.process_time()
        for number in range(begin, end):
            if number not in skip:
                self._try(number, counts, report)
        self._box.idle()
        return report | {
            "counts": dict(counts), "peak_mb": (self._most - self._start) / 1024, "arcs": len(self._arcs.seen),
            "kept": sum(map(len, self._pool.mutants.values())), "seconds": time.process_time() - before,
        }  # fmt: skip

    def _try(self, number: int, counts: Counter[str], report: dict) -> None:
        from tests.fuzz.judge import IMAGED, READ, Finding, image, judge, recipe_for

        kind, name, content = made(self._pool, self._seed, number)
        self._box.put(number, kind, name, content)
        rng = random.Random(number)
        folder = self._scratch if kind in PACKED or rng.random() * ON_DISK < 1 else None
        traced = self._pool.guided and rng.random() * TRACED < 1
        before, new = time.process_time(), 0
        try:
            if traced:
                (ended, found), new = self._arcs.new_of(lambda: judge(kind, name, content, folder))
            else:
                ended, found = judge(kind, name, content, folder)
            spent = time.process_time() - before
            if ended == READ and rng.random() * IMAGED < 1:
                report["images"] += 1
                image(found[0], recipe_for(found[0], rng))
        except Finding as finding:
            ended, spent = f"!{finding.kind}", time.process_time() - before
            report["findings"].append([number, finding.kind, save(self._folder, finding, kind, name, content)])
        counts[f"{kind}\t{ended}"] += 1
        if new:
            self._pool.keep(kind, content)
        if spent > report["slowest"][0]:
            report["slowest"] = [spent, number, save_slow(self._folder, spent, kind, name, content)]
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if most > self._most + 65536:
            (self._folder / "large").mkdir(exist_ok=True)
            (self._folder / "large" / f"{(most - self._start) // 1024}MB-{number}-{name}").write_bytes(content)
        self._most = max(self._most, most)


def save(folder: Path, finding: Exception, kind: str, name: str, content: bytes) -> str:
    """Keeps an input that ended as it must not, with the trace beside it."""
    what = "".join(c if c.isalnum() else "-" for c in finding.kind)
    stem = f"{what}-{kind}-{hashlib.sha256(content).hexdigest()[:10]}"
    (folder / "findings").mkdir(exist_ok=True)
    (folder / "findings" / f"{stem}-{name}").write_bytes(content)
    (folder / "findings" / f"{stem}.txt").write_text(finding.detail)
    return f"{stem}-{name}"


def save_slow(folder: Path, seconds: float, kind: str, name: str, content: bytes) -> str:
    """Keeps an input that took more than a second."""
    if seconds < 1.0:
        return ""
    (folder / "slow").mkdir(exist_ok=True)
    stem = f"{seconds:04.1f}s-{kind}-{hashlib.sha256(content).hexdigest()[:10]}-{name}"
    (folder / "slow" / stem).write_bytes(content)
    return stem


def bounded() -> None:
    """From now on the process gets at most 1 GB more of address space."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + GIGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    folder, seed, box, guided = sys.argv[1:]
    warnings.simplefilter("ignore")
    import rdkit.Chem.AllChem  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # libraries print there
    os.dup2(quiet, 2)
    worker = Worker(Path(folder), int(seed), Path(box), guided == "guided")
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(worker.run(**json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
