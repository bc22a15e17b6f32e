"""Files and foreign objects → :class:`~andersonn.matter.structure.Structure`."""

from andersonn.matter.readers.files import FORMATS, MAX_MEGABYTES, find_files, printable, read_each, read_file
from andersonn.matter.readers.objects import as_structure

__all__ = ["FORMATS", "MAX_MEGABYTES", "as_structure", "find_files", "printable", "read_each", "read_file"]
