"""Solvers of z = f(z) for batches of states. Needs torch and nothing else of this package but its errors."""

from andersonn.solvers.anderson import Anderson
from andersonn.solvers.broyden import Broyden
from andersonn.solvers.gmres import GMRES
from andersonn.solvers.layout import Layout
from andersonn.solvers.nest import Nest
from andersonn.solvers.picard import ForwardIteration
from andersonn.solvers.result import FixedPoint, Status, Trace
from andersonn.solvers.solver import Solver, fixed_point

__all__ = [
    "GMRES",
    "Anderson",
    "Broyden",
    "FixedPoint",
    "ForwardIteration",
    "Layout",
    "Nest",
    "Solver",
    "Status",
    "Trace",
    "fixed_point",
]
