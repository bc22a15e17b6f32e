"""Crystals of mineralogy and solid-state chemistry as measured, by structure type."""

from __future__ import annotations

from collections.abc import Iterator

from ase import Atoms
from ase.formula import Formula
from ase.spacegroup import crystal

CUBE, HEXAGON = [90.0, 90.0, 90.0], [90.0, 90.0, 120.0]
ZERO, QUARTER, EIGHTH, HALF = (0, 0, 0), (0.25,) * 3, (0.125,) * 3, (0.5,) * 3
CUBIC = {
    "rock salt": (225, [ZERO, HALF], {
        "LiF": 4.026, "NaCl": 5.640, "KBr": 6.600, "AgCl": 5.550, "MgO": 4.212, "CaO": 4.811, "BaO": 5.523, "MnO": 4.445, "NiO": 4.177,
        "EuO": 5.141, "PbS": 5.936, "SnTe": 6.303, "NaH": 4.880, "TiN": 4.240, "ScN": 4.502, "TiC": 4.328, "UC": 4.960, "LaSb": 6.488,
    }),
    "caesium chloride": (221, [ZERO, HALF], {"CsCl": 4.123, "CsI": 4.567, "TlBr": 3.970, "NiAl": 2.887, "CuZn": 2.950, "FeTi": 2.976}),
    "zinc blende": (216, [ZERO, QUARTER], {
        "ZnS": 5.409, "CdTe": 6.482, "HgSe": 6.084, "GaAs": 5.653, "InSb": 6.479, "AlP": 5.464, "BN": 3.615, "SiC": 4.360, "CuCl": 5.416,
        "BeS": 4.865,
    }),
    "fluorite": (225, [ZERO, QUARTER], {
        "CaF2": 5.463, "SrCl2": 6.977, "BaF2": 6.200, "CeO2": 5.411, "UO2": 5.470, "CdF2": 5.388, "CoSi2": 5.365, "AuAl2": 5.997,
    }),
    "antifluorite": (225, [QUARTER, ZERO], {
        "Li2O": 4.619, "Na2O": 5.550, "K2S": 7.391, "Be2C": 4.342, "Mg2Si": 6.351, "Mg2Ge": 6.385, "Mg2Sn": 6.763, "Mg2Pb": 6.815,
    }),
    "perovskite": (221, [ZERO, HALF, (0.5, 0.5, 0)], {
        "SrTiO3": 3.905, "BaTiO3": 4.006, "KTaO3": 3.989, "BaZrO3": 4.193, "KMgF3": 3.989, "CsPbBr3": 5.874, "CsSnI3": 6.219,
    }),
    "rhenium trioxide": (221, [ZERO, (0.5, 0, 0)], {"ReO3": 3.751, "ScF3": 4.011}),
    "Heusler": (225, [QUARTER, HALF, ZERO], {"Cu2MnAl": 5.950, "Ni2MnGa": 5.825, "Co2MnSi": 5.654, "Fe2VAl": 5.761}),
    "half-Heusler": (216, [HALF, QUARTER, ZERO], {"TiNiSn": 5.941, "ZrCoSb": 6.068, "HfNiSn": 6.083, "NbFeSb": 5.952}),
    "A15": (223, [(0.25, 0, 0.5), ZERO], {"Nb3Sn": 5.289, "V3Si": 4.722, "Cr3Si": 4.556}),
    "copper gold": (221, [(0.5, 0.5, 0), ZERO], {"Cu3Au": 3.748, "Ni3Al": 3.572, "Pt3Sn": 4.004}),
    "hexaboride": (221, [ZERO, (0.1993, 0.5, 0.5)], {"LaB6": 4.156, "CaB6": 4.145, "EuB6": 4.185}),
    "pyrite": (205, [ZERO, (0.385,) * 3], {"FeS2": 5.418, "CoS2": 5.538}),
    "spinel": (227, [EIGHTH, HALF, (0.2624,) * 3], {"MgAl2O4": 8.083, "ZnAl2O4": 8.086, "MgCr2O4": 8.333, "ZnFe2O4": 8.441}),
    "dry ice": (205, [ZERO, (0.1185,) * 3], {"CO2": 5.624}),
    "hexachloroplatinate": (225, [QUARTER, ZERO, (0.2385, 0, 0)], {"K2PtCl6": 9.755, "Rb2TeBr6": 10.713}),
    "elpasolite": (225, [QUARTER, HALF, ZERO, (0.25, 0, 0)], {"Cs2AgBiBr6": 11.250}),
    "skutterudite": (204, [QUARTER, (0, 0.3351, 0.1602)], {"CoSb3": 9.034, "IrSb3": 9.253}),
    "ammonium chloride": (215, [ZERO, (0.1535,) * 3, HALF], {"NH4Cl": 3.876}),
    "garnet": (230, [(0.125, 0, 0.25), ZERO, (0.375, 0, 0.25), (0.0329, 0.0502, 0.6534)], {"Mg3Al2Si3O12": 11.459}),
}  # fmt: skip
"""Type → space group, places of the elements in the order of the formula, and lattice constants, Å."""
GRAPHITIC = 0.621
OTHERS = {
    "wurtzite": (186, lambda u: [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, u)], {
        "ZnS": (3.823, 6.261, 0.375), "ZnO": (3.250, 5.207, 0.382), "GaN": (3.189, 5.186, 0.377), "AlN": (3.112, 4.982, 0.382),
        "BeO": (2.698, 4.378, 0.378), "AgI": (4.592, 7.510, 0.375), "CdS": (4.137, 6.716, 0.377),
    }),
    "nickel arsenide": (194, lambda u: [ZERO, (1 / 3, 2 / 3, u)], {"NiAs": (3.619, 5.034, 0.25), "MnSb": (4.140, 5.790, 0.25)}),
    "molybdenite": (194, lambda u: [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, u)], {
        "MoS2": (3.160, 12.290, GRAPHITIC), "WS2": (3.153, 12.323, GRAPHITIC), "MoSe2": (3.288, 12.920, GRAPHITIC),
        "WSe2": (3.282, 12.960, GRAPHITIC), "NbS2": (3.310, 11.890, GRAPHITIC), "MoTe2": (3.519, 13.964, GRAPHITIC),
    }),
    "cadmium iodide": (164, lambda u: [ZERO, (1 / 3, 2 / 3, u)], {
        "TiS2": (3.407, 5.695, 0.25), "SnS2": (3.648, 5.899, 0.25), "HfSe2": (3.748, 6.159, 0.25), "VSe2": (3.355, 6.104, 0.25),
        "CdI2": (4.240, 6.840, 0.25), "PbI2": (4.557, 6.979, 0.2675), "MgBr2": (3.810, 6.260, 0.25), "PtS2": (3.543, 5.039, 0.2267),
    }),
    "aluminium diboride": (191, lambda u: [ZERO, (1 / 3, 2 / 3, u)], {
        "MgB2": (3.086, 3.524, 0.5), "AlB2": (3.009, 3.262, 0.5), "TiB2": (3.030, 3.230, 0.5),
    }),
    "tungsten carbide": (187, lambda u: [ZERO, (1 / 3, 2 / 3, u)], {"WC": (2.906, 2.837, 0.5)}),
    "boron nitride": (194, lambda u: [(1 / 3, 2 / 3, u), (2 / 3, 1 / 3, u)], {"BN": (2.504, 6.661, 0.25)}),
    "lithium nitride": (191, lambda u: [[(0, 0, 0.5), (1 / 3, 2 / 3, 0)], (0, 0, u)], {"Li3N": (3.648, 3.875, 0.0)}),
    "corundum": (167, lambda u: [(0, 0, u), (0.306, 0, 0.25)], {
        "Al2O3": (4.759, 12.993, 0.3522), "Cr2O3": (4.959, 13.596, 0.3475), "Fe2O3": (5.036, 13.749, 0.3553), "V2O3": (4.952, 14.003, 0.3463),
    }),
    "calcite": (167, lambda u: [ZERO, (0, 0, 0.25), (u, 0, 0.25)], {
        "CaCO3": (4.990, 17.061, 0.2573), "MgCO3": (4.633, 15.013, 0.2778), "NaNO3": (5.070, 16.820, 0.2450),
    }),
    "tetradymite": (166, lambda u: [(0, 0, u), [ZERO, (0, 0, 0.2115)]], {"Bi2Te3": (4.384, 30.487, 0.4005), "Sb2Te3": (4.264, 30.458, 0.3988)}),
    "brucite": (164, lambda u: [ZERO, (1 / 3, 2 / 3, u), (1 / 3, 2 / 3, 0.4275)], {"MgO2H2": (3.142, 4.766, 0.2216), "CaO2H2": (3.589, 4.911, 0.2341)}),
    "quartz": (154, lambda u: [(u, 0, 2 / 3), (0.4135, 0.2669, 0.7858)], {"SiO2": (4.913, 5.405, 0.4697)}),
    "rutile": (136, lambda u: [ZERO, (u, u, 0)], {
        "TiO2": (4.594, 2.959, 0.305), "SnO2": (4.737, 3.186, 0.307), "MnO2": (4.399, 2.874, 0.303), "RuO2": (4.492, 3.106, 0.306),
        "MgF2": (4.621, 3.052, 0.303), "NiF2": (4.650, 3.084, 0.303), "MgH2": (4.517, 3.021, 0.306), "SiO2": (4.180, 2.667, 0.306),
    }),
    "anatase": (141, lambda u: [ZERO, (0, 0, u)], {"TiO2": (3.785, 9.514, 0.208)}),
    "cristobalite": (92, lambda u: [(u, u, 0), (0.2392, 0.1044, 0.1787)], {"SiO2": (4.971, 6.928, 0.3003)}),
    "chalcopyrite": (122, lambda u: [ZERO, (0, 0, 0.5), (u, 0.25, 0.125)], {
        "CuFeS2": (5.289, 10.423, 0.2574), "CuInSe2": (5.782, 11.619, 0.2258), "ZnGeP2": (5.465, 10.771, 0.2582),
    }),
    "lead oxide": (129, lambda u: [(0.75, 0.25, 0), (0.25, 0.25, u)], {"FeSe": (3.773, 5.526, 0.267), "OPb": (3.976, 5.023, 0.237)}),
    "matlockite": (129, lambda u: [(0.25, 0.25, u), (0.75, 0.25, 0), (0.25, 0.25, 0.64)], {
        "BiOCl": (3.890, 7.370, 0.171), "LaOCl": (4.119, 6.883, 0.178), "PbFCl": (4.110, 7.246, 0.205),
    }),
    "iron pnictide": (139, lambda u: [ZERO, (0, 0.5, 0.25), (0, 0, u)], {"BaFe2As2": (3.963, 13.017, 0.3545)}),
    "potassium nickel fluoride": (139, lambda u: [(0, 0, u), ZERO, [(0, 0.5, 0), (0, 0, 0.153)]], {"Sr2TiO4": (3.884, 12.600, 0.355)}),
    "scheelite": (88, lambda u: [(0, 0.25, 0.625), (0, 0.25, 0.125), (0.1507, 0.0086, u)], {"CaWO4": (5.243, 11.376, 0.2106)}),
    "zircon": (141, lambda u: [(0, 0.75, 0.125), (0, 0.25, 0.375), (0, 0.0661, u)], {"ZrSiO4": (6.607, 5.982, 0.1953)}),
}  # fmt: skip
"""The same of hexagonal and tetragonal types, with the free coordinate of the constants a, c, u."""
SECOND = {227, 224}
"""Space groups in their second setting; of others, those of these types."""
SECOND_TYPES = {"lead oxide", "matlockite", "scheelite", "zircon"}


