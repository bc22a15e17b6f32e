"""Symmetry operations, as they are written and as matrices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np

from andersonn.errors import InputError

MOST_OPERATIONS = 1000
"""The richest space groups have 192 in their usual cell; supercells may list a few times as many."""
LONGEST_TEXT = 100
"""Characters of one operation."""
FRACTIONS = ((24, 0.004), (120, 0.0006), (168, 0.0006))
"""Translations are multiples of 1/24 in space groups, of other fractions in supercells. How far one may be from such a
multiple: 0.33 is 1/3, 0.17 is 1/6."""
COMMON = 840
"""All these fractions are multiples of 1/840."""
LARGEST_ENTRY = 4
"""Of a rotation in the axes of a cell; usual cells have 0 and ±1."""
MOST_OF_A_GROUP = 192
NOT_CLOSED = "the product of two of them is not among them"
NO_IDENTITY = "x,y,z is not among them"
OTHER_AXES = re.compile("[abchkl]", re.IGNORECASE)
TERM = re.compile(r"([+-]?)(\d+/\d+|\d*\.?\d*)\*?([xyz]?)")
ITS_NUMBER = re.compile(r"^ {0,4}\d{1,3}[ .:)]{1,3}(?=[-+xyzXYZ\d])")
"""In front of an operation, as in ``2 -x,y,z``."""
TIME_REVERSAL = re.compile(r"[+-]?1|[+-]?m[xyz]|m|'")


@dataclass(frozen=True)
class Operations:
    """A list of symmetry operations.

    Attributes:
        matrices: ``[m, 3, 4]`` on fractional coordinates, rotation and translation.
        flaw: why they are not a group, such as ``"a product of two of them is not listed"``; empty if they are.
        number: of the space group, 0 if its setting is in no table.
        repaired: what was completed, or empty.
    """

    matrices: np.ndarray
    flaw: str
    number: int
    repaired: str = ""

    def __len__(self) -> int:
        return len(self.matrices)

    @property
    def trivial(self) -> bool:
        """Whether ``x,y,z`` is all there is."""
        return len(self.matrices) == 1 and not self.flaw


@lru_cache(maxsize=512)
def read_operations(texts: tuple[str, ...], centerings: tuple[str, ...] = ()) -> Operations:
    """Operations without repetitions, their translations exact, and what keeps them from being a group.

    Args:
        texts: as they are written, such as ``-x+1/2,y,z``.
        centerings: translations, which magnetic CIF lists apart: each is combined with each operation.

    Raises:
        InputError: one cannot be read, or there are more than :data:`MOST_OPERATIONS`.
    """
    count = len(texts) * max(1, len(centerings))
    if count > MOST_OPERATIONS:
        raise InputError(
            "bad_symmetry",
            f"{count:,} symmetry operations; at most {MOST_OPERATIONS} are read",
            "give a smaller cell, or list all its atoms",
        )
    matrices = _matrices(texts)
    if centerings:
        shifts = _matrices(centerings)
        product = shifts[:, None, :, :3] @ matrices[None]
        product[..., 3] += shifts[:, None, :, 3]
        matrices = product.reshape(-1, 3, 4)
    turns = matrices[:, :, :3]
    if np.abs(turns - np.rint(turns)).max() > 0.01 or np.abs(turns).max() > LARGEST_ENTRY:
        return Operations(matrices, "an operation does not turn the lattice into itself", 0)
    matrices = np.concatenate([np.rint(turns), _exact(matrices[:, :, 3])[:, :, None]], axis=2)
    _, first = np.unique(keys_of(matrices), return_index=True)
    matrices = matrices[np.sort(first)]
    flaw, repaired = _flaw(matrices), ""
    if flaw == NO_IDENTITY:
        whole = np.concatenate([np.eye(3, 4)[None], matrices])
        if not _flaw(whole):
            matrices, flaw, repaired = whole, "", "the file's list of symmetry operations lacks x,y,z, which was added"
    return Operations(matrices, flaw, 0 if flaw else _number(matrices), repaired)


@lru_cache(maxsize=512)
def operations_of(symbol: str) -> Operations:
    """The operations of a group of gemmi's table, by its extended Hermann–Mauguin symbol."""
    group = gemmi.find_spacegroup_by_name(symbol)
    matrices = np.array([operation.float_seitz() for operation in group.operations()])[:, :3, :]
    return Operations(matrices, "", group.number)


def common_share(part: Operations, whole: Operations) -> tuple[float, float]:
    """Share of the operations of ``part`` that are in ``whole``, and share whose rotation is in ``whole``."""
    return (
        float(np.isin(keys_of(part.matrices), keys_of(whole.matrices)).mean()),
        float(np.isin(_turns(part.matrices), _turns(whole.matrices)).mean()),
    )


def _matrices(texts: tuple[str, ...]) -> np.ndarray:
    return np.array([_matrix(text) for text in texts])


