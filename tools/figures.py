"""The figures of the web lab's page Measurements, from the tables of the documentation.

    python tools/figures.py

writes src/andersonn/web/figures.json. Every number in it stands in a table or a sentence of docs/, which a command measured; none is
typed here. A figure has a verdict on Anderson, which is checked against its numbers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "src/andersonn/web/figures.json"
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
TASKS = ("conduction", "polarity", "porosity")
PICARD, ANDERSON = "Picard iteration", "Anderson"
GROUPS = {
    "scientists": "The scientists",
    "ahead": "Where Anderson wins",
    "level": "Where it makes no difference",
    "behind": "Where it loses",
}
Table = dict[str, list[str]]
"""Name of a row → its cells."""


def plain(cell: str) -> str:
    """A cell without the marks of Markdown."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell.strip()).replace("**", "").replace("`", "")


def rows_of(page: str, *columns: str, under: str = "") -> list[list[str]]:
    """Head and rows of the first table of a page of docs/ that has these columns, below a heading if one is named.

    Raises:
        LookupError: there is none.
    """
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if under and f"{under}\n" not in text:
        raise LookupError(f"docs/{page} has no heading {under!r}; tell tools/figures.py the new one")
    text = text.partition(f"{under}\n")[2] if under else text
    for block in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.M):
        rows = [[plain(cell) for cell in line.strip("|").split("|")] for line in block.strip().split("\n")]
        if all(column in rows[0] for column in columns):
            return [rows[0], *rows[2:]]
    raise LookupError(
        f"docs/{page} has no table with the columns {', '.join(columns)}; tell tools/figures.py its new ones"
    )


def table(page: str, *columns: str, under: str = "") -> Table:
    """The same by the names of rows, the head as ``""``; of equal names the first counts."""
    head, *rows = rows_of(page, *columns, under=under)
    found = {"": head}
    for row in rows:
        found.setdefault(row[0], row)
    return found


def said(page: str, pattern: str) -> str:
    """What a sentence of a page says at the group of a pattern.

    Raises:
        LookupError: no sentence has it.
    """
    text = re.sub(r"\s+", " ", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    found = re.search(pattern, text)
    if not found:
        raise LookupError(f"docs/{page} does not say {pattern!r}")
    return found[1]


def number(cell: str) -> float:
    """The first number of a cell."""
    found = NUMBER.search(cell)
    if not found:
        raise ValueError(f"{cell!r} holds no number")
    return float(found[0].replace(",", ""))


def role(name: str) -> str:
    """Whose row it is, which gives its color."""
    if "damped" in name or "β" in name:
        return "damped"
    for words, found in ((ANDERSON, "anderson"), (PICARD, "picard")):
        if name.startswith(words):
            return found
    return "own" if name.startswith("this network") else "other"


def bar(name: str, text: str, group: str = "", unit: str = "", kind: str = "") -> dict[str, Any]:
    """A bar; its length is the number of the text."""
    shown = f"{number(text):,.10g}" if "," in text else NUMBER.search(text)[0]  # type: ignore[index]
    return {"label": name, "group": group, "value": number(text), "text": f"{shown}{unit}", "role": kind or role(name)}


def figure(id: str, group: str, title: str, sentence: str, **rest: Any) -> dict[str, Any]:
    """A figure as the page draws it."""
    return {"id": id, "group": group, "title": title, "sentence": sentence, **rest}


def accuracy() -> dict[str, Any]:
    """The scientists beside a model without a network."""
    bars, rows, told, leads = [], [], [], {}
    for task in TASKS:
        card = table(f"cards/{task}.md", "accuracy", "calibration error")
        at = card[""].index("accuracy")
        own = next(name for name in card if name.startswith("this network"))
        others = {name: row for name, row in card.items() if name not in ("", own) and name != "majority class"}
        best = max(others, key=lambda name: number(others[name][at]))
        n = said(f"cards/{task}.md", r"## Test \((\d+) structures")
        leads[task] = number(card[own][at]) - number(others[best][at])
        told.append(f"{card[own][at]} ({task})")
        for name, kind in ((own, "own"), (best, "other"), ("majority class", "other")):
            shown = "the scientist's network" if name == own else name
            bars.append(bar(shown, card[name][at], group=f"{task}, {int(n):,} structures", kind=kind))
            rows.append([task, shown, card[name][at], n])
    assert min(leads.values()) > 0.0, leads
    least = min(leads, key=leads.__getitem__)
    return figure(
        "accuracy", "scientists", "All three answer better than models without a network",
        f"Share of right classes on structures never seen in training: {', '.join(told)}. The lead is smallest for {least}: "
        f"{leads[least]:.3f}.",
        kind="bars", axis="accuracy", bars=bars, head=["task", "model", "accuracy", "test structures"], rows=rows,
        command="andersonn card conduction  # polarity, porosity", source="docs/cards",
    )  # fmt: skip


def throughput() -> dict[str, Any]:
    """Predictions beside a network over edge lists."""
    found = table("measured.md", "prediction, times CGCNN-style")
    names = [name for name in found if name]
    folded = found["the same on folded rows"][1]
    ours = found["ours, as shipped"][1]
    bars = [bar(name, found[name][1], kind="own" if name.startswith("ours") else "other") for name in names]
    return figure(
        "throughput", "scientists", "Predictions are fast, mostly because equal atoms share a row",
        f"From images in memory, conduction answers {number(ours):g} times as fast as a network like CGCNN. On the same shared rows that "
        f"network gains a factor of {number(folded):g} itself.",
        kind="bars", axis="times as fast as CGCNN-style, every atom a row", bars=bars,
        head=found[""], rows=[found[name] for name in names],
        command="python benchmarks/throughput.py --crystals 300 --only prediction", source="docs/measured.md",
    )  # fmt: skip


def problems() -> dict[str, Any]:
    """Evaluations on the problems of the contest."""
    found = table("measured.md", "solver", "evaluations", "samples unsolved")
    cases = said("measured.md", r"(\d+) cases\b")
    at = found[""].index("evaluations")
    names = [name.replace("the same, damped by", f"{PICARD}, damped by") for name in found if name]
    rows = [[shown, *found[name][at : at + 2]] for shown, name in zip(names, [n for n in found if n], strict=True)]
    fixed = [row for row in rows if row[0].startswith("Anderson, window")]
    picard = next(row for row in rows if row[0] == PICARD)
    assert max(number(row[1]) for row in fixed) < 0.5 * number(picard[1])
    least, most = (f"{pick(number(row[1]) for row in fixed):,.0f}" for pick in (min, max))
    worst = max(number(row[2]) for row in fixed)
    return figure(
        "problems", "ahead", "Hard maps: less than half of the evaluations",
        f"On {cases} problems Anderson with a fixed window takes {least} to {most} evaluations, {PICARD} {picard[1]}. It leaves at most "
        f"{worst:.0f} samples unsolved, {PICARD} {picard[2]}.",
        kind="bars", axis="evaluations, all problems together", bars=[bar(row[0], row[1]) for row in rows],
        head=["solver", "evaluations", "samples unsolved"], rows=rows,
        command="python benchmarks/defaults.py", source="docs/measured.md",
    )  # fmt: skip


def tolerance() -> dict[str, Any]:
    """The demo's network, by tolerance."""
    found = table("measured.md", "Anderson", PICARD, "damped, β = 0.8")
    solvers = [found[""][k] for k in (1, 2, 3)]
    named = {
        name.removeprefix("predictions ").split(":")[0]: name for name in found if name.startswith("predictions to 1e-")
    }
    bars, rows = [], []
    for shown, name in named.items():
        for k, solver in enumerate(solvers, start=1):
            evaluations, milliseconds = found[name][k].split(";")
            bars.append(bar(solver, evaluations, group=shown))
            rows.append([shown, solver, evaluations.strip(), milliseconds.strip()])
    first, last = (named[shown] for shown in (min(named), max(named)))
    (a, b), (c, d) = ([found[name][k].split(";")[0] for k in (1, 2)] for name in (first, last))
    assert number(d) - number(c) > number(b) - number(a) > 0
    slower = [
        s for s, name in named.items() if number(found[name][1].split(";")[1]) > number(found[name][2].split(";")[1])
    ]
    time = f" In time it is behind at {' and '.join(s.removeprefix('to ') for s in slower)}." if slower else ""
    return figure(
        "tolerance", "ahead", "The tighter the tolerance, the more it saves",
        f"Evaluations a crystal, network of the demo: {a} instead of {b} {min(named)}, {c} instead of {d} {max(named)}.{time}",
        kind="bars", axis="evaluations a crystal", bars=bars, head=["tolerance", "solver", "evaluations", "milliseconds"], rows=rows,
        command="andersonn demo", source="docs/measured.md",
    )  # fmt: skip


def memory() -> dict[str, Any]:
    """Memory of a training step by depth."""
    found = table("measured.md", "1", "2", "5", "100", under="## Memory of a training step")
    steps = found[""][1:]
    text = {
        "Anderson": found["tutorial cell, Anderson"],
        PICARD: found["tutorial cell, Picard iteration"],
        "the cell stacked": found["the cell stacked so many times"],
    }
    curves = [
        {"name": name, "role": role(name), "values": [number(cell) for cell in row[1:]]} for name, row in text.items()
    ]
    ends = {name: f"{number(row[-1]):,.0f}" for name, row in text.items()}
    assert curves[2]["values"][-1] > 10 * curves[0]["values"][-1] > curves[1]["values"][-1]
    return figure(
        "memory", "ahead", "Memory does not grow with the number of steps",
        f"A training step of {steps[-1]} steps takes {ends['Anderson']} MB with Anderson; as many cells stacked take "
        f"{ends['the cell stacked']} MB. {PICARD} needs less than Anderson: {ends[PICARD]} MB.",
        kind="lines", axis="solver steps, or cells stacked", unit="MB", steps=steps, curves=curves,
        head=["MB at", *steps], rows=[[name, *(f"{number(cell):,.0f}" for cell in row[1:])] for name, row in text.items()],
        command="andersonn measure memory", source="docs/measured.md",
    )  # fmt: skip


def shipped() -> dict[str, Any]:
    """Predictions with the shipped networks."""
    bars, rows, evaluations, speeds = [], [], [], []
    for task in TASKS:
        head, *all_rows = rows_of(
            "acceleration.md", "aid", "solver", "evaluations", under=f"### Predicting: {task}, shipped"
        )
        speed = next(k for k, name in enumerate(head) if name.startswith("from images"))
        listed = {row[1]: row for row in all_rows if row[0].startswith("no aid")}
        for name in ("Picard", "Picard, β = 0.8", ANDERSON, "explicit stack"):
            shown = name.replace("Picard", PICARD)
            bars.append(bar(shown, listed[name][speed], group=task))
            rows.append([task, shown, listed[name][2], listed[name][speed]])
        evaluations.append(f"{listed[ANDERSON][2]} instead of {listed['Picard'][2]} ({task})")
        speeds.append(number(listed[ANDERSON][speed]))
    assert max(abs(speed - 1.0) for speed in speeds) < 0.1
    return figure(
        "shipped", "level", "The shipped networks: nothing left to save",
        f"Anderson takes {', '.join(evaluations)} evaluations, and is {min(speeds):.2f} to {max(speeds):.2f} times as fast as "
        f"{PICARD}.",
        kind="bars", axis=f"times as fast as {PICARD}", bars=bars, one=True,
        head=["task", "solver", "evaluations", "times as fast"], rows=rows,
        command="python benchmarks/inference.py --data FOLDER --networks shipped --limit 300 --repeats 3",
        source="docs/acceleration.md",
    )  # fmt: skip


def training() -> dict[str, Any]:
    """Training to equal accuracy."""
    head, *found = rows_of("acceleration.md", "to accuracy, time", "an epoch")
    time = head.index("to accuracy, time")
    rows = [
        [row[0].replace("Picard", PICARD).replace("fast", "with both aids"), row[time], row[time + 1]] for row in found
    ]
    own, damped = (
        number(next(row for row in rows if row[0].startswith(name))[1]) for name in ("Anderson", f"{PICARD}, β")
    )
    assert abs(own - damped) < 0.1
    fewer = number(next(row for row in rows if row[0] == "Anderson")[2])
    return figure(
        "training", "level", "Training: fewer evaluations, about the same time",
        f"Until the accuracy of {PICARD}, Anderson takes {fewer:g} times fewer evaluations and is {own:.2f} times as fast; damped {PICARD} is "
        f"{damped:.2f} times as fast.",
        kind="bars", axis=f"times as fast as {PICARD}, to its accuracy", one=True, bars=[bar(row[0], row[1]) for row in rows],
        head=["trained with", "times as fast", "times fewer evaluations"], rows=rows,
        command="python benchmarks/acceleration.py --data FOLDER --tasks conduction --networks shipped", source="docs/acceleration.md",
    )  # fmt: skip


def hard() -> dict[str, Any]:
    """Predictions with a network on which plain iteration fails."""
    head, *found = rows_of("acceleration.md", "seed", "Picard, not converged")
    at = head.index("no aid")
    first = next(k for k, row in enumerate(found) if row[0] == "1")
    rows = [[row[2].replace("Picard", PICARD), *row[at : at + 2]] for row in found[first:]]
    times = {row[0]: number(row[1]) for row in rows}
    best = min((name for name in times if "β" in name), key=times.__getitem__)
    assert times[best] < times[ANDERSON] < times[PICARD]
    return figure(
        "hard", "behind", "Where plain iteration fails, well-chosen damping is faster",
        f"On a network where {PICARD} misses {number(found[first][1]):g} % of the fixed points, Anderson is "
        f"{times[PICARD] / times[ANDERSON]:.1f} times as fast as it. {best.replace(',', ' damped by')} is "
        f"{times[PICARD] / times[best]:.1f} times as fast. Anderson needs no β.",
        kind="bars", axis="milliseconds a structure", bars=[bar(row[0], row[1]) for row in rows],
        head=["solver", "milliseconds", "with first state and early exit"], rows=rows,
        command='python benchmarks/inference.py --data FOLDER --networks "free convolution" --tasks conduction --seeds 0 1 --limit 150 --repeats 2',
        source="docs/acceleration.md",
    )  # fmt: skip


def tiny() -> dict[str, Any]:
    """Small states, solved often, beside a compiled library."""
    head, *found = rows_of("measured.md", "solver", "µs a solve")
    names = {
        "ForwardIteration": PICARD,
        "Anderson(window=5)": "Anderson, window 5",
        'Anderson("auto")': "Anderson, automatic",
    }
    bars, rows, last = [], [], ""
    for name, evaluations, time, *_ in found:
        shown = f"{last}, compiled" if name.startswith("the same") else names.get(name, name)
        last = shown
        bars.append(bar(shown, time, kind="other" if name.startswith(("jaxopt", "torchdeq")) else ""))
        rows.append([shown, evaluations, time])
    size = said("measured.md", r"(?i)state 1 × (\d+)")
    best = {
        key: min(number(row[2]) for row in rows if key in row[0]) for key in ("jaxopt", "Anderson, window 5, compiled")
    }
    plain_time = number(next(row for row in rows if row[0] == "Anderson, window 5")[2])
    assert best["jaxopt"] < best["Anderson, window 5, compiled"] < plain_time
    return figure(
        "tiny", "behind", "Small maps, solved often: jaxopt is ahead",
        f"A state of {size} numbers takes jaxopt {best['jaxopt']:,.0f} µs and this package {plain_time:,.0f} µs, compiled "
        f"{best['Anderson, window 5, compiled']:,.0f} µs. Calling PyTorch costs more than the map here.",
        kind="bars", axis="microseconds of processor time a solve", bars=bars, head=head[:3], rows=rows,
        command="python benchmarks/compiled.py", source="docs/measured.md",
    )  # fmt: skip


def figures() -> dict[str, Any]:
    """All figures, by group."""
    made = (accuracy, throughput, problems, tolerance, memory, shipped, training, hard, tiny)
    return {"groups": GROUPS, "figures": [make() for make in made]}


def as_text(content: dict[str, Any]) -> str:
    """The file that is shipped."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    OUT.write_text(as_text(figures()), encoding="utf-8")
    print(OUT.relative_to(ROOT))
