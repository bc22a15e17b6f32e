"""Files and foreign objects → :class:`~andersonn.matter.structure.Structure`."""

from andersonn.matter.readers.columns import USUAL_COLUMNS, Columns
from andersonn.matter.readers.content import MAX_MEGABYTES, printable
from andersonn.matter.readers.files import read_content, read_each, read_file
from andersonn.matter.readers.formats import FORMATS, TABLES, find_files, format_of, is_table_name
from andersonn.matter.readers.inputs import listed, one_structure, sources, structures_of
from andersonn.matter.readers.objects import as_structure
from andersonn.matter.readers.smiles import Smiles, from_smiles

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
