"""Electric dipole moments: B3LYP/6-31G(2df,p) by PySCF, as QM9 has them, or GFN2-xTB by tblite as the quick level."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from andersonn.errors import InputError, UsageError
from andersonn.labels.density_functional import LEVEL, METHOD, converged, heavy_note, mean_field
from andersonn.labels.jobs import structure_as_json, structure_from_json
from andersonn.labels.run import Labeler, require
from andersonn.structures.readers.molecules.smiles import scaffold
from andersonn.structures.structure import Structure

DEBYE = 2.541746473
"""D in 1 e·a₀ (CODATA 2018)."""
METHODS = {
    "b3lyp": METHOD,
    "gfn2": "GFN2-xTB (tblite)",
}
LEVELS = {"gfn2": "GFN2-xTB", "b3lyp": LEVEL}
DEVICES = ("auto", "cpu", "cuda")


def dipole_labeler(method: str = "b3lyp", relax: str = "none", conformers: int = 1, device: str = "auto") -> Labeler:
    """The labeler of dipole moments.

    Args:
        method: ``"b3lyp"`` or ``"gfn2"``.
        relax: ``"gfn2"`` optimizes the geometry by GFN2-xTB first, ``"b3lyp"`` at the level of QM9; ``"none"`` takes it as
            given, or as made from SMILES by ETKDGv3 and MMFF94.
        conformers: how many are made from SMILES; the one of the lowest energy is labeled.
        device: ``"cuda"`` computes B3LYP by gpu4pyscf; ``"auto"`` does so where a CUDA device and gpu4pyscf are.

    Raises:
        UsageError: a package is missing.
    """
    if "b3lyp" in (method, relax):
        require("pyscf", "B3LYP")
    if method == "gfn2" or relax == "gfn2":
        require("tblite", "GFN2-xTB")
    if device == "cuda" and not gpu_ready():
        raise UsageError(
            "no_device", "--device cuda needs a CUDA device and gpu4pyscf", "pip install gpu4pyscf-cuda12x"
        )
    return Labeler(
        "dipole",
        "andersonn.labels.dipole:compute",
        METHODS[method],
        ("dipole_D",),
        {"method": method, "relax": relax, "conformers": conformers},
        {"device": device},
    )


def gpu_ready() -> bool:
    """Whether gpu4pyscf is installed and cupy sees a CUDA device."""
    if importlib.util.find_spec("gpu4pyscf") is None or importlib.util.find_spec("cupy") is None:
        return False
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def to_gpu(field: Any) -> Any:
    """A mean-field object of PySCF as one of gpu4pyscf."""
    return field.to_gpu()


def to_cpu(field: Any) -> Any:
    """The inverse of :func:`to_gpu`, results included."""
    return field.to_cpu()


def compute(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """What a worker does: the geometry, then the dipole moment in D.

    The dipole of an ion depends on the origin; it is then taken about the center of mass, and a note says so.
    """
    structure, unpaired, provenance = _geometry(payload, settings)
    require_parity(structure, unpaired)
    center = np.average(structure.xyz, axis=0, weights=_masses(structure.Z))
    method: Callable[..., Any] = {"b3lyp": _b3lyp, "gfn2": _gfn2}[settings["method"]]
    vector, facts = method(structure.Z, structure.xyz - center, structure.charge, unpaired, settings["device"])
    notes = ["the dipole of an ion, about its center of mass"] if structure.charge else []
    notes += heavy_note(structure.Z) if settings["method"] == "b3lyp" else []
    result: dict[str, Any] = {
        "values": {"dipole_D": float(np.linalg.norm(vector) * DEBYE)},
        "structure": structure_as_json(structure),
        "notes": notes,
        "provenance": provenance | {"multiplicity": unpaired + 1, "dipole_vector_D": (vector * DEBYE).tolist()} | facts,
    }
    if payload["smiles"]:
        result["group"] = scaffold(payload["smiles"])
    return result


def _geometry(payload: dict[str, Any], settings: dict[str, Any]) -> tuple[Structure, int, dict[str, Any]]:
    """The structure to be labeled, its unpaired electrons, and how it came about."""
    bonds = None
    if payload["structure"] is not None:
        candidates = [structure_from_json(payload["structure"], payload["id"], payload["charge"])]
        geometry, multiplicity, energies = "as given", payload["multiplicity"], [None]
    else:
        from andersonn.labels.molecules import SEED, conformers

        made = conformers(payload["smiles"], settings["conformers"], payload["id"])
        candidates, energies, bonds = made.structures, made.energies.tolist(), made.bonds
        geometry, multiplicity = f"ETKDGv3 (seed {SEED}) + {made.force_field}", payload["multiplicity"]
        multiplicity = multiplicity or made.multiplicity
    if candidates[0].periodic:
        raise InputError("periodic", "a crystal has no dipole moment of its own", "give a molecule without a cell")
    charge = candidates[0].charge
    electrons = int(candidates[0].Z.sum()) - charge
    unpaired = electrons % 2 if multiplicity is None else multiplicity - 1
    chosen, energy = 0, energies[0]
    if settings["relax"] != "none":
        require_parity(candidates[0], unpaired)
        chosen, structure, energy = _lowest(candidates, bonds, charge, unpaired, settings["relax"])
        geometry += f", optimized by {LEVELS[settings['relax']]}"
    else:
        structure = candidates[0]
    facts = {"geometry": geometry, "conformers": len(candidates), "conformer": chosen, "conformer_energy": energy}
    return structure, unpaired, facts


def _lowest(
    candidates: list[Structure], bonds: frozenset[tuple[int, int]] | None, charge: int, unpaired: int, level: str
) -> tuple[int, Structure, float]:
    """Number, geometry and energy in eV of the lowest relaxed conformer whose bonds are still those of the SMILES."""
    from andersonn.labels.molecules import distinct, keeps_bonds
    from andersonn.labels.relax import relaxed

    found: list[tuple[float, int, Structure]] = []
    trouble: InputError | None = None
    for k in range(len(candidates)) if level == "gfn2" else distinct(candidates):
        try:
            structure, energy = relaxed(candidates[k], charge, unpaired, level)
        except InputError as error:
            trouble = error
            continue
        if bonds is None or keeps_bonds(structure, bonds):
            found.append((energy, k, structure))
        else:
            trouble = InputError("rearranged", "bonds changed in the optimization", "check charges and protons")
    if not found:
        assert trouble is not None
        raise trouble
    energy, k, structure = min(found, key=lambda item: item[0])
    return k, structure, energy


def require_parity(structure: Structure, unpaired: int) -> None:
    """Checks that the electrons allow the number of unpaired ones.

    Raises:
        InputError: they do not.
    """
    electrons = int(structure.Z.sum()) - structure.charge
    if unpaired < 0 or unpaired > electrons or (electrons - unpaired) % 2:
        raise InputError(
            "bad_multiplicity",
            f"{electrons} electrons cannot have multiplicity {unpaired + 1}",
            "correct the charge or the multiplicity",
        )


def _masses(Z: np.ndarray) -> np.ndarray:
    from ase.data import atomic_masses

    return atomic_masses[Z]


def _gfn2(Z: np.ndarray, xyz: np.ndarray, charge: int, unpaired: int, device: str) -> tuple[np.ndarray, dict[str, Any]]:
    from andersonn.labels.relax import gfn2_dipole

    vector, facts = gfn2_dipole(Z, xyz, charge, unpaired)
    return vector, facts | {"program": f"tblite {version('tblite')}"}


def _b3lyp(
    Z: np.ndarray, xyz: np.ndarray, charge: int, unpaired: int, device: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """Dipole in e·a₀ ``[3]`` about the origin; restricted for closed shells, unrestricted for open ones."""
    field = mean_field(Z, xyz, charge, unpaired)
    on_gpu = device == "cuda" or (device == "auto" and gpu_ready())
    field, solver = converged(to_gpu(field) if on_gpu else field)
    if on_gpu:
        field = to_cpu(field)  # what follows takes no time
    facts = {
        "device": "cuda" if on_gpu else "cpu",
        "program": f"pyscf {version('pyscf')}",
        "scf": solver,
        "energy_Ha": float(field.e_tot),
    }
    return np.asarray(field.dip_moment(unit="AU", verbose=0), dtype=float), facts
