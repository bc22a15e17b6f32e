"""Nothing in the package loads pickles or runs text as code: read off its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.code import dangers

SOURCE = Path(__file__).parents[2] / "src/andersonn"
FILES = sorted(SOURCE.rglob("*.py"))


def test_no_module_can_run_what_a_file_holds():
    found = {str(path.relative_to(SOURCE)): dangers(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads", "import multiprocessing.connection", "def f():\n    import dill",
        "import torch\ntorch.load('x', weights_only=True)", "from torch import load", "import torch as t\nt.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)", "import numpy as np\nnp.load('x')", "import joblib\njoblib.load('x')",
        "eval('1')", "exec(text)", "f = eval", "__import__('os')", "import yaml\nyaml.load(x)", "import subprocess\nsubprocess.run(x, shell=True)",
        "archive.extractall('.')", "from numpy.lib.format import read_array", "importlib.import_module('pickle')", "frame.read_pickle(p)",
        "import os\nos.system('ls')", "def f(compile=compile): pass", "def f(compile): pass\ndef g(x): compile(x)",
    ],
)  # fmt: skip
def test_the_rule_can_fail(text):
    assert dangers(text)


def test_the_rule_lets_sound_code_pass():
    sound = (
        "import json, re\nmodel.eval()\nre.compile('a')\nload_file('x')\nzip.open('a')\nsubprocess.run(x, shell=False)"
        "\ndef f(compile=False):\n    return 1 if compile else 2"
    )
    assert dangers(sound) == []
