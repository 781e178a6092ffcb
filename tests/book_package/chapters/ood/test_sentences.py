"""Sentences and tables on shifted sets turn with the numbers."""

from __future__ import annotations

from clipcompat.methods import METHODS
from clipcompat.runs.papers.reproduction import provenance
from clipcompat.studies.ood import Accuracies, Robustness, Shift
from clipcompat_book.chapters.ood import losses, tables
from clipcompat_book.chapters.ood.points import plain_points
from clipcompat_book.chapters.ood.relation import of_losses
from clipcompat_book.chapters.ood.sentences import records_sentence
from tests.book_package.chapters.ood.made import made, plain


def together() -> list:
    """What is lost by the shift and by the upgrade has one order; gains are equal but for the last method's."""
    return plain(
        made("linear_probe", shifted=0, carried=-30),
        made("clip_adapter", shifted=5, carried=0),
        made("coop", shifted=10, carried=5, noise=0.2),
        made("kgcoop", shifted=15, carried=10),
        made("contcoop", tuned=21, shifted=20, carried=18),
    )


def test_the_answer_names_three_correlations_with_intervals():
    table = losses.answer_table(plain_points(together()))
    assert "over 5 methods and 3 seeds, mean of 4 shifted sets" in table.caption
    assert table.rows[0][0] == "losses" and table.rows[0][3] == "they go together"
    for _, value, interval, words in table.rows:
        low, high = map(float, interval.split(" … "))
        assert low <= float(value) <= high and (words == "they go together") == (low > 0)
    assert len(table.rows) == 3


def test_a_method_on_which_the_answer_hangs_is_named():
    points = plain_points([*together(), *plain(made("cocoop", shifted=25, carried=-60))])
    whole = of_losses(points).words
    for name, cell, _ in losses.without_table(points).rows:
        own = of_losses([p for p in points if p.method != name])
        assert cell == f"{own.value:+.2f}" + (f" ({own.words})" if own.words != whole else "")
    assert any("(" in row[1] for row in losses.without_table(points).rows)
    assert not any("(" in row[1] for row in losses.without_table(plain_points(together())).rows)


def test_what_is_lost_is_listed_by_size_with_the_sets_on_which_it_is_seen():
    points = plain_points([*together(), *plain(made("cocoop", tuned=5, shifted=6, carried=5, noise=0.1))])
    first, *_, last = losses.lost_table(points).rows
    assert first[0] == "linear probe" and first[1].startswith("+20.0 ± ") and first[2] == "4 of 4"
    assert first[3].startswith("+50.0 ± ") and first[4] == "4 of 4"
    assert last[0] == "CoCoOp" and last[1].startswith("-1.0 ± ") and last[2] == "0 of 4, won on 4"
    assert last[3].startswith("+0.0 ± ") and last[4] == "0 of 4"


def test_a_loss_that_seeds_do_not_show_on_a_set_is_not_counted():
    (noisy,) = plain(made("coop", shifted=19, noise=0.1))
    for row in noisy.per_seed:
        row["shifts"][0] = {**row["shifts"][0], "there": {**row["shifts"][0]["there"], "old": 40 + 10 * row["seed"]}}
    ((name, lost, seen, *_),) = losses.lost_table(plain_points([noisy])).rows
    assert name == "CoOp" and lost.startswith("+0.8 ± ") and seen == "3 of 4"


def test_the_cells_that_the_paper_lacks_are_told_with_their_direction():
    points = plain_points(plain(made("coop", both=8), made("kgcoop", both=-3), made("contcoop", both=0)))
    coop, contcoop, kgcoop = losses.both_table(points).rows
    assert [row[0] for row in (coop, contcoop, kgcoop)] == ["CoOp", "ContCoOp", "KgCoOp"]
    assert coop[1].startswith("+8.0") and (coop[2], contcoop[2], kgcoop[2]) == (
        "4 of 4",
        "0 of 4",
        "0 of 4, below on 4",
    )
    assert [row[3].split(" ±")[0] for row in (coop, contcoop, kgcoop)] == ["-1.0", "+7.0", "+10.0"]
    assert coop[4] == "0 of 4, below on 4" and kgcoop[4] == "4 of 4"


