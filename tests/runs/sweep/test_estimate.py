"""The estimate of a sweep is what its records took, and says where a number is no measurement."""

from __future__ import annotations

import importlib.resources
from collections import defaultdict
from dataclasses import replace

import pytest

import clipcompat_book
from clipcompat.backbones.catalog import UPGRADES
from clipcompat.methods import KNOWN
from clipcompat.runs.papers.hours import gpu_hours
from clipcompat.runs.records import read_lines
from clipcompat.runs.sweep.estimate import estimate
from clipcompat.runs.sweep.spec import load_spec
from tests.runs.test_records import record

COOP = {"method": "coop", "dataset": "mini/tints", "upgrade": "mini", "seeds": (1, 2), "device": "cpu"}
PAPER = COOP | {"dataset": "dtd", "upgrade": "clip-to-eva-vit-b-16"}


def test_it_takes_the_rates_of_the_records_at_hand_and_shares_them_among_workers():
    slow = record("coop", "mini/tints")
    slow.training_seconds.append({"train": 100.0, "retrain": 100.0})  # one seed: of training on old and on new
    assert estimate([COOP], [slow], 1).seconds == 2 * 200 and estimate([COOP], [slow], 4).seconds == 100
    assert estimate([COOP], [], 1).seconds < 100  # the shipped rate
    # records at hand of another study are no rates of this one
    assert estimate([COOP], [replace(slow, study="chain")], 1) == estimate([COOP], [], 1)


@pytest.mark.parametrize("name", ["swap", "chain", "repair", "plugins_today", "warm_start"])
def test_the_committed_lists_would_be_told_what_they_took(name):
    """Each list alone, of plain methods; rates are means over all lists, so that single lists are off by a factor."""
    records = read_lines(importlib.resources.files(clipcompat_book) / "records" / f"{name}.jsonl")
    requests, took = [], 0.0
    for one in records:
        inputs = one.inputs
        if inputs["upgrade"] not in UPGRADES or not one.is_plain:
            continue
        fields = {f: inputs[f] for f in ("dataset", "upgrade", "retrain")}
        requests.append(fields | {"method": one.method, "study": one.study, "seeds": tuple(inputs["seeds"])})
        trained = sum(s for seed in one.training_seconds for s in seed.values() if s is not None)
        took += max(one.seconds, trained)
    told = estimate(requests, [], 1)
    assert told.unknown == told.computed == 0
    assert took / 3 < told.seconds < took * 3


def test_every_method_has_a_rate_on_the_miniature_in_each_shipped_study():
    unknown = defaultdict(list)
    for study in ("table2", "table3", "chain", "swap", "repair", "dual_prompts", "prompt_learners", "cross_dataset"):
        for request in load_spec(study).requests("mini"):
            if estimate([request], [], 1).unknown:
                unknown[study].append(request["method"])
    assert not unknown
    assert not any(estimate([COOP | {"method": name}], [], 1).unknown for name in KNOWN)


def test_settings_that_were_measured_have_a_rate_of_their_own():
    over = {"method": "dpc", "study": "mixture", "dataset": "mini/tints", "upgrade": "mini", "device": "cpu"}
    plain, deep = estimate([over], [], 1), estimate([over | {"settings": ("learner=maple",)}], [], 1)
    assert plain.borrowed == deep.borrowed == 0 and deep.seconds > 3 * plain.seconds


def test_a_borrowed_rate_is_said():
    told = estimate([COOP | {"method": "maple"}], [], 1)
    assert told.borrowed == 1 and "1 run by the rate of the method in other settings or studies" in str(told)
    assert estimate([COOP], [], 1).borrowed == 0 and "by the rate" not in str(estimate([COOP], [], 1))


def test_at_paper_scale_operations_are_counted_and_said_to_be_no_measurement():
    told = estimate([PAPER, PAPER | {"method": "zero_shot"}], [], 4)
    assert told.computed == 2 and told.seconds == told.unknown == 0
    assert told.gpu_hours == gpu_hours(PAPER) + gpu_hours(PAPER | {"method": "zero_shot"})  # on one GPU
    assert "GPU hours for 2 runs, estimated from FLOPs at 50 TFLOP/s and not measured" in str(told)
    assert "1.2 GB of memory per worker for the weights of both backbones alone" in str(told)
    assert "MB on disk, computed, for image features" in str(told)


def test_a_record_at_paper_scale_counts_more_than_operations():
    mine = record("coop", "dtd", upgrade=PAPER["upgrade"])
    assert estimate([PAPER], [replace(mine, seconds=70.0)], 1).seconds == 2 * 70


def test_what_nobody_has_timed_and_nobody_can_count_is_unknown():
    told = estimate([PAPER | {"method": "dpc"}], [], 1)
    assert (told.unknown, told.seconds, told.gpu_hours) == (1, 0, 0)
    assert "time unknown" in str(told) and "1 run is of a kind that nobody has timed" in str(told)


def test_nothing_to_do_takes_a_minute_at_most():
    assert str(estimate([], [], 2)) == "about 1 minutes"
