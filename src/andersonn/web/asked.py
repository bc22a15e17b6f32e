"""How a task is asked: the options in the address of a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query

from andersonn.scientists.base import GEOMETRIES


@dataclass(frozen=True)
class Asked:
    """How a task is asked.

    Attributes:
        geometry: as in :meth:`andersonn.inference.predictor.Predictor.load`.
        thresholds: where classes are cut instead, as :func:`andersonn.data.tasks.thresholds_from` reads them.
        pores: the options of :func:`andersonn.inference.by_geometry.pore_question`.
        curves: whether each answer brings the distribution that it was read from, as :func:`andersonn.web.boundary.curve_of` has it.
    """

    geometry: str | None = None
    thresholds: str | None = None
    pores: dict[str, Any] | None = None
    curves: bool = False


AS_USUAL = Asked()


async def asked(
    geometry: Annotated[
        str | None,
        Query(
            description="how molecules without coordinates are read: none (bonds alone), one or many conformers; GET /api/tasks lists "
            "what each task knows",
            json_schema_extra={"enum": list(GEOMETRIES)},
        ),
    ] = None,
    thresholds: Annotated[
        str | None,
        Query(
            description="where classes are cut instead, rising, in the unit of the quantity: 0.1,2; of pore widths the sphere that "
            "must get in, then the widths: 2.4,7,20"
        ),
    ] = None,
    convention: Annotated[
        str | None, Query(description="of pores", json_schema_extra={"enum": ["zeo++-default", "zeo++-high"]})
    ] = None,
    radii: Annotated[str | None, Query(description="of pores: radii in Å, such as O=1.35,Si=1.35")] = None,
    classes: Annotated[
        str | None,
        Query(
            description="of pores: iupac, by pore width, or pld, by window",
            json_schema_extra={"enum": ["iupac", "pld"]},
        ),
    ] = None,
    strip_guests: Annotated[bool, Query(description="of pores: remove what stands in the pores")] = False,
    clean: Annotated[bool, Query(description="of pores: of overlapping alternatives keep one")] = False,
) -> Asked:
    """The options of a question."""
    flags = {"strip_guests": strip_guests, "clean": clean}
    return Asked(geometry, thresholds, {"convention": convention, "radii": radii, "classes": classes, **flags})
