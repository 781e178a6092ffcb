"""Remembered hashes: right or none, whatever happens to the file that keeps them."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from clipcompat.data.pictures.hash_memory import HashMemory
from tests.trees import python

FILES = [(f"/pets/{i}.jpg", f"{i} 1 2 3", f"{i:064x}") for i in range(300)]
STATES = {path: state for path, state, _ in FILES}
HASHES = {path: hash for path, _, hash in FILES}


@pytest.fixture
def folder(tmp_path) -> Path:
    HashMemory(tmp_path / "cache").add(FILES)
    return tmp_path / "cache"


def test_a_hash_is_found_for_the_same_state_of_the_same_file_only(folder):
    memory = HashMemory(folder)
    assert memory.find(STATES) == HASHES
    path, state, _ = FILES[7]
    assert memory.find({path: state + "1", "/pets/unknown.jpg": state}) == {}
    memory.add([(path, "another state", "another hash")])
    assert memory.find({path: state}) == {} and memory.find({path: "another state"}) == {path: "another hash"}


def test_paths_that_are_no_text_are_remembered_too(folder):
    path = os.fsdecode(b"/pets/\xff\xfe.jpg")
    HashMemory(folder).add([(path, "state", "hash")])
    assert HashMemory(folder).find({path: "state"}) == {path: "hash"}


def test_nothing_is_known_and_nothing_made_where_there_is_no_folder(tmp_path):
    assert HashMemory(tmp_path / "none").find(STATES) == {} and not (tmp_path / "none").exists()
    HashMemory(tmp_path / "none").add([])
    assert not (tmp_path / "none").exists()


def _text(file: Path) -> None:
    file.write_text("no database " * 1000)


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 + 100)


def _another_table(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE hashes (name TEXT)")


def _edited(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE hashes SET hash = ?", (HASHES[FILES[0][0]],))


@pytest.mark.parametrize("damage", [_text, _cut, _another_table, _edited])
def test_a_damaged_file_is_begun_again_with_a_sentence(folder, damage, caplog):
    damage(folder / "pictures.sqlite3")
    assert HashMemory(folder).find(STATES) == {}
    assert "pictures.sqlite3" in caplog.text and "is damaged" in caplog.text
    caplog.clear()
    HashMemory(folder).add(FILES)
    assert HashMemory(folder).find(STATES) == HASHES and not caplog.text


def test_flipped_bits_never_make_another_hash(folder, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    sound, rng = (folder / "pictures.sqlite3").read_bytes(), random.Random(1)
    for number in range(150):
        flipped = bytearray(sound)
        for _ in range(1 + number % 3):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        (folder / "pictures.sqlite3").write_bytes(flipped)
        assert HashMemory(folder).find(STATES).items() <= HASHES.items()


def test_an_empty_file_is_one_that_another_process_has_just_made(tmp_path, caplog):
    (tmp_path / "pictures.sqlite3").touch()
    assert HashMemory(tmp_path).find(STATES) == {} and not caplog.text
    HashMemory(tmp_path).add(FILES)
    assert HashMemory(tmp_path).find(STATES) == HASHES


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_what_cannot_be_written_can_be_read(folder, caplog):
    file = folder / "pictures.sqlite3"
    file.chmod(0o444), folder.chmod(0o555)
    memory = HashMemory(folder)
    memory.add([("/pets/new.jpg", "state", "hash")])
    assert HashMemory(folder).find(STATES) == HASHES and not caplog.text
    folder.chmod(0o755)


def test_a_file_that_is_in_use_is_left_alone(folder, monkeypatch, caplog):
    monkeypatch.setattr("clipcompat.data.pictures.hash_memory._WAIT", 0.0)
    with closing(sqlite3.connect(folder / "pictures.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        memory = HashMemory(folder)
        assert memory.find(STATES) == {}
        memory.add([("/pets/new.jpg", "state", "hash")])
        assert memory.find(STATES) == {} and not caplog.text
    assert HashMemory(folder).find(STATES) == HASHES


FILL = """
import sys
from clipcompat.data.pictures.hash_memory import HashMemory
memory = HashMemory(sys.argv[1])
for i in range(int(sys.argv[2]), 200, 4):
    memory.add([(f"/pets/{i}.jpg", "state", f"hash {i}")])
    if i >= 100 and sys.argv[2] == "3":
        import os; os.kill(os.getpid(), 9)
"""


def test_processes_that_write_at_once_lose_nothing_and_a_kill_only_what_was_not_written(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda n: python(FILL, str(tmp_path / "cache"), str(n)).returncode, range(4)))
    assert codes == [0, 0, 0, -9]
    found = HashMemory(tmp_path / "cache").find({f"/pets/{i}.jpg": "state" for i in range(200)})
    expected = [i for i in range(200) if i % 4 != 3 or i <= 103]
    assert found == {f"/pets/{i}.jpg": f"hash {i}" for i in expected}
