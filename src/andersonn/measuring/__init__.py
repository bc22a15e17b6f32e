"""Instruments: clocks, memory, and where one convergence curve overtakes another. Knows nothing of the solvers."""