def _matrix(text: str) -> list[list[float]]:
    """Of one operation, ``[3, 4]``."""
    text = ITS_NUMBER.sub("", text).replace("\u2212", "-").replace("\u2013", "-")  # as typesetting writes a minus
    if len(text) <= LONGEST_TEXT and not OTHER_AXES.search(text):
        try:
            return gemmi.Op(text).float_seitz()[:3]
        except (ValueError, RuntimeError):
            pass
    parts = re.sub(r"[\s\"]+", "", text[: LONGEST_TEXT + 1]).lower().strip(";").rstrip(",").split(",")
    if parts and parts[0][:1] == "'":
        parts[0] = parts[0][1:]
    if (
        len(text) <= LONGEST_TEXT
        and len(parts) >= 3
        and all(TIME_REVERSAL.fullmatch(p) or _is_moment(p) for p in parts[3:])
    ):
        rows = [_row(part) for part in (*parts[:2], parts[2].rstrip("';"))]
        found = [row for row in rows if row is not None]
        if len(found) == len(rows):
            return found
    raise InputError("bad_symmetry", f"unreadable symmetry operation {text[:60]!r}", "write it like x,y,z")


def _is_moment(part: str) -> bool:
    """Whether it is how an operation turns a magnetic moment, such as ``-mx+my``."""
    return re.fullmatch(r"(?:[+-]?m[xyz]|[+-]?\d?[uvw])+", part) is not None


def _row(part: str) -> list[float] | None:
    row, position = [0.0, 0.0, 0.0, 0.0], 0
    while position < len(part):
        found = TERM.match(part, position)
        assert found is not None  # it may match nothing
        sign, number, axis = found[1], found[2], found[3]
        if not (number or axis) or number == "." or (position and not sign):
            return None
        above, _, below = number.partition("/")
        if below and not int(below):
            return None
        value = float(above) / float(below or 1) if number else 1.0
        row["xyz".index(axis) if axis else 3] += -value if sign == "-" else value
        position = found.end()
    return row if part else None


def _exact(shifts: np.ndarray) -> np.ndarray:
    """Translations as the fractions they are meant to be, within one cell."""
    for denominator, rounding in FRACTIONS:
        parts = shifts * denominator
        if np.abs(parts - np.rint(parts)).max() <= rounding * denominator:
            return np.rint(parts) / denominator % 1.0
    return shifts % 1.0


def _flaw(matrices: np.ndarray) -> str:
    turns = np.rint(matrices[:, :, :3]).astype(np.int64)
    if (np.abs(np.rint(np.linalg.det(turns))) != 1).any():
        return "an operation changes the volume"
    keys = keys_of(matrices)
    if keys_of(np.eye(3, 4)[None])[0] not in keys:
        return NO_IDENTITY
    order = np.argsort(keys)
    reached = keys == keys_of(np.eye(3, 4)[None])[0]
    images: list[np.ndarray] = []  # by each generator: the place of every operation's product with it
    while not reached.all():
        generator = matrices[np.flatnonzero(~reached)[0]]
        products = _products(matrices, generator)
        if np.abs(products[:, :, :3]).max() > LARGEST_ENTRY:
            return NOT_CLOSED
        found = order[np.minimum(np.searchsorted(keys[order], keys_of(products)), len(keys) - 1)]
        if (keys[found] != keys_of(products)).any():
            return NOT_CLOSED
        images.append(found)
        reached = _reached(reached, images)
    return ""


def _products(matrices: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Every operation after another."""
    turned = matrices[:, :, :3] @ other
    turned[:, :, 3] += matrices[:, :, 3]
    return turned


def _reached(reached: np.ndarray, images: list[np.ndarray]) -> np.ndarray:
    """All operations that generators make of those reached already."""
    count = 0
    while count != reached.sum():
        count = reached.sum()
        for image in images:
            reached[image[reached]] = True
    return reached


def _number(matrices: np.ndarray) -> int:
    if len(matrices) > MOST_OF_A_GROUP:
        return 0
    whole = np.rint(matrices * gemmi.Op.DEN).astype(int)
    if np.abs(whole - matrices * gemmi.Op.DEN).max() > 1e-6:
        return 0
    operations = [gemmi.Op() for _ in whole]
    for operation, matrix in zip(operations, whole.tolist(), strict=True):
        operation.rot, operation.tran = [row[:3] for row in matrix], [row[3] for row in matrix]
    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))
    return group.number if group else 0


def keys_of(matrices: np.ndarray) -> np.ndarray:
    """A number for each operation, the same for those that differ by a translation of the lattice."""
    shift = np.rint(matrices[:, :, 3] * COMMON).astype(np.int64) % COMMON
    return _turns(matrices) + 9**9 * (shift @ np.array([1, COMMON, COMMON**2]))


def _turns(matrices: np.ndarray) -> np.ndarray:
    """A number for each rotation."""
    digits = np.rint(matrices[:, :, :3]).astype(np.int64).reshape(-1, 9) + LARGEST_ENTRY
    return digits @ 9 ** np.arange(9, dtype=np.int64)
