"""The committed records of many small updates: checkpoints of one pretraining run, in their order."""

from __future__ import annotations

import pytest

from clipcompat.backbones.catalog import generations
from clipcompat.backbones.mini.manifest import weights
from clipcompat.runs.titles import make_titles
from clipcompat_book.chapters.chains.steps import chains_of
from clipcompat_book.committed import committed_records

GRADED = committed_records("graded_chain")
STEPS = [4500, 5000, 5500, 6000, 7500]


def test_the_generations_are_checkpoints_of_one_run_and_each_is_later_than_the_one_before():
    for record in GRADED:
        assert (record.study, record.titles) == ("chain", make_titles(record.inputs))
        known = [weights()[file.removeprefix("sha256:")] for _, file in generations(record.inputs["upgrade"])]
        assert [facts["steps_taken"] for facts in known] == STEPS
        assert {(facts["name"], facts["seed"]) for facts in known} == {("mini-old", 2)}


def test_every_method_has_the_same_sets_and_seeds():
    asked = {m: sorted(r.dataset for r in GRADED if r.method == m) for m in dict.fromkeys(r.method for r in GRADED)}
    assert set(asked) == {"zero_shot", "linear_probe", "coop", "contcoop"}
    assert len({tuple(sets) for sets in asked.values()}) == 1
    assert all([row["seed"] for row in record.per_seed] == [1, 2, 3] for record in GRADED)


def test_zero_shot_is_the_same_beside_every_method():
    zero = {}
    for record in GRADED:
        for row in record.per_seed:
            found = [row[f"zero_shot_at_{j}"] for j in range(len(STEPS))]
            assert zero.setdefault(record.dataset, found) == pytest.approx(found, abs=0.2)


def test_the_plug_ins_were_tuned_on_every_checkpoint():
    chains = chains_of(GRADED)
    assert {chain.last for chain in chains} == {4} and {c.method for c in chains} == {
        "linear probe",
        "CoOp",
        "ContCoOp",
    }
