"""Files and foreign objects → :class:`~andersonn.structures.structure.Structure`."""

from andersonn.structures.readers.columns import USUAL_COLUMNS, Columns
from andersonn.structures.readers.content import MAX_MEGABYTES, printable
from andersonn.structures.readers.files import read_content, read_each, read_file
from andersonn.structures.readers.formats import FORMATS, TABLES, find_files, format_of, is_table_name
from andersonn.structures.readers.inputs import listed, one_structure, sources, structures_of
from andersonn.structures.readers.objects import as_structure
from andersonn.structures.readers.smiles import Smiles, from_smiles

__all__ = [
    "FORMATS",
    "MAX_MEGABYTES",
    "TABLES",
    "USUAL_COLUMNS",
    "Columns",
    "Smiles",
    "as_structure",
    "find_files",
    "format_of",
    "from_smiles",
    "is_table_name",
    "listed",
    "one_structure",
    "printable",
    "read_content",
    "read_each",
    "read_file",
    "sources",
    "structures_of",
]
