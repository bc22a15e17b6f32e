"""CIF files: syntax and its lax dialects, symmetry, disorder, and the check against the stated formula."""

from andersonn.structures.readers.cif.document import read_document
from andersonn.structures.readers.cif.structures import parse

__all__ = ["parse", "read_document"]
