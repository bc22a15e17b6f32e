"""Files made to run code, to exhaust memory or the stack, or to be believed."""

from __future__ import annotations

import io
import json
import pickle
import struct

import joblib
import numpy as np
import torch


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return open, (self.marker, "w")


def pickles(marker: str) -> dict[str, bytes]:
    """The payload in every wrapping that something loads."""
    found = {f"protocol {protocol}": pickle.dumps(Touch(marker), protocol) for protocol in (0, 2, 5)}
    for name, write in (
        ("torch", lambda stream: torch.save(Touch(marker), stream)),
        ("torch, old", lambda stream: torch.save(Touch(marker), stream, _use_new_zipfile_serialization=False)),
        ("joblib", lambda stream: joblib.dump(Touch(marker), stream)),
        ("npy", lambda stream: np.save(stream, np.array([Touch(marker)], dtype=object), allow_pickle=True)),
        ("npz", lambda stream: np.savez(stream, weights=np.array([Touch(marker)], dtype=object))),
    ):
        stream = io.BytesIO()
        write(stream)
        found[name] = stream.getvalue()
    return found


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A file of that header, which may announce another length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[int], ends: list[int], dtype: str = "F32") -> dict:
    return {"attention.bias": {"dtype": dtype, "shape": shape, "data_offsets": ends}}


TENSORS = {
    "empty": b"",
    "a header longer than the file": safetensors({}, length=10**9),
    "a header of 2^63 bytes": safetensors({}, length=2**63),
    "a header that is no JSON": safetensors(b"\x80\x05."),
    "a header that is nested": safetensors(b"[" * 100_000),
    "a header that is a list": safetensors([1, 2]),
    "a shape beyond the data": safetensors(tensor([10**9, 10**9], [0, 4]), b"\0" * 4),
    "a shape that overflows": safetensors(tensor([2**32, 2**32, 4], [0, 4]), b"\0" * 4),
    "a negative shape": safetensors(tensor([-1], [0, 4]), b"\0" * 4),
    "offsets outside": safetensors(tensor([1], [10**12, 10**12 + 4]), b"\0" * 4),
    "offsets reversed": safetensors(tensor([1], [4, 0]), b"\0" * 4),
    "an unknown type": safetensors(tensor([1], [0, 8], "OBJECT"), b"\0" * 8),
    "one tensor, of the wrong shape": safetensors(tensor([3], [0, 12]), b"\0" * 12),
    "no tensors": safetensors({}),
}
JSONS = {
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "a number of a million digits": b'{"format": ' + b"9" * 1_000_000 + b"}",
    "a list": b"[1, 2, 3]",
    "null": b"null",
    "a word": b'"model"',
    "not UTF-8": b"\xff\xfe{}",
    "empty": b"",
}
