"""Charge and spin multiplicity: from comment lines, from ASE's ``info`` and calculator, from charges and moments of atoms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from andersonn.structures.electrons import UNPAIRED

COMMENT = "andersonn_comment"
"""Key of ASE's ``info`` under which a reader stores the comment line."""
CHARGE_KEYS = (
    "charge",
    "chrg",
    "total_charge",
    "net_charge",
    "formal_charge",
    "tot_charge",
    "totalcharge",
    "netcharge",
    "mol_charge",
    "molcharge",
    "molecular_charge",
    "molecule_charge",
    "system_charge",
    "overall_charge",
    "charge_state",
    "q",
)
MULTIPLICITY_KEYS = ("multiplicity", "mult", "spin_multiplicity", "spinmult", "spinmultiplicity")
UNPAIRED_KEYS = ("uhf", "unpaired", "n_unpaired", "nunpaired", "unpaired_electrons")
SPIN_KEYS = ("spin", "total_spin")
NUMBER = r"[-+−]?\d+(?:\.\d*)?(?:/2)?[-+−]?(?=e?(?:[^\w.]|$))"
CHARGE_WORDS = "|".join(sorted(CHARGE_KEYS, key=len, reverse=True))
OTHER_WORDS = "|".join(sorted(MULTIPLICITY_KEYS + UNPAIRED_KEYS + SPIN_KEYS, key=len, reverse=True))
WORDS = re.compile(
    rf"(?<![\w.])({CHARGE_WORDS}|{OTHER_WORDS})[\"']?( ?[=:] ?| of | is | state ?[=:]? ?| ?(?=[(\[])| )[\"'(\[]?({NUMBER})",
    re.IGNORECASE,
)
"""A key, what binds it to its number, and the number."""
BOTH = re.compile(
    rf"(?<![\w.])(?:charge(?: and |/| / |, ?| & | )(?:spin[ _])?mult(?:iplicity)?\b ?[=:]?|\* xyz(?:file)?) ?[(\[]?({NUMBER})[, /] ?(\d+)(?![\w.])",
    re.IGNORECASE,
)
"""Charge and multiplicity together, as ``Charge and multiplicity: 1 1`` and ORCA's ``* xyz 1 1``."""
OTHER_CHARGES = ("partial", "point", "no", "nuclear", "atomic", "atom", "core", "from", "image", "background", "surface", "to",
                 "without", "effective", "elementary", "mulliken", "uncertain", "old", "previous", "former")  # fmt: skip
"""Words before ``charge`` by which it is not the charge of the molecule."""
OF_THE_MOLECULE = (
    "total",
    "net",
    "formal",
    "overall",
    "molecular",
    "system",
    "with",
    "has",
    "and",
    "the",
    "its",
    "a",
    "at",
    "in",
)
"""Words before ``charge`` after which a number may follow without an equals sign."""
OTHER_Q = (
    "momentum",
    "vector",
    "wave",
    "phonon",
    "point",
    "order",
    "scattering",
    "grid",
    "mesh",
    "parameter",
    "steinhardt",
)
"""Words near ``q=`` by which it is not a charge."""
SPOKEN = re.compile(
    rf"(?<![\w.])(?:mol(?:ecular)?_)?charged?(?: (?:of|is|was|to|state|value|equals|total|number))?[^\w,.;]{{0,5}}({NUMBER})",
    re.IGNORECASE,
)
"""A number that a comment calls a charge."""
PAIR = re.compile(r"([-+]?\d) ?[, ] ?([1-9])")
"""Charge and multiplicity as Gaussian has them, alone on their line, whose spaces are single ones."""
NOT_UNDERSTOOD = "not understood"
"""Key of a text that mentions a charge in another way."""
LARGEST = 50
"""Larger charges and multiplicities are taken for other numbers."""
SPIN = 0.1
"""Bohr magnetons: atoms with smaller magnetic moments have no unpaired electron."""
WHOLE = 0.05
"""e: charges of atoms that add up to a whole number within this tolerance give the total charge."""


