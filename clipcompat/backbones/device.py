"""Where a backbone runs, and the autocast type of its towers (parameters stay float32 everywhere).

| device | towers run in | why |
|---|---|---|
| CUDA, compute capability 8.0 and up | bfloat16 | fast there, and no value overflows |
| older CUDA (T4, V100) | float16 | bfloat16 is emulated on them, and slow |
| MPS, CPU | float32 | few processors multiply half types faster; if yours does, ask for bf16 |
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from clipcompat.common.errors import ConfigError, unknown_name

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_DTYPES |= {str(dtype).removeprefix("torch."): dtype for dtype in _DTYPES.values()}  # "float32", …

# Share of the free memory that a text pass may take. The rest is for other tensors and for fragmentation: in measured
# steps of 1,000 and 10,000 classes a CPU's allocator held up to 1.4 times the tensors' size.
_SHARE = {"cuda": 0.8, "cpu": 0.6}

NARROW = 256
"""Towers up to this width are narrow: their products are too small for several threads."""


def pick_device(device: torch.device | str | None = None) -> torch.device:
    """The device asked for, or the best of this machine: CUDA, then MPS, then CPU.

    Raises:
        ConfigError: a device that torch does not know or this machine does not have.
    """
    if device is None:
        return torch.device(next((name for name in ("cuda", "mps") if _has(name)), "cpu"))
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(
            f"device {device!r} is not one torch knows. Give 'cpu', 'cuda', 'cuda:1' or 'mps', or leave it out."
        ) from error
    if not _has(device.type):
        raise ConfigError(
            f"device {str(device)!r} was asked for, but torch finds no {device.type} device on this machine. "
            "Leave `device` out to take the best one there is."
        )
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ConfigError(f"device {str(device)!r} was asked for, but cuda:{count - 1} is the last one here.")
    return device


def pick_dtype(device: torch.device | str, dtype: torch.dtype | str | None = None) -> torch.dtype:
    """The autocast type of the towers on `device`: the one asked for, or the policy of this module's table.

    Args:
        device: where the towers will run.
        dtype: a torch dtype, or "fp32", "bf16", "fp16" (long names too); None applies the policy.

    Raises:
        UnknownNameError: a name that is not a type.
        ConfigError: a type that no tower is run in, or float16 on the CPU.
    """
    device = torch.device(device)
    if dtype is None:
        return _policy(device)
    if isinstance(dtype, str):
        if dtype.lower().removeprefix("torch.") not in _DTYPES:
            raise unknown_name("dtype", dtype, _DTYPES)
        dtype = _DTYPES[dtype.lower().removeprefix("torch.")]
    if dtype not in _DTYPES.values():
        raise ConfigError(f"dtype {dtype} is not one the towers run in; choose fp32, bf16 or fp16.")
    if dtype == torch.float16 and device.type == "cpu":
        raise ConfigError("dtype fp16 needs a GPU: on the CPU it is slow and overflows. Choose fp32 or bf16.")
    return dtype


@contextmanager
def fit_threads(device: torch.device, width: int) -> Iterator[None]:
    """Use one CPU thread inside the context if towers are narrow, and restore the number afterwards.

    Measured at width 128 on two cores: a training step takes 21 ms with two threads and 23 ms with one, at half the CPU
    time. Next to a busy process two threads took 3 to 100 times as long as one, because they wait for each other.
    """
    before = torch.get_num_threads()
    if device.type == "cpu" and width <= NARROW:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _policy(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def _has(kind: str) -> bool:
    checks = {"cpu": lambda: True, "cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    return kind in checks and checks[kind]()


def free_memory(device: torch.device) -> int:
    """Bytes that a text pass on `device` may take: a share of what is free, torch's unused reserve included."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        allocated = torch.cuda.memory_allocated(device)
        free += torch.cuda.memory_reserved(device) - allocated
        allowed = torch.cuda.get_per_process_memory_fraction(device) * total - allocated
        return int(_SHARE["cuda"] * max(0, min(free, allowed)))
    return int(_SHARE["cpu"] * psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the exception says that a GPU or the CPU ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
