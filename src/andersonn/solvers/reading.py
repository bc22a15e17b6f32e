"""Reading a few numbers from a device without making the host wait for what was queued after them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Reading:
    """A copy of a tensor to the host, begun at once and waited for when it is asked for.

    On CUDA the copy goes to page-locked memory, followed by an event, so that waiting for it waits for nothing queued later. On other
    devices the tensor is copied when it is asked for.

    Args:
        values: on a device; not written to until the array was taken.
    """

    def __init__(self, values: Tensor) -> None:
        self.values, self.copied = values, None
        if values.device.type == "cuda":
            self.values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self.values.copy_(values, non_blocking=True)
            event: Any = torch.cuda.Event()
            event.record(torch.cuda.current_stream(values.device))
            self.copied = event

    def array(self) -> np.ndarray:
        """The values, float64."""
        if self.copied is not None:
            self.copied.synchronize()
        return self.values.cpu().double().numpy()
