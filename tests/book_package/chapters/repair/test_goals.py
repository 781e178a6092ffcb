"""Goals are judged by intervals, and the reason is counted from the same numbers."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.repair.goals import ABOUT, goals_table, joined, judged, reasons_table
from clipcompat_book.chapters.repair.rows import controls_of, methods_of
from clipcompat_book.committed import committed_records
from tests.book_package.chapters.repair.made import TWIN, made
from tests.book_package.chapters.repair.test_unseen import blind


def verdicts(records, without=()):
    found = judged(joined(records, without))
    return {(one.goal.words[:3], one.title, one.column): one for one in found}


def spread(records, column, *points):
    """The records with a column so many points above zero-shot, one number per dataset."""
    for record, own in zip(records, points, strict=True):
        for row in record.per_seed:
            row[column] = row["zs_new"] + own
    return records


def test_a_goal_is_reached_missed_or_within_the_interval():
    records = [
        *spread(made("linear_probe"), "map_orthogonal_200", 27, 27, 27),  # of 30 that retraining adds: 90 %
        *spread(made("tip_adapter"), "map_orthogonal_200", 21, 21, 21),
        *spread(made("coop"), "imitate_200", 18, 24, 30),
    ]
    found = verdicts(records)
    probe, cache, coop = (
        found[key]
        for key in (
            ("(a)", "linear probe", "repaired"), ("(a)", "Tip-Adapter", "repaired"), ("(d)", "CoOp", "repaired"),
        )
    )  # fmt: skip
    assert (probe.verdict, cache.verdict, coop.verdict) == ("reached", "missed", "undecided")
    assert [one.gap for one in (probe, cache, coop)] == pytest.approx([10, -10, 0], abs=0.1)
    assert probe.half < 1 < coop.half


def test_about_nothing_is_an_interval_around_nothing():
    def twin(*points):
        records = [*made("tip_adapter"), *made("tip_adapter", upgrade=TWIN)]
        spread(records[3:], "map_orthogonal_200", *points)
        return verdicts(records)["(c)", "Tip-Adapter", "repaired"]

    assert twin(1, 1, 1).verdict == "reached" and 100 / 30 < ABOUT
    assert twin(15, 15, 15).verdict == "missed" and twin(15, 15, 15).gap == pytest.approx(50, abs=1)
    assert twin(-15, -15, -15).verdict == "missed" and twin(-9, 0, 9).verdict == "undecided"


def test_the_reason_counts_datasets_and_names_the_furthest_with_what_retraining_adds_there():
    records = spread(made("linear_probe"), "map_orthogonal_200", 27, 27, 9)  # textures is the third
    twin = spread(made("linear_probe", upgrade=TWIN), "map_orthogonal_200", 6, -3, 12)
    upgrade, control = reasons_table(judged(joined([*records, *twin], ()))).rows
    assert upgrade[:2] == ("linear probe, 200 pictures", "(a) ≥ 80")
    assert upgrade[2:] == ("1 of 3", "textures: -15.0 of +30.0", "0", "100: 90 %")  # 77 of 50 + 30
    assert control[1] == "(c) ≈ 0" and control[2:5] == ("2 of 3", "textures: +12.0 of +30.0", "0")


def test_both_studies_give_rows_and_the_caption_has_every_goal_once():
    records, without = [*made("coop"), *made("tip_adapter")], blind("coop", tokens=21.0, anchors=27.0)
    without += blind("tip_adapter", sentences_orthogonal_200=15.0)
    table = goals_table(judged(joined(records, without)))
    assert [row[:2] for row in table.rows] == [
        ("Tip-Adapter, 200 pictures", "(a) ≥ 80"),
        ("Tip-Adapter, 200 captions", "(b) ≥ 40"),
        ("CoOp, 200 pictures", "(d) ≥ 80"),
        ("CoOp, tokens", "(d) ≥ 80"),
        ("CoOp, anchors", "(d) ≥ 80"),
    ]
    assert [table.caption.count(goal) for goal in ("(a)", "(b)", "(c)", "(d)")] == [1, 1, 0, 1]
    assert [row[3] for row in table.rows[1:]] == ["reached", "reached", "missed", "reached"]
    assert table.rows[1][2].startswith("50 ± ") and len(table.columns) == 4


def test_the_records_have_every_goal_and_shares_that_the_other_tables_have():
    records = committed_records("repair")
    found = judged(joined(records, committed_records("repair_without_pictures")))
    assert {one.goal.words[:3] for one in found} == {"(a)", "(b)", "(c)", "(d)"}
    sides = {"the upgrade": methods_of(records, "mini"), **controls_of(records)}
    for one in found:
        if one.column == "repaired":
            assert one.share == pytest.approx(100 * sides[one.goal.side][one.title].share("repaired"))
        assert len(one.by_dataset) == 11
        mean = sum(one.by_dataset.values()) / sum(one.headroom.values())
        assert 100 * mean == pytest.approx(one.gap, abs=1e-6)


def test_the_reason_names_how_often_retraining_adds_nothing_and_what_fewer_pictures_give():
    records = spread(made("coop"), "imitate_200", 20, 20, 20)
    for row in records[0].per_seed:
        row["retrained"] = row["zs_new"] - 1
    for record in records:
        for row in record.per_seed:
            row["imitate_50"] = row["zs_new"] + 59 / 6  # half of the 59 / 3 that retraining adds on average
    (row,) = reasons_table(judged(joined(records, ()))).rows
    assert row[2:] == ("2 of 3", "shapes: -4.0 of +30.0", "1", "50: 50 %")
