"""scikit-learn's own checks of estimators, all of them, on structures made of its rows of numbers; see necklaces.py."""

from functools import partial

import numpy as np
import pytest
from sklearn.utils import estimator_checks

from tests.estimators.necklaces import ABLE, TINY, Classifier, Imager, Regressor

pytestmark = pytest.mark.usefixtures("one_thread")
TRAINED = ("check_classifiers_train", "check_regressors_train")
"""Checks that want a good fit: seconds each."""
PAIRS = [
    pair
    for estimator in (Classifier(**TINY), Regressor(**TINY), Imager(columns=4, output="table"))
    for pair in estimator_checks.estimator_checks_generator(estimator, legacy=True)
]


def name_of(check) -> str:
    return (check.func if isinstance(check, partial) else check).__name__


def shown(part) -> str:
    if isinstance(part, partial):
        return "-".join([name_of(part), *(f"{k}={v}" for k, v in part.keywords.items())])
    return name_of(part) if callable(part) else type(part).__name__


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), [p for p in PAIRS if name_of(p[1]) not in TRAINED], ids=shown)
def test_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), [p for p in PAIRS if name_of(p[1]) in TRAINED], ids=shown)
def test_check_of_a_good_fit(estimator, check):
    check(estimator.set_params(**ABLE))


def test_all_kinds_of_checks_are_there():
    names = {name_of(check) for _, check in PAIRS}
    assert {*TRAINED, "check_estimators_pickle", "check_no_attributes_set_in_init", "check_fit_idempotent"} <= names
    assert len(PAIRS) > 140


def test_a_check_can_fail():
    class Careless(Regressor):
        def predict(self, X):
            return super().predict(X) + np.random.default_rng().normal()

    with pytest.raises(AssertionError):
        estimator_checks.check_fit_idempotent("Careless", Careless(**TINY))
