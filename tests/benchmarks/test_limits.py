"""The arithmetic limit of a picture counts what torch counts, but for the rows that the last block need not have."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.limits import image_flops


def test_a_picture_takes_what_torch_counts_less_the_rows_nobody_reads(mini_old):
    visual, size = mini_old._model.visual, mini_old.preprocess.size
    pixels = torch.zeros(1, 3, size, size, requires_grad=True)  # or fused layers would hide products from the counter
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        visual(pixels)
    width, rows = visual.conv1.out_channels, visual.positional_embedding.shape[0]
    unread = (rows - 1) * (2 * 10 * width**2 + 2 * 2 * width * rows)
    assert image_flops(mini_old) == counter.get_total_flops() - unread


def test_another_image_tower_is_refused(mini_new):
    with pytest.raises(ValueError, match=mini_new.name):
        image_flops(mini_new)
