"""The table of stored vectors: means of given recalls, and the differences of each upgrade."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.controls.stored import indexes_of, means_sentence, stored_table, upgrades_table
from tests.runs.test_records import record

TWIN = "mini-identity, old 1 → new 2, made again"


def made(upgrade: str, mapped: float):
    found = []
    for dataset in ("mini/tints", "mini/shapes", "mini/textures"):
        row = {"again_class": 66.0, "unmapped_class": 24.0, "orthogonal_200_class": mapped}
        row |= {f"{way}{what}": 60.0 for way in ("unmapped", "orthogonal_200") for what in ("_1", "_10", "_text")}
        rows = [row | {"seed": seed} for seed in (1, 2)]
        one = replace(record("zero_shot", dataset=dataset), study="stored_vectors", per_seed=rows)
        found.append(replace(one, titles=replace(one.titles, upgrade=upgrade)))
    return found


def test_a_row_is_a_way_that_the_records_have_and_the_last_one_is_an_index_encoded_again():
    table = stored_table(made("mini", 65.0))
    assert [row[0] for row in table.rows] == [
        "as it is", "rotated by 200 pictures", "every picture encoded again",
    ]  # fmt: skip
    assert table.rows[1][4] == "65.0 ± 0.0" and table.rows[2][4] == "66.0 ± 0.0"


def test_upgrades_are_told_one_after_the_other_with_the_twin_last():
    indexes = indexes_of([*made(TWIN, 30.0), *made("mini", 65.0)])
    assert list(indexes) == ["the upgrade", "another start"]
    table = upgrades_table(indexes)
    assert table.rows[0] == ("the upgrade", "65.0 ± 0.0", "+41.0 ± 0.0 *", "-1.0 ± 0.0 *")
    assert table.rows[1][:3] == ("another start", "30.0 ± 0.0", "+6.0 ± 0.0 *")
    assert table.caption.startswith("Rotated by 200 pictures: ")


def of_means(asked_by_pictures: float, asked_by_names: float):
    """The same sets with an index shifted by means, which has other recalls than one of sentences alone."""
    found = made("mini", 65.0)
    shifted = []
    for one in found:
        rows = [{"seed": row["seed"], "means_200_10": 60 + asked_by_pictures} for row in one.per_seed]
        rows = [row | {"means_200_text": 60 + asked_by_names, "means_200_1": 1, "means_200_class": 1} for row in rows]
        shifted.append(replace(one, study="stored_means", per_seed=rows))
        alone = {"sentences_10": 60.0, "sentences_text": 60.0}
        shifted.append(replace(one, per_seed=[row | alone for row in one.per_seed]))
    return shifted


def test_a_list_of_indexes_shifted_by_means_joins_the_other_one_as_rows_of_the_table():
    records = indexes_of(of_means(2, -3))["the upgrade"]
    rows = {first: cells for first, *cells in stored_table(records).rows}
    assert rows["… shifted by the means of 200 pictures"][1:3] == ["62.0 ± 0.0", "57.0 ± 0.0"]


def test_what_means_add_is_told_for_both_kinds_of_queries_and_not_where_no_index_has_them():
    told = means_sentence(indexes_of([*made(TWIN, 30.0), *of_means(2, -3)]))
    assert "on the upgrade, recall@10 asked by pictures 2.0 ± 0.0 points higher" in told
    assert told.endswith("by class names 3.0 ± 0.0 points lower.") and "another start" not in told
    assert means_sentence(indexes_of(made("mini", 65.0))) == ""
