"""What runs of the study say, as Markdown and as a picture."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import mean, median, stdev
from typing import Any

Run = dict[str, Any]
Cell = tuple[str, str, int]
"""Set, kind of split, and number of molecules to learn from; 0: all."""
OURS, PEERS = "ours", ("chemprop", "forest")
FROM_ALL = "all"


def report(runs: list[Run], methods: list[str]) -> str:
    """Tables of errors, of pairs on the same splits, of processor time, of coverage, and of what was chosen."""
    there = [method for method in methods if any(run["method"] == method for run in runs)]
    own = [method for method in there if method.startswith(OURS)]
    peers = [method for method in there if method.startswith(PEERS)]
    parts = [
        "RMSE, mean ± standard deviation over splits (number of splits):",
        _table(runs, there, lambda found: _mean(each["rmse"] for each in found)),
        "MAE, likewise:",
        _table(runs, there, lambda found: _mean(each["mae"] for each in found)),
    ]
    for method in own:
        parts += [
            f"“{method}” against each peer, on the splits that both have: mean RMSE over the peer's mean RMSE, and the splits"
            " where it is lower:",
            _pairs(runs, method, peers),
        ]
    parts += [
        "Processor seconds from the file to the answers, median (number of runs):",
        _table(runs, there, lambda found: _median(each["cpu_seconds"] for each in found)),
    ]
    for method in own:
        parts += [f"“{method}”: its processor seconds over the peer's, median over the same splits:"]
        parts += [_ratios_of_seconds(runs, method, peers)]
    parts += [
        "Values of the test side inside the 90 % interval: mean over splits, least and greatest (number of splits):",
        _table(runs, own, lambda found: _coverage([each["coverage"] for each in found])),
        "What the constructions chose by validation (number of splits):",
        _table(runs, own, lambda found: _counts([each["chosen"] for each in found])),
    ]
    return "\n\n".join(parts)


def _mean(values: Iterable[float]) -> str:
    found = list(values)
    spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
    return f"{mean(found):.2f}{spread} ({len(found)})"


def _median(values: Iterable[float]) -> str:
    found = list(values)
    return f"{median(found):.0f} ({len(found)})"


def _coverage(values: list[float]) -> str:
    return f"{mean(values):.0%}, {min(values):.0%}–{max(values):.0%} ({len(values)})"


def _counts(names: list[str]) -> str:
    return "; ".join(f"{name} ({names.count(name)})" for name in sorted(set(names), key=names.count, reverse=True))


def cells(runs: list[Run]) -> list[Cell]:
    """Set, kind and size of all runs: sets and kinds by name, all molecules first, then fewer."""
    found = {(run["set"], run["kind"], run["size"]) for run in runs}
    return sorted(found, key=lambda cell: (cell[0], cell[1], -(cell[2] or 10**9)))


def by_method(runs: list[Run], cell: Cell) -> dict[str, dict[int, Run]]:
    """Method → seed → run, of one cell."""
    found: dict[str, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        if (run["set"], run["kind"], run["size"]) == cell:
            found[run["method"]][run["seed"]] = run
    return found


def _table(runs: list[Run], methods: list[str], shown: Callable[[list[Run]], str]) -> str:
    rows = []
    for cell in cells(runs):
        found = by_method(runs, cell)
        rows.append([*_head(cell), *(shown(list(found[name].values())) if name in found else "–" for name in methods)])
    return _markdown(["set", "split", "learned from", *methods], rows)


def _head(cell: Cell) -> list[str]:
    return [cell[0], cell[1], str(cell[2] or FROM_ALL)]


def _learned_from(cell: Cell) -> str:
    return f"{cell[2]} molecules" if cell[2] else "all molecules"


def _paired(runs: list[Run], cell: Cell, method: str, peer: str) -> list[tuple[Run, Run]]:
    found = by_method(runs, cell)
    return [(found[method][seed], found[peer][seed]) for seed in sorted(found[method].keys() & found[peer].keys())]


def _pairs(runs: list[Run], method: str, peers: list[str]) -> str:
    def shown(pairs: list[tuple[Run, Run]]) -> str:
        ratio = mean(own["rmse"] for own, _ in pairs) / mean(peer["rmse"] for _, peer in pairs)
        return f"{ratio:.2f}, {sum(own['rmse'] < peer['rmse'] for own, peer in pairs)} of {len(pairs)}"

    return _paired_table(runs, method, peers, shown)


def _ratios_of_seconds(runs: list[Run], method: str, peers: list[str]) -> str:
    def shown(pairs: list[tuple[Run, Run]]) -> str:
        return f"{median(own['cpu_seconds'] / peer['cpu_seconds'] for own, peer in pairs):.2f} ({len(pairs)})"

    return _paired_table(runs, method, peers, shown)


def _paired_table(runs: list[Run], method: str, peers: list[str], shown: Callable[[list[tuple[Run, Run]]], str]) -> str:
    rows = []
    for cell in cells(runs):
        pairs = [_paired(runs, cell, method, peer) for peer in peers]
        if any(pairs):
            rows.append([*_head(cell), *(shown(each) if each else "–" for each in pairs)])
    return _markdown(["set", "split", "learned from", *peers], rows)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figure(runs: list[Run], methods: list[str]) -> bytes:
    """PNG: the RMSE of every split as a dot and the mean as a bar, one panel for each cell where methods meet."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shared = [cell for cell in cells(runs) if len(by_method(runs, cell)) > 1]
    there = [method for method in methods if any(run["method"] == method for run in runs)]
    columns = 3
    lines = -(-len(shared) // columns)
    drawn, axes = pyplot.subplots(lines, columns, figsize=(4 * columns, 2.2 * lines + 0.6), squeeze=False)
    for panel in axes.flat[len(shared) :]:
        panel.axis("off")
    for panel, cell in zip(axes.flat, shared, strict=False):
        found = by_method(runs, cell)
        drawn_here = [method for method in there if found[method]]
        for k, method in enumerate(drawn_here):
            errors = [run["rmse"] for run in found[method].values()]
            color = "#0072B2" if method.startswith(OURS) else "#D55E00"
            panel.barh(k, mean(errors), height=0.7, color=color, alpha=0.35)
            panel.plot(errors, [k] * len(errors), "o", color=color, markersize=3.5)
        panel.set_yticks(range(len(drawn_here)), drawn_here, fontsize=7)
        panel.set_ylim(len(drawn_here) - 0.5, -0.5)
        panel.set_title(f"{cell[0]}, {cell[1]}, {_learned_from(cell)}", fontsize=8)
        panel.set_xlabel("RMSE", fontsize=7)
        panel.tick_params(axis="x", labelsize=7)
    drawn.tight_layout()
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=130)
    pyplot.close(drawn)
    return file.getvalue()
