"""The sentence on shuffled conditions is read from records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.runs.records import Record
from clipcompat_book.chapters.controls.shuffled import shuffle_sentence, shuffle_strips
from tests.runs.test_tables import run


def shuffled(drop_old=0.0, drop_new=10.0, method="contcoop") -> list[Record]:
    made = []
    for dataset, level in {"eurosat": -4.0, "dtd": 4.0}.items():
        row = {"method": method, "dataset": dataset, "old": 70.0, "new": 75.0, "zs_old": 40.0, "zs_new": 50.0}
        row |= {"shuffled_old": 70.0 - drop_old, "shuffled_new": 75.0 - drop_new, "changed_old": 1.0}
        rows = [row | {"seed": seed, "changed_new": 20.0 + level} for seed in (1, 2)]
        made.append(replace(run(method, dataset=dataset), study="shuffled", per_seed=rows))
    return made


def test_the_sentence_tells_the_change_the_changed_predictions_and_what_was_to_lose():
    told = shuffle_sentence([run("coop"), *shuffled()])
    assert told.startswith("ContCoOp, 2 datasets: on old, accuracy with the conditions of other classes")
    old, new = told.split("; on new, ")
    assert "no difference seen (+0.0 ± 0.0 points), with 1.0 % of the predictions changed" in old
    assert "(the plug-in against zero-shot: 30.0 ± 0.0 points higher)" in old
    assert new.endswith(". This control has records of mini alone.")
    assert "10.0 ± 0.0 points lower, with 20.0 % of the predictions" in new and "25.0 ± 0.0 points higher" in new


def test_the_strips_show_every_dataset_and_seed():
    dots = [trace.x for trace in shuffle_strips(shuffled()).data if trace.mode == "markers"]
    assert dots == [(0.0,) * 4, (-10.0,) * 4]


def test_without_records_there_is_no_sentence():
    with pytest.raises(UnknownNameError, match="compatibility"):
        shuffle_sentence([run("contcoop")])
    with pytest.raises(UnknownNameError, match="ContCoOp"):
        shuffle_sentence(shuffled(), "CoCoOp")
