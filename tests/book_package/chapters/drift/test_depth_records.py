"""The committed records of depth are those of the study, and agree with Table 2 where both have a run."""

from __future__ import annotations

import pytest

from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.drift.depth import HIDDEN_TUNED, INSERTED, NOISE, NOISE_TUNED, depth
from clipcompat_book.committed import committed_records


def test_the_committed_records_are_those_of_the_study():
    records = committed_records("depth")
    asked = load_spec("depth").requests("mini")
    assert len(records) == len(asked)
    assert {r.dataset for r in records} == {request["dataset"] for request in asked}
    assert all(tuple(r.inputs["seeds"]) == (1, 2, 3) for r in records)
    found = depth(records)
    layers = {way: list(own) for way, own in found.reports.items()}
    assert layers == {NOISE: list(range(6))} | dict.fromkeys((INSERTED, NOISE_TUNED, HIDDEN_TUNED), [0, 1, 3, 5])


def test_the_committed_layer_0_is_the_plain_coop_of_table_2():
    """With the same seeds; CPUs and threads differ in the last digits."""
    plain = {
        r.dataset: r
        for r in committed_records("compatibility")
        if r.is_plain and r.titles.upgrade == "mini" and r.method == "coop"
    }
    for record in committed_records("depth"):
        if record.is_plain:
            theirs = {r.seed: r for r in plain[record.dataset].reports}
            for mine in record.reports:
                assert mine.new == pytest.approx(theirs[mine.seed].new, abs=1.0)
                assert mine.old == pytest.approx(theirs[mine.seed].old, abs=1.0)
