"""Names of CIF items: the spellings of several dictionaries, and what an item means for the structure."""

from __future__ import annotations

import re

ALIASES = {
    "_space_group_symop_xyz": "_space_group_symop_operation_xyz",
    "_space_group_symop_as_xyz": "_space_group_symop_operation_xyz",
    "_space_group_symop.xyz": "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_xyz": "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_as_xyz": "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv.pos_as_xyz": "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_site.as_xyz": "_symmetry_equiv_pos_as_xyz",
    "_space_group_it_coordinate_system_code": "_space_group_IT_coordinate_system_code",
    "_atom_site_label_atom_id": "_atom_site_label",
    "_atom_site_frac_x": "_atom_site_fract_x",
    "_atom_site_frac_y": "_atom_site_fract_y",
    "_atom_site_frac_z": "_atom_site_fract_z",
    "_atom_site_site_symmetry_multiplicity": "_atom_site_symmetry_multiplicity",
    "_cell_z": "_cell_formula_units_Z",
}
"""Names of the same item, dots already replaced → its usual name in CIF 1."""

TEXT = re.compile(
    r"_(?:chemical|publ|journal|audit|symmetry|space_group|exptl|diffrn|refine|reflns?|computing|database|citation|cod|ccdc|geom|"
    r"pd|cell|iucr|shelxl?|olex2|oxdiff|jana|vrf|topology|topos|amcsd|platon|squeeze|atom_type|atom_sites|chem|valence|local|"
    r"custom|author|title|icsd|pauling|name|comment|refln|related|restr|tcod|dft|qmof|ddec|pymatgen|ase|aflow|material|mp)(?:_|$)",
    re.IGNORECASE,
)
"""Names of items that describe a structure in words or hold data beside it."""
FAMILIES = re.compile(r"_(?:atom|cell|symmetry|space_group|magn|parent)", re.IGNORECASE)
"""Beginnings of names that may matter for a structure; an item of an unknown family does not."""
WORDS = re.compile(r"_[A-Za-z]{2,30}_[a-z]{2}")
"""A name made of words, unlike a label such as _H1."""
STRUCTURAL = re.compile(r"_cell_(?:length|angle)_|_atom_site_(?!aniso|moment)|.*(?:symop|equiv_pos|ssg)", re.IGNORECASE)
"""Names of items that make the structure: cell, sites and symmetry operations."""
DECISIVE = re.compile(
    r"_space_group_(?:name|it_|magn)|_symmetry_(?:space_group|int_tables)|_cell_modulation|_cell_formula_units_z$",
    re.IGNORECASE,
)


def current_name(name: str) -> str:
    """The name of an item in CIF 1: ``_atom_site.fract_x`` is ``_atom_site_fract_x``. Others stay as they are."""
    plain = name.replace(".", "_") if "." in name else name
    return ALIASES.get(plain.lower(), plain)


def is_structural(name: str) -> bool:
    """Whether an item holds the cell, sites or symmetry operations."""
    return STRUCTURAL.match(name) is not None


def is_decisive(name: str) -> bool:
    """Whether two different values of an item are two different structures."""
    return is_structural(name) or DECISIVE.match(name) is not None


def is_text(name: str) -> bool:
    """Whether an item is known to describe a structure, not to make it, so that words of it change no atom."""
    return bool(TEXT.match(name) or (WORDS.match(name) and not FAMILIES.match(name))) and not is_structural(name)
