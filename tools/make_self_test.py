"""Asks a model a few small questions and keeps the answers beside its weights, for `andersonn doctor --self-test`.

To be run after training, once the answers have been looked at: python tools/make_self_test.py TASK
[MODEL_DIR [GEOMETRY]]
"""

import sys
from pathlib import Path

from andersonn.scientists.registry import find
from andersonn.training.self_test import write_self_test


def main():
    scientist = find(sys.argv[1]).of_geometry(sys.argv[3] if len(sys.argv) > 3 else None)
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else scientist.weights
    for case in write_self_test(folder, scientist.self_test)["cases"]:
        print(case["name"], case["class"], {name: round(p, 3) for name, p in case["probabilities"].items()})


if __name__ == "__main__":
    main()
