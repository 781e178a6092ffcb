"""The committed records of dual prompts are what their specs ask for, on the shipped weights and today's pictures."""

from __future__ import annotations

import pytest

from clipcompat.backbones.mini.manifest import weights
from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.common.config import to_config
from clipcompat.common.files import to_json
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import study_names
from clipcompat.methods.defaults import configured_method
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.studies.carried.mixture import FEWER, OMEGAS
from clipcompat_book.committed import committed_records

NAMES = ("dual_prompts", "dual_prompts_parts", "dual_prompts_towers")


@pytest.mark.parametrize("name", NAMES)
def test_every_run_that_the_spec_asks_for_is_there_with_todays_settings(name):
    found = sorted((r.dataset, to_json(r.inputs["method"]["config"])) for r in committed_records(name))
    asked = sorted(
        (r["dataset"], to_json(to_config(configured_method("dpc", r["dataset"], "mini", r["settings"]))))
        for r in load_spec(name).requests("mini")
    )
    assert found == asked


@pytest.mark.parametrize("name", NAMES)
def test_they_are_of_the_shipped_pair_three_seeds_and_todays_pictures(name):
    for record in committed_records(name):
        assert record.study == "mixture" and record.inputs["shipped"] == list(shipped_weights("mini"))
        assert [row["seed"] for row in record.per_seed] == [1, 2, 3]
        both_towers = name == "dual_prompts_towers" or "learner=promptkd" in record.titles.label
        omegas = FEWER if both_towers else OMEGAS
        assert all(row["omegas"] == list(omegas) for row in record.per_seed)
        data = load_dataset(record.dataset, shots=16, seed=3)
        assert record.inputs["stamps"]["3"] == {"train": data.train.stamp, "test": data.test.stamp}


def test_the_seed_twin_has_every_learner_on_every_set_and_known_weights():
    twin = committed_records("dual_prompts_twin")
    asked = {r.titles.label for name in ("dual_prompts", "dual_prompts_towers") for r in committed_records(name)}
    assert {r.titles.label for r in twin} == asked
    for label in asked:
        assert sorted(r.dataset for r in twin if r.titles.label == label) == sorted(study_names())
    assert all(r.inputs["new_weights"].removeprefix("sha256:") in weights() for r in twin)
