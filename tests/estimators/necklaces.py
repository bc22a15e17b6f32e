"""Our estimators fed with rows of numbers, as scikit-learn's own checks do: each row becomes a chain of atoms whose gaps are
the numbers. What numbers need of validation (shape, finiteness, count of columns) is scikit-learn's own here, since structures
have no columns.
"""

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from andersonn import EquilibriumClassifier, EquilibriumRegressor, GraphImager, Structure

TINY = {
    "epochs": 1,
    "width": 4,
    "columns": 4,
    "device": "cpu",
    "options": ("radial=4", "max_images=200", "max_rows=4000"),
}
ABLE = {
    "epochs": 30,
    "width": 12,
    "columns": 4,
    "learning_rate": 1e-2,
    "weight_decay": 0,
    "dropout": 0,
    "device": "cpu",
    "options": ("radial=16", "embedding_dropout=0", "strain=0", "max_images=16"),
}


def necklace(row: np.ndarray) -> Structure:
    gaps = 4.0 + 2.0 * np.tanh(row / 2.0)
    xyz = np.zeros((len(gaps) + 1, 3))
    xyz[1:, 0] = np.cumsum(gaps)
    return Structure(np.arange(3, 4 + len(gaps)), xyz)


def necklaces(estimator, X, reset: bool) -> list[Structure]:
    return [necklace(row) for row in validate_data(estimator, X, dtype=float, reset=reset)]


class OfRows:
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class Classifier(OfRows, EquilibriumClassifier):
    def fit(self, X, y):
        return super().fit(necklaces(self, X, True), y)

    def _ask(self, X):
        check_is_fitted(self)
        return super()._ask(necklaces(self, X, False))


class Regressor(OfRows, EquilibriumRegressor):
    def fit(self, X, y):
        return super().fit(necklaces(self, X, True), y)

    def _ask(self, X):
        check_is_fitted(self)
        return super()._ask(necklaces(self, X, False))


class Imager(OfRows, GraphImager):
    def fit(self, X, y=None):
        return super().fit(necklaces(self, X, True), y)

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(necklaces(self, X, False))
