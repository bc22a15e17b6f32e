"""Electrons of the whole structure, counted over its formula unit: what messages between neighbors cannot sum up.

A solid whose electrons fill shells tends to have a gap: 8 for each anion in salts and Zintl phases, 8 or 18 a formula unit in
half-Heuslers; an odd number makes a metal, or a magnet. Everything follows from the atomic numbers and multiplicities of
the rows, so that images need no channel for it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from andersonn.models.batch import ImageBatch
from andersonn.models.gaussians import gaussians
from andersonn.structures import elements, valence

SHELLS = (8, 18)
"""Electrons of closed shells: remainders by these are told."""
OCTAVES = 9
"""Powers of two up to which counts have a Gaussian of their own, two an octave."""
PER_ATOM, PER_ANION, ATOMS = 12, 18, 12
"""Largest valence electrons an atom, valence electrons an anion, and atoms or elements of a formula unit that are told apart."""


def formula_units(batch: ImageBatch) -> Tensor:
    """Atoms of each element in the formula unit, int64 ``[B, 104]``: divided by their greatest common divisor, so that a
    supercell, folded or not, has exactly the formula unit of its primitive cell.
    """
    size = elements.MAX_Z + 1
    counts = batch.counted
    if counts is None:
        place, atoms = batch.sample * size + batch.Z, batch.multiplicity.round().long()
        counts = atoms.new_zeros(len(batch) * size).index_add_(0, place, atoms).view(len(batch), size)
    divisor = functional.pad(counts, (0, (1 << (size - 1).bit_length()) - size))
    while divisor.shape[1] > 1:
        divisor = torch.gcd(*divisor.chunk(2, dim=1))
    return counts // divisor.clamp_min(1)


def counted_as(batch: ImageBatch, Z: np.ndarray) -> ImageBatch:
    """The batch with electrons of each of its structures counted over the atomic numbers ``Z [n]`` instead of over its rows."""
    counts = torch.from_numpy(np.bincount(Z, minlength=elements.MAX_Z + 1))
    return replace(batch, counted=counts.to(batch.Z).expand(len(batch), -1))


class ElectronCount(nn.Module):
    """Features of a structure from the electrons of its formula unit; no parameters.

    Attributes:
        features: E, how many there are.
    """

    table: Tensor
    electronegativity: Tensor

    def __init__(self) -> None:
        super().__init__()
        of_element = torch.tensor(elements.column("electronegativity"), dtype=torch.float32).nan_to_num(0.0)
        self.register_buffer("table", torch.tensor(valence.table()), persistent=False)
        self.register_buffer("electronegativity", of_element, persistent=False)
        hydrogen = functional.one_hot(torch.tensor([1]), elements.MAX_Z + 1)
        self.features = self.of(hydrogen).shape[1]

    def forward(self, batch: ImageBatch) -> Tensor:
        """``[B, E]``."""
        return self.of(formula_units(batch))

    def counts(self, formula: Tensor) -> dict[str, Tensor]:
        """:data:`~andersonn.structures.valence.COUNTS` of formula units, int64 ``[B, 1]`` each."""
        # Not a product of matrices: integers have none on a GPU, and half precision would round them.
        columns = [(formula * of_atom).sum(dim=1, keepdim=True) for of_atom in self.table.unbind(dim=1)]
        return dict(zip(valence.COUNTS, columns, strict=True))

    def of(self, formula: Tensor) -> Tensor:
        """Features ``[B, E]`` of formula units, int64 ``[B, 104]``."""
        counts, atoms = self.counts(formula), formula.sum(dim=1, keepdim=True).clamp_min(1)
        kinds = (formula > 0).sum(dim=1, keepdim=True).clamp_max(ATOMS)
        parts = [self._of_count(counts[name], atoms) for name in ("valence", "outer")]
        parts += [_sign(counts["every"]), self._real(atoms).log2() / 3.0, self._real(kinds) / 4.0]
        parts.append(functional.one_hot(atoms.squeeze(1).clamp_max(ATOMS), ATOMS + 1))
        parts += [counts[f"{block}_block"] / atoms for block in "spdf"]
        parts += [counts["open_d"] / atoms / 5.0, counts["open_f"] / atoms / 7.0]
        parts.append(counts["open_d"] / counts["d_block"].clamp_min(1) / 5.0)
        parts += [*self._of_anions(formula, counts, atoms), self._of_electronegativity(formula, atoms)]
        return torch.cat([part.to(self.electronegativity.dtype) for part in parts], dim=1)

    def _real(self, counts: Tensor) -> Tensor:
        return counts.to(self.electronegativity.dtype)

    def _of_count(self, count: Tensor, atoms: Tensor) -> Tensor:
        """A number of electrons: its size, as such and an atom, its parity, its remainders and where it lies on circles."""
        parts = [count / atoms / 8.0, _bumps(self._real(count) / atoms, 0.0, float(PER_ATOM), 2 * PER_ATOM + 1)]
        parts += [_bumps(self._real(count).clamp_min(1.0).log2(), 0.0, float(OCTAVES), 2 * OCTAVES + 1), _sign(count)]
        for shell in SHELLS:
            angle = self._real(count % shell) * (2.0 * math.pi / shell)
            parts += [angle.cos(), angle.sin(), functional.one_hot((count % shell).squeeze(1), shell)]
        return torch.cat([self._real(part) for part in parts], dim=1)

    def _of_anions(self, formula: Tensor, counts: dict[str, Tensor], atoms: Tensor) -> list[Tensor]:
        """Valence electrons an anion (8 where octets are filled and anions have no bonds among them, 8 − N with bonds), and those
        left when each anion has filled its shell; with atoms of groups 14 to 17, of groups 15 to 17, or of the most
        electronegative element as anions.
        """
        present = torch.where(formula > 0, self.electronegativity, -1.0)
        last = present.argmax(dim=1, keepdim=True)
        full = torch.where(last <= 2, 2, 8)
        found = []
        for anions, shell in ((counts["acceptor"], 8), (counts["anion"], 8), (formula.gather(1, last), full)):
            each = self._real(counts["outer"]) / anions.clamp_min(1) * (anions > 0)
            found += [each.clamp_max(3.0 * PER_ANION) / 8.0, _bumps(each, 1.0, float(PER_ANION), PER_ANION)]
            found.append((counts["outer"] - shell * anions) / atoms / 4.0)
        return found

    def _of_electronegativity(self, formula: Tensor, atoms: Tensor) -> Tensor:
        """Mean, standard deviation, largest and range, ``[B, 4]``."""
        of_element = self.electronegativity
        mean = (formula * of_element).sum(dim=1, keepdim=True) / atoms
        variance = (formula * (of_element - mean).square()).sum(dim=1, keepdim=True) / atoms
        largest = torch.where(formula > 0, of_element, 0.0).amax(dim=1, keepdim=True)
        least = torch.where(formula > 0, of_element, 9.0).amin(dim=1, keepdim=True)
        return torch.cat([mean - 2.0, variance.sqrt(), largest - 2.5, largest - least], dim=1)


def _sign(count: Tensor) -> Tensor:
    """1 for even, −1 for odd."""
    return 1 - 2 * (count % 2)


def _bumps(values: Tensor, first: float, last: float, centers: int) -> Tensor:
    """Gaussians of values ``[B, 1]``, as wide as half the step between their centers, ``[B, centers]``."""
    at = torch.linspace(first, last, centers, dtype=values.dtype, device=values.device)
    return gaussians(values.squeeze(1), at, 2.0 * ((centers - 1) / (last - first)) ** 2)
