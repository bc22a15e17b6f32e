"""The networks as scikit-learn estimators: structures in, classes or numbers out."""

from andersonn.estimators.classifier import EquilibriumClassifier
from andersonn.estimators.imager import GraphImager
from andersonn.estimators.regressor import EquilibriumRegressor

__all__ = ["EquilibriumClassifier", "EquilibriumRegressor", "GraphImager"]
