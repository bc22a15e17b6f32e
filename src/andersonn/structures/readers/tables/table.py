"""Tables as rows of values: CSV and its kin, Excel, Parquet, and the tables of pandas, polars and Arrow."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from andersonn.errors import InputError
from andersonn.sanitize import lines_of
from andersonn.structures.readers.content import MAX_MEGABYTES, bare, text_of, unpacked_content
from andersonn.structures.readers.tables.columns import ATOMS, IDS, PATHS, is_smiles_name, plain
from andersonn.structures.readers.tables.delimited import Layout, records
from andersonn.structures.readers.tables.workbook import rows_of_workbook

EXCEL, PARQUET = (".xlsx", ".xlsm"), (".parquet", ".pq")
SAMPLE = 20
"""Rows that decide what a column is."""
Row = tuple[str, Sequence[Any] | InputError]
"""Name of a row, and its values or its error."""


@dataclass
class Table:
    """A table, read as a stream.

    Attributes:
        what: it is called in messages.
        names: of its columns.
        rows: as :data:`Row`.
        decimal_comma: whether ``1,5`` may be a number in it, since no comma parts its fields.
        told: what a person should know of how it was read.
    """

    what: str
    names: list[str]
    rows: Iterator[Row]
    decimal_comma: bool = False
    told: tuple[str, ...] = ()

    def sample(self) -> list[Sequence[Any]]:
        """The values of the first rows; they stay in ``rows``."""
        first = list(itertools.islice(self.rows, SAMPLE))
        self.rows = itertools.chain(first, self.rows)
        return [values for _, values in first if not isinstance(values, InputError)]


def table_of(content: bytes, path: PurePath, megabytes: float = MAX_MEGABYTES) -> Table:
    """The table that a file of that name holds.

    Args:
        content: of the file.
        path: its name.
        megabytes: that it may have unpacked.

    Raises:
        InputError: it cannot be read as a table.
    """
    ending, what = bare(path).suffix.lower(), repr(str(path))
    if path.suffix.lower() not in EXCEL:  # which are zip archives by themselves
        content = unpacked_content(content, str(path), megabytes)
    if ending in EXCEL:
        return _of_excel(content, what)
    if ending in PARQUET:
        return _of_parquet(content, what)
    if ending in (".xls", ".ods"):
        raise InputError(
            "unknown_format", f"{what} is a workbook of a kind that is not read", "save it as .xlsx or .csv"
        )
    return table_of_text(text_of(content, path), what)


def table_of_text(text: str | Iterable[str], what: str) -> Table:
    """The table of a text of fields with a delimiter, the first record of which names the columns.

    Args:
        text: all of it, or its lines.
        what: it is called.

    Raises:
        InputError: there is no record.
    """
    lines = iter(lines_of(text) if isinstance(text, str) else text)
    first = next((line for line in lines if line.strip("\ufeff\r\n \t") and not _is_remark(line)), None)
    if first is None:
        raise InputError("empty_file", f"{what} holds no rows", "write the table again")
    layout = Layout.of(next(records([first], Layout.of(first).delimiter)))
    return Table(what, list(layout.names), _rows(records(lines, layout.delimiter), layout), layout.delimiter != ",")


def _is_remark(line: str) -> bool:
    """Whether a line before the names of the columns tells of the table, as ``# from PubChem``, and is not ``#SMILES,name``."""
    return line.lstrip("\ufeff").startswith("#") and not any(
        is_smiles_name(name) or plain(name) in (*PATHS, *IDS) for name in re.split("[,;\t|]", line[:1000])
    )


def _rows(found: Iterable[str], layout: Layout) -> Iterator[Row]:
    for number, record in enumerate(found, start=2):
        try:
            values = layout.fields(record)
        except InputError as error:
            yield str(number), error
            continue
        if values is not None:
            yield str(number), values


def _of_excel(content: bytes, what: str) -> Table:
    names, rows, sheet = rows_of_workbook(content, what)
    return Table(what, names, iter(rows), told=(f"the table was read from sheet {sheet!r}",) if sheet else ())


def _of_parquet(content: bytes, what: str) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content), pre_buffer=False)
        return Table(what, list(file.schema_arrow.names), _of_batches(file.iter_batches(1024), what))
    except (OSError, pa.ArrowException) as error:
        raise _bad_parquet(what, error) from None


def _of_batches(batches: Iterable[Any], what: str) -> Iterator[Row]:
    import pyarrow as pa

    number = 0
    try:
        for batch in batches:
            batch.validate(full=True)  # damaged pages can yield offsets that crash whoever reads them later
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield str(number), values
    except (OSError, pa.ArrowException) as error:
        yield str(number + 1), _bad_parquet(what, error)


def _bad_parquet(what: str, error: Exception) -> InputError:
    return InputError("bad_parquet", f"cannot read {what} as Parquet: {error}", "give a whole Parquet file")


def table_of_object(thing: Any) -> Table:
    """The table of a pandas or polars DataFrame or an Arrow table."""
    what = f"the {type(thing).__name__}"
    if hasattr(thing, "itertuples"):
        values = thing.itertuples(index=False, name=None)
        labels = map(str, thing.index)
        return Table(what, [str(name) for name in thing.columns], zip(labels, values, strict=True))
    if hasattr(thing, "iter_rows"):
        return Table(what, list(thing.columns), ((str(k), row) for k, row in enumerate(thing.iter_rows())))
    return Table(what, list(thing.schema.names), _of_batches(thing.to_batches(), what))


def _is_one(thing: Mapping[Any, Any]) -> bool:
    """Whether a dict holds the atoms of one structure: its atomic numbers are numbers, not lists of them."""
    Z = thing.get(ATOMS[0])
    return Z is not None and not any(hasattr(each, "__len__") for each in Z)


def table_of_mapping(thing: Mapping[Any, Any]) -> Table:
    """A dict as a table of one row; one whose values are lists of equal length as one of many."""
    names, values = [str(name) for name in thing], list(thing.values())
    many = values and all(isinstance(value, (list, tuple)) for value in values) and not _is_one(thing)
    if many and len(set(map(len, values))) == 1:
        return Table("the dict", names, ((str(k), row) for k, row in enumerate(zip(*values, strict=True))))
    return Table("the dict", names, iter([("", values)]))
