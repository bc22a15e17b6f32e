"""A whole library through a scientist: resumable, in bounded memory, on one machine or a cluster."""

from andersonn.screening.run import Screening
from andersonn.screening.worker import Settings

__all__ = ["Screening", "Settings"]
