"""The paper's numbers stand beside those of the records, and a verdict on both needs the interval."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.runs.papers import paper_average
from clipcompat_book.chapters.compatibility.paper import agreement_table, paper_against_ours
from clipcompat_book.means import change, over_zero_shot, over_zero_shot_on_old, reports_of
from tests.runs.test_tables import run

B, L = "clip-to-eva-vit-b-16", "clip-to-eva-vit-l-14"
SETS = [f"set {n}" for n in range(8)]


def records(upgrade="mini", gains=None, sets=SETS):
    """coop 20 points above zero-shot on new, contcoop 23 (higher on every set), the linear probe 45 below."""
    gains = gains or {"linear_probe": -45.0, "coop": 20.0, "contcoop": 23.0}
    return [
        run(method, [50 + gain + 0.1 * n, 50 + gain + 0.3 * n], dataset=name, upgrade=upgrade)
        for method, gain in gains.items()
        for n, name in enumerate(sets)
    ]


def panel(fig, number):
    """Side -> the trace of one panel."""
    return {trace.legendgroup: trace for trace in fig.data if trace.xaxis == ("x" if number == 1 else f"x{number}")}


def test_the_paper_s_panel_has_the_paper_s_averages_and_ours_those_of_the_records():
    made = records()
    fig = paper_against_ours(made)
    assert [a.text for a in fig.layout.annotations[:2]] == ["the paper (11 datasets)", "ours: mini (8 datasets)"]
    zero_shot = paper_average(B, "zero_shot")
    for side, measure in (("old", over_zero_shot_on_old), ("new", over_zero_shot)):
        printed, ours = panel(fig, 1)[side], panel(fig, 2)[side]
        methods = ("linear_probe", "coop", "contcoop")
        assert list(printed.x) == [getattr(paper_average(B, m), side) - getattr(zero_shot, side) for m in methods]
        gaps = [change(reports_of(r for r in made if r.method == m), measure) for m in methods]
        assert list(ours.x) == [gap.mean for gap in gaps]
        assert printed.error_x.array is None, "the paper prints no intervals"
        assert side == "old" or list(ours.error_x.array) == [gap.interval for gap in gaps]
    assert list(fig.layout.yaxis.ticktext) == ["linear probe", "CoOp", "ContCoOp"]


def test_what_is_too_far_left_is_told_in_numbers_and_keeps_its_place_in_the_data():
    fig = paper_against_ours(records())
    words = [a.text for a in fig.layout.annotations[2:]]
    far = [panel(fig, number)["new"].x[0] for number in (1, 2)]
    assert words == [f"◀ {x:.1f}" for x in far] and fig.layout.xaxis.range[0] > max(far)


def test_a_mark_tells_how_it_was_measured():
    made = [replace(record, environment={"device": "cuda (A100)", "torch": "2.9.0"}) for record in records()]
    (words, *_) = panel(paper_against_ours(made), 2)["new"].customdata
    assert words.startswith("linear probe, new: -44.3 ± ") and "seeds 1 2" in words
    assert "cuda (A100), torch 2.9.0" in words and words.endswith("8 records of 2026-01-01")


def test_the_paper_s_own_scale_has_a_panel_of_its_own_and_never_the_miniature_s():
    fig = paper_against_ours([*records(), *records(B, sets=["dtd", "eurosat"])])
    titles = [a.text for a in fig.layout.annotations[:3]]
    assert titles[1:] == ["ours: the paper's scale (2 datasets)", "ours: mini (8 datasets)"]
    assert [a.text for a in paper_against_ours(records("mini-large"), L).layout.annotations[:2]][1].startswith(
        "ours: mini-large"
    )


def test_other_weights_other_settings_and_methods_without_a_row_in_the_paper_are_left_out():
    strange = [run("coop", new_weights="random:1"), run("coop", settings={"n_ctx": 4}), run("tip_adapter")]
    fig = paper_against_ours([*strange, run("contcoop"), run("coop", upgrade="mini-large")])
    assert list(fig.layout.yaxis.ticktext) == ["ContCoOp"]
    assert all(len(trace.x) == 1 for trace in fig.data)
    with pytest.raises(UnknownNameError, match="Known: clip-to-eva"):
        paper_against_ours([], "mini")


def cells(table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def test_a_difference_is_judged_against_the_paper_s_by_the_interval():
    found = cells(agreement_table(records(), "contcoop"))
    assert found["CoOp"] == ("3.0 ± 0.0 points higher", "0.016", "+3.9", "agrees")
    turned = cells(agreement_table(records(gains={"coop": 23.0, "contcoop": 20.0}), "contcoop"))
    assert turned["CoOp"][0].endswith("lower") and turned["CoOp"][-1] == "disagrees"
    equal = cells(agreement_table(records(gains={"coop": 20.0, "contcoop": 20.0}), "contcoop"))
    assert equal["CoOp"] == ("no difference seen (+0.0 ± 0.0 points)", "1.000", "+3.9", "undecided")


def test_p_values_are_corrected_for_the_rows_that_are_shown():
    """Eight sets that all agree: 2 / 256, times two rows."""
    table = agreement_table(records(), "contcoop")
    assert {row[2] for row in table.rows} == {"0.016"} and "corrected for 2 comparisons" in table.caption
    only = agreement_table(records(gains={"coop": 20.0, "contcoop": 23.0}), "contcoop")
    assert [row[2] for row in only.rows] == ["0.008"]


def test_the_miniature_is_named_in_the_head_and_a_row_tells_how_it_was_measured():
    table = agreement_table(records(), "contcoop")
    assert table.columns == ("ContCoOp against", "ours (mini)", "p", "paper", "verdict")
    assert table.hover[0].startswith("8 datasets; seeds 1 2") and 'title="8 datasets; seeds 1 2' in table.to_html()
    assert agreement_table(records(B, sets=["dtd", "eurosat"]), "contcoop").columns[1] == "ours"


def test_unknown_fields_and_methods_are_refused_by_name():
    with pytest.raises(UnknownNameError, match="field"):
        agreement_table(records(), "contcoop", "newer")
    with pytest.raises(UnknownNameError, match="Did you mean 'contcoop'"):
        agreement_table(records(), "contcop")
