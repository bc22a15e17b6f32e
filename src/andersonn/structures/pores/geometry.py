"""What a chemist asks of pores: widths under a named convention, channels, surface, free volume.

Two conventions. ``zeo++-default``: windows and cavities of the power diagram of the atoms, as Zeo++ computes them at its
default accuracy; where radii differ they come out up to about 0.5 Å wrong. ``zeo++-high``: against the surfaces of the
atoms, which Zeo++ approaches at high accuracy by a cluster of small spheres for each atom. Here they are exact: a sphere
of radius s fits where a point fits between atoms that are larger by s, and power diagrams are exact for points. So s is
moved until the diagram of atoms larger by s gives s again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from andersonn.errors import InputError, UsageError, unknown
from andersonn.structures import elements
from andersonn.structures.filling import densities
from andersonn.structures.pores.diagram import PowerDiagram, Tied
from andersonn.structures.pores.free_volume import free_volumes
from andersonn.structures.pores.percolation import channels, widest_ways
from andersonn.structures.pores.probe import compact, doubled
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.pores.surface import areas
from andersonn.structures.pores.windows import widest_touching_way
from andersonn.structures.structure import Structure

CONVENTIONS = ("zeo++-default", "zeo++-high")
NITROGEN = 1.86
"""Å: radius of the usual probe for surfaces, about half of what Lennard-Jones models give nitrogen (3.68 Å)."""
SETTLED = 5e-4
"""Å: a radius that changes by less is the same."""
MOST = 12
"""Diagrams for one radius. Two or three are usual."""
SMALLEST = 0.1
"""Å: no atom is made smaller than this."""
SPHERES = 0.1, 100.0
"""Å: least and largest diameter of spheres that pores can be asked to let in."""
RADII = 0.1, 10.0
"""Å: least and largest radius of an atom or probe."""


@dataclass(frozen=True)
class PoreOptions:
    """How pores are measured.

    Attributes:
        convention: one of :data:`CONVENTIONS`.
        access_A: diameter of the sphere that must get through a window for pores to count as open, and whose channels are
            counted, Å.
        probe_A: radius of the probe that rolls over the surface, Å.
        radii: element → radius in Å, where it is not that of :data:`~andersonn.structures.pores.radii.RADII`.

    Raises:
        UsageError: there is no such convention or element, or a length is out of range.
    """

    convention: str = "zeo++-high"
    access_A: float = 2.4
    probe_A: float = NITROGEN
    radii: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise unknown("convention", self.convention, CONVENTIONS)
        lengths = {"the width for access": (self.access_A, SPHERES), "the radius of the probe": (self.probe_A, RADII)}
        lengths |= {f"the radius of {symbol}": (size, RADII) for symbol, size in self.radii.items()}
        for name, (size, (least, most)) in lengths.items():
            if not least <= size <= most:
                raise UsageError("bad_option", f"{name} is {size:g} Å", f"give a length from {least:g} to {most:g} Å")
        for symbol in self.radii:
            if symbol not in elements.symbols()[1:]:
                raise UsageError("bad_option", f"there is no element {symbol!r}", "give radii as in O=1.35,Si=1.1")

    def of_atoms(self, Z: np.ndarray) -> np.ndarray:
        """Radii in Å, float64 ``[n]``, of atoms by atomic number ``[n]``."""
        by_element = probe_radii().copy()
        for symbol, size in self.radii.items():
            by_element[elements.symbols().index(symbol)] = size
        return by_element[Z]


@dataclass(frozen=True)
class PoreGeometry:
    """The pores of a crystal.

    Attributes:
        convention: one of :data:`CONVENTIONS`, for both diameters and the channels.
        pld_A: pore-limiting diameter: of the largest sphere that gets through the crystal, Å. Negative where atoms overlap
            on every way.
        lcd_A: diameter of the largest sphere that fits, Å.
        access_A: diameter of the sphere that channels are for, Å.
        channel_dimensions: of the channels that let this sphere through, the most directions that one leads in, 0 … 3.
        probe_A: radius of the probe for surfaces, Å.
        surface_m2_g, accessible_surface_m2_g: geometric surface, where the center of the probe can be while it touches an
            atom, per mass; all of it, and that in channels which the probe can come through.
        surface_m2_cm3, accessible_surface_m2_cm3: the same per volume.
        void_fraction: share of the cell outside all atoms.
        density_g_cm3: of the crystal as given.
    """

    convention: str
    pld_A: float
    lcd_A: float
    access_A: float
    channel_dimensions: int
    probe_A: float
    surface_m2_g: float
    accessible_surface_m2_g: float
    surface_m2_cm3: float
    accessible_surface_m2_cm3: float
    void_fraction: float
    density_g_cm3: float

    @classmethod
    def of(cls, structure: Structure, options: PoreOptions | None = None) -> PoreGeometry:
        """Measures the pores of a crystal.

        Raises:
            InputError: the structure is not periodic, or its cell is too flat.
        """
        options = options or PoreOptions()
        if structure.cell is None:
            raise InputError(
                "not_periodic",
                f"pores are those of crystals, and {structure.id or structure.formula} has no unit cell",
                "give a cell: a CIF, a POSCAR, or an extended xyz with a Lattice",
            )
        radius = options.of_atoms(structure.Z)
        volume, mass_density = float(structure.volume or 0.0), float(densities(structure)[1])
        try:
            found = _measured(structure.xyz, compact(structure.cell), radius, options)
        except Tied:
            xyz, cell, copies = doubled(structure.xyz, structure.cell)
            found = _measured(xyz, compact(cell), np.tile(radius, copies), options)
            found = found._replace(surface=found.surface / copies, open_surface=found.open_surface / copies)
            found = found._replace(void=found.void / copies)
        per_cm3 = 1e4 / volume  # m² in a cm³ of one Å² in an Å³
        areas_cm3 = found.surface * per_cm3, found.open_surface * per_cm3
        return cls(
            options.convention, 2.0 * found.way, 2.0 * found.cavity, options.access_A, found.dimensions, options.probe_A,
            areas_cm3[0] / mass_density, areas_cm3[1] / mass_density, *areas_cm3, found.void / volume, mass_density,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, and ``in_words`` what they say."""
        return asdict(self) | {"in_words": self.in_words}

    @property
    def in_words(self) -> str:
        """Diameters, channels, surface and void fraction as a line for people."""
        return (
            f"{self.convention}: window {self.pld_A:.2f} Å, cavity {self.lcd_A:.2f} Å; channels in {self.channel_dimensions} "
            f"directions; accessible surface {self.accessible_surface_m2_g:.0f} m²/g (probe of radius {self.probe_A} Å); "
            f"void fraction {self.void_fraction:.2f}"
        )


