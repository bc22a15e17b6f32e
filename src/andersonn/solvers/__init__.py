"""Solvers of z = f(z) for batches of states. Needs torch and nothing else of this package but its errors."""

from andersonn.solvers.anderson import Anderson, fixed_point
from andersonn.solvers.broyden import Broyden
from andersonn.solvers.fixed_point_iteration import FixedPointIteration, ForwardIteration, Picard
from andersonn.solvers.gmres import GMRES
from andersonn.solvers.layout import Layout
from andersonn.solvers.newton_krylov import NewtonKrylov
from andersonn.solvers.pytree import Nest, PyTree
from andersonn.solvers.result import FixedPoint, Status, Trace
from andersonn.solvers.solver import Solver

__all__ = [
    "GMRES",
    "Anderson",
    "Broyden",
    "FixedPoint",
    "FixedPointIteration",
    "ForwardIteration",
    "Layout",
    "Nest",
    "NewtonKrylov",
    "Picard",
    "PyTree",
    "Solver",
    "Status",
    "Trace",
    "fixed_point",
]
