"""Sentences and tables on shifted sets turn with the numbers."""

from __future__ import annotations

from clipcompat.methods import METHODS
from clipcompat.studies.ood import Accuracies, Robustness, Shift
from clipcompat_book.chapters.ood import tables
from clipcompat_book.chapters.ood.points import plain_points
from clipcompat_book.chapters.ood.sentences import (
    answer_sentence,
    both_sentence,
    lost_sentence,
    records_sentence,
    shallow_sentence,
    without_sentence,
)
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
    told = answer_sentence(plain_points(together()))
    assert "over 5 methods and 3 seeds, mean of 4 shifted sets: +" in told and "; they go together. Among" in told
    assert told.count("95 % interval") == 3


def test_a_method_on_which_the_answer_hangs_is_named():
    mixed = plain(
        made("linear_probe", shifted=-40, carried=-40),
        made("clip_adapter", shifted=10, carried=5),
        made("coop", shifted=5, carried=10),
        made("kgcoop", shifted=11, carried=3),
    )
    assert "with any one method left out" in without_sentence(plain_points(mixed))
    assert "its verdict stays" in without_sentence(plain_points(together()))


def test_what_is_lost_is_listed_by_size_with_the_sets_on_which_it_is_seen():
    told = lost_sentence(plain_points([*together(), *plain(made("cocoop", tuned=5, shifted=6, carried=5, noise=0.1))]))
    by_shift, by_upgrade = told.split("**By the upgrade**")
    assert by_shift.index("linear probe +20.0 (lost on 4 of 4)") < by_shift.index("CoCoOp -1.0 (won on 4 of 4)")
    assert "linear probe +50.0 (lost on 4 of 4)" in by_upgrade and "CoCoOp +0.0 (neither of 4)" in by_upgrade


def test_a_loss_that_seeds_do_not_show_on_a_set_is_not_counted():
    (noisy,) = plain(made("coop", shifted=19, noise=0.1))
    for row in noisy.per_seed:
        row["shifts"][0] = {**row["shifts"][0], "there": {**row["shifts"][0]["there"], "old": 40 + 10 * row["seed"]}}
    assert "CoOp +0.8 (lost on 3 of 4)" in lost_sentence(plain_points([noisy]))


def test_the_cells_that_the_paper_lacks_are_told_with_their_direction():
    points = plain_points(plain(made("coop", both=8), made("kgcoop", both=-3), made("contcoop", both=0)))
    told = both_sentence(points)
    assert "shifted sets: CoOp +8.0 (above on 4 of 4), ContCoOp +0.0 (neither of 4), KgCoOp -3.0 (below on" in told
    assert "the source's:** KgCoOp +10.0 (more on 4 of 4), ContCoOp +7.0" in told and "CoOp -1.0 (less on 4" in told


def test_shares_are_of_the_mean_gain_and_a_small_gain_has_none():
    points = plain_points(plain(made("coop", tuned=20, shifted=15, carried=5), made("clip_adapter", tuned=0.5)))
    told = shallow_sentence(points, {"CoOp": "shallow", "CLIP-Adapter": "deep"})
    assert "shallow: CoOp 75 % and 25 %; deep: CLIP-Adapter – and –." in told


def test_the_table_of_gains_has_four_columns_and_that_of_relations_two():
    records = together()
    gains = tables.gains_table(plain_points(records))
    assert gains.rows[2][:2] == ("CoOp", "+20.0 ± 0.0") and gains.rows[2][2].startswith("+10.0 ± ")
    relations = tables.relations_table(plain_points(records))
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
