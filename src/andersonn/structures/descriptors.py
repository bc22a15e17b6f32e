"""Descriptors of a whole structure: RDKit's of a molecule with counts of its fragments, or statistics of a composition.

They are numbers that chemists and materials scientists have long used beside networks. They enter an image as further channels of
the whole, so that they go wherever the image goes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.Chem import Mol

Kind = Literal["none", "molecule", "composition"]
FORMAT = 2
"""Increased whenever the same structure gets other descriptors, so that cached images are made again."""
FRAGMENTS, RADIUS = 2048, 2
"""Circular fragments (Morgan) of up to this radius, by their elements and by what their atoms do (donor, acceptor, aromatic, halogen,
basic, acidic), and chains of four atoms are counted in so many places, all in the same ones."""
NUMBERS = [
    "MaxEStateIndex",
    "MinEStateIndex",
    "MolWt",
    "NumValenceElectrons",
    "MaxPartialCharge",
    "MinPartialCharge",
    "Chi0",
    "Chi0n",
    "Chi0v",
    "Chi1",
    "Chi1n",
    "Chi1v",
    "Chi2n",
    "Chi2v",
    "Chi3n",
    "Chi3v",
    "Chi4n",
    "Chi4v",
    "HallKierAlpha",
    "Kappa1",
    "Kappa2",
    "Kappa3",
    "LabuteASA",
    "PEOE_VSA1",
    "PEOE_VSA2",
    "PEOE_VSA3",
    "PEOE_VSA4",
    "PEOE_VSA5",
    "PEOE_VSA6",
    "PEOE_VSA7",
    "PEOE_VSA8",
    "PEOE_VSA9",
    "PEOE_VSA10",
    "PEOE_VSA11",
    "PEOE_VSA12",
    "PEOE_VSA13",
    "PEOE_VSA14",
    "SMR_VSA1",
    "SMR_VSA2",
    "SMR_VSA3",
    "SMR_VSA4",
    "SMR_VSA5",
    "SMR_VSA6",
    "SMR_VSA7",
    "SMR_VSA8",
    "SMR_VSA9",
    "SMR_VSA10",
    "SlogP_VSA1",
    "SlogP_VSA2",
    "SlogP_VSA3",
    "SlogP_VSA4",
    "SlogP_VSA5",
    "SlogP_VSA6",
    "SlogP_VSA7",
    "SlogP_VSA8",
    "SlogP_VSA9",
    "SlogP_VSA10",
    "SlogP_VSA11",
    "SlogP_VSA12",
    "TPSA",
    "EState_VSA1",
    "EState_VSA2",
    "EState_VSA3",
    "EState_VSA4",
    "EState_VSA5",
    "EState_VSA6",
    "EState_VSA7",
    "EState_VSA8",
    "EState_VSA9",
    "EState_VSA10",
    "EState_VSA11",
    "VSA_EState1",
    "VSA_EState2",
    "VSA_EState3",
    "VSA_EState4",
    "VSA_EState5",
    "VSA_EState6",
    "VSA_EState7",
    "VSA_EState8",
    "VSA_EState9",
    "VSA_EState10",
    "FractionCSP3",
    "HeavyAtomCount",
    "NHOHCount",
    "NOCount",
    "NumAliphaticCarbocycles",
    "NumAliphaticHeterocycles",
    "NumAliphaticRings",
    "NumAmideBonds",
    "NumAromaticCarbocycles",
    "NumAromaticHeterocycles",
    "NumAromaticRings",
    "NumAtomStereoCenters",
    "NumBridgeheadAtoms",
    "NumHAcceptors",
    "NumHDonors",
    "NumHeteroatoms",
    "NumHeterocycles",
    "NumRotatableBonds",
    "NumSaturatedCarbocycles",
    "NumSaturatedHeterocycles",
    "NumSaturatedRings",
    "NumSpiroAtoms",
    "RingCount",
    "MolLogP",
    "MolMR",
]
"""Of RDKit's descriptors those that are of use for small tables and take little time (no ``qed``, ``BCUT2D``, ``Ipc``)."""
GROUPS = [
    "fr_Al_COO",
    "fr_Al_OH",
    "fr_Al_OH_noTert",
    "fr_ArN",
    "fr_Ar_COO",
    "fr_Ar_N",
    "fr_Ar_NH",
    "fr_Ar_OH",
    "fr_COO",
    "fr_COO2",
    "fr_C_O",
    "fr_C_O_noCOO",
    "fr_C_S",
    "fr_HOCCN",
    "fr_Imine",
    "fr_NH0",
    "fr_NH1",
    "fr_NH2",
    "fr_N_O",
    "fr_Nhpyrrole",
    "fr_SH",
    "fr_aldehyde",
    "fr_alkyl_carbamate",
    "fr_alkyl_halide",
    "fr_allylic_oxid",
    "fr_amide",
    "fr_amidine",
    "fr_aniline",
    "fr_aryl_methyl",
    "fr_azide",
    "fr_azo",
    "fr_barbitur",
    "fr_benzene",
    "fr_bicyclic",
    "fr_diazo",
    "fr_epoxide",
    "fr_ester",
    "fr_ether",
    "fr_furan",
    "fr_guanido",
    "fr_halogen",
    "fr_hdrzine",
    "fr_hdrzone",
    "fr_imidazole",
    "fr_imide",
    "fr_isocyan",
    "fr_isothiocyan",
    "fr_ketone",
    "fr_ketone_Topliss",
    "fr_lactam",
    "fr_lactone",
    "fr_methoxy",
    "fr_morpholine",
    "fr_nitrile",
    "fr_nitro",
    "fr_nitro_arom",
    "fr_nitroso",
    "fr_oxazole",
    "fr_oxime",
    "fr_phenol",
    "fr_phenol_noOrthoHbond",
    "fr_phos_acid",
    "fr_phos_ester",
    "fr_piperdine",
    "fr_piperzine",
    "fr_priamide",
    "fr_prisulfonamd",
    "fr_pyridine",
    "fr_quatN",
    "fr_sulfide",
    "fr_sulfonamd",
    "fr_sulfone",
    "fr_term_acetylene",
    "fr_tetrazole",
    "fr_thiazole",
    "fr_thiocyan",
    "fr_thiophene",
    "fr_unbrch_alkane",
    "fr_urea",
]
"""RDKit's counts of functional groups."""
OF_COMPOSITION = tuple(
    [f"{how}_{name}" for how in ("mean", "spread", "least", "greatest") for name in elements.FEATURES]
    + [f"fraction_{symbol}" for symbol in elements.symbols()[1:]]
)
OF_CELL = ("volume_per_atom_A3", "electrons_per_A3", "elements", "atoms_in_formula")
LARGEST = 1e6
"""Descriptors beyond are taken as so large: a few of RDKit's grow without bound."""


