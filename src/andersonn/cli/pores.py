"""Options of answers by the geometry of pores."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from andersonn.errors import UsageError

if TYPE_CHECKING:
    from andersonn.inference.by_geometry import PoreQuestion


class Convention(StrEnum):
    """How diameters are measured; :mod:`andersonn.structures.pores.geometry` has the details."""

    default = "zeo++-default"
    high = "zeo++-high"


class Classes(StrEnum):
    """What pores are classified by."""

    iupac = "iupac"
    pld = "pld"


OPTIONS = "--convention, --radii, --classes, --strip-guests and --clean"
CONVENTION = typer.Option(
    None,
    help="Of porosity: diameters as Zeo++ has them at its default accuracy, or at high accuracy, against the surfaces of "
    "atoms (default).",
)
RADII = typer.Option(None, metavar="O=1.35,…", help="Of porosity: radii of elements in Å, where not those of Zeo++.")
CLASSES = typer.Option(
    None, help="Of porosity: by IUPAC's pore widths (default), or by pore-limiting diameter, as the network has them."
)
STRIP_GUESTS = typer.Option(
    False, "--strip-guests", help="Of porosity: remove groups from the pores that are not bonded to the framework."
)
CLEAN = typer.Option(
    False,
    "--clean",
    help="Of porosity: where overlapping, disordered or partially occupied atoms would be refused, keep one alternative and say which.",
)


def question(
    task: str,
    model: object,
    convention: Convention | None,
    radii: str | None,
    classes: Classes | None,
    strip_guests: bool,
    clean: bool,
) -> PoreQuestion | None:
    """What these options ask of the pores; None if none of them is given.

    Args:
        task: as on the command line.
        model: a folder, whose network answers by itself, or None.
        convention: as given.
        radii: as given.
        classes: as given.
        strip_guests: as given.
        clean: as given.

    Raises:
        UsageError: they do not go with the task or the model, or cannot be read.
    """
    if convention is radii is classes is None and not (strip_guests or clean):
        return None
    if model is not None:
        told = f"{OPTIONS} are of answers by geometry, and a model in a folder answers itself"
        raise UsageError("bad_option", told, "leave them out, or leave out --model")
    from andersonn.inference.by_geometry import pore_question
    from andersonn.scientists.registry import find

    return pore_question(
        find(task), convention and convention.value, radii, classes and classes.value, strip_guests, clean
    )
