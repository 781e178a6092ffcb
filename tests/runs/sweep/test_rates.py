"""Rates are what the committed records took, and those that are shipped are made from them."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import replace

import pytest

import clipcompat_book
from clipcompat.runs.sweep.rates import (
    Kind,
    Rate,
    committed_lists,
    find_rate,
    main,
    measured_rates,
    place_of,
    shipped_rates,
    write_rates,
)
from tests.runs.test_records import record

RECORDS = importlib.resources.files(clipcompat_book) / "records"
COOP = Kind("compatibility", "mini", "coop", True)


def took(seconds, trained=(), study="compatibility", seeds=1, **inputs):
    made = record(**inputs)
    times = [{"train": s, "retrain": None} for s in trained]
    return replace(made, seconds=seconds, training_seconds=times, study=study, per_seed=made.per_seed * seeds)


def test_a_rate_is_the_mean_over_records_in_seconds_per_seed():
    rates = measured_rates([took(10.0, seeds=5), took(30.0, seeds=5), took(7.0, study="chain")])
    assert rates == {COOP: Rate(4.0, 2), replace(COOP, study="chain"): Rate(7.0, 1)}


def test_a_run_that_found_its_plug_ins_tuned_counts_with_the_seconds_of_their_training():
    assert measured_rates([took(1.0, trained=(8.0, 12.0), seeds=2)])[COOP] == Rate(10.0, 1)


@pytest.mark.parametrize(
    ("upgrade", "place"),
    [
        ("mini", "mini"),
        ("mini-two-steps", "mini"),
        ("mini-text-only", "mini"),
        ("mini-large", "mini-large"),
        ("mini-old:sha256:12,mini-new:sha256:34", "mini"),
        ("mini-large-old:sha256:12,mini-large-new:sha256:34", "mini-large"),
        ("clip-to-eva-vit-b-16", "clip-to-eva-vit-b-16"),
    ],
)
def test_upgrades_of_one_kind_of_miniature_share_their_rates(upgrade, place):
    assert place_of(upgrade) == place


def test_what_was_not_measured_is_borrowed_from_the_method_in_its_study_and_else_in_all_studies():
    slow = Kind("compatibility", "mini", "coop (recipe.max_steps=400)", True)
    chain = Kind("chain", "mini", "coop", True)
    rates = {COOP: Rate(2.0, 3), slow: Rate(8.0, 1), chain: Rate(11.0, 2)}
    assert find_rate(rates, COOP) == (2.0, False)
    assert find_rate(rates, replace(COOP, label="coop (n_ctx=2)")) == ((3 * 2.0 + 8.0) / 4, True)
    assert find_rate(rates, replace(COOP, retrain=False)) == ((3 * 2.0 + 8.0) / 4, True)
    assert find_rate(rates, replace(COOP, study="swap")) == ((3 * 2.0 + 8.0 + 2 * 11.0) / 6, True)
    assert find_rate(rates, replace(COOP, place="mini-large")) is None
    assert find_rate(rates, replace(COOP, label="contcoop")) is None


def test_the_shipped_rates_are_those_of_the_committed_records():
    made = {k: Rate(round(r.seconds, 2), r.runs) for k, r in measured_rates(committed_lists(RECORDS)).items()}
    assert shipped_rates() == made, "run: python -m clipcompat.runs.sweep.rates clipcompat_book/records"


def test_the_command_writes_what_it_reads_back_and_refuses_an_empty_folder(tmp_path, capsys):
    out = tmp_path / "rates.json"
    assert main([str(tmp_path), "--out", str(out)]) == 1 and not out.exists()
    assert "holds no .jsonl file" in capsys.readouterr().err
    write_rates(out, {COOP: Rate(2.004, 3)})
    assert json.loads(out.read_text())["seconds_per_seed"] == [["compatibility", "mini", "coop", True, 2.0, 3]]
