"""Weights of layers and models as safetensors: no pickle, files written whole, errors that say what does not fit."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from andersonn.io.files import write_whole


def save_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Writes parameters and buffers of a module, such as an :class:`~andersonn.implicit.equilibrium.Equilibrium` or a
    model that holds one. Weights that are shared are written once; bounded ones as they are stored.

    Args:
        module: what to save; options, such as those of a solver, are not weights.
        path: of the file, which is written whole or not at all.
    """
    from safetensors.torch import save_model

    write_whole(Path(path), lambda name: save_model(module, name))


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Reads what :func:`save_weights` wrote into a module with the same parameters, in place, on the device where it is.

    Args:
        module: gets the weights; unchanged if they do not fit.
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no safetensors, or has other weights than the module; the message names them.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_model

    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    try:
        with safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            shared = set(file.metadata() or {}) - {"format"}
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)!r} is no file of weights: {error}") from None
    missing, surplus = sorted(own.keys() - found.keys() - shared), sorted(found.keys() - own.keys())
    if missing or surplus:
        parts = [f"{what} {', '.join(names[:3])}" for what, names in (("lacks", missing), ("has", surplus)) if names]
        raise ValueError(f"{os.fspath(path)!r} {' and '.join(parts)}, unlike the module; build it as it was when saved")
    other = [name for name, shape in found.items() if own[name] != shape]
    if other:
        raise ValueError(
            f"{other[0]} is {found[other[0]]} in {os.fspath(path)!r} and {own[other[0]]} in the module; build it as it "
            "was when saved"
        )
    load_model(module, path)
