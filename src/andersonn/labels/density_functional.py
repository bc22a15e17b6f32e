"""The level of theory of QM9 in PySCF: B3LYP/6-31G(2df,p), as mean fields that are not yet converged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements

BASIS = "6-31G(2df,p)"
HEAVY_BASIS = "def2-TZVP"
"""Of elements beyond argon, which :data:`BASIS` lacks; beyond krypton with its effective core potential."""
FUNCTIONAL = "b3lypg"
"""Gaussian's B3LYP, with the VWN functional that was fitted to the random-phase approximation. PySCF took another one
for the name ``b3lyp`` before its version 2.3; ``b3lypg`` has always meant this."""
GRID = 1
"""PySCF's level of the integration grid."""
BLOCK_MB = 100
"""Memory for a block of the integration grid. PySCF takes the whole grid at once where there is room for it, which takes a fifth
longer, since the processor's cache does not hold it.
"""
LEVEL = f"B3LYP/{BASIS}"
METHOD = f"{LEVEL}, density fitting, grid level {GRID} (PySCF)"
ARGON, KRYPTON = 18, 36
CORE, CORES = "OPENBLAS_CORETYPE", {"avx512vl": "SkylakeX", "avx2": "Haswell"}
"""Environment variable that tells OpenBLAS the kind of processor, and instructions with the kind that has them, the best first."""
PROCESSOR = Path("/proc/cpuinfo")


@contextmanager
def told_of_processor() -> Iterator[None]:
    """A block in which PySCF is imported. The OpenBLAS in its wheel is of 2018 and takes newer processors for one of 2004, which makes a
    mean field half as fast. So it is told, unless the user has told it, or the system does not say (Linux does).
    """
    flags = PROCESSOR.read_text(encoding="utf-8").split() if PROCESSOR.exists() else []
    core = next((name for flag, name in CORES.items() if flag in flags), None)
    if core is None or CORE in os.environ:
        yield
        return
    os.environ[CORE] = core
    try:
        yield
    finally:
        del os.environ[CORE]


def mean_field(Z: np.ndarray, xyz: np.ndarray, charge: int, unpaired: int) -> Any:
    """PySCF's mean field of a molecule: restricted for closed shells, unrestricted for open ones.

    Args:
        Z: atomic numbers ``[n]``.
        xyz: positions in Å, float64 ``[n, 3]``.
        charge: in e.
        unpaired: electrons.

    Raises:
        InputError: there is no basis for an element.
    """
    with told_of_processor():
        from pyscf import dft, gto
        from pyscf.lib.exceptions import BasisNotFoundError

    symbols = elements.symbols()
    atoms = [(symbols[z], place) for z, place in zip(Z.tolist(), xyz.tolist(), strict=True)]
    basis = {symbols[z]: HEAVY_BASIS if z > ARGON else BASIS for z in np.unique(Z)}
    cores = {symbols[z]: HEAVY_BASIS for z in np.unique(Z) if z > KRYPTON}
    try:
        molecule = gto.M(atom=atoms, basis=basis, ecp=cores, charge=charge, spin=unpaired, verbose=0, unit="Angstrom")
    except (BasisNotFoundError, KeyError) as error:
        raise InputError("no_basis", f"no basis for an element: {error}", "use --method gfn2") from None
    field = (dft.UKS if unpaired else dft.RKS)(molecule, xc=FUNCTIONAL).density_fit()
    field.grids.level = GRID
    field.max_memory = BLOCK_MB
    return field


def converged(field: Any, guess: Any = None) -> tuple[Any, str]:
    """The converged field, and how it got there: ``"DIIS"``, or ``"second order"`` where that failed.

    Args:
        field: of :func:`mean_field`, perhaps moved to a GPU.
        guess: density matrix to begin with.

    Raises:
        InputError: it does not converge.
    """
    field.kernel(dm0=guess)
    if field.converged:
        return field, "DIIS"
    field = field.newton()
    field.kernel()
    if not field.converged:
        raise InputError("not_converged", "the self-consistent field did not converge", "check charge and geometry")
    return field, "second order"


def heavy_note(Z: np.ndarray) -> list[str]:
    """A note that names the elements with the other basis; none if there are none."""
    heavy = [elements.symbols()[z] for z in np.unique(Z) if z > ARGON]
    return [f"{', '.join(heavy)}: {HEAVY_BASIS}"] if heavy else []
