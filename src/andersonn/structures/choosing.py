"""Which atoms of disordered parts to keep: the best choice by a small integer program of each part."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

import numpy as np

from andersonn.errors import InputError
from andersonn.io.descriptors import printing_elsewhere
from andersonn.structures.contacts import MOST, Contacts

WEIGHT_OF_HYDROGEN, WEIGHT, WEIGHT_OF_METAL = 1.0, 3.0, 6.0
"""What keeping an atom is worth."""
FIRST = 0.02
"""What an atom is worth more, the earlier it is listed: of alternatives that are as good, the first is kept."""
LACKING = 2.0
"""What each bond is worth that a kept atom lacks."""
LOOSE = 0.1
"""Added to limits of sums of whole numbers, which it does not change: else the solver prints where it corrects rounded numbers."""
NEEDED = {5: 3, 6: 3, 15: 3, 14: 4}
"""Bonds that an atom of an element needs; of others one. No atom needs more than it has before alternatives are left out."""
NODES, GAP = 20, 1e-4
"""Most nodes of a search, and how much better, as a share, what it did not find may be. Unlike a limit of time they give the same
answer on every machine.
"""
CROWDED = 15
"""Rivals of an atom on average from which on nothing is chosen: it is no disorder of a few alternatives, and a search takes minutes."""
CROWDED_BY_BONDS = 8
"""The same for bonds. Disordered linkers of frameworks have three to four; a benzene ring in three orientations has six."""
SECONDS = 300.0
"""Longest search of a part, by wall-clock time. The slowest of disordered frameworks takes a few seconds on an idle core; on a busy machine
it may be many times as long. It only refuses: a choice that is found never hangs on the machine.
"""
LARGE, GAP_OF_LARGE = 200, 1e-2
"""Atoms of a part from which on the search is broken off earlier."""


def unresolved(n: int) -> InputError:
    """The error for a part of n atoms that is too disordered."""
    told = f"disorder cannot be resolved: {n} atoms hang together with too many alternatives"
    return InputError("disordered", told, "order the structure by hand: keep one alternative of each disordered part")


def best_choice(contacts: Contacts, free: np.ndarray, core: np.ndarray, share: np.ndarray | None = None) -> np.ndarray:
    """Which atoms to keep, bool ``[n]``: no two of them too near to each other, none with more partners than it can have, as many
    as possible, and as few as possible that lack a bond.

    Args:
        contacts: of n atoms.
        free: atoms that may be left out, bool ``[n]``.
        core: those whose place is disputed, bool ``[n]``.
        share: of the cells that an atom is in, which is what it is worth ``[n]``; None: all of them.
    """
    stays = np.ones(len(contacts.Z), dtype=bool)
    through = None if share is None else ~contacts.metal
    share = np.ones(len(contacts.Z)) if share is None else share
    for part in contacts.parts(free, through):
        stays[part] = _Program.of(contacts, part, core, share).solved()
    return stays


@dataclass(eq=False)
class _Program:
    """Maximize the worth of the atoms that are kept. Columns: atoms of the part, then bonds that are lacking and distances that
    are strained.
    """

    contacts: Contacts
    part: np.ndarray
    column: np.ndarray
    worth: list[float]
    rows: list[tuple[dict[int, float], float]]
    most: list[float]
    share: np.ndarray

    @classmethod
    def of(cls, contacts: Contacts, part: np.ndarray, core: np.ndarray, share: np.ndarray) -> _Program:
        Z = contacts.Z
        column = np.full(len(Z), -1)
        column[part] = np.arange(len(part))
        worth = np.where(Z[part] == 1, WEIGHT_OF_HYDROGEN, np.where(contacts.metal[part], WEIGHT_OF_METAL, WEIGHT))
        worth = worth * share[part] + FIRST * (1.0 - np.arange(len(part)) / len(part))
        program = cls(contacts, part, column, worth.tolist(), [], [], share)
        program._forbid()
        program._limit(core)
        program._limit_hydrogens()
        program._need()
        return program

    def solved(self) -> np.ndarray:
        """Which atoms of the part to keep, bool.

        Raises:
            InputError: the search ended before it found any choice.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_matrix

        n, size = len(self.part), len(self.worth)
        if not self.rows:
            return np.ones(n, dtype=bool)
        rivals = (self.column[self.contacts.rivals] >= 0).all(axis=1).sum()
        bonds = sum(len(self.contacts.partners[atom]) for atom in self.part.tolist())
        if rivals > CROWDED * n or bonds > CROWDED_BY_BONDS * n:
            raise unresolved(n)
        entries = [(row, k, value) for row, (terms, _) in enumerate(self.rows) for k, value in terms.items()]
        row, k, value = (np.array(part) for part in zip(*entries, strict=True))
        matrix = coo_matrix((value, (row, k)), shape=(len(self.rows), size)).tocsr()
        begun = monotonic()
        with printing_elsewhere():
            found = milp(
                -np.array(self.worth),
                integrality=np.ones(size),
                bounds=Bounds(0.0, np.array([*[1.0] * n, *self.most])),
                constraints=LinearConstraint(matrix, ub=np.array([most + LOOSE for _, most in self.rows])),
                options={"node_limit": NODES, "mip_rel_gap": GAP_OF_LARGE if n > LARGE else GAP, "time_limit": SECONDS},
            )
        if found.x is None or monotonic() - begun >= SECONDS:  # what is found by then depends on the machine
            raise unresolved(n)
        return found.x[:n] > 0.5

    def _row(self, terms: list[tuple[int, float]], most: float) -> None:
        """Adds: the sum of factors times atoms kept is at most a number. Atoms outside the part are kept."""
        row: dict[int, float] = {}
        for atom, factor in terms:
            k = int(self.column[atom])
            if k < 0:
                most -= factor
            else:
                row[k] = row.get(k, 0.0) + factor
        if row:  # what is kept anyway may be crowded already
            self.rows.append((row, max(most, 0.0) if min(row.values()) > 0.0 else most))

    def _extra(self, cost: float, most: int) -> int:
        """A further column, a whole number from 0 on."""
        self.worth.append(-cost)
        self.most.append(float(most))
        return len(self.worth) - 1

    def _forbid(self) -> None:
        """Of two rivals one goes; two atoms at a strained distance are worth less together."""
        c = self.contacts
        for a, b in c.rivals[(self.column[c.rivals] >= 0).any(axis=1)].tolist():
            self._row([(a, 1.0), (b, 1.0)], 1.0)
        here = (self.column[c.strained] >= 0).any(axis=1)
        for (a, b), cost in zip(c.strained[here].tolist(), c.strain[here].tolist(), strict=True):
            self._row([(a, 1.0), (b, 1.0)], 1.0)
            self.rows[-1][0][self._extra(cost * float(self.share[[a, b]].min()), 1)] = -1.0

    def _limit(self, core: np.ndarray) -> None:
        """No atom has more partners than it can have, and no three are bonded in a ring where one is disputed."""
        c = self.contacts
        around = set(self.part.tolist()) | {k for atom in self.part.tolist() for k in c.partners[atom]}
        for atom in sorted(around):
            own, most = c.partners[atom], MOST.get(int(c.Z[atom]), 99)
            if len(own) > most:
                self._row([(k, 1.0) for k in own] + [(atom, float(len(own) - most))], float(len(own)))
            for k in own:
                for other in set(own) & set(c.partners[k]):
                    if atom < k < other and core[[atom, k, other]].any():
                        self._row([(atom, 1.0), (k, 1.0), (other, 1.0)], 2.0)

    def _limit_hydrogens(self) -> None:
        """No atom keeps more of its partially occupied hydrogens than it has on average: of four that are half there, two."""
        c, free, share = self.contacts, self.column >= 0, self.share
        for atom in sorted({k for own in self.part[c.Z[self.part] == 1].tolist() for k in c.bonded[own]}):
            own = [k for k in c.bonded[atom] if c.Z[k] == 1 and free[k] and share[k] < 1.0]
            most = np.floor(float(share[own].sum()) / share[atom] + 0.5) if own else 0.0
            if c.Z[atom] != 1 and len(own) > most:
                self._row([(k, 1.0) for k in own], float(most))

    def _need(self) -> None:
        """Hydrogen needs what it is bonded to; other atoms that lack bonds are worth less."""
        c = self.contacts
        around = set(self.part.tolist()) | {k for atom in self.part.tolist() for k in c.bonded[atom]}
        for atom in sorted(around):
            own = c.bonded[atom]
            if not own or c.metal[atom]:
                continue
            need = min(NEEDED.get(int(c.Z[atom]), 1), len(own))
            self._row([(atom, float(need)), *((k, -1.0) for k in own)], 0.0)
            if c.Z[atom] != 1 or self.column[atom] < 0:
                self.rows[-1][0][self._extra(LACKING * float(self.share[atom]), need)] = -1.0
