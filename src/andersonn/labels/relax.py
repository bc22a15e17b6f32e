"""Geometries at the GFN2-xTB level (tblite), optimized by ASE's BFGS."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.structure import Structure

FORCE = 0.01
"""eV/Å: no atom is pulled harder at the end."""
STEPS = 500


def relaxed(structure: Structure, charge: int, unpaired: int) -> tuple[Structure, float]:
    """The nearest minimum, and its energy in eV.

    Raises:
        InputError: no minimum is found within :data:`STEPS` steps, or tblite gives up.
    """
    from ase import Atoms
    from ase.optimize import BFGS
    from tblite.ase import TBLite

    atoms = Atoms(structure.Z, structure.xyz)
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=unpaired + 1, verbosity=0)
    try:
        found = BFGS(atoms, logfile=None).run(fmax=FORCE, steps=STEPS)
        energy = float(atoms.get_potential_energy())
    except Exception as error:  # ASE and tblite raise errors of many kinds
        raise InputError("not_relaxed", f"GFN2-xTB: {error}", "use --relax none, or another geometry") from None
    if not found:
        raise InputError("not_relaxed", f"no minimum after {STEPS} steps", "use --relax none, or another geometry")
    return Structure(structure.Z, atoms.get_positions(), id=structure.id, charge=charge), energy


def gfn2_dipole(Z: np.ndarray, xyz: np.ndarray, charge: int, unpaired: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Dipole in e·a₀ ``[3]`` about the origin of ``xyz``, and facts on the computation for the row.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions in Å, float64 ``[n, 3]``.
        charge: in e.
        unpaired: electrons.

    Raises:
        InputError: the charges do not converge.
    """
    from ase.units import Bohr
    from tblite.exceptions import TBLiteRuntimeError
    from tblite.interface import Calculator

    calculator = Calculator("GFN2-xTB", np.asarray(Z, dtype=int), xyz / Bohr, charge=charge, uhf=unpaired)
    calculator.set("verbosity", 0)
    try:
        result = calculator.singlepoint()
    except TBLiteRuntimeError as error:
        raise InputError("not_converged", f"GFN2-xTB: {error}", "check charge, multiplicity and geometry") from None
    return np.array(result.get("dipole")), {"device": "cpu"}
