"""Records are sorted into starts, rates and layers, and every number is a mean over datasets, by seed."""

from __future__ import annotations

from operator import attrgetter

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat_book.chapters.drift.depth import (
    HIDDEN,
    HIDDEN_TUNED,
    INSERTED,
    NOISE,
    WAYS,
    depth,
    lost,
    old_gain,
    retrained_gain,
)
from tests.book_package.chapters.drift.toys import SETS, depth_records, depth_run
from tests.runs.test_tables import run


def means(values):
    return {layer: s.mean for layer, s in values.items()}


def test_layer_0_belongs_to_both_rates_and_a_way_without_deeper_layers_is_left_out():
    found = depth(depth_records())
    assert {way: list(layers) for way, layers in found.reports.items()} == {NOISE: [0, 1, 2], HIDDEN_TUNED: [0, 1, 2]}
    assert found.datasets == sorted(SETS)
    assert HIDDEN not in found.reports and list(found.reports) == [w for w in WAYS if w in found.reports]


def test_means_are_over_datasets_and_intervals_over_seeds():
    found = depth(depth_records())
    new = found.over_seeds(NOISE, attrgetter("new"))
    assert means(new) == pytest.approx({0: 80, 1: 60, 2: 55})
    assert new[0].n == 3 and new[0].interval == pytest.approx(4.3027 * 1 / 3**0.5, rel=1e-3)
    assert means(found.over_seeds(NOISE, old_gain)) == pytest.approx({0: 30, 1: 15, 2: 5})
    assert means(found.over_seeds(HIDDEN_TUNED, retrained_gain)) == pytest.approx({0: 36, 1: 34, 2: 32})
    assert means(found.over_seeds(HIDDEN_TUNED, lost)) == pytest.approx({0: 5, 1: 14, 2: 26})


def test_layers_are_compared_with_layer_0_seed_by_seed():
    gaps = depth(depth_records(noise=20.0)).against_layer_0(NOISE, attrgetter("new"))
    assert means(gaps) == pytest.approx({1: -20, 2: -25})
    assert [g.direction for g in gaps.values()] == ["lower", "lower"], "what a seed does to both layers cancels"
    assert gaps[2].interval < 1


def test_one_dataset_can_be_looked_at_alone():
    own = depth(depth_records()).on("dtd")
    assert own.datasets == ["dtd"]
    assert means(own.over_seeds(NOISE, attrgetter("new"))) == pytest.approx({0: 77, 1: 57, 2: 52})


def test_a_kept_gain_is_of_means_and_undefined_where_retraining_gains_nothing():
    kept = depth(depth_records()).kept(NOISE)
    # seeds move new and retrained by 1 point: (80 - 50 + s) / (85 - 50 + s)
    assert kept[0].mean == pytest.approx(100 * (29 / 34 + 30 / 35 + 31 / 36) / 3)
    assert kept[1].mean == pytest.approx(100 * (8.9 / 19 + 10 / 20 + 11.1 / 21) / 3)
    assert kept[2] is None and list(depth(depth_records()).kept_by_seed(NOISE)) == [0, 1]


def test_other_methods_are_left_out_and_nothing_is_an_error():
    found = depth([*depth_records(), run("kgcoop"), run(settings={"csc": True}), run(settings={"insert": True})])
    assert found == depth(depth_records())
    for records in ([], [depth_run(NOISE, 0, (1, 2, 3), "dtd", 0)]):
        with pytest.raises(ConfigError, match="sweep depth"):
            depth(records)


def test_inserted_rows_are_a_way_of_their_own_that_begins_at_plain_coop():
    more = [depth_run(NOISE, 1, (70, 60, 65), d, 0.0) for d in SETS]
    for record in more:
        record.inputs["method"]["config"]["insert"] = True
    found = depth([*depth_records(), *more])
    assert means(found.over_seeds(INSERTED, attrgetter("new"))) == pytest.approx({0: 80, 1: 60})
    assert found.reports[NOISE] == depth(depth_records()).reports[NOISE]


def test_a_layer_that_some_dataset_lacks_is_left_out_so_that_all_means_are_of_the_same_datasets():
    records = [r for r in depth_records() if (r.dataset, r.inputs["method"]["config"]["layer"]) != ("dtd", 2)]
    found = depth(records)
    assert {way: list(layers) for way, layers in found.reports.items()} == {NOISE: [0, 1], HIDDEN_TUNED: [0, 1]}
    assert found.reports[NOISE] == {n: own for n, own in depth(depth_records()).reports[NOISE].items() if n < 2}