def famous() -> Iterator[tuple[str, Atoms]]:
    """Name and primitive cell of each; the type stands before the formula."""
    for kind, (group, places, members) in CUBIC.items():
        for formula, a in members.items():
            yield f"{kind} {formula}", _built(kind, group, formula, places, [a, a, a, *CUBE])
    for kind, (group, places_of, cells) in OTHERS.items():
        for formula, (a, c, u) in cells.items():
            angles = HEXAGON if group > 142 else CUBE
            yield f"{kind} {formula}", _built(kind, group, formula, places_of(u), [a, a, c, *angles])


def _built(kind: str, group: int, formula: str, places: list, cell: list[float]) -> Atoms:
    symbols, basis = [], []
    for symbol, place in zip(Formula(formula).count(), places, strict=True):
        for each in place if isinstance(place, list) else [place]:
            symbols.append(symbol)
            basis.append(each)
    setting = 2 if group in SECOND or kind in SECOND_TYPES else 1
    made = crystal(symbols, basis, spacegroup=group, setting=setting, cellpar=cell, primitive_cell=True)
    counts = {symbol: made.get_chemical_symbols().count(symbol) for symbol in symbols}
    reduced = Formula.from_dict(counts).reduce()[0]
    if reduced.count() != Formula(formula).reduce()[0].count():
        raise ValueError(f"{kind} {formula} became {reduced}")
    return made
