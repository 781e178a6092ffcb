"""More than 500 failing, lost and interleaved file calls: a store is the old one or the new one, never a third."""

from __future__ import annotations

import functools
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from clipcompat.cli import main
from clipcompat.common.errors import ClipcompatError
from clipcompat.features.store import FeatureFile
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.runs.migrate import migrate
from clipcompat.runs.records import checksum, find_records, write_lines, write_record
from tests.faults import FAILURES, Disk, Failing, interleaved
from tests.runs.test_records import record

OLD, NEW = [record("coop", new=1.0)], [record("coop", new=2.0)]
ORIGIN = {"backbone": {"name": "mini-old", "stamp": "s"}, "dataset": "toys", "classnames": ["a", "b"], "seed": 1}
ORIGIN |= {
    "template": "a {}.",
    "shots": 1,
    "views": 1,
    "epochs": 1,
    "final_loss": 0.5,
    "train_stamp": "t",
    "seconds": 1.0,
}
ROWS = torch.arange(60.0)[:, None].expand(-1, 8)


def plugin(value: float) -> Plugin:
    return Plugin(CoOp(n_ctx=1), {"ctx": torch.full((1, 96), value)}, ORIGIN)


@dataclass(frozen=True)
class Change:
    """A change of a store.

    begin: makes the old store in a folder. change: makes the new one of it. state: what a reader finds; it raises an
    error where it is refused. between: states that a change of several files may stop at.
    """

    begin: Callable[[Path], Any]
    change: Callable[[Path], Any]
    state: Callable[[Path], Any]
    between: Callable[[Any], bool] = lambda state: False


def command(*words: Any) -> None:
    """A verb, whose error is raised as its exit code tells it."""
    if main(list(map(str, words))):
        raise ClipcompatError("told on stderr")


def value_of_plugin(folder: Path) -> float:
    return load_plugin(folder / "p.safetensors").tensors["ctx"].unique().item()


def features(folder: Path) -> FeatureFile:
    return FeatureFile(folder, "x", 8, "stamp")


def fill(folder: Path, count: int) -> None:
    """As `encode` does it: the rows that are missing."""
    file = features(folder)
    with file.locked():
        if (at := file.rows()) < count:
            file.append(ROWS[at:count], at=at)


def rows(folder: Path) -> list[float]:
    """The first value of every committed row."""
    file = features(folder)
    return file.read(file.rows())[:, 0].tolist()


def pack(folder: Path) -> None:
    command("results", "pack", folder / "out", folder / "all.jsonl", "--force")


MANY = [record("coop"), record("contcoop"), record(dataset="dtd")]


def packed(folder: Path, records: list) -> None:
    write_record(folder / "out", MANY[0])
    write_lines(folder / "all.jsonl", records)


CHANGES = {
    "record": Change(lambda f: None, lambda f: write_record(f, NEW[0]), find_records),
    "record again": Change(lambda f: write_record(f, OLD[0]), lambda f: write_record(f, NEW[0]), find_records),
    "list of records": Change(
        lambda f: write_lines(f / "a.jsonl", OLD),
        lambda f: write_lines(f / "a.jsonl", MANY, force=True),
        lambda f: find_records(f / "a.jsonl"),
    ),
    "pack": Change(lambda f: packed(f, OLD), pack, lambda f: find_records(f / "all.jsonl")),
    "unpack": Change(
        lambda f: packed(f, MANY),
        lambda f: command("results", "unpack", f / "all.jsonl", f / "out"),
        lambda f: find_records(f / "out"),
        lambda state: MANY[0] in state and all(record in MANY for record in state),
    ),
    "plug-in": Change(
        lambda f: plugin(1.0).save(f / "p.safetensors"),
        lambda f: plugin(2.0).save(f / "p.safetensors", force=True),
        value_of_plugin,
    ),
    "features": Change(lambda f: None, lambda f: [fill(f, n) for n in (7, 20)], rows, lambda state: len(state) == 7),
    "more features": Change(lambda f: fill(f, 20), lambda f: fill(f, 50), rows),
}


