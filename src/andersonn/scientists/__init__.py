"""The artificial scientists: a trained model a task, asked with files or objects."""

from andersonn.scientists.answers import Failure, Prediction
from andersonn.scientists.explain import Explanation
from andersonn.scientists.scientist import Scientist

__all__ = ["Explanation", "Failure", "Prediction", "Scientist"]
