"""The equilibrium layer, its gradient rules, bounds and monitors of its stability, warm starts. Needs ``solvers`` and ``io``."""

from andersonn.implicit.equilibrium import Equilibrium
from andersonn.implicit.gradient import Gradient, ImplicitGradient
from andersonn.implicit.initializer import LinearInitializer
from andersonn.implicit.lipschitz import MonotoneCell, MonotoneLinear, bound_norm, bound_norms, bound_rows
from andersonn.implicit.monitor import DriftMonitor, WellPosednessWarning
from andersonn.implicit.schedule import ToleranceSchedule
from andersonn.implicit.stability import contraction_rate, jacobian_penalty, radius_report, spectral_radius
from andersonn.implicit.states import correction_loss
from andersonn.implicit.unrolled import NeumannGradient, OneStepGradient, PhantomGradient
from andersonn.implicit.warm_start import WarmStarts
from andersonn.implicit.weights import load_weights, save_weights

__all__ = [
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
]
