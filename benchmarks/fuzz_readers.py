"""Spoils real structure files in a million ways and reads them: each must end in structures or in a named error.

    python benchmarks/fuzz_readers.py --inputs 1000000 [--seed 0] [--workers 2] [--data FOLDER] [--out runs/fuzz]
    python benchmarks/fuzz_readers.py --replay runs/fuzz/findings/FILE…

A finding is another exception than a named error, the death of the process, more than 5 s of processor time (or 60 s by
the clock), or more than 1 GB of memory; its input is kept in OUT/findings with the trace beside it, inputs over 1 s in
OUT/slow. One in 50 readable inputs also becomes an image. Mutants that reach new lines of the readers are spoilt further.
A run that was interrupted goes on with the same --out. Needs a clone and Linux. Exit status 1 if something was found.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fuzz.campaign import HANG_SECONDS, Campaign, Tally
from tests.fuzz.corpus import SUFFIX
from tests.fuzz.judge import READ, RECIPES, WITH_VOIDS, Finding, image, judge

KEPT = re.compile(rf".+-({'|'.join(SUFFIX)})-[0-9a-f]{{10}}-(.+)", re.DOTALL)
"""Name of a kept input: what it was, format, hash, its own name."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder of records: structures of it join the corpus")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--plain", action="store_true", help="do not keep mutants that reach new lines")
    parser.add_argument("--replay", type=Path, nargs="+", help="read these kept inputs once more")
    arguments = parser.parse_args()
    if arguments.replay:
        sys.exit(sum(replay(path) for path in arguments.replay) > 0)
    campaign = Campaign(
        arguments.out, arguments.inputs, arguments.seed, arguments.workers, arguments.data, not arguments.plain
    )
    tally = campaign.run(Progress(campaign.tally))
    print(report(tally))
    sys.exit(bool(tally.findings))


class Progress:
    """A line every ten seconds, on stderr."""

    def __init__(self, tally: Tally) -> None:
        self._begin, self._before, self._last = time.monotonic(), tally.done, 0.0

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if now - self._last < 10.0:
            return
        self._last = now
        rate = (tally.done - self._before) / max(now - self._begin, 1e-9)
        left = (tally.inputs - tally.done) / rate / 60 if rate else float("nan")
        print(
            f"{tally.done:,} of {tally.inputs:,}, {rate:.0f}/s, {left:.0f} min left, {len(tally.findings)} findings, "
            f"slowest {tally.slowest[0]:.1f} s, {tally.peak_mb:.0f} MB, {tally.arcs} arcs, {tally.kept} kept",
            file=sys.stderr,
            flush=True,
        )


def report(tally: Tally) -> str:
    """The run in words."""
    rows: dict[str, Counter[str]] = {}
    for key, count in tally.counts.items():
        kind, ended = key.split("\t")
        rows.setdefault(kind, Counter())[ended] += count
    lines = [
        f"{tally.done:,} inputs, seed {tally.seed}",
        "",
        "| format | inputs | read | rejected | findings |",
        "|---|---|---|---|---|",
    ]
    for kind, ends in sorted(rows.items()):
        found = sum(count for end, count in ends.items() if end.startswith("!"))
        rejected = ends.total() - ends[READ] - found
        lines.append(f"| {kind} | {ends.total():,} | {ends[READ]:,} | {rejected:,} | {found} |")
    kinds = sum(rows.values(), Counter())
    lines += [
        "",
        "rejected as: " + ", ".join(f"{k} {n:,}" for k, n in kinds.most_common() if k[0] != "!" and k != READ),
    ]
    lines += ["findings: " + (", ".join(f"{k[1:]} {n}" for k, n in kinds.most_common() if k[0] == "!") or "none")]
    return "\n".join(lines) + (
        f"\nslowest input: {tally.slowest[0]:.2f} s of processor time {tally.slowest[2]}"
        f"\nmost memory: {tally.peak_mb:.0f} MB more than at the start"
        f"\nimages made: {tally.images:,}; arcs reached: {tally.arcs}; mutants kept: {tally.kept}"
        f"\nrate: {tally.done / max(tally.seconds, 1e-9):.0f} inputs a second of one core"
    )


def replay(path: Path) -> bool:
    """Whether a kept input is still a finding, read or made into an image of any kind."""
    kept = KEPT.fullmatch(path.name)
    kind, name = kept.groups() if kept else (path.suffix[1:], path.name)
    begin = time.process_time()
    try:
        ended, found = judge(kind, name, path.read_bytes())
        for recipe in (*RECIPES, WITH_VOIDS) if found else ():
            image(found[0], recipe)
    except Finding as finding:
        print(f"{path.name}: {finding.kind}\n{finding.detail}")
        return True
    spent = time.process_time() - begin
    print(f"{path.name}: {ended}, {spent:.2f} s")
    return spent > HANG_SECONDS


if __name__ == "__main__":
    main()
