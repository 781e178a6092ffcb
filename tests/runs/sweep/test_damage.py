"""A whole run on a failing disk, and one whose files were damaged: the fault is told, or the numbers are the same."""

from __future__ import annotations

import errno
import random
import shutil
from pathlib import Path

import pytest

from clipcompat.runs.records import find_records
from clipcompat.runs.sweep.jobs import Job, Outcome
from clipcompat.runs.sweep.sweep import _kept_upgrade, perform
from tests.faults import Disk, Failing
from tests.runs.sweep.test_sweep import numbers, requests
from tests.trees import write_eurosat


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A finished run of one seed: a record, two plug-ins, features, hashes of pictures; and its pictures."""
    place = tmp_path_factory.mktemp("done")
    assert run(place).error is None
    return place


def run(place: Path) -> Outcome:
    """The run as a new process begins it, without remembered features."""
    _kept_upgrade.cache_clear()
    if not (place / "data").exists():
        write_eurosat(place / "data")
    (request,) = requests(str(place / "data"), 1, seeds=(1,))
    return perform(Job(0, request), str(place / "out"), str(place / "out" / "cache"))


def without_record(store: Path, place: Path) -> Path:
    """A copy of the store, in which the run is to be done from its plug-ins and features."""
    shutil.copytree(store, place)
    for record in (place / "out" / "compatibility").iterdir():
        record.unlink()
    return place


def test_a_run_on_a_failing_disk_ends_in_a_sentence_and_can_be_asked_for_again(store, tmp_path):
    watched = Failing(0, errno.EIO, False)
    with Disk(without_record(store, tmp_path / "watched") / "out", watched).in_use():
        assert run(tmp_path / "watched").error is None
    told = 0
    for at in random.Random(1).sample(range(1, watched.calls + 1), 6):
        place = without_record(store, tmp_path / f"{at}")
        with Disk(place / "out", Failing(at, errno.EIO, False)).in_use():
            outcome = run(place)
        told += outcome.error is not None
        assert outcome.error is None or "Input/output error" in outcome.error, f"call {at}"
        assert "Traceback" not in (outcome.error or ""), f"call {at}"
        assert run(place).error is None and numbers(place / "out") == numbers(store / "out"), f"call {at}"
    assert told >= 3


def test_a_flipped_byte_in_any_finished_file_is_told_or_changes_no_number(store, tmp_path):
    rng, told = random.Random(1), {}
    files = [p.relative_to(store) for p in sorted((store / "out").rglob("*")) if p.is_file() and p.suffix != ".lock"]
    for file in files:
        place = tmp_path / "damaged"
        if file.suffix == ".json":
            shutil.copytree(store, place)
        else:
            without_record(store, place)
        content = bytearray((place / file).read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (place / file).write_bytes(content)
        outcome = run(place)
        if outcome.error is None:
            assert numbers(place / "out") == numbers(store / "out"), file
        else:
            told.setdefault(file.suffix, []).append(file)
            assert file.stem in outcome.error and "elete" in outcome.error and "Traceback" not in outcome.error
            assert file.suffix == ".json" or not find_records(place / "out")
        shutil.rmtree(place)
    assert told.keys() == {".json", ".safetensors", ".bin", ".head"}
    assert len(told[".json"]) == 1 and len(told[".safetensors"]) == 2
