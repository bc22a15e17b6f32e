"""ASE and pymatgen objects become structures; pymatgen's own CIF parser agrees with ours."""

import io
import itertools
import warnings

import numpy as np
import pytest
from ase.io import read as ase_read

from andersonn.errors import InputError
from andersonn.structures.readers import as_structure, read_file
from tests.structures.test_readers import assert_same


def test_objects(atoms, structures):
    assert as_structure(structures["Si"]) is structures["Si"]
    molecule = as_structure(ase_read(io.StringIO("2\n\nC 0 0 0\nO 0 0 1.13\n"), format="xyz"))
    assert not molecule.periodic
    with pytest.raises(TypeError, match="cannot make a structure of dict"):
        as_structure({"Z": [1]})


class FakeLattice:
    matrix = 5.64 * np.eye(3)


class FakePymatgen:
    """What a pymatgen Structure offers, for machines without that library."""

    lattice = FakeLattice()
    cart_coords = np.array([[0, 0, 0], [2.82, 0, 0]])
    atomic_numbers = (11, 17)
    species_and_occu = ("Na", "Cl")
    charge = 0

    def __init__(self, ordered: bool):
        self.is_ordered = ordered

    def __iter__(self):
        return iter([type("Site", (), {"species": {"Na": 0.5}})()])


def test_pymatgen_like_objects():
    assert as_structure(FakePymatgen(True)).formula == "NaCl"
    with pytest.raises(InputError, match="partially occupied"):
        as_structure(FakePymatgen(False))


def test_real_pymatgen_objects(structures):
    core = pytest.importorskip("pymatgen.core")
    source = structures["NaCl"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crystal = core.Structure(core.Lattice(source.cell), source.Z.tolist(), source.xyz, coords_are_cartesian=True)
        assert_same(as_structure(crystal), source)
        assert not as_structure(core.Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.13]])).periodic
        crystal.replace_species({"Na": {"Na": 0.5, "K": 0.5}})
        with pytest.raises(InputError, match="partially"):
            as_structure(crystal)


def test_real_pymatgen_cif_parser_agrees(demo_sample, tmp_path):
    """Symmetrized CIFs of real crystals: gemmi and our expansion against pymatgen's parser."""
    core = pytest.importorskip("pymatgen.core")
    from pymatgen.io.cif import CifParser, CifWriter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in itertools.islice(range(0, len(demo_sample), 40), 40):
            source = demo_sample[index]
            if len(source) > 40:
                continue
            crystal = core.Structure(
                core.Lattice(source.cell), source.Z.tolist(), source.xyz, coords_are_cartesian=True
            )
            path = tmp_path / f"{index}.cif"
            CifWriter(crystal, symprec=0.01).write_file(path)
            (ours,) = read_file(path)
            theirs = as_structure(CifParser(path).parse_structures(primitive=False)[0])
            assert_same(ours, theirs)
