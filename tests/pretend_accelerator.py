"""A pretend accelerator: tensors with real values that count what a real one would have to do.

Its tensors say that they are on device ``sim``; their data lie in the host's memory. Every operation counts as one launch (views and
allocations do not), every value read back to the host as one read. Operands on different devices raise, as they would on CUDA.

    with PretendAccelerator() as device:
        z = device.put(torch.zeros(2, 3))
        ...
        device.launches, device.reads
"""

from __future__ import annotations

import traceback
from collections import Counter
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from andersonn.solvers.layout import widest_dtype

FREE = frozenset(
    [
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "permute",
        "expand",
        "unsqueeze",
        "squeeze",
        "select",
        "slice",
        "as_strided",
        "alias",
        "detach",
        "diagonal",
        "split",
        "split_with_sizes",
        "unbind",
        "_reshape_alias",
        "narrow",
        "unfold",
        "lift_fresh",
        "chunk",
        "_neg_view",
        "real",
        "set_",
        "empty_like",
        "empty",
        "new_empty",
        "empty_strided",
        "new_empty_strided",
        "resize_",
        "view_as_real",
        "view_as_complex",
        "_conj",
    ]
)
"""Views and allocations: no work for the device."""
READS = frozenset(
    [
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "equal",
        "is_nonzero",
        "unique",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
        "linalg_svd",
        "_linalg_svd",
    ]
)
"""Operations for which the host waits; the device's solvers of singular values check their result on the host."""
INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_"})


class _Module:
    """The device's Python module, as torch looks for it."""

    counting: PretendAccelerator | None = None

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def is_available(self) -> bool:
        return self.counting is not None

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def manual_seed_all(self, seed: int) -> None:
        pass

    def set_device(self, device: Any) -> None:
        pass

    def get_rng_state(self, device: Any = None) -> Tensor:
        _count_read("get_rng_state")
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        _count_read("set_rng_state")


_module = _Module()
_registered: list[torch.library.Library] = []


def _register() -> None:
    """Makes torch know the device, once a process."""
    if _registered:
        return
    _setup_privateuseone_for_python_backend("sim", backend_module=_module)
    library = torch.library.Library("aten", "IMPL")

    def empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None):
        return PretendTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))

    def empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
        return PretendTensor(torch.empty(size, dtype=dtype, device="cpu"))

    def copy_from(source, target, non_blocking=False):
        _inner(target).copy_(_inner(source))
        return target

    library.impl("empty_strided", empty_strided, "PrivateUse1")
    library.impl("empty.memory_format", empty, "PrivateUse1")
    library.impl("_copy_from", copy_from, "PrivateUse1")
    _registered.append(library)


class PretendTensor(Tensor):
    """A tensor on the pretend device; ``inner`` has its values."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor, requires_grad: bool = False):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device("sim", 0),
            requires_grad=requires_grad,
        )
        made.inner = inner
        return made

    def untyped_storage(self):
        return self.inner.untyped_storage()

    def data_ptr(self):
        return self.inner.data_ptr()

    def __repr__(self):
        return f"PretendTensor({self.inner})"

    def numpy(self):
        raise TypeError("can't convert a tensor on the pretend device to numpy")

    def __array__(self, *_):
        raise TypeError("can't convert a tensor on the pretend device to numpy")

    def tolist(self):
        _count_read("tolist")
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class PretendAccelerator(TorchDispatchMode):
    """Counts while it is entered.

    Args:
        float64: whether the device has that dtype.

    Attributes:
        operations: launches by operation.
        waits: reads by operation.
        places: reads by line of the package.
        uploads: copies from the host.
    """

    def __init__(self, float64: bool = True) -> None:
        _register()
        super().__init__()
        self.float64 = float64
        self.reset()

    def reset(self) -> None:
        """Counts from 0."""
        self.operations: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.uploads = 0

    @property
    def launches(self) -> int:
        """Operations of the device."""
        return sum(self.operations.values())

    @property
    def reads(self) -> int:
        """Times at which the host waited for the device."""
        return sum(self.waits.values())

    def put(self, value: Any) -> Any:
        """A tensor, or the tensors of a module, moved to the device."""
        if isinstance(value, Tensor):
            return PretendTensor(value.detach().clone(), value.requires_grad)
        for part in value.modules():
            for name, parameter in list(part._parameters.items()):
                if parameter is not None:
                    inner = PretendTensor(parameter.detach().clone())
                    part._parameters[name] = nn.Parameter(inner, requires_grad=parameter.requires_grad)
            for name, buffer in list(part._buffers.items()):
                if buffer is not None:
                    part._buffers[name] = PretendTensor(buffer.detach().clone())
        return value

    def __enter__(self) -> Self:
        _module.counting = self
        widest_dtype.cache_clear()  # of a device with other dtypes
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        _module.counting = None
        widest_dtype.cache_clear()
        super().__exit__(*exception)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def host(value: Any) -> Any:
    """The values in the host's memory, without counting; other things as they are."""
    return _inner(value)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, PretendTensor) else value