@pytest.fixture(autouse=True)
def no_flush_to_the_real_disk(monkeypatch):
    """Which would take minutes; `Disk` notes what was flushed."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def change(request) -> Change:
    return request.param


def begun(change: Change, folder: Path) -> Path:
    folder.mkdir()
    change.begin(folder)
    return folder


def states(change: Change, folder: Path) -> tuple[Any, Any]:
    """Of the old and the new store."""
    begun(change, folder)
    old = change.state(folder)
    change.change(folder)
    return old, change.state(folder)


def is_allowed(change: Change, state: Any, old: Any, new: Any) -> bool:
    return state in (old, new) or change.between(state)


def test_whichever_call_fails_the_store_is_the_old_or_the_new_one(change, tmp_path):
    """Each call in turn, with a full disk and a broken one, once and for ever; then the same command again."""
    old, new = states(change, tmp_path / "undisturbed")
    faults = 0
    for error, for_ever in FAILURES:
        disk, at, told = None, 0, True
        while told or disk.calls >= at:
            at += 1
            folder = begun(change, tmp_path / "store")
            disk, told = Failing(at, error, for_ever), False
            try:
                with Disk(folder, disk).in_use():
                    change.change(folder)
            except ClipcompatError as caught:
                told = bool(str(caught))
            found = change.state(folder)
            assert found == new or (told and is_allowed(change, found, old, new)), f"call {at} fails: {found}"
            if not for_ever:
                assert not list(folder.rglob("*.tmp")), f"call {at} fails"
            change.change(folder)
            assert change.state(folder) == new, f"call {at} fails, then again"
            shutil.rmtree(folder)
            faults += disk.calls >= at
    assert faults >= 36


def test_a_power_cut_leaves_the_old_or_the_new_store_and_loses_nothing_that_was_finished(change, tmp_path):
    """Power fails at every moment, three times each, and takes any part of what was not flushed to the disk."""
    old, new = states(change, tmp_path / "undisturbed")
    disk, rng, left = Disk(begun(change, tmp_path / "store")), random.Random(1), tmp_path / "left"
    with disk.in_use():
        change.change(tmp_path / "store")
    cuts = [cut for cut in range(len(disk.log) + 1) for _ in range(3)]
    for cut in cuts:
        for path, content in disk.after_power_loss(cut, rng).items():
            file = left / path.relative_to(tmp_path / "store")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        left.mkdir(exist_ok=True)
        found = change.state(left)
        assert is_allowed(change, found, old, new) and (cut < len(disk.log) or found == new), f"cut {cut}: {found}"
        change.change(left)
        assert change.state(left) == new
        shutil.rmtree(left)
    assert len(cuts) >= 15


def test_a_power_cut_during_a_migration_loses_no_record(tmp_path):
    """The record gets another name, so that the old file is removed; until then it is there twice."""
    write_record(tmp_path / "store", record("coop"))
    disk, rng = Disk(tmp_path / "store"), random.Random(1)
    with disk.in_use():
        assert migrate(tmp_path / "store") == 1
    for number in range(60):
        files = disk.after_power_loss(number % (len(disk.log) + 1), rng)
        kept = [json.loads(content) for path, content in files.items() if path.suffix == ".json"]
        assert kept and all(content["checksum"] == checksum(content) for content in kept), f"cut {number}"


def test_without_working_locks_two_writers_leave_a_sound_store_and_a_reader_sees_nothing_else(
    change, tmp_path, monkeypatch
):
    """Some network file systems grant every lock. Two processes do the same, call by call in any order."""
    monkeypatch.setattr("fcntl.flock", lambda *arguments: None)
    old, new = states(change, tmp_path / "undisturbed")
    for number in range(15):
        folder = begun(change, tmp_path / f"store {number}")
        seen = []

        def poll(folder=folder, seen=seen) -> None:
            for _ in range(4):
                seen.append(change.state(folder))

        write = functools.partial(change.change, folder)
        assert interleaved(folder, [write, write, poll], random.Random(number)) == [None] * 3
        assert change.state(folder) == new and len(seen) == 4
        assert all(is_allowed(change, state, old, new) for state in seen)


def grow(folder: Path, lots: tuple[int, ...]) -> None:
    """As `encode` does it: lot after lot under one lock, and all of them at the end."""
    file = features(folder)
    with file.locked():
        at = file.rows()
        for lot in lots:
            if at < 60:
                file.append(ROWS[at : at + lot], at=at)
                at = min(60, at + lot)
    assert torch.equal(file.read(60), ROWS)


def test_without_working_locks_two_writers_fill_one_cache_with_the_right_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *arguments: None)
    for number in range(60):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        works = [functools.partial(grow, folder, lots) for lots in ((7,) * 9, (20, 15, 40))]
        assert interleaved(folder, works, random.Random(number)) == [None, None], number
        features(folder).verify()
        assert rows(folder) == ROWS[:, 0].tolist(), number
