"""Committed records that one spec asks for, whole: each run once, with today's settings, seeds and pictures."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.common.config import to_config
from clipcompat.common.files import to_json
from clipcompat.data.load import load_dataset
from clipcompat.methods.defaults import configured_method
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.committed import committed_records

NAMES = ("prompt_learners", "domain", "cross_dataset", "signs", "focal")


@pytest.mark.parametrize("name", NAMES)
def test_every_run_that_the_spec_asks_for_is_there_with_todays_settings(name):
    found = sorted(
        (r.study, r.dataset, to_json(r.inputs["method"]["config"]), tuple(row["seed"] for row in r.per_seed))
        for r in committed_records(name)
    )
    asked = sorted(
        (r["study"], r["dataset"], to_json(_config(r)), tuple(r["seeds"])) for r in load_spec(name).requests("mini")
    )
    assert found == asked


@pytest.mark.parametrize("name", NAMES)
def test_they_are_of_the_shipped_pair_and_todays_pictures(name):
    for record in committed_records(name):
        assert record.titles.upgrade == "mini" and record.inputs["shipped"] == list(shipped_weights("mini"))
        data = load_dataset(record.dataset, shots=16, seed=3)
        assert record.inputs["stamps"]["3"] == {"train": data.train.stamp, "test": data.test.stamp}


def _config(request):
    return to_config(configured_method(request["method"], request["dataset"], "mini", request["settings"]))