class _Measured(NamedTuple):
    """Radii of the widest way and of the largest cavity, Å; directions; surfaces, Å²; volume outside all atoms, Å³."""

    way: float
    cavity: float
    dimensions: int
    surface: float
    open_surface: float
    void: float


def _measured(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, options: PoreOptions) -> _Measured:
    plain = PowerDiagram.of(xyz, cell, radius)
    way, cavity = widths(plain, xyz, cell, radius, options.convention)
    sphere, dimensions = options.access_A / 2.0, 0
    if way >= sphere and options.convention == "zeo++-high":
        dimensions = int(channels(PowerDiagram.of(xyz, cell, radius + sphere), 0.0)[1].max())
    elif way >= sphere:
        dimensions = int(channels(plain, sphere)[1].max())
    larger = radius + options.probe_A
    surface = areas(PowerDiagram.of(xyz, cell, larger), larger)
    return _Measured(way, cavity, dimensions, *surface, float(free_volumes(plain, radius).sum()))


def diameters(structure: Structure, options: PoreOptions) -> tuple[float, float]:
    """PLD and LCD of a crystal, Å, as :class:`PoreGeometry` has them; without the rest it takes a fraction of the time.

    Raises:
        InputError: its cell is too flat.
    """
    assert structure.cell is not None  # pores are those of crystals
    radius = options.of_atoms(structure.Z)

    def found(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> tuple[float, float]:
        cell = compact(cell)
        return widths(PowerDiagram.of(xyz, cell, radius), xyz, cell, radius, options.convention)

    try:
        way, cavity = found(structure.xyz, structure.cell, radius)
    except Tied:
        xyz, cell, copies = doubled(structure.xyz, structure.cell)
        way, cavity = found(xyz, cell, np.tile(radius, copies))
    return 2.0 * way, 2.0 * cavity


def widths(
    plain: PowerDiagram, xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray, convention: str
) -> tuple[float, float]:
    """Radii of the widest way through a crystal and of its largest cavity, Å.

    Args:
        plain: its diagram.
        xyz: positions ``[n, 3]`` in Å.
        cell: lattice vectors as rows ``[3, 3]`` in Å.
        radius: of the atoms, Å, ``[n]``.
        convention: one of :data:`CONVENTIONS`.
    """
    cavity = float(plain.clearance.max())
    if convention != "zeo++-high":
        return float(widest_ways(plain.ends, plain.shift, plain.window)[0]), cavity
    larger_by = _larger(xyz, cell, radius)
    cavity = _settled(larger_by, cavity, SMALLEST - float(radius.min()), lambda d: float(d.clearance.max()))
    return widest_way(plain, xyz, cell, radius), cavity


def widest_way(plain: PowerDiagram, xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> float:
    """Radius of the widest way through a crystal against the surfaces of its atoms, Å; the arguments are those of :func:`widths`."""
    about = float(widest_ways(plain.ends, plain.shift, plain.window)[0])
    about = widest_touching_way(plain, cell, radius, about)
    least = SMALLEST - float(radius.min())
    return _settled(
        _larger(xyz, cell, radius), about, least, lambda d: float(widest_ways(d.ends, d.shift, d.window)[0])
    )


def _larger(xyz: np.ndarray, cell: np.ndarray, radius: np.ndarray) -> Callable[[float], PowerDiagram]:
    """Makes the diagram of atoms that are larger by a length in Å."""
    return lambda size: PowerDiagram.of(xyz, cell, radius + size)


def _settled(
    larger_by: Callable[[float], PowerDiagram], about: float, least: float, found: Callable[[PowerDiagram], float]
) -> float:
    """The radius s for which the diagram of atoms larger by s leaves room for points alone.

    Args:
        larger_by: makes that diagram.
        about: a guess, Å.
        least: from which on atoms would be too small for diagrams, Å.
        found: what of a diagram is zero there: room left, Å.
    """
    size = about
    for _ in range(MOST):
        if not np.isfinite(size) or size <= least:
            return size
        before, size = size, size + found(larger_by(size))
        if abs(size - before) < SETTLED:
            break
    return size
