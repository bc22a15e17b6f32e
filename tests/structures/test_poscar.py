"""POSCAR and its kin as programs write them."""

import numpy as np
import pytest

from andersonn.errors import InputError
from andersonn.structures.readers import read_each

ROWS = ["0 0 0", "0 0.5 0.5", "0.5 0 0.5", "0.5 0.5 0", "0.5 0.5 0.5", "0.5 0 0", "0 0.5 0", "0 0 0.5"]
HEAD = ["NaCl", "1.0", "5.64 0 0", "0 5.64 0", "0 0 5.64"]


def poscar(head=HEAD, symbols="Na Cl", counts="4 4", mode="Direct", rows=ROWS, tail=""):
    return "\n".join([*head, symbols, counts, mode, *rows]) + "\n" + tail


def head(**lines):
    return [lines.get(f"line{k}", line) for k, line in enumerate(HEAD)]


READ = {
    "plain": poscar(),
    "old line ends": poscar().replace("\n", "\r"),
    "symbols over lines": poscar(symbols="Na\nCl", counts="4\n4"),
    "counts over lines": poscar(symbols="Na Cl Na Cl", counts="1 1\n3 3", rows=[ROWS[k] for k in (0, 4, 1, 2, 3, 5, 6, 7)]),
    "potentials": poscar(symbols="Na_pv Cl_s"),
    "hashes": poscar(symbols="Na_pv/4c3ab5b3 Cl/8f2e"),
    "slashes": poscar(symbols="Na/ Cl/"),
    "remarks": poscar(symbols="Na Cl # species", counts="4 4 ! atoms", head=head(line1="1.0 ! scale")),
    "words behind numbers": poscar(head=head(line1="1.0 scale", line2="5.64 0 0 a", line3="0 5.64 0 b")),
    "Fortran": poscar(head=head(line1="1.d0", line2="5.64d0 0 0", line3="0 5.64D+00 0")),
    "negative scale": poscar(head=head(line1="-179.406144")),
    "three scales": poscar(head=head(line1="1.0 1.0 2.0", line4="0 0 2.82")),
    "selective": poscar(mode="Selective dynamics\nDirect", rows=[f"{row} T T F" for row in ROWS]),
    "flags without selective": poscar(rows=[f"{row} T T T" for row in ROWS]),
    "Cartesian": poscar(mode="Kartesisch", rows=[" ".join(str(5.64 * float(x)) for x in row.split()) for row in ROWS]),
    "labels behind": poscar(rows=[f"{row} {'Na' if k < 4 else 'Cl'}{k}" for k, row in enumerate(ROWS)]),
    "an empty species": poscar(symbols="Na K Cl", counts="4 0 4"),
    "velocities": poscar(tail="\n" + "0.1 0.2 0.3\n" * 8),
    "a grid": poscar(tail="\n 2 2 2\n 1.0 2.0 3.0 4.0\n"),
    "a form feed in the title": poscar(head=head(line0="Na\x0cCl\u2028x")),
}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def found(text, name="POSCAR"):
        (tmp_path / name).write_text(text, newline="")
        return read_each(tmp_path / name)

    return found


@pytest.mark.parametrize("case", READ)
def test_dialects(case, read):
    (structure,) = read(READ[case])
    assert sorted(structure.Z.tolist()) == [11] * 4 + [17] * 4
    assert np.allclose(structure.cell, 5.64 * np.eye(3), atol=1e-6)
    fractional = structure.xyz @ np.linalg.inv(structure.cell)
    order = np.lexsort(fractional.T)
    wanted = np.array([row.split() for row in ROWS], dtype=float)
    assert np.allclose(fractional[order], wanted[np.lexsort(wanted.T)], atol=1e-6)
    sodium = {tuple(np.round(row, 3)) for row in fractional[structure.Z == 11].tolist()}
    assert sodium == {tuple(map(float, row.split())) for row in ROWS[:4]}


def test_deuterium_is_said(read):
    (structure,) = read(poscar(symbols="Na D"))
    assert set(structure.Z.tolist()) == {1, 11}
    assert any("hydrogen" in note for note in structure.notes)


REFUSED = {
    "VASP 4": (poscar().replace("Na Cl\n", ""), "VASP 4"),
    "VASP 4 with symbols as title": (poscar(head=head(line0="Na Cl")).replace("Na Cl\n4", "4"), "VASP 4"),
    "fewer symbols": (poscar(symbols="Na"), "1 element symbols|counts 4 atoms|no line"),
    "fewer counts": (poscar(counts="4"), "2 element symbols and 1 counts"),
    "a pseudo-hydrogen": (poscar(symbols="Na H.75"), "H.75"),
    "an unknown element": (poscar(symbols="Na Qq"), "Qq"),
    "labels that contradict": (poscar(rows=[f"{row} {'Na' if k < 5 else 'Cl'}" for k, row in enumerate(ROWS)]), "label"),
    "a word among coordinates": (poscar(rows=["0 0 x", *ROWS[1:]]), "atom 1 has no three coordinates"),
    "too few rows": (poscar(rows=ROWS[:7]), "lists 7"),
    "too many rows": (poscar(counts="3 4"), "counts 7 atoms but lists 8"),
    "too many rows with flags": (
        poscar(counts="3 4", mode="Selective dynamics\nDirect", rows=[f"{row} T T F" for row in ROWS]),
        "counts 7 atoms but lists 8",
    ),
    "no mode": (poscar().replace("Direct\n", ""), "line 8 of the POSCAR must say Direct or Cartesian"),
    "no mode, selective": (
        poscar(mode="Selective dynamics", rows=[f"{row} T T F" for row in ROWS]),
        "line 9 of the POSCAR must say Direct or Cartesian",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_cause(case, read):
    text, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        read(text)


@pytest.mark.parametrize("again", [False, True])
def test_steps_of_an_xdatcar(read, again):
    first = "\n".join([*HEAD, "Na Cl", "4 4"]) + "\n"
    moved = ["0.01 0 0", *ROWS[1:]]
    larger = first.replace("1.0", "1.1") if again else ""
    text = (
        first
        + "Direct configuration=     1\n"
        + "\n".join(ROWS)
        + "\n"
        + larger
        + "Direct configuration=     2\n"
        + "\n".join(moved)
    )
    one, two = read(text, "XDATCAR")
    assert np.allclose(one.xyz[0], 0)
    assert two.xyz[0, 0] == pytest.approx(0.0564 * (1.1 if again else 1.0))
    assert two.volume == pytest.approx(one.volume * (1.1**3 if again else 1.0))
