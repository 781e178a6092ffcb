"""The table of every map, and its sentence, from given accuracies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.repair.maps import WAYS, best_map, every_map_table, mapped, maps_sentence, over_seeds
from tests.book_package.chapters.repair.made import made

ADDED = dict(zip(WAYS, (25.0, 25.5, 24.0, 23.0, 26.0, 15.0, 20.0, 22.0), strict=True))


def of_maps(record, left_out=()):
    """The same zero-shot and carried plug-in, with these points above zero-shot; ridge has more with the third seed."""
    rows = []
    for row in record.per_seed:
        made_by_maps = {way: row["zs_new"] + points for way, points in ADDED.items() if way not in left_out}
        made_by_maps["map_ridge_200"] += 0.1 * (row["seed"] == 3)
        rows.append({key: row[key] for key in ("seed", "zs_new", "zs_old", "old", "new")} | made_by_maps)
    return replace(record, study="maps", per_seed=rows)


@pytest.fixture
def methods():
    cache, probe = made("tip_adapter", carried=52, retrained=78), made("linear_probe", carried=20, retrained=80)
    blind = {"map_residual_200", "sentences_200", "means_25", "means_200"}
    return mapped([*map(of_maps, cache), *(of_maps(record, blind) for record in probe)], [*cache, *probe])


def test_points_are_meaned_over_sets_and_their_interval_is_over_seeds(methods):
    found = over_seeds(methods["Tip-Adapter"], "map_ridge_200")
    assert found.n == 3 and found.mean == pytest.approx(24 + 0.1 / 3)
    assert found.interval == pytest.approx(4.3027 * 0.057735 / 3**0.5, abs=1e-3)
    assert over_seeds(methods["linear probe"], "sentences_200") is None


def test_the_table_stands_between_carried_and_retrained_and_marks_the_best_of_each_column(methods):
    table = every_map_table(methods)
    assert table.columns == ("map", "linear probe", "Tip-Adapter") and "means over 3 datasets" in table.caption
    rows = {first: cells for first, *cells in table.rows}
    assert rows["carried"] == ["-30.0 ± 0.0", "+2.0 ± 0.0"] and rows["retrained, with labels"][0] == "+30.0 ± 0.0"
    assert rows["ridge and a small network"] == ["–", "+26.0 ± 0.0 †"] and rows["relaxed rotation"][0].endswith(" †")
    assert sum(cell.endswith("†") for cells in rows.values() for cell in cells) == 2
    assert best_map(methods["Tip-Adapter"]) == "map_residual_200"


def test_the_sentence_turns_with_the_numbers_and_tells_maps_of_one_outcome_together(methods):
    told = maps_sentence(methods)
    assert "**Ridge / low rank**, against the rotation: lower: linear probe, Tip-Adapter." in told
    assert "**Ridge and a small network**, against the rotation: higher: Tip-Adapter." in told
    few, many = (f"captions, shift by {n} pictures" for n in (25, 200))
    assert f"**{few.capitalize()} / {many}**, against captions alone: higher: Tip-Adapter." in told
    assert told.endswith(f"**{many.capitalize()}**, against the rotation by 200 pictures: lower: Tip-Adapter.")
