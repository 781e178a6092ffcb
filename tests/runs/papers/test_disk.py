"""The size of image features at paper scale is that of the rows that the runs keep, each file once."""

from __future__ import annotations

import pytest

from clipcompat.runs.papers.disk import feature_bytes

B, L = "clip-to-eva-vit-b-16", "clip-to-eva-vit-l-14"
TEST, SHOTS = 1692, 16 * 47  # of DTD


def asked(method, **more):
    return {"method": method, "dataset": "dtd", "upgrade": B, "seeds": (1,), **more}


@pytest.mark.parametrize(
    ("request_", "values"),
    [
        (asked("zero_shot"), 2 * TEST * 512),
        (asked("zero_shot", upgrade=L), 2 * TEST * 768),
        (asked("coop"), 2 * TEST * 512 + 2 * 10 * SHOTS * 512),
        (asked("coop", views=3), 2 * TEST * 512 + 2 * 3 * SHOTS * 512),
        (asked("coop", retrain=False), 2 * TEST * 512 + 10 * SHOTS * 512),
        (asked("coop", seeds=(1, 2)), 2 * TEST * 512 + 2 * 2 * 10 * SHOTS * 512),
        (asked("coop", settings=("recipe.epochs=4",)), 2 * TEST * 512 + 2 * 4 * SHOTS * 512),
        # both kinds of the training pictures too: the probe trains on the plain ones, as they are in a test
        (asked("linear_probe"), 2 * (TEST + SHOTS) * (512 + 768)),
        (asked("linear_probe", upgrade=L), 2 * (TEST + SHOTS) * (768 + 1024)),
    ],
)
def test_a_run_keeps_its_test_pictures_and_its_views_in_float32(request_, values):
    assert feature_bytes([request_]) == 4 * values


def test_runs_share_the_files_of_equal_pictures_crops_and_seeds():
    alone = feature_bytes([asked("coop")])
    assert feature_bytes([asked("coop"), asked("contcoop"), asked("zero_shot")]) == alone
    assert feature_bytes([asked("coop", views=3), asked("coop")]) == alone
    assert feature_bytes([asked("coop"), asked("tip_adapter")]) > alone  # other random crops
    assert feature_bytes([asked("coop"), asked("coop", dataset="eurosat")]) > alone


def test_pictures_that_are_read_in_two_kinds_are_kept_in_both():
    prolip = feature_bytes([asked("prolip", views=2)])
    assert prolip == 4 * (2 * TEST * (512 + 768) + 2 * 2 * SHOTS * 768)
    both = feature_bytes([asked("prolip", views=2), asked("tip_adapter")])  # of 10 views
    assert both == 4 * 2 * (TEST + 10 * SHOTS) * (512 + 768)


def test_runs_that_are_not_at_paper_scale_are_not_counted():
    assert feature_bytes([{"method": "coop", "dataset": "mini/tints", "upgrade": "mini"}]) == 0
