"""Elements of PDB atoms whose element columns are empty and whose names are ambiguous.

By the format a name's symbol ends in column 14, so that ``BR1`` begins in column 13 and ``CA`` of an amino acid in 14. Many
files do not keep to it: ``_BR1`` reads as boron. Where a name may stand for an element of one letter or of two, the
distances to atoms of known elements decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements

HINT = "write the element's symbol in columns 77 and 78"
REACH = 3.3
"""Å; no bond that decides is longer."""
LONG = 2.5
"""Å; no bond of silicon or sulfur to a halogen, oxygen, nitrogen or carbon is longer."""
SHORTEST, LONGEST = 0.77, 1.12
"""A bond's length over the sum of the covalent radii: 0.79 in a nitrile, 1.05 in a long single bond."""
CLEAR, UNCLEAR = 0.035, 0.06
"""If two elements fit, one is chosen if its bonds deviate from single bonds by at most CLEAR and the other's by at least
UNCLEAR.
"""
MOST_BONDS = {"H": 1, "C": 4, "N": 4, "O": 3, "F": 1, "B": 4}

OXIDE = 0.88
"""The same of a bond of sulfur to an oxygen that has no other; 0.93 of silicon to oxygen."""
NO_IONS = ("B", "C", "N", "P")
"""Elements whose atoms are never alone."""
NOBLE = ("He", "Ne", "Ar")
ATOM = ("ATOM  ", "HETATM")


@dataclass
class _Line:
    """An atom's line: its place in the file, the elements that its name may mean, and its element once known."""

    at: int
    name: str
    residue: str
    xyz: tuple[float, float, float]
    candidates: tuple[str, ...]
    by_format: str
    element: str


def with_elements(text: str) -> tuple[str, tuple[str, ...]]:
    """The text of a PDB file with the elements that were found by distances, and a note on them.

    Raises:
        InputError: a name may mean two elements, and neither columns nor distances decide.
    """
    lines = text.split("\n")
    if all(line[76:78].strip().isalpha() for line in lines if line.startswith(ATOM)):
        return text, ()
    told: dict[str, str] = {}
    model: list[_Line] = []
    for at, line in enumerate([*lines, "ENDMDL"]):
        if line.startswith(ATOM):
            read = _read(at, line)
            model += [read] if read else []
        elif line.startswith("ENDMDL"):
            _decide(model)
            for atom in model:
                if atom.candidates and atom.element != atom.by_format:
                    row = lines[atom.at].rstrip("\r").ljust(80)
                    lines[atom.at] = row[:76] + atom.element.upper().rjust(2) + row[78:]
                    told[atom.name] = atom.element
            model = []
    shown = ", ".join(f"{name} is {element}" for name, element in list(told.items())[:3])
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return "\n".join(lines), (f"elements told by names and distances: {shown}{more}",) if told else ()


def _read(at: int, line: str) -> _Line | None:
    try:
        x, y, z = (float(line[k : k + 8]) for k in (30, 38, 46))
    except ValueError:  # the parser names what is wrong
        return None
    raw, element = line[12:16].ljust(4), line[76:78].strip().capitalize()
    name, residue, known = raw.strip(), line[17:20].strip(), elements.atomic_number()
    if element in known:
        return _Line(at, name, residue, (x, y, z), (element,), element, element)
    letters = name.lstrip("0123456789'\"*")
    letters = letters[: next((k for k, c in enumerate(letters) if not c.isalpha()), len(letters))]
    one, two = letters[:1].upper(), letters[:2].capitalize()
    if letters[1:2].islower() and two in known:
        candidates: tuple[str, ...] = (two,)
    else:
        candidates = tuple(symbol for symbol in (one, two) if symbol in known and (symbol == one or len(letters) > 1))
    candidates = tuple(dict.fromkeys(candidates))
    hydrogen = one == "H" and len(name) == 4 and name[1:2] in "ABDEGHZ"  # four characters leave no column free
    by_format = two if raw[0].isalpha() and two in known and len(letters) > 1 and not hydrogen else one
    return _Line(at, name, residue, (x, y, z), candidates, by_format, candidates[0] if len(candidates) == 1 else "")


