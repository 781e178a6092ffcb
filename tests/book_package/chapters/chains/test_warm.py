"""Warm starts against scratch: curves, leads, tables and sentences that turn with the numbers."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat_book.chapters.chains import warm
from tests.book_package.chapters.chains.made import made_warm

RUNS = warm.warm_runs([*made_warm("coop"), *made_warm("contcoop", carried=40.0, lead=-5.0, fewer_flips=-2.0)])


def test_places_are_sorted_as_numbers_and_the_carried_plugin_stands_at_0():
    own = RUNS["CoOp"]
    assert warm.places(own, "shots") == ["0", "1", "4", "all"] and warm.places(own, "epochs") == ["0", "2", "10", "all"]
    carried, scratch = (warm.curve(own, start, "shots") for start in ("carried", "scratch"))
    assert list(carried) == ["0", "1", "4", "all"] and list(scratch) == ["1", "4", "all"]
    assert [v.mean for v in carried.values()] == pytest.approx([60, 55, 75, 85])
    assert warm.curve(own, "scratch", "epochs", flips=True)["2"].mean == 12


def test_a_repaired_start_stands_at_0_before_it_is_trained_and_is_compared_with_any_other():
    records = made_warm("coop")
    for record in records:
        for row in record.per_seed:
            row |= {"repaired": 66.0, "repaired_flips": 9.0}
            row |= {k.replace("scratch", "repaired"): v + 7 for k, v in row.items() if k.startswith("scratch")}
    own = warm.warm_runs(records)["CoOp"]
    curve = warm.curve(own, "repaired", "shots")
    assert [v.mean for v in curve.values()] == pytest.approx([66, 57, 77, 87])
    assert warm.curve(own, "repaired", "epochs", flips=True)["0"].mean == 9
    assert warm.lead(own, "shots", "1", start="repaired").mean == pytest.approx(7)
    assert warm.lead(own, "shots", "1", start="repaired", other="carried").mean == pytest.approx(2)


def test_a_dataset_whose_recipe_has_no_more_epochs_counts_with_all_of_them():
    short, *others = made_warm("coop")
    for row in short.per_seed:
        for name in [name for name in row if "10_epochs" in name]:
            del row[name]
    own = warm.warm_runs([short, *others])["CoOp"]
    assert warm.places(own, "epochs") == ["0", "2", "10", "all"]
    assert warm.curve(own, "scratch", "epochs")["10"].mean == pytest.approx((80 + 75 + 75) / 3)


def test_other_axes_and_starts_are_refused():
    with pytest.raises(UnknownNameError, match="axis"):
        warm.places(RUNS["CoOp"], "shot")
    with pytest.raises(UnknownNameError, match="start"):
        warm.curve(RUNS["CoOp"], "warm", "shots")


def test_tables_say_what_a_carried_start_is_worth():
    table = warm.start_table(RUNS)
    assert table.columns[1:] == ("1 shot", "2 epochs", "everything") and "3 datasets" in table.caption
    coop, contcoop = table.rows
    assert coop[:3] == ("CoOp", "+5.0 ± 0.1 *", "+5.0 ± 0.1 *") and contcoop[:2] == ("ContCoOp", "-5.0 ± 0.1 *")
    flips = warm.flips_table(RUNS)
    assert flips.columns[1:] == ("1 shot", "16 shots")
    assert flips.rows[0][:2] == ("CoOp", "-2.0 ± 0.1 *") and flips.rows[0][2].startswith("-2.0")
    assert flips.rows[1][:2] == ("ContCoOp", "+2.0 ± 0.1 *")


def test_the_carried_plugin_is_weighed_in_shots():
    told = warm.worth_sentence(RUNS)
    assert "CoOp not seen to be below it from 4 shots on, above it from 4 shots on" in told
    assert "ContCoOp not seen to be below it from 1 shot on, above it from 1 shot on" in told
    assert "still below it with all shots" in warm.worth_sentence(warm.warm_runs(made_warm(carried=90.0)))
