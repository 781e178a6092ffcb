"""The cross-tower table is read from records, and its sentences turn with the numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.runs.records import Record
from clipcompat_book.chapters.controls.tower_chart import ROWS, tower_dots
from clipcompat_book.chapters.controls.tower_sentences import mixed_table, verdict
from clipcompat_book.chapters.controls.towers import tower_numbers
from clipcompat_book.show import METHOD_COLOURS
from tests.runs.test_tables import run

SIDES = {"coop": "text", "linear_probe": "image", "zero_shot": "neither"}
LEVELS = {"eurosat": -4.0, "dtd": 0.0, "food101": 4.0}


def towers(method, carried, zero_shot=(40, 30, 20, 50), retrained=None, seeds=2, **inputs) -> list[Record]:
    """Records of three datasets whose numbers, in the order of CELLS, are the same but for each dataset's level."""
    cells, made = list(ROWS), []
    for dataset, level in LEVELS.items():
        row = {"method": method, "dataset": dataset, "side": SIDES[method], "views": 10}
        for prefix, numbers in (("", carried), ("zs_", zero_shot), ("retrained_", retrained)):
            row |= {prefix + c: numbers and n + level for c, n in zip(cells, numbers or cells, strict=True)}
        record = run(method, dataset=dataset, **inputs)
        rows = [row | {"seed": seed} for seed in range(1, seeds + 1)]
        made.append(replace(record, study="cross_tower", per_seed=rows))
    return made


COOP = towers("coop", (70, 60, 45, 75))


def test_means_are_over_seeds_and_datasets_and_gaps_are_paired():
    (found,) = tower_numbers(COOP).values()
    assert (found.title, found.method, found.side) == ("CoOp", "coop", "text")
    assert found.mean("old_new").mean == 60 and found.mean("old_new").interval > 0
    gap = found.gap("old_new", "new_new")
    assert (gap.mean, gap.interval, gap.direction) == (-15, 0, "lower")
    assert found.gap("old_new", "old_new", ("carried", "zero_shot")).mean == 30
    assert found.mean("old_new", "retrained") is None is found.gap("old_new", "old_new", ("retrained", "carried"))


@pytest.mark.parametrize("turn", [1, -1])
def test_a_seed_that_was_also_tuned_on_the_pairs_counts_once(turn):
    more = towers("coop", (70, 60, 45, 75), retrained=(70, 68, 50, 80), seeds=1)
    (found,) = tower_numbers([*COOP, *more][::turn]).values()
    assert len(found.values["carried", "old_new"]) == 6 and len(found.values["retrained", "old_new"]) == 3
    assert found.gap("old_new", "old_new", ("retrained", "carried")).mean == 8


def test_records_of_another_study_are_left_out_and_several_upgrades_are_refused():
    assert list(tower_numbers([run("contcoop"), *COOP])) == ["CoOp"]
    with pytest.raises(UnknownNameError, match="compatibility"):
        tower_numbers([run("contcoop")])
    with pytest.raises(ConfigError, match="one upgrade"):
        tower_numbers([*COOP, *towers("coop", (1, 2, 3, 4), upgrade="mini-large")])


def test_stored_vectors_stand_beside_everything_that_one_could_do_instead():
    coop = towers("coop", (70, 60, 45, 75), retrained=(70, 68, 50, 80))
    probe = towers("linear_probe", (70, 70, 5, 5))
    table = mixed_table([*towers("zero_shot", (40, 30, 20, 50)), *probe, *coop])
    assert table.caption.endswith("Records of mini alone.")
    told = {row[0]: row[1:] for row in table.rows}
    assert told["zero-shot"] == ("–", "30.0", "-20.0 ± 0.0 *", "-10.0 ± 0.0 *", "–", "–")
    assert told["linear probe"] == ("images", "70.0", "+65.0 ± 0.0 *", "+0.0 ± 0.0", "+40.0 ± 0.0 *", "–")
    assert told["CoOp"] == ("text", "60.0", "-15.0 ± 0.0 *", "-10.0 ± 0.0 *", "+30.0 ± 0.0 *", "+8.0 ± 0.0 *")


@pytest.mark.parametrize(
    ("carried", "says"),
    [
        ((70, 60, 45, 75), "^Yes: with CoOp, .* 15.0 ± 0.0 points lower .* also worse .* 10.0 ± 0.0 points lower"),
        ((70, 72, 45, 75), "^Yes: .* 3.0 ± 0.0 points lower .* better than no upgrade: .* 2.0 ± 0.0 points higher"),
        ((70, 70, 45, 75), "^Yes: .* not seen to be better than no upgrade: against old with old no difference seen"),
        ((70, 75, 45, 75), "^No loss is seen with CoOp .*no difference .* old with old 5.0 ± 0.0 points higher"),
        ((70, 78, 45, 75), "^No loss is seen .*again 3.0 ± 0.0 points higher"),
    ],
)
def test_the_verdict_turns_with_the_numbers(carried, says):
    assert re.search(says, verdict(towers("coop", carried), "CoOp"))


def test_a_verdict_on_a_method_without_records_is_refused():
    with pytest.raises(UnknownNameError, match="CoOp"):
        verdict(COOP, "KgCoOp")


def test_the_chart_draws_every_number_in_its_methods_colour_on_its_own_height():
    more = towers("coop", (70, 60, 45, 75), retrained=(70, 68, 50, 80))
    fig = tower_dots([*more, *towers("zero_shot", (40, 30, 20, 50))])
    zero_shot, _, coop, apart, again, again_apart = fig.data
    assert (zero_shot.name, coop.name) == ("zero-shot", "CoOp")
    assert coop.x == (70, 60, 45, 75) and zero_shot.x == (40, 30, 20, 50) and again.x == (68, 50, 80)
    assert apart.x == (0, -10, -25, 5) and again_apart.x == (-2, -20, 10)
    assert (coop.xaxis, apart.xaxis, again.xaxis, again_apart.xaxis) == ("x", "x2", "x", "x2")
    assert (coop.marker.color, zero_shot.marker.color) == (METHOD_COLOURS["coop"], METHOD_COLOURS["zero_shot"])
    assert [round(y) for y in coop.y] == [0, -1, -2, -3] and again.y == coop.y[1:] == again_apart.y
    assert all(high > low for high, low in zip(zero_shot.y, coop.y, strict=True))
    assert [trace.showlegend for trace in fig.data] == [True, False, True, False, False, False]


def test_the_bars_of_the_chart_are_the_paired_intervals():
    noisy = [replace(record, per_seed=[dict(row) for row in record.per_seed]) for record in COOP]
    for shift, record in enumerate(noisy):
        for row in record.per_seed:
            row["old_new"] += shift
    _, apart = tower_dots(noisy).data
    assert apart.error_x.array[1] == tower_numbers(noisy)["CoOp"].gap("old_new", "old_old").interval > 0
