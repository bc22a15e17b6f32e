"""The device that a network runs on."""

from __future__ import annotations

import torch

from andersonn.errors import UsageError


def pick_device(name: str) -> torch.device:
    """The device of a configuration; ``"auto"`` takes a GPU if there is one.

    Raises:
        UsageError: a GPU is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            "no_device", "device=cuda, but PyTorch finds no CUDA GPU here", "use device=cpu or device=auto"
        )
    return torch.device(name)
