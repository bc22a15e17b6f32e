"""Alternatives of disorder: which atoms are kept, and what is refused."""

import ctypes

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import neighbor_list

from andersonn.errors import InputError
from andersonn.structures import choosing, damage
from andersonn.structures.alternatives import Choice, resolving
from andersonn.structures.contacts import Contacts
from andersonn.structures.frameworks import read_frameworks
from andersonn.structures.guests import doubts_of_framework
from andersonn.structures.readers import as_structure, read_file
from andersonn.structures.structure import Structure
from tests.structures.known_frameworks import COORDINATES, framework

WATER = molecule("H2O")


def cleaned(atoms: Atoms) -> Structure:
    """What is left of a structure in which alternatives are there together."""
    (found,) = read_frameworks(lambda: [as_structure(atoms)], False, True)
    return found


def rotor(angles: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A row of benzene rings in a box, once at each angle about the axis of two opposite carbon atoms, those shared."""
    ring = molecule("C6H6")
    ring.rotate(90, "z")
    axis = np.abs(ring.positions[:, 0]) < 0.1
    Z, xyz = list(ring.numbers[axis]), list(ring.positions[axis])
    for angle in angles:
        turned = ring.copy()
        turned.rotate(angle, "y")
        Z += list(turned.numbers[~axis])
        xyz += list(turned.positions[~axis])
    return np.array(Z), np.array(xyz) + 6.0, np.diag([12.0, 12.0, 12.0])


@pytest.mark.parametrize(
    "angles", [(0.0, 20.0), (0.0, 30.0), (10.0, 35.0), (0.0, 25.0, 50.0), (0.0, 70.0), (0.0, 80.0), (0.0, 90.0)]
)
def test_of_a_ring_in_several_places_the_first_is_kept(angles):
    Z, xyz, cell = rotor(angles)
    with resolving():
        found = Structure(Z, xyz, cell)
    alone = Structure(*rotor(angles[:1]))
    assert found.xyz == pytest.approx(alone.xyz)
    assert found.Z.tolist() == alone.Z.tolist()
    assert f"{len(Z) - 12} of {len(Z)} atoms were left out" in found.notes[-1]


def test_linkers_turned_in_a_framework_become_whole_again():
    """Every benzene ring of MIL-47 a second time, turned about its axis: bonds lead from one orientation to the other."""
    mil = framework("MIL-47")
    rings = [k for k in range(len(mil)) if mil.numbers[k] == 6 and 1 in mil.numbers[near(mil, k)]]
    twice = mil.copy()
    for atom in rings:
        (hydrogen,) = (k for k in near(mil, atom) if mil.numbers[k] == 1)
        axis_at = next(k for k in near(mil, atom) if k not in rings and k != hydrogen)
        out = next(k for k in near(mil, axis_at) if k not in rings)
        origin, axis = mil.positions[axis_at], mil.get_distance(axis_at, out, mic=True, vector=True)
        for k in (atom, hydrogen):
            moved = Atoms("X", positions=[mil.get_distance(axis_at, k, mic=True, vector=True)])
            moved.rotate(75, axis)
            twice += Atoms([mil.numbers[k]], positions=moved.positions + origin)
    with resolving():
        found = as_structure(twice)
    assert len(rings) == 16
    assert found.xyz == pytest.approx(as_structure(mil).xyz)
    assert f"32 of {len(twice)} atoms were left out: C16H16" in found.notes[-1]


def near(atoms: Atoms, atom: int) -> list[int]:
    """Atoms bonded to one, by ASE."""
    i, j = neighbor_list("ij", atoms, {("C", "C"): 1.6, ("C", "H"): 1.2, ("C", "O"): 1.4, ("V", "O"): 2.2})
    return j[i == atom].tolist()


@pytest.mark.parametrize("shift", [0.5, 0.7, 0.9])
def test_of_water_that_overlaps_itself_one_molecule_is_kept(shift):
    wet = framework("LTA").copy()
    middle = wet.cell.array.sum(axis=0) / 2
    for move, turn in ((0.0, 0.0), (shift, 40.0)):
        guest = WATER.copy()
        guest.rotate(turn, "x")
        guest.translate(middle + np.array([move, 0, 0]))
        wet += guest
    if shift > 0.6:
        assert any("nearer than any bond" in told for told in doubts_of_framework(as_structure(wet)))
    found = cleaned(wet)
    assert len(found) == len(wet) - 3
    assert found.Z[-3:].tolist() == [8, 1, 1]
    assert found.xyz[-3:] == pytest.approx(wet.positions[-6:-3])


def test_of_an_ion_in_two_places_one_is_kept():
    salt = framework("LTA").copy()
    middle = salt.cell.array.sum(axis=0) / 2
    salt += Atoms("Na2", positions=[middle, middle + np.array([1.0, 0, 0])])
    found = cleaned(salt)
    assert np.count_nonzero(found.Z == 11) == 1
    assert "1 of 74 atoms were left out: Na (Na74), 1 too near to atoms that stay" in found.notes[-1]


def test_a_cif_is_not_called_disordered_once_one_place_is_kept(tmp_path):
    salt = framework("LTA").copy()
    middle = salt.cell.array.sum(axis=0) / 2
    salt += Atoms("O2", positions=[middle, middle + np.array([0.8, 0, 0])])
    salt.write(tmp_path / "salt.cif")
    texts = {}
    for clean in (False, True):
        (found,) = read_frameworks(lambda: read_file(tmp_path / "salt.cif"), False, clean)
        texts[clean] = " ".join((*found.warnings, *doubts_of_framework(found)))
        assert len(found.Z) == len(salt) - clean
    assert "nearer than any bond" in texts[False]
    assert "nearer than any bond" not in texts[True]


def test_a_linker_is_worth_more_than_a_metal_atom_in_it():
    odd = framework("MIL-47").copy()
    ring = next(k for k in range(len(odd)) if odd.numbers[k] == 6 and 1 in odd.numbers[near(odd, k)])
    odd = Atoms("Fe", positions=[odd.positions[ring] + [0, 0.1, 0.5]]) + odd
    assert 26 not in cleaned(odd).Z


def test_the_choice_does_not_hang_on_the_order_of_the_list():
    Z, xyz, cell = rotor((0.0, 25.0, 50.0))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(Z))
        with resolving():
            found = [Structure(Z[order], xyz[order], cell) for _ in range(2)]
        assert found[0].formula == "CH"
        assert len(found[0]) == 12
        assert np.array_equal(found[0].xyz, found[1].xyz)


def test_a_heap_of_atoms_is_refused():
    random = np.random.default_rng(0)
    heap = Atoms("O200", positions=6.0 + random.uniform(0.0, 2.0, (200, 3)), cell=[12.0] * 3, pbc=True)
    with pytest.raises(InputError, match="too many alternatives"):
        cleaned(heap)


@pytest.mark.parametrize("apart", [0.8, 1.0])
def test_a_grid_of_atoms_is_refused_before_any_search(apart, monkeypatch):
    monkeypatch.setattr("scipy.optimize.milp", None)
    places = np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3) * apart
    with pytest.raises(InputError, match="too many alternatives"):
        Choice.of(np.full(216, 8), places, 6.0 * apart * np.eye(3))


def test_a_search_that_takes_too_long_refuses(monkeypatch):
    monkeypatch.setattr(choosing, "SECONDS", 0.0)
    with pytest.raises(InputError, match="too many alternatives") as caught, resolving():
        Structure(*rotor((0.0, 25.0, 50.0)))
    assert caught.value.kind == "disordered"


def test_what_the_solver_prints_is_not_in_the_output(monkeypatch, capfd):
    """JSON on the standard output stays JSON, whatever the compiled solver writes there."""
    import scipy.optimize

    search = scipy.optimize.milp

    def loud(*arguments, **options):
        ctypes.CDLL(None).puts(b"HighsMipSolverData: something of no concern")
        return search(*arguments, **{**options, "options": {**options["options"], "disp": True}})

    monkeypatch.setattr("scipy.optimize.milp", loud)
    print('{"before": 1}')
    with resolving():
        Structure(*rotor((0.0, 30.0)))
    print('{"after": 1}')
    out, errors = capfd.readouterr()
    assert out == '{"before": 1}\n{"after": 1}\n'
    assert "something of no concern" in errors


def test_sound_structures_are_left_as_they_are():
    with resolving():
        for name in COORDINATES:
            assert len(as_structure(framework(name))) == len(framework(name))


def test_a_carborane_is_no_disorder():
    """Boron has six neighbors there, and carbon six, too."""
    angles = np.arange(5) * 2 * np.pi / 5
    belts = [
        [1.45 * np.cos(a + s * np.pi / 5), 1.45 * np.sin(a + s * np.pi / 5), 0.72 - 1.44 * s]
        for s in (0, 1)
        for a in angles
    ]
    cage = np.array([[0, 0, 1.45], [0, 0, -1.45], *belts])
    length = np.linalg.norm(cage, axis=1, keepdims=True)
    xyz = np.concatenate([cage, cage * (1.0 + np.array([[1.1]] * 2 + [[1.2]] * 10) / length)]) + 10.0
    assert Choice.of(np.array([6, 6] + [5] * 10 + [1] * 12), xyz, 20.0 * np.eye(3)) is None


@pytest.mark.parametrize(
    ("gone", "count", "told"),
    [(23, 4, "no atoms form a connected framework"), (1, 8, r"\d+ carbon atoms lack a neighbor \(C\d+")],
)
def test_what_is_broken_by_cleaning_is_refused(gone, count, told):
    """As if cleaning had left out all metals, or some hydrogens of linkers."""
    whole = as_structure(framework("MIL-47"))
    out = np.flatnonzero(np.isin(whole.Z, gone))[:count]
    stays = ~np.isin(np.arange(len(whole)), out)
    choice = Choice(Contacts.of(whole.Z, whole.xyz, whole.cell), stays)
    with pytest.raises(InputError, match=told) as caught:
        damage.refuse_broken(Structure(whole.Z[stays], whole.xyz[stays], whole.cell), choice)
    assert caught.value.kind == "disordered"
