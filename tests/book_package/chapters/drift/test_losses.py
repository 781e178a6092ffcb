"""What an exchange costs is a difference of two recorded accuracies, on the same pictures."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.drift.losses import (
    accuracies,
    by_method,
    correlation,
    cumulative,
    layers_of,
    lost,
    lost_beyond,
    step_lines,
)
from tests.book_package.chapters.drift.made import swap_record

COSTS = {"tokens": 1, "positions": 4, "block 1": 3, "block 2": 2, "block 3": 1, "head": 0.5}


@pytest.fixture
def records():
    return [swap_record(COSTS), swap_record({**COSTS, "block 1": 5}, dataset="mini/b")]


def test_a_part_costs_what_its_exchange_takes_away(records):
    found = lost(records)
    assert list(found) == list(COSTS) and layers_of(records) == 3
    assert found["positions"].mean == pytest.approx(4) and found["positions"].direction == "higher"
    assert found["block 1"].mean == pytest.approx(4) and found["block 1"].by_dataset == pytest.approx(
        {"mini/a": 3, "mini/b": 5}
    )


def test_a_frozen_part_is_compared_on_the_pictures_of_new():
    found = lost([swap_record(COSTS, frozen={"positions": -2, "head": 7})], "frozen")
    assert found["positions"].mean == pytest.approx(-2) and found["head"].mean == pytest.approx(7)
    assert found["block 2"].mean == pytest.approx(5)


def test_beyond_zero_shot_is_what_the_gain_loses(records):
    zero_shot = [
        swap_record({"positions": 1.5}, method="zero_shot"),
        swap_record({}, method="zero_shot", dataset="mini/b"),
    ]
    found = lost_beyond([*records, *zero_shot], "CoOp", "zero-shot")
    assert found["positions"].by_dataset == pytest.approx({"mini/a": 2.5, "mini/b": 4})


def test_drift_that_orders_losses_has_correlation_one_and_only_blocks_count_where_asked(records):
    drift = {"block 1": 0.3, "block 2": 0.2, "block 3": 0.1, "positions": 0.0}
    assert correlation(lost(records), drift, ["block 1", "block 2", "block 3"]).mean == pytest.approx(1)
    assert correlation(lost(records), drift, drift).mean < 1
    assert correlation(lost(records), dict.fromkeys(drift, 0.1), drift) is None


def test_steps_go_part_by_part_to_the_whole_new_tower(records):
    found = cumulative(records, "old", "up to")
    assert list(found) == ["none", *COSTS] and found["none"] == pytest.approx(79.85)
    assert found["tokens"] == pytest.approx(78.85) and found["positions"] == pytest.approx(74.85)
    back = cumulative(records, "old", "from")
    assert list(back) == ["none", *reversed(COSTS)] and back["tokens"] == pytest.approx(found["head"])
    whole = accuracies(records, "all", "new").values()
    assert cumulative(records, "new", "from")["tokens"] == pytest.approx(sum(whole) / 4) == pytest.approx(90)


def test_lines_and_losses_are_per_method(records):
    both = [*records, swap_record({}, method="zero_shot"), swap_record({}, method="zero_shot", dataset="mini/b")]
    lines = step_lines(both, ("CoOp", "zero-shot"), "up to")
    assert list(lines) == ["old pictures", "new pictures", "old pictures, zero-shot", "new pictures, zero-shot"]
    assert lines["old pictures"] == cumulative(records, "old", "up to")
    found = by_method(both, ("CoOp", "zero-shot"), "replaced")
    assert found["coop"]["positions"].mean == pytest.approx(4) and found["zero_shot"]["positions"].mean == 0