def test_a_row_says_on_hover_how_its_record_was_made():
    records = plain(made("coop", both=8), made("kgcoop", both=-3))
    points = plain_points(records)
    for make in (losses.gains_table, losses.lost_table, losses.both_table):
        table = make(points, records)
        told = {row[0]: words for row, words in zip(table.rows, table.hover, strict=True)}
        assert told == {record.titles.method: provenance([record]) for record in records}
        assert make(points).hover == ()


def test_shares_are_of_the_mean_gain_and_a_small_gain_has_none():
    points = plain_points(plain(made("coop", tuned=20, shifted=15, carried=5), made("clip_adapter", tuned=0.5)))
    table = losses.shallow_table(points, {"CoOp": "shallow", "CLIP-Adapter": "deep"})
    assert table.rows == (("CoOp", "shallow", "75 %", "25 %"), ("CLIP-Adapter", "deep", "–", "–"))


def test_the_table_of_gains_has_four_columns_and_that_of_relations_two():
    records = together()
    gains = losses.gains_table(plain_points(records))
    assert gains.rows[2][:2] == ("CoOp", "+20.0 ± 0.0") and gains.rows[2][2].startswith("+10.0 ± ")
    relations = losses.relations_table(plain_points(records))
    assert len(relations.rows) == 4 and relations.rows[0][1].startswith("+1.00 (")
    assert "The first one, set by set: objects-v2 +1.00" in relations.caption


def test_the_papers_table_stands_beside_ours_and_its_claims_get_a_verdict():
    records = plain(
        made("zero_shot", tuned=0, shifted=0),
        made("linear_probe"),
        made("coop"),
        made("kgcoop", tuned=6, shifted=5),
        made("contcoop", tuned=12, shifted=18),
    )
    rows = {row[0]: row for row in tables.paper_table(records).rows}
    assert rows["CoOp"][1:3] == ("71.9 | 60.0", "64.2 | 55.0") and rows["CoOp"][-1] == "58.4 | 55.0"
    assert rows["linear probe"][1].startswith("– | ")
    claims = {row[0]: row[1:] for row in tables.claims_table(records).rows}
    assert claims["CoOp − zero-shot, source"] == ("+5.19", "+20.0 ± 0.0", "agrees")
    assert claims["KgCoOp − CoOp, source"][0] == "-0.72" and claims["KgCoOp − CoOp, source"][-1] == "agrees"
    assert claims["KgCoOp − CoOp, shifted"][0] == "+1.71" and claims["KgCoOp − CoOp, shifted"][-1] == "disagrees"
    assert claims["ContCoOp − CoOp, source"][0] == "+1.20" and claims["ContCoOp − CoOp, source"][-1] == "disagrees"
    assert claims["ContCoOp − CoOp, shifted"][0] == "+1.99" and claims["ContCoOp − CoOp, shifted"][-1] == "agrees"


def test_a_report_shows_each_set_beside_the_sources_pictures_of_its_classes():
    there, source = Accuracies(50, 40, 45, 42, None, 3), Accuracies(70, 60, 55, 57, None, 3)
    report = Robustness("coop", "mini/objects", 1, source, (Shift("mini/objects-a", 36, there, source),))
    table = tables.report_table(report)
    assert table.rows[0][:2] == ("objects", "all")
    assert table.rows[1] == ("objects-a", "36", "50.0 → 40.0", "45.0 → 42.0", "+5.0 → -2.0", "70.0 → 60.0")


def test_methods_that_are_not_made_yet_are_named():
    told = records_sentence(plain(made("zero_shot"), made("coop")))
    assert told.startswith("In the records: zero-shot, CoOp, with 3 seeds. Not made yet: linear probe, CLIP-Adapter, ")
    assert "Not made" not in records_sentence(plain(*map(made, METHODS)))
