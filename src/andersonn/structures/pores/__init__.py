"""Pores of a crystal: diameters of cavities and windows, free volume. A graph of atoms does not contain them."""

from andersonn.structures.pores.probe import BY_ATOM, BY_STRUCTURE, Voids

__all__ = ["BY_ATOM", "BY_STRUCTURE", "Voids"]
