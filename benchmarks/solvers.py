"""The solver contest: fixed-point problems × our solvers and the peers'. See contest/README.md.

    pip install -e '.[peers]'
    python benchmarks/solvers.py [--published | --full] [--problem NAME]... [--device cuda] [--json FILE] [--markdown FILE]

The table in docs/ is written by: python benchmarks/solvers.py --published
--repeats 3 --evaluations 400 --seconds 0.7 --markdown docs/solver_contest.md
(the plot goes to pictures/ beside it). `andersonn measure solvers` compares our solvers alone, on fewer problems.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.cli.console import Bars
from andersonn.io.files import write_json, write_text, write_whole
from contest import contest, problems
from contest.figure import figure
from contest.report import claims_table, markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", action="store_true", help="the cases of the table in docs/: half an hour")
    parser.add_argument("--full", action="store_true", help="all precisions and batches: hours")
    parser.add_argument("--problem", action="append", help="only this one; may be given several times")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=600, help="at most, for each run")
    parser.add_argument("--seconds", type=float, default=10.0, help="a run that takes longer is timed once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    chosen = problems.full_cases if arguments.full else problems.quick_cases
    cases = problems.published_cases() if arguments.published else chosen()
    if arguments.problem:
        cases = problems.only(cases, arguments.problem)
    plan = contest.Plan(
        cases,
        max_evaluations=arguments.evaluations,
        repeats=arguments.repeats,
        seconds=arguments.seconds,
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
    )
    result = contest.run(plan, progress=Bars())
    print(claims_table(result["claims"]))
    if arguments.json:
        write_json(arguments.json, result)
    if arguments.markdown:
        picture = Path("pictures", f"{arguments.markdown.stem}.png")
        content = figure(result)
        write_whole(arguments.markdown.parent / picture, lambda name: Path(name).write_bytes(content))
        command = " ".join(["python benchmarks/solvers.py", *sys.argv[1:]])
        write_text(arguments.markdown, markdown(result, command, picture.as_posix()))


if __name__ == "__main__":
    main()
