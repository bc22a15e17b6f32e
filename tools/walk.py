"""How far a reader of the code walks: functions, files and depth of calls of the main jobs.

    python tools/walk.py            the numbers
    python tools/walk.py --tree     and, of each job, the functions by file

Traced are the functions and lambdas of ``src/andersonn``, each counted once; not comprehensions, and not what only runs while
a module is imported. Depth is the longest chain of them that are active at once.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
SOURCE = str(ROOT / "src/andersonn") + "/"
NO_FUNCTION = frozenset({"<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"})
CIF = ROOT / "examples/structures/NaCl.cif"


@dataclass
class Walk:
    """What ran.

    Attributes:
        functions: (file, name) of each.
        deepest: the longest chain of calls, as (file, name).
    """

    functions: set[tuple[str, str]] = field(default_factory=set)
    deepest: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        """Files with a function that ran."""
        return {file for file, _ in self.functions}

    @property
    def depth(self) -> int:
        """Length of the longest chain."""
        return len(self.deepest)


@contextlib.contextmanager
def walking() -> Iterator[Walk]:
    """Traces this thread inside the block."""
    walk = Walk()
    stack: list[tuple[str, str] | None] = []  # of all Python frames; None: not ours
    importing = 0

    def step(frame: FrameType, event: str, _: Any) -> None:
        nonlocal importing
        code = frame.f_code
        if event == "call":
            importing += code.co_name == "<module>"
            stack.append(_named(code) if not importing else None)
            if stack[-1] is not None:
                walk.functions.add(stack[-1])
                chain = [each for each in stack if each is not None]
                if len(chain) > walk.depth:
                    walk.deepest = chain
        elif event == "return" and stack:
            importing -= code.co_name == "<module>"
            stack.pop()

    sys.setprofile(step)
    try:
        yield walk
    finally:
        sys.setprofile(None)


def _named(code: CodeType) -> tuple[str, str] | None:
    if not code.co_filename.startswith(SOURCE) or code.co_name in NO_FUNCTION:
        return None
    name = code.co_qualname if sys.version_info >= (3, 11) else code.co_name
    return code.co_filename.removeprefix(SOURCE), name


def predict() -> Walk:
    """``Scientist.predict`` on one CIF, by a model that has answered before."""
    import andersonn

    scientist = andersonn.Scientist.load("conduction")
    scientist.predict([CIF])
    with walking() as walk:
        (answer,) = scientist.predict([CIF])
    assert answer.ok
    return walk


def command() -> Walk:
    """``andersonn predict conduction NaCl.cif``, from the entry point to the end."""
    from andersonn.cli.entry import main

    sys.argv = ["andersonn", "predict", "conduction", str(CIF)]
    with contextlib.redirect_stdout(io.StringIO()), walking() as walk, contextlib.suppress(SystemExit):
        main()
    return walk


def equilibrium() -> Walk:
    """One forward pass of ``Equilibrium`` on a plain tensor."""
    import torch

    import andersonn

    torch.manual_seed(0)  # which steps a solve takes depends on the numbers
    linear = torch.nn.Linear(8, 8)
    with torch.no_grad():
        linear.weight.mul_(0.3)

    class Cell(torch.nn.Module):
        def forward(self, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(linear(z) + x)

    layer = andersonn.Equilibrium(Cell())
    with walking() as walk:
        layer(torch.randn(4, 8))
    return walk


def training() -> Walk:
    """From a Parquet file of 40 rock salts to saved weights."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import andersonn

    with tempfile.TemporaryDirectory() as folder:
        os.environ["ANDERSONN_CACHE"] = folder  # images are made, not read
        file = Path(folder) / "salts.parquet"
        pq.write_table(pa.Table.from_pylist([_salt(k) for k in range(40)]), file)
        words = ["epochs=1", "model.width=8", "model.radial=8", "device=cpu"]
        config = andersonn.TrainConfig.make(overrides=words)
        with walking() as walk:
            andersonn.Scientist.train("conduction", file, config, Path(folder) / "model")
    return walk


def _salt(k: int) -> dict[str, Any]:
    half = 2.5 + 0.02 * k
    metals, others = (3, 11, 19, 37, 12, 20, 38, 56), (9, 17, 35, 53, 8)
    cell = [0.0, half, half, half, 0.0, half, half, half, 0.0]
    return {
        "id": f"salt-{k}",
        "group": f"salt-{k}",
        "atomic_numbers": [metals[k % 8], others[k // 8]],
        "positions": [0.0, 0.0, 0.0, half, half, half],
        "cell": cell,
        "smiles": None,
        "split": ("train", "train", "validation", "test")[k % 4],
        "band_gap_eV": 0.2 * k,
    }


JOBS: dict[str, Callable[[], Walk]] = {
    "Scientist.predict on one CIF": predict,
    "andersonn predict conduction NaCl.cif": command,
    "Equilibrium forward on a tensor": equilibrium,
    "Parquet to saved weights": training,
}


def main() -> None:
    """Prints the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", action="store_true", help="also the functions, and the deepest chain of calls")
    tree = parser.parse_args().tree
    print(f"{'job':44}{'functions':>10}{'files':>7}{'depth':>7}")
    for name, job in JOBS.items():
        walk = job()
        print(f"{name:44}{len(walk.functions):10}{len(walk.files):7}{walk.depth:7}")
        if tree:
            for file in sorted(walk.files):
                print(f"    {file}: {', '.join(sorted(n for f, n in walk.functions if f == file))}")
            print("    deepest: " + " > ".join(f"{f.removesuffix('.py')}:{n}" for f, n in walk.deepest))


if __name__ == "__main__":
    main()
