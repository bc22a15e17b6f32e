"""A model's class and its estimate come from two heads: where they contradict each other, the answer says so."""

from dataclasses import replace

import numpy as np
import pytest

from andersonn import Scientist
from andersonn.data.tasks import Task
from andersonn.inference.warnings import contradiction
from andersonn.scientists.conduction import CONDUCTION

FROM_ZERO = CONDUCTION.with_thresholds((0.0, 3.0))
BINARY = Task("solubility", "log_s", "", ("poor", "good"), (-2.0,))


@pytest.mark.parametrize(
    ("task", "k", "p", "value", "interval", "told"),
    [
        (FROM_ZERO, 2, 0.93, 2.2, (0.2, 7.8), "insulator (0.93) means band gap from 3 eV, and the estimate is 2.2"),
        (FROM_ZERO, 0, 0.95, 1.5, (0.1, 3.0), "metal (0.95) means band gap 0 eV, and the estimate is 1.5"),
        (FROM_ZERO, 1, 0.85, 4.0, (1.0, 6.0), "semiconductor (0.85) means band gap below 3 eV, and the estimate is 4"),
        (FROM_ZERO, 1, 0.55, 6.0, (5.0, 7.0), "the estimate is 6"),  # unsure, but the interval leaves the class out
        (FROM_ZERO, 1, 0.55, 3.6, (1.0, 6.0), ""),  # unsure, and the interval holds the class
        (FROM_ZERO, 0, 0.95, 0.1, (0.0, 0.4), ""),  # as near to a metal as an estimate comes
        (FROM_ZERO, 2, 0.95, 2.95, (2.0, 4.0), ""),
        (BINARY, 1, 0.9, -4.0, (-6.0, -1.0), "good (0.90) means log s from -2"),
        (BINARY, 0, 0.9, 0.5, (-3.0, 1.0), "poor (0.90) means log s below -2"),
        (BINARY, 0, 0.9, -2.5, (-3.0, 1.0), ""),
    ],
)  # fmt: skip
def test_what_is_told(task, k, p, value, interval, told):
    found = contradiction(task, k, p, value, np.array(interval))
    assert told in found
    assert bool(found) == bool(told)


def test_an_answer_says_it():
    """A network of classes and an estimate apart, whose estimates are then made too small."""
    scientist = Scientist.load("polarity", geometry="none")
    (sound,) = scientist.predict("CC#N")
    assert not any("contradict" in text for text in sound.warnings)
    bundle = scientist.bundle
    scientist.bundle = replace(bundle, calibration=replace(bundle.calibration, scale=bundle.calibration.scale / 100))
    (answer,) = scientist.predict("CC#N")
    assert answer.label == sound.label == "strongly_polar"
    (told,) = [text for text in answer.warnings if "contradict" in text]
    assert told.startswith("class and estimate contradict each other: strongly_polar (")
    assert told in answer.as_dict()["warnings"]