def _decide(model: list[_Line]) -> None:
    """Gives atoms of several candidates their element, those beside known ones first."""
    from scipy.spatial import cKDTree

    open_ = [k for k, atom in enumerate(model) if len(atom.candidates) > 1]
    if not open_:
        return
    xyz = np.array([atom.xyz for atom in model])
    near = dict(zip(open_, cKDTree(xyz).query_ball_point(xyz[open_], REACH), strict=True))
    alone = {key for key, count in _residue_sizes(model).items() if count == 1}
    while open_:
        decided = [(k, symbol) for k in open_ if (symbol := _by_bonds(model, xyz, k, near[k]))]
        if not decided:
            break
        for k, symbol in decided:
            model[k].element = symbol
        open_ = [k for k in open_ if not model[k].element]
    for k in open_:
        atom = model[k]
        if atom.by_format == atom.candidates[1] or _is_tabulated(atom.residue):
            atom.element = atom.by_format  # a name in its columns, or one that is in tables
            continue
        if atom.residue in alone and not _has_bonds(model, xyz, k, near[k]) and _is_ion(atom):
            atom.element = atom.candidates[1]
            continue
        raise InputError(
            "unknown_element",
            f"atom {atom.name!r} may be {atom.candidates[0]} or {atom.candidates[1]}: its element columns are empty, and "
            "distances do not tell",
            HINT,
        )


def _is_ion(atom: _Line) -> bool:
    """Whether an atom alone in its residue is of the element of two letters: the residue is called after it, as ``CL-`` and
    ``IN3``, or the element of one letter makes no ion, or the name is the symbol and the residue is not called otherwise.
    """
    one, two = (symbol.upper() for symbol in atom.candidates)
    residue, name = (text.upper().strip("0123456789+-") for text in (atom.residue, atom.name))
    return residue == two or atom.candidates[0] in NO_IONS or (name == two and residue not in (one, "IOD"))


def _is_tabulated(residue: str) -> bool:
    table = gemmi.find_tabulated_residue(residue)
    return table.is_amino_acid() or table.is_nucleic_acid()


def _apart(xyz: np.ndarray, i: int, j: int) -> float:
    return float(np.linalg.norm(xyz[i] - xyz[j]))


def _residue_sizes(model: list[_Line]) -> dict[str, int]:
    """How many different names of atoms residues of a name have."""
    names: dict[str, set[str]] = {}
    for atom in model:
        names.setdefault(atom.residue, set()).add(atom.name)
    return {residue: len(found) for residue, found in names.items()}


def _ratios(model: list[_Line], xyz: np.ndarray, k: int, near: list[int], symbol: str) -> tuple[np.ndarray, list[str]]:
    """Distances of an atom to those of known elements, over the sum of the radii if it is the element ``symbol``."""
    radius, number = elements.column("covalent_radius_A"), elements.atomic_number()
    known = [j for j in near if j != k and model[j].element]
    distance = np.linalg.norm(xyz[known] - xyz[k], axis=1) if known else np.zeros(0)
    apart = distance > 0.5  # else an alternative of the same atom
    known = [j for j, keep in zip(known, apart.tolist(), strict=True) if keep]
    sums = np.array([radius[number[model[j].element]] for j in known]) + radius[number[symbol]]
    return distance[apart] / sums, [model[j].element for j in known]


def _has_bonds(model: list[_Line], xyz: np.ndarray, k: int, near: list[int]) -> bool:
    return any((_ratios(model, xyz, k, near, symbol)[0] < LONGEST).any() for symbol in model[k].candidates)


def _by_bonds(model: list[_Line], xyz: np.ndarray, k: int, near: list[int]) -> str:
    """The one candidate whose bonds have possible lengths and numbers; empty if none or both do."""
    if "Si" in model[k].candidates and any(not model[j].element and _apart(xyz, j, k) < LONG for j in near if j != k):
        return ""  # how many bonds it has decides
    fits: dict[str, float] = {}
    for symbol in model[k].candidates:
        ratios, partners = _ratios(model, xyz, k, near, symbol)
        bonded = ratios < LONGEST
        count = int(bonded.sum())
        if not count or symbol in NOBLE or ratios.min() < SHORTEST or count > MOST_BONDS.get(symbol, 12):
            continue
        oxides = any(p == "O" and r < OXIDE for p, r in zip(partners, ratios.tolist(), strict=True))
        if (symbol == "S" and count > 2 and not oxides) or (symbol == "Si" and (count < 3 or oxides)):
            continue  # sulfur has more than two bonds where some are to oxygen and short; silicon always
        fits[symbol] = float(np.abs(ratios[bonded] - 1.0).mean())
    if len(fits) == 2:
        (best, low), (_, high) = sorted(fits.items(), key=lambda item: item[1])
        return best if low <= CLEAR and high >= UNCLEAR else ""
    return next(iter(fits), "")
