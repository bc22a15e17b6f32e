"""Deep AndersoNN: equilibrium networks, solved by Anderson extrapolation, as artificial life and materials scientists.

Public names load on first use, so that the solvers and the layer import torch and nothing of chemistry.
"""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    # `python -m andersonn…` puts the current folder first on the path, where a json.py that came with somebody's structures
    # would be run for Python's own. (While Python looks for the module it was asked for, argv has "-m" in place of its name.)
    del sys.path[0]

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from andersonn.data.records import Records
    from andersonn.data.tasks import Task
    from andersonn.errors import AndersonnError, InputError, UsageError
    from andersonn.estimators import EquilibriumClassifier, EquilibriumRegressor, GraphImager
    from andersonn.implicit import (
        DriftMonitor,
        Equilibrium,
        Gradient,
        ImplicitGradient,
        LinearInitializer,
        MonotoneCell,
        MonotoneLinear,
        NeumannGradient,
        OneStepGradient,
        PhantomGradient,
        ToleranceSchedule,
        WarmStarts,
        WellPosednessWarning,
        bound_norm,
        bound_rows,
        contraction_rate,
        jacobian_penalty,
        load_weights,
        radius_report,
        save_weights,
        spectral_radius,
    )
    from andersonn.implicit.lipschitz import hold_weights
    from andersonn.matter.graph import AtomBondGraph
    from andersonn.matter.image import ImageRecipe, NodeNeighborImage
    from andersonn.matter.structure import Structure
    from andersonn.models import ConvolutionCell, MessageCell
    from andersonn.scientists import Explanation, Failure, Prediction, Scientist
    from andersonn.solvers import (
        GMRES,
        Anderson,
        Broyden,
        FixedPoint,
        ForwardIteration,
        Solver,
        Status,
        Trace,
        fixed_point,
    )
    from andersonn.training.config import TrainConfig

_HOME = {
    "andersonn.data.records": ("Records",),
    "andersonn.data.tasks": ("Task",),
    "andersonn.errors": ("AndersonnError", "InputError", "UsageError"),
    "andersonn.estimators": ("EquilibriumClassifier", "EquilibriumRegressor", "GraphImager"),
    "andersonn.implicit": (
        "DriftMonitor",
        "Equilibrium",
        "Gradient",
        "ImplicitGradient",
        "LinearInitializer",
        "MonotoneCell",
        "MonotoneLinear",
        "NeumannGradient",
        "OneStepGradient",
        "PhantomGradient",
        "ToleranceSchedule",
        "WarmStarts",
        "WellPosednessWarning",
        "bound_norm",
        "bound_rows",
        "contraction_rate",
        "jacobian_penalty",
        "load_weights",
        "radius_report",
        "save_weights",
        "spectral_radius",
    ),
    "andersonn.implicit.lipschitz": ("hold_weights",),
    "andersonn.matter.graph": ("AtomBondGraph",),
    "andersonn.matter.image": ("ImageRecipe", "NodeNeighborImage"),
    "andersonn.matter.structure": ("Structure",),
    "andersonn.models": ("ConvolutionCell", "MessageCell"),
    "andersonn.scientists": ("Explanation", "Failure", "Prediction", "Scientist"),
    "andersonn.solvers": (
        "GMRES",
        "Anderson",
        "Broyden",
        "FixedPoint",
        "ForwardIteration",
        "Solver",
        "Status",
        "Trace",
        "fixed_point",
    ),
    "andersonn.training.config": ("TrainConfig",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "GMRES",
    "Anderson",
    "AndersonnError",
    "AtomBondGraph",
    "Broyden",
    "ConvolutionCell",
    "DriftMonitor",
    "Equilibrium",
    "EquilibriumClassifier",
    "EquilibriumRegressor",
    "Explanation",
    "Failure",
    "FixedPoint",
    "ForwardIteration",
    "Gradient",
    "GraphImager",
    "ImageRecipe",
    "ImplicitGradient",
    "InputError",
    "LinearInitializer",
    "MessageCell",
    "MonotoneCell",
    "MonotoneLinear",
    "NeumannGradient",
    "NodeNeighborImage",
    "OneStepGradient",
    "PhantomGradient",
    "Prediction",
    "Records",
    "Scientist",
    "Solver",
    "Status",
    "Structure",
    "Task",
    "ToleranceSchedule",
    "Trace",
    "TrainConfig",
    "UsageError",
    "WarmStarts",
    "WellPosednessWarning",
    "bound_norm",
    "bound_rows",
    "contraction_rate",
    "fixed_point",
    "hold_weights",
    "jacobian_penalty",
    "load_weights",
    "radius_report",
    "save_weights",
    "spectral_radius",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        from andersonn.errors import did_you_mean

        raise AttributeError(f"andersonn has no {name!r}; {did_you_mean(name, _MODULE_OF)}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
