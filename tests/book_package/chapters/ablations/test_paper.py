"""The paper's rows are changes from its own default, and ours are those of the same switch on the same sets."""

from __future__ import annotations

import pytest

from clipcompat.runs.papers.ablations import ABLATIONS
from clipcompat_book.chapters.ablations.charts import beside
from clipcompat_book.chapters.ablations.paper import TABLES, claims_table, numbers_table, rows_of, tables_of
from clipcompat_book.chapters.ablations.readings import SETS
from clipcompat_book.chapters.ablations.sentences import paper_sentence, parts_sentence
from tests.book_package.chapters.ablations.made import made

ACTIONS = ("mini/actions",)


def study():
    return [
        *made(noise=0.0),
        *made(noise=0.0, sets=ACTIONS),
        *made("attention.heads=16", new=-1),
        *made("attention.heads=2", new=-3),
        *made("Attn off", old=-2, new=-6),
        *made("λ = 0.0", old=1, new=-2),
        *made("λ = 0.5", old=1, new=-2, sets=ACTIONS),
        *made("condition.template=a photo of a {}", new=1),
    ]


def test_printed_and_ours_are_minus_the_default_of_the_table():
    two, sixteen = rows_of("heads", study())
    assert (two.label, sixteen.label) == ("2 heads", "16 heads")
    assert two.printed == pytest.approx((0.21, -0.13)) and sixteen.printed == pytest.approx((0.11, -0.86))
    assert sixteen.ours[1].mean == pytest.approx(-1, abs=0.1) and len(sixteen.datasets) == 4


def test_ours_are_over_the_four_sets_or_on_the_set_that_stands_for_the_papers():
    (row,) = rows_of("lambda", study())
    assert row.datasets == tuple(sorted(SETS)) and row.printed == pytest.approx((-1.53, -0.92))
    assert row.label == "λ = 0.0" and rows_of("parts", study())[0].label == "no distillation"
    assert rows_of("lambda", study(), own=True)[0].datasets == ACTIONS
    assert rows_of("heads", study(), own=True)[0].datasets == ("mini/textures",)


def test_a_table_without_records_is_left_out_and_every_table_of_the_paper_has_a_title():
    assert TABLES.keys() == ABLATIONS.keys()
    assert list(tables_of(study())) == list(TABLES.values())
    assert list(tables_of([*made(), *made("attention.heads=2")])) == [TABLES["heads"]]


def test_a_claim_agrees_where_our_interval_leaves_0_out_on_the_papers_side():
    signs = {row[1]: row[-1] for row in claims_table(study()).rows}
    assert signs == {
        "no distillation": "agrees",
        "no attention": "agrees",
        "λ = 0.0": "agrees",
        "2 heads": "agrees",
        "16 heads": "agrees",
        "in a sentence": "disagrees",
    }
    undecided = claims_table([*made(noise=0.0), *made("attention.heads=2", noise=3.0)]).rows
    assert [row[-1] for row in undecided] == ["undecided"]


def test_a_table_of_numbers_has_every_printed_row_and_says_what_was_not_run():
    rows = {row[0]: row[1:] for row in numbers_table("parts", study()).rows}
    assert rows["ContCoOp as published"] == ("71.95 / 72.08", "60.0 ± 0.0 / 65.0 ± 0.0", "3")
    assert rows["neither"][1:] == ("not run here", "–") and rows["neither"][0] == "69.78 / 65.41"
    assert rows["no attention"][0] == "70.63 / 65.88"


def test_the_figure_has_a_panel_per_table_and_a_mark_per_row_and_side():
    fig = beside(tables_of(study()))
    assert [note.text for note in fig.layout.annotations] == list(TABLES.values())
    heads = [t for t in fig.data if t.xaxis == "x3"]
    assert len(heads) == 4 and all(len(t.x) == 2 for t in heads)
    paper_new = next(t for t in heads if t.name == "paper, on new")
    assert list(paper_new.x) == pytest.approx([-0.13, -0.86])


def test_the_sentence_counts_the_printed_changes_outside_our_intervals():
    words = paper_sentence(study())
    assert words.startswith("**Of 6 printed rows, 5 have a change on new outside our interval.**")
    assert "The largest that the paper prints, no attention (Table 4), is outside it." in words
    marks = {row[1]: row[2] for row in claims_table(study()).rows}
    assert marks["no attention"] == "-6.20 *" and marks["16 heads"] == "-0.86"


def test_the_parts_are_told_beside_the_papers_and_whether_its_number_is_inside_our_interval():
    words = parts_sentence(study())
    assert "is** outside our interval: no distillation, no attention." in words
    wide = parts_sentence([*made(noise=0.0), *made("Attn off", new=-8, bend=3)])
    assert wide.endswith("is** inside our interval: no attention.")
