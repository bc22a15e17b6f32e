"""What a graph of atoms cannot see: the room between them."""

from andersonn.structures.pores.probe import BY_ATOM, BY_STRUCTURE, DENSITY, Voids

__all__ = ["BY_ATOM", "BY_STRUCTURE", "DENSITY", "Voids"]