def _count_read(name: str) -> None:
    if _module.counting is None:
        return
    _module.counting.waits[name] += 1
    frames = [frame for frame in traceback.extract_stack() if "/andersonn/" in frame.filename]
    if frames:
        _module.counting.places[f"{frames[-1].filename.split('/andersonn/')[1]}:{frames[-1].lineno} {name}"] += 1


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on the inner tensors, counted if one of them is on the device."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
    wanted = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    if not ours and (wanted is None or wanted.type != "sim"):
        return func(*args, **kwargs)
    _count(func, args, kwargs, tensors, wanted)
    inner = tree_map(_inner, dict(kwargs)) | ({"device": torch.device("cpu")} if wanted is not None else {})
    if inner.get("pin_memory"):
        inner["pin_memory"] = False
    out = func(*tree_map(_inner, args), **inner)
    if wanted is not None and wanted.type == "cpu":
        return out
    if not isinstance(args[0] if args else None, PretendTensor) and func._schema.name == "aten::copy_":
        return args[0]  # a tensor of the host
    wrapped = tree_map(lambda leaf: PretendTensor(leaf) if type(leaf) is Tensor else leaf, out)
    _refuse_float64(wrapped)
    return return_and_correct_aliasing(func, args, kwargs, wrapped)


def _refuse_float64(out: Any) -> None:
    counting = _module.counting
    if counting is None or counting.float64:
        return
    for leaf in tree_leaves(out):
        if isinstance(leaf, PretendTensor) and leaf.dtype in (torch.float64, torch.complex128):
            raise TypeError("the pretend device has no float64")


def _count(func: Any, args: tuple, kwargs: dict, tensors: list[Tensor], wanted: torch.device | None) -> None:
    counting = _module.counting
    name = func._schema.name.split("::")[1]
    elsewhere = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor)]
    if name in ("_to_copy", "copy_", "copy"):
        to_host = (
            wanted is not None and wanted.type == "cpu"
            if name == "_to_copy"
            else not isinstance(args[0], PretendTensor)
        )
        if to_host:
            _count_read("copy to the host")
        elif counting is not None and elsewhere:
            counting.uploads += 1
        elif counting is not None:
            counting.operations[name] += 1
        return
    arrays = [tensor for tensor in elsewhere if tensor.dim() > 0]
    if arrays and name not in INDEXING and name != "lift_fresh":
        raise RuntimeError(f"{name} got operands on the device and on the host, {tuple(arrays[0].shape)}")
    masked = name in INDEXING and any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors[1:])
    counts_rows = name == "repeat_interleave" and func._overloadname == "Tensor" and kwargs.get("output_size") is None
    if name in READS or (arrays and name in INDEXING) or masked or counts_rows:
        _count_read(name)
    if counting is not None and name not in FREE and name not in READS:
        counting.operations[name] += 1
