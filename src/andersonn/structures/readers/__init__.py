"""Files, strings and objects of other libraries → :class:`~andersonn.structures.structure.Structure`.

The way of an input: ``inputs`` (whatever a caller names → a stream of sources) → ``texts`` (the format of a file → its parser)
→ a parser. Parsers are grouped by what they read: ``crystals``, ``molecules``, ``xyz``, ``tables``; ``objects`` reads those of
ASE, pymatgen and RDKit. They share ``content`` (names of formats, bytes, text, parts of a file), ``words`` (elements and
numbers as programs write them) and ``charges``. ``files`` reads one file of any kind; ``sniffing`` tells a format by the text.

To read a new format, write a module with ``parse(text: str, name: str) -> list[Structure | InputError]`` in the group where
it belongs; it hands the parts of its file to ``content.read_parts``. Then name it in ``texts.parser``, its endings in
``content.SUFFIXES`` and ``content.FORMATS``, its signs, if names may lack, in ``sniffing.sniffed``; and add cases to
``tests/cases/expected.tsv``. A binary format is read from bytes, as ``tables.table`` does it.
"""

from andersonn.structures.readers.content import (
    FORMATS,
    MAX_MEGABYTES,
    TABLES,
    find_files,
    format_of,
    is_table_name,
    printable,
)
from andersonn.structures.readers.files import read_content, read_each, read_file
from andersonn.structures.readers.inputs import counted, listed, one_structure, sources, structures_of
from andersonn.structures.readers.molecules.smiles import Smiles, from_smiles
from andersonn.structures.readers.objects import as_structure
from andersonn.structures.readers.tables.columns import USUAL_COLUMNS, Columns

__all__ = [
    "FORMATS",
    "MAX_MEGABYTES",
    "TABLES",
    "USUAL_COLUMNS",
    "Columns",
    "Smiles",
    "as_structure",
    "counted",
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
