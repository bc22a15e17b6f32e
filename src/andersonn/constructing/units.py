"""Units as people write them in tables: in the name of a column, or behind each number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

FAMILIES: dict[str, dict[str, float]] = {
    "energy": {
        "eV": 1.0, "meV": 1e-3, "Ha": 27.211386, "Hartree": 27.211386, "mHa": 0.027211386, "Ry": 13.605693,
        "kJ/mol": 0.01036427, "kcal/mol": 0.04336411, "J/mol": 1.036427e-5, "cm-1": 1.2398420e-4,
    },
    "energy of an atom": {"eV/atom": 1.0, "meV/atom": 1e-3, "Ha/atom": 27.211386},
    "length": {"A": 1.0, "Ang": 1.0, "Angstrom": 1.0, "nm": 10.0, "pm": 0.01, "bohr": 0.52917721, "um": 1e4},
    "concentration": {"mol/L": 1.0, "M": 1.0, "mmol/L": 1e-3, "mM": 1e-3, "umol/L": 1e-6, "uM": 1e-6, "nmol/L": 1e-9,
                      "nM": 1e-9, "pM": 1e-12},
    "mass in a volume": {"g/L": 1.0, "mg/mL": 1.0, "mg/L": 1e-3, "ug/mL": 1e-3, "ug/L": 1e-6, "ng/mL": 1e-6},
    "density": {"g/cm3": 1.0, "g/cc": 1.0, "g/mL": 1.0, "kg/m3": 1e-3},
    "pressure": {"Pa": 1.0, "kPa": 1e3, "MPa": 1e6, "GPa": 1e9, "bar": 1e5, "mbar": 1e2, "atm": 101325.0},
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "min": 60.0, "h": 3600.0},
    "kelvin": {"K": 1.0, "mK": 1e-3},
    "degrees Celsius": {"°C": 1.0, "degC": 1.0, "C": 1.0},
    "degrees Fahrenheit": {"°F": 1.0, "degF": 1.0},
    "dipole": {"D": 1.0, "Debye": 1.0, "eA": 4.8032047},
    "percent": {"%": 1.0, "percent": 1.0, "pct": 1.0},
    "amount in a mass": {"mol/kg": 1.0, "mmol/g": 1.0, "umol/g": 1e-3},
    "voltage": {"V": 1.0, "mV": 1e-3},
    "area": {"A2": 1.0, "nm2": 100.0},
    "surface": {"m2/g": 1.0, "m2/cm3": 1.0},
    "volume": {"A3": 1.0, "nm3": 1e3, "cm3": 1e24},
    "volume in a mass": {"cm3/g": 1.0, "mL/g": 1.0},
    "mass": {"g": 1.0, "mg": 1e-3, "ug": 1e-6, "kg": 1e3},
    "molar mass": {"g/mol": 1.0, "Da": 1.0, "kDa": 1e3},
}  # fmt: skip
"""What is measured → its units → the factor that makes the first of them. Units of two families are never converted."""
_KNOWN = {unit: family for family, units in FAMILIES.items() for unit in units if unit != "m2/cm3"} | {"m2/cm3": ""}
_SPELLED = {"mols per litre": "mol/L", "mol per litre": "mol/L", "moles per liter": "mol/L", "mol per liter": "mol/L",
            "mols per liter": "mol/L", "moles per litre": "mol/L", "electronvolt": "eV", "electronvolts": "eV",
            "kelvin": "K", "kelvins": "K", "degrees celsius": "°C", "angstroms": "Angstrom", "percent": "%",
            "ev per atom": "eV/atom", "log mol/l": "log(mol/L)", "log10 mol/l": "log10(mol/L)"}  # fmt: skip
IN_BRACKETS = re.compile(
    r"^(.{0,200}?)\s{0,3}[(\[{]\s{0,3}([^()\[\]{}]{1,40}(?:\([^()]{0,40}\))?[^()\[\]{}]{0,40})[)\]}]\s{0,3}$"
)
BEHIND = re.compile(r"^(.{0,200}?)(?:\s{0,3}[/,]\s{0,3}|\s{1,3}in\s{1,3})([^/,]{1,40}(?:/[^/,]{1,40})?)$")
JOINED = re.compile(r"^(.+)[_\s](\S+)$")
ONLY_IN_BRACKETS = frozenset({"C", "M", "h", "s", "g", "min", "volume"})
"""Too short to be taken for a unit at the end of a name: ``vitamin_C``, ``t_min``."""


def canonical(unit: str) -> str:
    """A unit without differences that are only of writing: ``µM`` and ``uM``, ``cm^-1`` and ``cm⁻¹``, ``kcal mol-1``."""
    text = " ".join(unit.strip().split())
    text = _SPELLED.get(text.lower(), text)
    for mark, plain in (("µ", "u"), ("μ", "u"), ("Å", "A"), ("\u212b", "A"), ("²", "2"), ("³", "3"), ("⁻", "-"), ("¹", "1"),
                        ("−", "-"), ("º", "°")):  # fmt: skip
        text = text.replace(mark, plain)
    text = re.sub(r"(?<=\w)[\s·*.]+(mol|atom|L|l|kg|g|cm|m)\^?-1$", r"/\1", text.replace("**", "^"))
    text = re.sub(r"(?<=\w)[\s·*.]+(cm|m|nm|A)\^?-([23])$", r"/\1\2", text)
    text = re.sub(r"\^?\(?(-?\d)\)?$", r"\1", re.sub(r"\^(\d)", r"\1", text)).replace(" ", "")
    text = re.sub(r"/l$", "/L", re.sub(r"/ml$", "/mL", text))
    if text in _KNOWN:
        return text
    same = [unit for unit in _KNOWN if unit.lower() == text.lower()]
    return same[0] if len(same) == 1 and len(text) > 1 else text


def is_known(unit: str) -> bool:
    """Whether a unit, however written, is one that tables have."""
    return canonical(unit) in _KNOWN


def factor(of: str, into: str) -> float | None:
    """What makes numbers in ``into`` of numbers in ``of``; None if they measure different things or are not known."""
    first, second = canonical(of), canonical(into)
    if first == second:
        return 1.0
    family = _KNOWN.get(first, "")
    if not family or _KNOWN.get(second) != family:
        return None
    return FAMILIES[family][first] / FAMILIES[family][second]


def of_name(name: str) -> tuple[str, str, str]:
    """What a column's name says of the unit.

    Args:
        name: such as ``"gap_eV"``, ``"logS (mol/L)"``, ``"dG [kcal/mol]"``, ``"E / eV"``.

    Returns:
        unit as written, empty if none is told; the name without it; and, where a word in brackets was not taken for a unit, that
        word.
    """
    name = " ".join(name.split())
    if found := IN_BRACKETS.match(name):
        inside, rest = found[2].strip(), found[1].strip(" _-,")
        if rest and _may_be_unit(inside):
            return inside, rest, ""
        return "", name, inside
    for pattern in (BEHIND, JOINED):
        found = pattern.match(name)
        if found is None:
            continue
        rest, word = found[1].strip(" _-,/"), found[2].strip()
        if rest and is_known(word) and not (pattern is JOINED and canonical(word) in ONLY_IN_BRACKETS):
            return word, rest, ""
    for unit in ("kcal/mol", "kJ/mol", "eV/atom", "mol/L", "g/cm3", "m2/g", "cm3/g", "mmol/g"):
        joined = unit.replace("/", "_")
        if len(name) > len(joined) + 1 and name.lower().endswith(f"_{joined.lower()}"):
            return unit, name[: -len(joined) - 1], ""
    return "", name, ""


def commonest(units: Mapping[str, int], preferred: str) -> str:
    """The unit that numbers in several are converted to: the one told elsewhere, else the commonest, as it is written."""
    if preferred and any(factor(unit, preferred) is not None for unit in units):
        return preferred
    return Counter(units).most_common(1)[0][0]


def _may_be_unit(text: str) -> bool:
    if is_known(text):
        return True
    inner = re.fullmatch(r"(?:log(?:10)?|ln)\s*[( ]\s*([^()]+)\)?", text, re.IGNORECASE)
    if inner is not None:
        return _may_be_unit(inner[1])
    parts = re.split(r"\s{0,3}/\s{0,3}|\s{1,3}per\s{1,3}", text)
    return len(parts) == 2 and all(0 < len(part) <= 12 and not part.isdigit() for part in parts) and len(text) <= 20