def names_of(kind: Kind) -> tuple[str, ...]:
    """Names of the descriptors of a kind, in their order."""
    if kind == "molecule":
        return (*NUMBERS, *GROUPS, *(f"fragment_{k}" for k in range(FRAGMENTS)))
    return (*OF_COMPOSITION, *OF_CELL) if kind == "composition" else ()


def descriptors_of(structure: Structure, kind: Kind) -> np.ndarray:
    """The descriptors of a structure, float32 ``[G]``; NaN where one has no value for it.

    Args:
        structure: for ``"molecule"`` one that was read by its bonds (:class:`~andersonn.structures.molecular_graph.MolecularGraph`).
        kind: which.

    Raises:
        InputError: it has no list of bonds.
    """
    if kind == "none":
        return np.zeros(0, dtype=np.float32)
    if kind == "composition":
        return _of_composition(structure)
    if structure.source_mol is None:
        raise InputError(
            "no_bonds",
            f"{structure.id or structure.formula} has no list of bonds, of which its descriptors are computed",
            "give SMILES, SDF, MOL or MOL2",
        )
    return _of_molecule(_mol(structure.source_mol))


def composition_features(Z: np.ndarray) -> np.ndarray:
    """Fraction-weighted mean, spread, smallest and largest of each element property, and the fraction of every element: float64
    ``[143]``, named by :data:`OF_COMPOSITION`. Positions do not enter.

    Args:
        Z: atomic numbers ``[n]``.
    """
    properties = elements.feature_table()[Z]
    fractions = np.bincount(Z, minlength=elements.MAX_Z + 1)[1:] / len(Z)
    statistics = [properties.mean(axis=0), properties.std(axis=0), properties.min(axis=0), properties.max(axis=0)]
    return np.concatenate([*statistics, fractions])


def _of_composition(structure: Structure) -> np.ndarray:
    Z, volume = structure.Z, structure.volume
    counts = np.bincount(Z)[np.unique(Z)]
    of_cell = [np.nan, np.nan] if volume is None else [volume / len(Z), float(Z.sum(dtype=int)) / volume]
    atoms = int(counts.sum() // np.gcd.reduce(counts))
    whole = np.concatenate([composition_features(Z), of_cell, [float(len(counts)), float(atoms)]])
    return whole.astype(np.float32)


def _mol(source: bytes) -> Mol:
    from rdkit import Chem

    mol = Chem.Mol(source)  # type: ignore[call-overload]  # RDKit's stubs forget bytes
    Chem.GetSymmSSSR(mol)  # rings are not in the binary form
    return mol


@cache
def _rdkit() -> tuple[dict[str, Any], list[Any]]:
    """RDKit's descriptors by name, and what counts fragments."""
    from rdkit.Chem import Descriptors
    from rdkit.Chem import rdFingerprintGenerator as made

    by_use = made.GetMorganFeatureAtomInvGen()
    circular = [
        made.GetMorganGenerator(radius=RADIUS, fpSize=FRAGMENTS, **more)
        for more in ({}, {"atomInvariantsGenerator": by_use})
    ]
    return dict(Descriptors.descList), [*circular, made.GetTopologicalTorsionGenerator(fpSize=FRAGMENTS)]


def _of_molecule(mol: Mol) -> np.ndarray:
    from rdkit import rdBase

    known, generators = _rdkit()
    values = np.empty(len(NUMBERS) + len(GROUPS) + FRAGMENTS, dtype=np.float64)
    with rdBase.BlockLogs():
        for k, name in enumerate((*NUMBERS, *GROUPS)):
            try:
                values[k] = known[name](mol)
            except (ValueError, RuntimeError, ZeroDivisionError, OverflowError):  # of elements without parameters
                values[k] = np.nan
        values[-FRAGMENTS:] = sum(generator.GetCountFingerprintAsNumPy(mol) for generator in generators)
    values[~np.isfinite(values)] = np.nan
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)
