"""Deep AndersoNN: equilibrium networks, solved by Anderson extrapolation, as artificial life and materials scientists.

Public names load on first use, so that the solvers and the layer import torch and nothing of chemistry.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from andersonn.data.records import Records
    from andersonn.errors import AndersonnError, InputError, UsageError
    from andersonn.implicit import Equilibrium, ImplicitGradient, jacobian_penalty, spectral_radius
    from andersonn.matter.graph import AtomBondGraph
    from andersonn.matter.image import ImageRecipe, NodeNeighborImage
    from andersonn.matter.structure import Structure
    from andersonn.models import ConvolutionCell, MessageCell
    from andersonn.scientists import Failure, Prediction, Scientist
    from andersonn.solvers import Anderson, FixedPoint, ForwardIteration, Status, fixed_point
    from andersonn.training.config import TrainConfig

_HOME = {
    "andersonn.data.records": ("Records",),
    "andersonn.errors": ("AndersonnError", "InputError", "UsageError"),
    "andersonn.implicit": ("Equilibrium", "ImplicitGradient", "jacobian_penalty", "spectral_radius"),
    "andersonn.matter.graph": ("AtomBondGraph",),
    "andersonn.matter.image": ("ImageRecipe", "NodeNeighborImage"),
    "andersonn.matter.structure": ("Structure",),
    "andersonn.models": ("ConvolutionCell", "MessageCell"),
    "andersonn.scientists": ("Failure", "Prediction", "Scientist"),
    "andersonn.solvers": ("Anderson", "FixedPoint", "ForwardIteration", "Status", "fixed_point"),
    "andersonn.training.config": ("TrainConfig",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Anderson",
    "AndersonnError",
    "AtomBondGraph",
    "ConvolutionCell",
    "Equilibrium",
    "Failure",
    "FixedPoint",
    "ForwardIteration",
    "ImageRecipe",
    "ImplicitGradient",
    "InputError",
    "MessageCell",
    "NodeNeighborImage",
    "Prediction",
    "Records",
    "Scientist",
    "Status",
    "Structure",
    "TrainConfig",
    "UsageError",
    "fixed_point",
    "jacobian_penalty",
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