@dataclass(frozen=True)
class Told:
    """What a file or object states about its electrons.

    Attributes:
        charge: in e; None if not stated.
        multiplicity: 2S + 1; None if not stated.
        warnings: on contradictory or impossible statements.
    """

    charge: int | None = None
    multiplicity: int | None = None
    warnings: tuple[str, ...] = ()


def told_by_ase(atoms: Any) -> Told:
    """Charge and multiplicity of an ASE ``Atoms`` of a molecule: from ``info``, the comment of its file, its calculator, initial
    charges and magnetic moments.
    """
    info = getattr(atoms, "info", None) or {}
    Z = int(np.sum(atoms.get_atomic_numbers()))
    stated = {str(key).lower(): value for key, value in info.items()}
    said = _words(str(info[COMMENT]), Z) if COMMENT in info else [("info", stated)]
    told = _agreed(
        [*said, ("its calculator", _of_calculator(atoms)), ("the numbers of its atoms", _of_atoms(atoms))], Z
    )
    moments = getattr(atoms, "arrays", {}).get("initial_magmoms")
    if told.multiplicity == 1 and moments is not None and np.abs(moments).max(initial=0.0) > SPIN:
        opposed = f"{UNPAIRED}, as many up as down, by the magnetic moments of its atoms"
        return replace(told, warnings=(*told.warnings, opposed))
    return told


def _words(text: str, nuclear: int) -> list[tuple[str, dict[str, Any]]]:
    text = " ".join(text[:10_000].split())
    pair = PAIR.fullmatch(text)
    if pair:
        charge, multiplicity = int(pair[1]), int(pair[2])
        fits = (nuclear - charge - multiplicity) % 2 == 1  # else two numbers of another meaning
        return [("the comment", {"charge": charge, "multiplicity": multiplicity})] if fits else []
    found: list[dict[str, Any]] = [{"charge": m[1], "multiplicity": m[2]} for m in BOTH.finditer(text)]
    text = BOTH.sub(" ", text)
    used = [match for match in WORDS.finditer(text) if _counts(match, text)]
    found += [{match[1].lower(): match[3]} for match in used]
    ends = {match.end(3) for match in used}
    left = [m for m in SPOKEN.finditer(text) if m.end(1) not in ends and (n := _number(m[1])) and n == round(n)]
    if left:
        found.append({NOT_UNDERSTOOD: left[0][0].strip()})
    return [("the comment", one) for one in found]


def _counts(match: re.Match[str], text: str) -> bool:
    """Whether a key and its number are about the whole molecule."""
    key, binds = match[1].lower(), match[2].strip()
    if key == "q":
        return binds in ("=", ":") and not any(word in text.lower() for word in OTHER_Q)
    if key not in CHARGE_KEYS:
        return binds in ("=", ":") or not binds
    words = text[max(0, match.start() - 40) : match.start()].rstrip("\"'{[( ").split()
    before = words[-1].lower().rstrip("-") if words else ""
    if before in OTHER_CHARGES:
        return False
    with_spin = re.match(rf"[,;]? (?:and )?(?:{OTHER_WORDS})\b", text[match.end() : match.end() + 40], re.IGNORECASE)
    plain = not before[-1:].isalpha() or before in OF_THE_MOLECULE
    return bool(binds or key != "charge" or plain or with_spin)


def _of_calculator(atoms: Any) -> dict[str, Any]:
    """Charge and multiplicity among the parameters of an ASE calculator; possible defaults (0, singlet) are left out."""
    parameters = getattr(getattr(atoms, "calc", None), "parameters", None)
    if not isinstance(parameters, Mapping):
        return {}
    usual = dict.fromkeys(CHARGE_KEYS, 0) | dict.fromkeys(MULTIPLICITY_KEYS, 1)
    stated = {str(key).lower(): _number(value) for key, value in parameters.items()}
    return {key: value for key, value in stated.items() if value is not None and value != usual.get(key, value)}


