"""What a GPU is asked runs on any device with small backbones, so that the first GPU meets no mistake."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import rows


def test_every_row_is_measured_in_the_smoke_run(monkeypatch):
    measure, peaks = gpu.matmul_peak, []

    def peak(*given) -> float:
        """Measured, and then said to be out of any CPU's reach: a busy machine may find less than a step does."""
        peaks.append(measure(*given))
        return 1e16

    monkeypatch.setattr(gpu, "matmul_peak", peak)
    found = {row["name"]: row for row in rows(torch.device("cpu"), smoke=True)}
    assert list(found) == [
        "utilisation-1000-b16",
        "utilisation-1000-l14",
        "coop-dtd-4600",
        "contcoop-imagenet-25000",
        "maple-47-bf16",
    ]
    assert all(0 < found[name]["share"] < 1 for name in list(found)[:2]) and len(peaks) == 2 and min(peaks) > 0
    for row in (found[name] for name in list(found)[:2]):
        assert row["share"] == pytest.approx(row["flops"] / row["fast_s"] / row["peak_flops_s"])
    assert found["coop-dtd-4600"]["steps"] == 4 and found["maple-47-bf16"]["max_abs_diff"] < 1e-4
