"""What the map of a framework's voids costs, against the code of an earlier commit, and whether its numbers are the same.

    python benchmarks/voids.py RECORDS.parquet... [--records 350] [--most 1500] [--old f2c0206] [--json FILE]

The earlier code is checked out beside this one (`git worktree`). Each version runs in a process of its own, with one thread,
and both get the same structures in turn, the order changing from one to the next; a process times itself by the CPU time that
it has spent. Printed for each file: median and quartiles of milliseconds for each version and of their ratio, the ratio of
the totals, and the largest difference of any number of the structure and of its atoms.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 3
"""Structures that each process maps before it is timed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--records", dest="count", type=int, default=350, help="of each file, drawn at random")
    parser.add_argument("--most", type=int, default=1500, help="atoms of a structure")
    parser.add_argument("--old", default="f2c0206", help="commit to compare with")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.records)
        return
    with (
        earlier(arguments.old) as source,
        Version(source, arguments.records) as old,
        Version(ROOT / "src", arguments.records) as new,
    ):
        files = enumerate(arguments.records)
        found = {path.stem: compare(k, old, new, arguments.count, arguments.most) for k, path in files}
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


@contextmanager
def earlier(commit: str) -> Iterator[Path]:
    """The package's folder as it was at a commit."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(tree), commit], check=True, capture_output=True)
        try:
            yield tree / "src"
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True, capture_output=True)


class Version:
    """A process that maps voids with one version of the package."""

    def __init__(self, source: Path, records: list[Path]) -> None:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", *map(str, records)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one_thread, "PYTHONPATH": str(source)},
        )
        answer = self.ask()
        assert Path(answer["source"]).is_relative_to(source), answer
        self.sizes: list[int] = answer["sizes"]

    def ask(self, *question: int) -> dict:
        if question:
            self.process.stdin.write(" ".join(map(str, question)) + "\n")
            self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self) -> Version:
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait()


def work(paths: list[Path]) -> None:
    """Answers questions "file record" on stdin with the seconds that the voids took and what they are."""
    import andersonn
    from andersonn import Records
    from andersonn.errors import InputError
    from andersonn.structures.pores import Voids

    files = [Records.read(path) for path in paths]
    print(json.dumps({"source": andersonn.__file__, "sizes": [len(records) for records in files]}), flush=True)
    for line in sys.stdin:
        file, record = map(int, line.split())
        try:
            structure = files[file][record]
            start = time.process_time()
            voids = Voids.of(structure)
            seconds = time.process_time() - start
        except InputError as error:
            print(json.dumps({"refused": error.kind}), flush=True)
            continue
        numbers = {"whole": voids.by_structure.tolist(), "atoms": voids.by_atom.T.tolist()}
        print(json.dumps({"seconds": seconds, **numbers}), flush=True)


def compare(file: int, old: Version, new: Version, count: int, most: int) -> dict:
    """Both versions on some records of a file."""
    seconds, differences, refused, sizes = [], [], 0, []
    warm_up = WARM_UP
    for record in np.random.default_rng(0).permutation(new.sizes[file]):
        if len(seconds) == count:
            break
        order = [old, new] if len(seconds) % 2 else [new, old]
        answers = {version: version.ask(file, int(record)) for version in order}
        one, other = answers[old], answers[new]
        if "refused" in one or "refused" in other:
            assert one.get("refused") == other.get("refused"), (int(record), one, other)
            refused += 1
        elif warm_up:
            warm_up -= 1
        elif len(other["atoms"][0]) <= most:
            sizes.append(len(other["atoms"][0]))
            seconds.append([one["seconds"], other["seconds"]])
            parts = [np.abs(np.subtract(one["whole"], other["whole"]))]
            parts.append(np.abs(np.subtract(one["atoms"], other["atoms"])).max(axis=1))
            differences.append(np.concatenate(parts))
    return report(new, file, np.array(seconds), np.array(differences), np.array(sizes), refused)


def report(
    new: Version, file: int, seconds: np.ndarray, differences: np.ndarray, sizes: np.ndarray, refused: int
) -> dict:
    """Prints a file's results and returns them."""
    quartiles = lambda values: [round(float(q), 3) for q in np.percentile(values, [25, 50, 75])]  # noqa: E731
    found = {
        "records": len(seconds),
        "of": new.sizes[file],
        "refused by both": refused,
        "atoms": quartiles(sizes),
        "old ms": quartiles(1e3 * seconds[:, 0]),
        "new ms": quartiles(1e3 * seconds[:, 1]),
        "old / new": quartiles(seconds[:, 0] / seconds[:, 1]),
        "old / new, totals": round(float(seconds[:, 0].sum() / seconds[:, 1].sum()), 3),
        "largest difference": float(differences.max()),
        "records that differ": int((differences.max(axis=1) > 0).sum()),
        "records that differ by over 1e-6": int((differences.max(axis=1) > 1e-6).sum()),
    }
    for name, value in found.items():
        text = f"{value[1]:g} [{value[0]:g}, {value[2]:g}]" if isinstance(value, list) else f"{value:g}"
        print(f"{name:<34} {text}")
    print(flush=True)
    return found


if __name__ == "__main__":
    main()