def _of_atoms(atoms: Any) -> dict[str, Any]:
    """Charge and number of unpaired electrons summed over the atoms, if the sums are whole numbers."""
    found: dict[str, Any] = {}
    arrays = getattr(atoms, "arrays", {})
    results = getattr(getattr(atoms, "calc", None), "results", None) or {}
    for values in (arrays.get("initial_charges"), arrays.get("charges"), arrays.get("charge"), results.get("charges")):
        if values is None or not np.any(values) or np.shape(values) != (len(atoms),):
            continue
        found["charge"] = total = float(np.sum(values))
        if abs(total - round(total)) <= WHOLE:
            found["charge"] = round(total)
        break
    moments = arrays.get("initial_magmoms")
    if moments is not None and np.ndim(moments) == 1 and np.abs(moments).max(initial=0.0) > SPIN:
        total = abs(float(np.sum(moments)))
        if abs(total - round(total)) <= WHOLE:
            found["unpaired"] = round(total)
    return found


def _agreed(places: Sequence[tuple[str, Mapping[str, Any]]], nuclear: int) -> Told:
    """The statement of the first place that makes one; a warning where a later one contradicts it."""
    warnings: list[str] = []
    charges: list[int] = []
    origin: dict[int, str] = {}
    for where, stated in places:
        if NOT_UNDERSTOOD in stated:
            warnings.append(f"{where} speaks of a charge ({stated[NOT_UNDERSTOOD]}) that could not be understood")
        for key in CHARGE_KEYS:
            if key not in stated:
                continue
            number = _number(stated[key])
            if number is None or abs(number) > LARGEST:
                continue
            if number != round(number):
                if key != "q":
                    warnings.append(f"the charge {number:g} by {where} is no whole number; it is not used")
                continue
            charges.append(round(number))
            origin.setdefault(round(number), where)
    charge = charges[0] if charges else None
    others = sorted(set(charges) - {charge})
    if charge is not None and others:
        warnings.append(
            f"the charge is {charge:+d} by {origin[charge]}, {others[0]:+d} by {origin[others[0]]}; the first is used"
        )
    multiplicity = next((m for _, stated in places if (m := _multiplicity(stated, nuclear - (charge or 0)))), None)
    return Told(charge, multiplicity, tuple(warnings))


def _multiplicity(stated: Mapping[str, Any], electrons: int) -> int | None:
    for keys, add in ((MULTIPLICITY_KEYS, 0), (UNPAIRED_KEYS, 1), (SPIN_KEYS, None)):
        for key in keys:
            number = _number(stated[key]) if key in stated else None
            if number is None or not 0 <= number <= LARGEST:
                continue
            if add is None:  # S, 2S and 2S + 1 are all called spin: the parity of the electrons decides
                number = 2 * number + 1 if number != round(number) else number + (round(number) + electrons + 1) % 2
            else:
                number += add
            if number >= 1 and number == round(number):
                return round(number)
    return None


def _number(value: Any) -> float | None:
    """A number as files and objects write it: 1, "+1", "1+", "-1.0", "1/2"; None if it is none."""
    if isinstance(value, (list, tuple, np.ndarray)):
        value = np.asarray(value).reshape(-1).tolist()[0] if np.size(value) == 1 else None
    if isinstance(value, (bool, np.bool_)) or value is None:
        return None
    if isinstance(value, (int, float, np.number)):
        return float(value) if np.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip().strip("\"'").replace("−", "-")
    if text[-1:] in ("+", "-") and text[:1] not in ("+", "-"):
        text = text[-1] + text[:-1]
    half = text.endswith("/2")
    try:
        number = float(text.removesuffix("/2")) / (2 if half else 1)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
