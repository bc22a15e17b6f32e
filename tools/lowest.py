"""`make test-lowest`: the oldest versions that pyproject.toml allows, as constraints for pip.

python tools/lowest.py [PACKAGE==VERSION …] > pins.txt

A version given as an argument stands in place of the bound of that package. Tools that only look at the sources (ruff) stay out.
"""

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
TOOLS = {"coverage", "mypy", "ruff", "pip-audit"}
BOUND = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=([\w.]+)")


def lowest(project, instead=()):
    """Package → version, of all requirements of a project and its extras."""
    found = {}
    for line in chain(project["dependencies"], *project["optional-dependencies"].values()):
        if line.startswith(project["name"]):
            continue
        match = BOUND.fullmatch(line)
        if match is None:
            raise SystemExit(f"{line!r} has no lower bound")
        found[match[1]] = match[2]
    return {name: version for name, version in found.items() if name not in TOOLS} | dict(
        p.split("==") for p in instead
    )


if __name__ == "__main__":
    for name, version in lowest(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"], sys.argv[1:]).items():
        print(f"{name}=={version}")
