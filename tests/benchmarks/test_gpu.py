"""What a GPU is asked runs on any device with small backbones, so that the first GPU meets no mistake."""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import rows


def test_every_row_is_measured_in_the_smoke_run():
    found = {row["name"]: row for row in rows(torch.device("cpu"), smoke=True)}
    assert list(found) == [
        "utilisation-1000-b16",
        "utilisation-1000-l14",
        "coop-dtd-4600",
        "contcoop-imagenet-25000",
        "maple-47-bf16",
    ]
    for row in (found[name] for name in list(found)[:2]):  # seconds of a busy machine say nothing, so no bound above
        assert row["share"] == pytest.approx(row["flops"] / row["fast_s"] / row["peak_flops_s"]) and row["flops"] > 0
    assert found["coop-dtd-4600"]["steps"] == 4 and found["maple-47-bf16"]["max_abs_diff"] < 1e-4
