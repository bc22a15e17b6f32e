"""Zeo++, PySCF and tblite themselves, where they are installed."""

import importlib.util

import numpy as np
import pytest

from andersonn.errors import InputError, UsageError
from andersonn.io.installed import how_to_install
from andersonn.labels import density_functional, dipole, pore
from andersonn.labels.jobs import Job, structure_as_json
from andersonn.labels.molecules import distinct
from andersonn.labels.run import Effort, label, require
from andersonn.structures.structure import Structure
from andersonn.workers.journal import Journal


def needs(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def payload(structure=None, smiles=None, charge=0, multiplicity=None):
    content = None if structure is None else structure_as_json(structure)
    return {"id": "x", "structure": content, "smiles": smiles, "charge": charge, "multiplicity": multiplicity}


def simple_cubic(a=6.0):
    return Structure(np.array([18]), np.zeros((1, 3)), a * np.eye(3), id="Ar")


WATER = Structure(np.array([8, 1, 1]), np.array([[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]]), id="w")


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    with pytest.raises(UsageError, match="no_such_package") as caught:
        require("no_such_package", "label x")
    assert caught.value.hint == how_to_install("label")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for make in (pore.pore_labeler, dipole.dipole_labeler, lambda: dipole.dipole_labeler("gfn2")):
        with pytest.raises(UsageError, match="needs the package"):
            make()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gpu4pyscf" else object())
    with pytest.raises(UsageError, match="--device cuda"):
        dipole.dipole_labeler(device="cuda")


@pytest.mark.parametrize(
    ("charge", "unpaired", "fine"), [(0, 0, True), (0, 2, True), (1, 1, True), (0, 1, False), (1, 0, False)]
)
def test_electrons_and_multiplicity(charge, unpaired, fine):
    structure = Structure(WATER.Z, WATER.xyz, charge=charge)
    if fine:
        dipole.require_parity(structure, unpaired)
    else:
        with pytest.raises(InputError, match="cannot have multiplicity"):
            dipole.require_parity(structure, unpaired)


@needs("pyzeo")
def test_the_cavity_of_a_simple_cubic_lattice():
    """The cavity's center is half a space diagonal from the atoms, the window's half a face diagonal."""
    found = pore.compute(payload(simple_cubic()), {"accuracy": "default"})["values"]
    radius = 3.0 * np.sqrt(3) - found["lcd_A"] / 2
    assert 1.5 < radius < 2.2
    assert found["pld_A"] / 2 == pytest.approx(3.0 * np.sqrt(2) - radius, abs=2e-3)


@needs("pyzeo")
def test_pores_in_a_subprocess_with_its_noise():
    jobs = [Job("a", "a", simple_cubic(6.0)), Job("b", "b", simple_cubic(7.0)), Job("w", "w", WATER)]
    rows = list(label(jobs, pore.pore_labeler(), Journal(None), Effort(seconds=60)))
    assert rows[1]["pld_A"] - rows[0]["pld_A"] == pytest.approx(np.sqrt(2), abs=5e-3)
    assert rows[0]["program"].startswith("pyzeo")
    assert rows[2]["error"]["kind"] == "not_periodic"


SETTINGS = {"method": "gfn2", "relax": "none", "conformers": 1, "device": "cpu"}


@needs("tblite")
def test_gfn2_dipole_turns_with_the_molecule_and_does_not_move_with_it():
    one = dipole.compute(payload(WATER), SETTINGS)
    turned = Structure(WATER.Z, WATER.xyz[:, [2, 0, 1]] + 5.0)
    two = dipole.compute(payload(turned), SETTINGS)
    assert one["values"]["dipole_D"] == pytest.approx(2.2, abs=0.15)
    a, b = (np.array(r["provenance"]["dipole_vector_D"]) for r in (one, two))
    assert a[[2, 0, 1]] == pytest.approx(b, abs=1e-4)


@needs("tblite", "rdkit")
def test_relaxation_keeps_the_bonds_and_tells_what_was_done():
    found = dipole.compute(payload(smiles="OCC"), SETTINGS | {"relax": "gfn2", "conformers": 3})
    facts = found["provenance"]
    assert facts["geometry"].endswith("optimized by GFN2-xTB")
    assert facts["conformers"] == 3
    assert found["group"] == "CCO"
    assert found["structure"]["atomic_numbers"].count(1) == 6


@needs("tblite")
def test_an_ion_says_that_its_dipole_has_an_origin():
    hydroxide = Structure(np.array([8, 1]), np.array([[0, 0, 0], [0, 0, 0.97]]))
    found = dipole.compute(payload(hydroxide, charge=-1), SETTINGS)
    assert "center of mass" in found["notes"][0]
    with pytest.raises(InputError, match="multiplicity"):
        dipole.compute(payload(hydroxide, charge=0, multiplicity=1), SETTINGS)


@needs("pyscf")
def test_the_functional_is_gaussians():
    """libxc's 402 holds the correlation functional that Gaussian, and so QM9, uses in B3LYP."""
    from pyscf.dft import libxc

    assert libxc.parse_xc(density_functional.FUNCTIONAL)[1] == ((402, 1),)


QM9_FORMAMIDE = 3.7286  # D, gdb9-12
FORMAMIDE = Structure(
    np.array([7, 6, 8, 1, 1, 1]),
    np.array(
        [
            [-0.0259, 1.3464, 0.0089], [0.0467, -0.0065, 0.0009], [1.0802, -0.6482, -0.0123],
            [-0.9119, 1.8260, 0.0090], [0.8320, 1.8792, 0.0128], [-0.9528, -0.4772, 0.0062],
        ]
    ),
)  # fmt: skip


@needs("pyscf")
def test_b3lyp_is_near_qm9():
    """Grid, fitting and a geometry rounded to 1e-2 Å included, formamide lies within 0.1 D of QM9's value."""
    found = dipole.compute(payload(FORMAMIDE), SETTINGS | {"method": "b3lyp"})
    assert found["values"]["dipole_D"] == pytest.approx(QM9_FORMAMIDE, abs=0.1)
    assert found["provenance"]["device"] == "cpu"
    assert found["provenance"]["multiplicity"] == 1


@needs("pyscf")
def test_open_shells_and_unknown_elements():
    lone = Structure(np.array([8, 1]), np.array([[0, 0, 0], [0, 0, 0.97]]))
    found = dipole.compute(payload(lone, multiplicity=2), SETTINGS | {"method": "b3lyp"})
    assert found["values"]["dipole_D"] == pytest.approx(1.7, abs=0.2)
    heavy = Structure(np.array([92]), np.zeros((1, 3)))
    with pytest.raises(InputError, match="gfn2"):
        dipole.compute(payload(heavy), SETTINGS | {"method": "b3lyp"})


@needs("pyscf")
def test_heavy_elements_have_a_basis_and_a_note():
    """Measured 0.83 D (HBr) and 0.45 D (HI); the bond lengths are measured ones."""
    for Z, length, measured in ((35, 1.414, 0.83), (53, 1.609, 0.45)):
        halide = Structure(np.array([Z, 1]), np.array([[0, 0, 0], [0, 0, length]]))
        found = dipole.compute(payload(halide), SETTINGS | {"method": "b3lyp"})
        assert found["values"]["dipole_D"] == pytest.approx(measured, abs=0.1)
        assert "def2-TZVP" in found["notes"][0]


@needs("pyscf", "rdkit")
def test_relaxation_at_the_level_of_qm9():
    """Hydrogen fluoride, measured 0.917 Å."""
    found = dipole.compute(payload(smiles="F"), SETTINGS | {"method": "b3lyp", "relax": "b3lyp"})
    first, second = np.array(found["structure"]["positions"])
    assert np.linalg.norm(first - second) == pytest.approx(0.922, abs=0.005)
    assert found["provenance"]["geometry"].endswith("optimized by B3LYP/6-31G(2df,p)")


def test_distinct_geometries():
    """Mirror images, and the same with two equal atoms exchanged, are one; another dihedral angle is not."""
    flat, bent = (np.array([[0, 0, 0], [1.4, 0, 0], [0, 1, 0], [1.4, np.cos(t), np.sin(t)]]) for t in (0.0, 1.5))
    shapes = [flat, bent, bent * [1, 1, -1], bent[[1, 0, 3, 2]], bent + 1e-3 * flat]
    assert distinct([Structure(np.array([8, 8, 1, 1]), xyz) for xyz in shapes]) == [0, 1]


@needs("pyscf")
def test_the_path_over_the_gpu_up_to_the_gpu(monkeypatch):
    """Without a device: what is handed over, and what is told. Speed and agreement on one are not measured."""
    moves = []
    monkeypatch.setattr(dipole, "gpu_ready", lambda: True)
    monkeypatch.setattr(dipole, "to_gpu", lambda field: (moves.append("to"), field)[1])
    monkeypatch.setattr(dipole, "to_cpu", lambda field: (moves.append("from"), field)[1])
    hydrogen_fluoride = Structure(np.array([1, 9]), np.array([[0, 0, 0], [0, 0, 0.92]]))
    found = {
        device: dipole.compute(payload(hydrogen_fluoride), SETTINGS | {"method": "b3lyp", "device": device})
        for device in ("auto", "cpu")
    }
    assert found["auto"]["provenance"]["device"] == "cuda"
    assert found["cpu"]["provenance"]["device"] == "cpu"
    assert found["auto"]["values"] == pytest.approx(found["cpu"]["values"])
    assert moves == ["to", "from"]


@needs("tblite")
def test_the_device_is_not_part_of_a_rows_key():
    made = dipole.dipole_labeler("gfn2", device="cpu")
    assert "device" not in made.settings
    assert made.means == {"device": "cpu"}


def test_a_crystal_has_no_dipole():
    with pytest.raises(InputError, match="crystal"):
        dipole.compute(payload(simple_cubic()), SETTINGS)
