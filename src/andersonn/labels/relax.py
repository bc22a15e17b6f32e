"""Geometries at the level of GFN2-xTB (tblite) or of QM9 (PySCF), optimized by ASE's BFGS."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.labels.density_functional import converged, mean_field
from andersonn.structures.structure import Structure

FORCE = 0.01
"""eV/Å: no atom is pulled harder at the end."""
STEPS = 500


def relaxed(structure: Structure, charge: int, unpaired: int, level: str = "gfn2") -> tuple[Structure, float]:
    """The nearest minimum, and its energy in eV.

    Args:
        structure: where the search begins.
        charge: in e.
        unpaired: electrons.
        level: ``"gfn2"`` or ``"b3lyp"``.

    Raises:
        InputError: no minimum is found within :data:`STEPS` steps, or the program gives up.
    """
    from ase import Atoms
    from ase.optimize import BFGS

    atoms = Atoms(structure.Z, structure.xyz)
    atoms.calc = {"gfn2": _gfn2, "b3lyp": _b3lyp}[level](charge, unpaired)
    try:
        found = BFGS(atoms, logfile=None).run(fmax=FORCE, steps=STEPS)
        energy = float(atoms.get_potential_energy())
    except InputError:
        raise
    except Exception as error:  # ASE, tblite and PySCF raise errors of many kinds
        raise InputError("not_relaxed", f"{level}: {error}", "use --relax none, or another geometry") from None
    if not found:
        raise InputError("not_relaxed", f"no minimum after {STEPS} steps", "use --relax none, or another geometry")
    return Structure(structure.Z, atoms.get_positions(), id=structure.id, charge=charge), energy


def _gfn2(charge: int, unpaired: int) -> Any:
    from tblite.ase import TBLite

    return TBLite(method="GFN2-xTB", charge=charge, multiplicity=unpaired + 1, verbosity=0)


def _b3lyp(charge: int, unpaired: int) -> Any:
    """ASE's calculator for the mean field of the dipoles; each step begins with the density of the one before."""
    from ase.calculators.calculator import Calculator
    from ase.units import Bohr, Hartree

    class MeanField(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012
        density = None

        def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = ()) -> None:
            super().calculate(atoms, properties, system_changes)
            field, _ = converged(mean_field(atoms.numbers, atoms.positions, charge, unpaired), self.density)
            self.density = field.make_rdm1()
            # without the grid's own response, forces on so coarse a grid do not fit the energy: the search ran away for LiF
            slope = field.nuc_grad_method().set(verbose=0, grid_response=True).kernel()
            self.results = {"energy": float(field.e_tot) * Hartree, "forces": -slope * Hartree / Bohr}

    return MeanField()


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
