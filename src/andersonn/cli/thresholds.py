"""The option that cuts classes elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from andersonn.inference.predictor import Predictor

THRESHOLDS = typer.Option(
    None,
    metavar="A,B",
    help="Cut the classes at other values of the quantity, such as 0.1,2; of porosity 2.4,7,20: the sphere that must get in, then "
    "the widths. A model made for a number gets classes by them.",
)


def cut(scientist: Predictor, thresholds: str | None) -> Predictor:
    """The scientist with its classes cut where the option says; itself where it is not given.

    Args:
        scientist: as it was loaded, and asked about pores.
        thresholds: as given.

    Raises:
        UsageError: they are no numbers, or classes cannot be cut there.
    """
    from andersonn.data.tasks import thresholds_from

    return scientist if thresholds is None else scientist.with_thresholds(thresholds_from(thresholds))
