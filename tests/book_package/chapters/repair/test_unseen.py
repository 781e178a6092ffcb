"""What repairs without pictures leave is said beside the goals, with intervals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.repair import unseen as chapter
from tests.book_package.chapters.repair.made import TWIN, made


def blind(method, upgrade="mini", **columns):
    """Records of the study without pictures, whose columns lie so many points above zero-shot at 50."""
    found = []
    for record in made(method, upgrade=upgrade):
        rows = []
        for row in record.per_seed:
            kept = {key: row[key] for key in ("seed", "zs_old", "zs_new", "old", "new", "new_flips")}
            rows.append(kept | {name: row["zs_new"] + points for name, points in columns.items()})
        found.append(replace(record, study="without_pictures", per_seed=rows))
    return found


@pytest.fixture
def sides():
    with_pictures = [*made("tip_adapter", carried=60, repaired=75), *made("coop"), *made("coop", upgrade=TWIN)]
    records = [
        *blind("tip_adapter", sentences_orthogonal_200=15.0),
        *blind("coop", tokens=21.0, anchors=18.0),
        *blind("coop", TWIN, tokens=3.0, anchors=-3.0),
        *blind("kgcoop", tokens=3.0, anchors=3.0),  # not retrained
    ]
    return chapter.unseen(records, with_pictures)


def test_both_studies_are_joined_by_dataset_and_seed(sides):
    assert list(sides) == ["the upgrade", "another start"] and list(sides["the upgrade"]) == ["Tip-Adapter", "CoOp"]
    row = sides["the upgrade"]["CoOp"].rows[0][1]
    assert row["tokens"] == row["zs_new"] + 21 and row["retrained"] == pytest.approx(79.9) and "imitate_200" in row


def test_a_share_has_the_interval_of_what_it_leaves_over(sides):
    share, half = chapter.share_of(sides["the upgrade"]["CoOp"], "tokens")
    assert share == pytest.approx(70) and half == pytest.approx(0, abs=1e-6)  # every set and seed is alike
    records = blind("coop", tokens=0.0)
    for number, record in enumerate(records):
        for row in record.per_seed:
            row["tokens"] = row["zs_new"] + (9, 15, 21)[number]
    spread = chapter.unseen(records, made("coop"))["the upgrade"]["CoOp"]
    share, half = chapter.share_of(spread, "tokens")
    assert share == pytest.approx(50)
    assert half == pytest.approx(4.303 * 100 * (6 / 3**0.5) / 30, rel=0.1)  # Student's t for three sets


def test_the_table_has_goals_on_the_upgrade_and_the_expectation_on_the_control(sides):
    table = chapter.shares_table(sides)
    assert table.columns == ("method", "carried", "200 captions", "tokens", "anchors", "200 pictures", "goal")
    tip, coop, twin = table.rows
    assert tip[0] == "Tip-Adapter" and tip[2:5] == ("50 ± 0", "–", "–") and tip[6] == "40"
    assert coop[0] == "CoOp" and coop[2:] == ("–", "70 ± 0", "60 ± 0", "93 ± 0", "80")
    assert twin[0] == "CoOp, another start" and twin[6] == "about 0"


def test_a_moved_prompt_is_compared_with_the_carried_one(sides):
    assert chapter.moved_sentence(sides) == (
        "A prompt moved by tokens, against carrying it: higher: CoOp. A prompt moved by anchors, against carrying it: "
        "lower: CoOp."
    )


def test_the_figure_has_a_row_for_every_method_and_side_and_a_line_for_its_goal(sides):
    figure = chapter.goals_figure(sides)
    traces = {trace.name: trace for trace in figure.data}
    assert [note.text for note in figure.layout.annotations] == ["Tip-Adapter", "CoOp", "CoOp, another start"]
    assert list(traces["moved by captions"].x) == pytest.approx([50]) and list(traces["moved by captions"].y) == [0]
    assert list(traces["moved by tokens"].x) == pytest.approx([70, 10]) and len(traces) == 5
    assert [line.x0 for line in figure.layout.shapes] == [40, 80, 0]


def test_what_lies_left_of_the_axis_is_an_arrow_at_its_end_with_its_number():
    sides = chapter.unseen(blind("coop", tokens=-60.0, anchors=9.0), made("coop"))
    figure = chapter.goals_figure(sides)
    traces = {trace.name: trace for trace in figure.data}
    arrow = traces["moved by tokens, further left"]
    assert arrow.text == ("−200",) and arrow.marker.symbol == "triangle-left" and not arrow.showlegend
    assert figure.layout.xaxis.range[0] < arrow.x[0] and arrow.y == traces["moved by anchors"].y
    assert not traces["moved by tokens"].x
