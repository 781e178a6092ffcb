"""How long something takes on a device."""

from __future__ import annotations

import time
from collections.abc import Callable
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
