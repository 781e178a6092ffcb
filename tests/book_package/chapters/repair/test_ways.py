"""Ways stand beside each other on the same datasets and seeds, with what each costs."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.chains.warm import warm_runs
from clipcompat_book.chapters.repair.rows import methods_of
from clipcompat_book.chapters.repair.ways import start_sentence, ways, ways_table
from tests.book_package.chapters.chains.made import SETS, made_warm
from tests.book_package.chapters.repair.made import made

COSTS = {"CoOp": {"repair": 1.0, "retrain": 4.0, "retrain_1_shots": 2.0, "retrain_2_epochs": 3.0}}


@pytest.fixture
def methods():
    records = made("coop", repaired=75.0)
    for record, dataset in zip(records, SETS, strict=True):
        record.inputs["dataset"] = dataset
        for row in record.per_seed:
            row["zs_new"] = 50.0
    return methods_of(records, "mini")


def repaired(records, lead):
    """The records with a third start, so many points above scratch."""
    for record in records:
        for row in record.per_seed:
            row |= {k.replace("scratch", "repaired"): v + lead for k, v in row.items() if k.startswith("scratch")}
            row |= {"repaired": 75.0, "repaired_flips": 11.0}
    return records


def test_every_way_has_its_labels_pictures_seconds_and_gain(methods):
    table = ways_table("CoOp", warm_runs(repaired(made_warm("coop", carried=60.0, lead=5.0), 3.0)), methods, COSTS)
    found = {row[0]: row[1:] for row in table.rows}
    assert found["carried"] == ("+10.0", "-20.0 ± 0.0", "25.0", "0.0")
    assert found["repaired"][-1] == "1.0"
    assert found["repaired"][0] == "+26.0"  # of the study `repair`: 75 and a dataset's number on average
    assert found["retrained, 1 label per class"] == ("+0.0", "-30.0 ± 0.0", "12.0", "2.0")
    assert found["warm start, carried, two epochs"][0] == "+10.0"
    assert found["warm start, carried, two epochs"][1].startswith("-20.0")
    assert found["retrained, all"] == ("+30.0", "–", "12.0", "4.0")
    assert found["warm start, repaired, all"] == ("+33.0", "+3.0 ± 0.0", "15.0", "5.0")
    assert table.columns[1:] == ("points", "against retraining", "flips", "seconds")
    assert "CoOp on new" in table.caption and "All: 16 labels" in table.caption and "200 pictures" in table.caption


def test_a_repaired_start_that_was_not_trained_has_no_row(methods):
    runs = warm_runs(made_warm("coop"))
    assert [way.words for way in ways(runs["CoOp"])][:2] == ["carried", "repaired"]
    assert not any("warm start, repaired" in way.words for way in ways(runs["CoOp"]))
    assert all(row[-1] == "–" for row in ways_table("CoOp", runs, methods, {}).rows)
    assert start_sentence(runs) == ""


def test_a_sentence_compares_both_warm_starts():
    told = start_sentence(warm_runs(repaired(made_warm("coop", lead=5.0, noise=0.0), 3.0)))
    assert told.endswith("CoOp, lower: 1 label per class, two epochs, all.")
