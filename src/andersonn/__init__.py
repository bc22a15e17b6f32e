"""Deep AndersoNN: equilibrium networks, solved by Anderson extrapolation, as artificial life and materials scientists.

Public names load on first use, so that the solvers and the layer import torch and nothing of chemistry.
"""

from andersonn import launch  # noqa: F401, I001 - before any other: a program then imports nothing from the current folder

import importlib
from typing import TYPE_CHECKING, Any

from andersonn.version import __version__ as __version__

if TYPE_CHECKING:
    from andersonn.config import TrainConfig
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
        bound_norms,
        bound_rows,
        contraction_rate,
        correction_loss,
        jacobian_penalty,
        load_weights,
        radius_report,
        save_weights,
        spectral_radius,
    )
    from andersonn.implicit.lipschitz import hold_weights
    from andersonn.inference.answers import Answers
    from andersonn.inference.explanation import Explanation
    from andersonn.inference.prediction import Failure, Prediction
    from andersonn.models import ConvolutionCell, MessageCell
    from andersonn.scientist import Scientist, construct
    from andersonn.scientists.base import GeometryVariant, ScientistSpec
    from andersonn.solvers import (
        GMRES,
        Anderson,
        Broyden,
        FixedPoint,
        FixedPointIteration,
        ForwardIteration,
        NewtonKrylov,
        Picard,
        Solver,
        Status,
        Trace,
        fixed_point,
    )
    from andersonn.structures.graph import AtomBondGraph
    from andersonn.structures.image import ImageRecipe, NodeNeighborImage
    from andersonn.structures.structure import Structure

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
        "bound_norms",
        "bound_rows",
        "contraction_rate",
        "correction_loss",
        "jacobian_penalty",
        "load_weights",
        "radius_report",
        "save_weights",
        "spectral_radius",
    ),
    "andersonn.implicit.lipschitz": ("hold_weights",),
    "andersonn.structures.graph": ("AtomBondGraph",),
    "andersonn.structures.image": ("ImageRecipe", "NodeNeighborImage"),
    "andersonn.structures.structure": ("Structure",),
    "andersonn.models": ("ConvolutionCell", "MessageCell"),
    "andersonn.inference.answers": ("Answers",),
    "andersonn.inference.explanation": ("Explanation",),
    "andersonn.inference.prediction": ("Failure", "Prediction"),
    "andersonn.scientist": ("Scientist", "construct"),
    "andersonn.scientists.base": ("GeometryVariant", "ScientistSpec"),
    "andersonn.solvers": (
        "GMRES",
        "Anderson",
        "Broyden",
        "FixedPoint",
        "FixedPointIteration",
        "ForwardIteration",
        "NewtonKrylov",
        "Picard",
        "Solver",
        "Status",
        "Trace",
        "fixed_point",
    ),
    "andersonn.config": ("TrainConfig",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "GMRES",
    "Anderson",
    "AndersonnError",
    "Answers",
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
    "FixedPointIteration",
    "ForwardIteration",
    "GeometryVariant",
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
    "NewtonKrylov",
    "NodeNeighborImage",
    "OneStepGradient",
    "PhantomGradient",
    "Picard",
    "Prediction",
    "Records",
    "Scientist",
    "ScientistSpec",
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
    "bound_norms",
    "bound_rows",
    "construct",
    "contraction_rate",
    "correction_loss",
    "fixed_point",
    "hold_weights",
    "jacobian_penalty",
    "load_weights",
    "radius_report",
    "save_weights",
    "spectral_radius",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        from andersonn.errors import did_you_mean

        raise AttributeError(f"andersonn has no {name!r}; {did_you_mean(name, _MODULE_OF)}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
