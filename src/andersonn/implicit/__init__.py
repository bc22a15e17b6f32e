"""The equilibrium layer, its gradient rules and how well-posed it is. Stands on ``solvers`` alone."""

from andersonn.implicit.equilibrium import Equilibrium
from andersonn.implicit.gradient import ImplicitGradient
from andersonn.implicit.stability import jacobian_penalty, spectral_radius

__all__ = ["Equilibrium", "ImplicitGradient", "jacobian_penalty", "spectral_radius"]
