"""Pictures are compared with open_clip's own pass, as a row of the table."""

from __future__ import annotations

import pytest
import torch

from benchmarks.images import PlainImages, measure_images


def test_the_plain_way_is_open_clips_however_many_at_once(mini_new):
    pixels = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    wanted = mini_new._model.encode_image(mini_new.preprocess.normalise(pixels))
    for at_once in (None, 1, 2):
        torch.testing.assert_close(PlainImages(mini_new)(pixels, at_once), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", ["mini_old", "mini_new"])
def test_a_row_of_pictures_has_what_the_table_shows(side, request):
    row = measure_images("images-8", request.getfixturevalue(side), repeats=1, count=8)
    assert row["name"] == "images-8" and row["reference"].startswith("open_clip")
    assert row["ratio"] == pytest.approx(row["reference_s"] / row["fast_s"])
    assert row["max_abs_diff"] < 1e-5 < row["largest_feature"]
