"""Solvers of z = f(z) for batches of states. Needs torch and nothing else of this package but its errors."""

from andersonn.solvers.anderson import Anderson
from andersonn.solvers.layout import Layout
from andersonn.solvers.picard import ForwardIteration
from andersonn.solvers.result import FixedPoint, Status, Trace
from andersonn.solvers.solver import Solver, fixed_point

__all__ = ["Anderson", "FixedPoint", "ForwardIteration", "Layout", "Solver", "Status", "Trace", "fixed_point"]
