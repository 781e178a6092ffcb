"""Figures, tables and sentences of the chapter say what the rows say."""

from __future__ import annotations

import pytest

from clipcompat.runs.papers.reproduction import provenance
from clipcompat_book.chapters.chains.warm import warm_runs
from clipcompat_book.chapters.repair import charts, sentences, tables
from clipcompat_book.chapters.repair.rows import controls_of, methods_of
from tests.book_package.chapters.chains.made import made_warm
from tests.book_package.chapters.repair.made import TWIN, made


@pytest.fixture
def methods():
    return methods_of([*made("linear_probe", carried=20, repaired=76), *made("coop", carried=76, repaired=81)], "mini")


@pytest.fixture
def controls():
    return controls_of(made("coop", carried=50, repaired=53, upgrade=TWIN))


def test_the_first_figure_has_every_mean(methods):
    fig = charts.ladder(methods)
    traces = {t.name: t for t in fig.data if t.name}
    assert [(note.text, note.y) for note in fig.layout.annotations] == [("linear probe", 0), ("CoOp", -1)]
    assert list(traces["repaired"].x) == pytest.approx([77, 82])
    assert list(traces["zero-shot"].x) == pytest.approx([51, 51])
    assert list(traces["retrained"].y) == [0, -1]


def test_the_curves_are_percent_and_a_control_is_dashed(methods, controls):
    solid, _, dashed, in_legend = charts.by_count(methods, controls).data
    assert in_legend.name == "new: another start"
    assert list(solid.x) == ["0", "25", "50", "100", "200"] and solid.y[0] == pytest.approx(-100)
    assert dashed.line.dash == "dash" and dashed.y[-1] == pytest.approx(10)


def test_the_table_has_gains_shares_and_verdicts(methods):
    (probe, coop), at = tables.gains_table(methods).rows, tables.gains_table(methods).columns.index
    assert probe[0] == "linear probe" and probe[at("verdict")] == "repair" and coop[at("verdict")] == "keep"
    assert [row[at("share")] for row in (probe, coop)] == ["-100 → 87", "87 → 103"]
    probe, coop = tables.price_table(methods, {"CoOp": {"repair": 0.52, "retrain": 2.0}}).rows
    assert probe[:3] == ("linear probe", "map", "– / –") and coop[2:] == ("0.5 / 2.0", "10.0 / 10.0 / 10.0")


def test_a_row_of_gains_says_on_hover_how_its_records_were_made(methods):
    records = [*made("coop"), *made("linear_probe", carried=20, repaired=76), *made("coop", upgrade=TWIN)]
    probe, coop = tables.gains_table(methods, records=records).hover
    assert coop == provenance(made("coop")) and probe == provenance(made("linear_probe", carried=20, repaired=76))
    assert tables.gains_table(methods).hover == ()


@pytest.mark.parametrize(("lead", "verdict"), [(1.0, "warm-start"), (-1.0, "retrain")])
def test_who_has_to_train_starts_from_the_carried_plugin_if_that_is_not_worse(lead, verdict):
    methods = methods_of(made("coop", carried=60, repaired=62), "mini")
    warm = warm_runs(made_warm("coop", lead=lead))
    assert tables.gains_table(methods, warm).rows[0][1] == verdict
    assert f"**{verdict}**: CoOp." in sentences.answer_sentence(methods, warm)
    assert tables.gains_table(methods).rows[0][1] == "retrain"


def test_a_repair_is_compared_with_carrying_and_with_retraining(methods):
    probe, coop = tables.steps_table(methods).rows
    assert probe == ("linear probe", "+56.0 ± 0.0 *", "-4.0 ± 0.0 *")
    assert coop[0] == "CoOp" and coop[2] == "+1.0 ± 0.0 *"


def test_maps_are_compared_for_the_methods_that_have_one(methods):
    ((title, *cells),) = tables.maps_table(methods).rows
    assert title == "linear probe" and [cell.split(" ")[0] for cell in cells] == ["+26.0"] * 3


def test_sentences_stand_beside_pictures_where_a_method_can_have_both():
    methods = methods_of([*made("tip_adapter", carried=60, repaired=75), *made("coop")], "mini")
    ((title, carried, text, pictures, retrained, share),) = tables.sentences_table(methods).rows
    assert title == "Tip-Adapter" and share == "70"
    assert [c.split(" ")[0] for c in (carried, text, pictures, retrained)] == ["+10.0", "+21.0", "+25.0", "+30.0"]


def test_a_control_stands_beside_the_upgrade(methods, controls):
    table = tables.controls_table(methods, controls)
    assert table.columns == ("method", "the upgrade", "another start")
    assert table.rows == (("CoOp", "77.0 → 82.0 | 81.0", "51.0 → 54.0 | 81.0"),)


def test_sentences_turn_with_the_numbers(methods, controls):
    assert "In the records: linear probe, CoOp. Not made yet: CLIP-Adapter, " in sentences.records_sentence(methods)
    told = sentences.answer_sentence(methods, {})
    assert "(3 datasets, 3 seeds): **keep**: CoOp; **repair**: linear probe." in told
    assert "**Another start:** 10 % (CoOp)." in sentences.controls_sentence(controls)


def test_several_methods_of_a_control_have_the_least_and_the_most_in_its_sentence():
    control = methods_of([*made("linear_probe", repaired=76), *made("tip_adapter", repaired=65), *made("coop")], "mini")
    told = sentences.controls_sentence({"random weights": control})
    assert told.endswith("**Random weights:** 50 % (Tip-Adapter) to 93 % (CoOp).")


def test_smaller_upgrades_are_rows_with_a_dash_where_a_method_is_missing():
    sizes = {
        "500 steps more": methods_of(made(carried=79, repaired=80, retrained=81), "mini"),
        "a new image tower": methods_of([*made(), *made("linear_probe", carried=10)], "mini"),
    }
    table = tables.sizes_table(sizes)
    assert table.columns == ("what is new", "CoOp", "linear probe", "seeds")
    assert table.rows[0] == ("500 steps more", "80.0 → 81.0 | 82.0", "–", "3")
    assert table.rows[1][2].startswith("11.0 → ")


def test_a_repair_that_was_not_needed_is_weighed_where_nothing_changes():
    same = methods_of(made("coop", carried=80, repaired=77, retrained=80), "mini")
    told = sentences.needless_sentence({"nothing": same, "500 steps more": same})
    assert told == "**Where nothing changes, repaired against carried:** lower: CoOp."
    assert sentences.needless_sentence({"500 steps more": same}) == ""
