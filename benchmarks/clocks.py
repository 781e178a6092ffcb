"""How long something takes on a device, and how much memory it took."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def clock(run: Callable[[], Any], device: torch.device) -> float:
    """Seconds that one call takes, until the device is done."""
    synchronise = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    synchronise()
    start = time.perf_counter()
    run()
    synchronise()
    return time.perf_counter() - start


def peak_bytes(device: torch.device) -> int:
    """The most so far: of tensors on a GPU, else of this process (Linux; `getrusage` would count its parent too)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def forget_peak(device: torch.device) -> int:
    """From here on `peak_bytes` counts again from zero; what is held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes(device)


def processor_seconds(run: Callable[[], Any]) -> float:
    """Seconds of processor time that one call takes, of all threads: what else runs on the machine hardly matters."""
    start = time.process_time()
    run()
    return time.process_time() - start
