"""Names that are made of a column's: of the scientist, and of its quantity."""

from __future__ import annotations

import re
import unicodedata

from andersonn.constructing import units
from andersonn.errors import UsageError
from andersonn.scientists.registry import registered

RESERVED = frozenset({"id", "group", "atomic_numbers", "positions", "cell", "smiles", "split", "file", "problem"})
"""Columns of records."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def name_of(asked: str | None, title: str) -> str:
    """The name of the scientist: as the user says, else made of the column's name, without its unit.

    Raises:
        UsageError: that is no name, or another scientist has it.
    """
    taken = registered()
    if asked is not None:
        if not NAME.fullmatch(asked):
            made = _plain(asked)
            raise UsageError(
                "bad_name",
                f"{asked!r} is no name for a scientist",
                f"write small letters, digits and _, such as {made}",
            )
        if asked in taken:
            raise UsageError("bad_name", f"there is a scientist {asked!r} already", "choose another --name")
        return asked
    made = _plain(units.of_name(title)[1])
    return f"my_{made}" if made in taken else made


def quantity_of(title: str, unit: str) -> str:
    """The column of the target in records: the name of the user's column, with the unit at its end if that can stand in a name."""
    bare = re.sub(r"\W+", "_", units.of_name(title)[1]).strip("_") or "value"
    quantity = f"{bare}_{unit}" if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", unit) else bare
    return f"{quantity}_value" if quantity in RESERVED else quantity


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss").replace("ø", "o"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    made = re.sub(r"[^a-z0-9]+", "_", bare).strip("_")[:40].strip("_")
    if not made:
        return "my_scientist"
    return made if made[0].isalpha() else f"my_{made}"[:40]
