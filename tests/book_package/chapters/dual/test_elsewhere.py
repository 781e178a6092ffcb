"""The table of other sets: gains over zero-shot on the same pictures and the same backbone."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.dual.elsewhere import elsewhere_table
from tests.runs.test_records import record


def made(method: str, gains: tuple[float, float, float, float]):
    """A record with these gains: on the source and elsewhere, each on old and on new; two sets, three seeds."""

    def numbers(old, new, zero, noise):
        return {"old": zero + old + noise, "new": zero + new + noise, "zs_old": zero, "zs_new": zero}

    rows = [
        {"seed": s, "dataset": "mini/objects", **numbers(*gains[:2], 40.0, s / 10)}
        | {"targets": [{"dataset": d, "there": numbers(*gains[2:], z, s / 10)} for d, z in (("a", 30.0), ("b", 60.0))]}
        for s in (-1, 0, 1)
    ]
    return replace(record(method), study="cross_dataset", per_seed=rows)


def test_gains_are_against_zero_shot_of_the_same_backbone_and_zero_shot_has_no_row():
    table = elsewhere_table([made("zero_shot", (0, 0, 0, 0)), made("coop", (20.0, 10.0, -5.0, -7.0))])
    (row,) = table.rows
    assert [cell.split(" ±")[0] for cell in row[1:]] == ["+20.0", "+10.0", "-5.0", "-7.0"]
    assert "over 3 seeds, elsewhere over 2 sets too" in table.caption


def test_shifted_sets_have_the_same_table_under_their_own_name():
    one = made("coop", (20.0, 10.0, -5.0, -7.0))
    rows = [{key if key != "targets" else "shifts": value for key, value in row.items()} for row in one.per_seed]
    table = elsewhere_table([replace(one, study="ood", per_seed=rows)])
    assert table.columns[3:] == ("shifted sets, old", "shifted sets, new")
    assert [cell.split(" ±")[0] for cell in table.rows[0][1:]] == ["+20.0", "+10.0", "-5.0", "-7.0"]
