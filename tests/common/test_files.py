"""A reader sees the old file or the new one."""

from __future__ import annotations

import hashlib
import os

import pytest

from clipcompat.common.errors import DataError, StorageError
from clipcompat.common.files import (
    check_writable,
    digest,
    hash_file,
    parse_json,
    read_json,
    refuse_overwriting,
    shortened,
    to_json,
    write_atomic,
)
from tests.trees import python


def test_what_was_written_is_read_and_folders_are_made(tmp_path):
    path = write_atomic(tmp_path / "a" / "b" / "c.txt", "größer")
    assert path.read_bytes() == "größer".encode()
    write_atomic(path, b"\0\1")
    assert path.read_bytes() == b"\0\1" and os.listdir(path.parent) == ["c.txt"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "kept.json").write_text("old")
    run = python(
        "import resource, sys\n"
        "from clipcompat.common.files import write_atomic\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_atomic(sys.argv[1], b'x' * 5000)\n"
        "except Exception as error: print(type(error).__name__, error)",
        str(tmp_path / "kept.json"),
    )
    assert run.stdout.startswith("StorageError could not write") and "5,000 bytes" in run.stdout, run.stderr
    assert os.listdir(tmp_path) == ["kept.json"] and (tmp_path / "kept.json").read_text() == "old"


@pytest.mark.parametrize("place", ["file/x.json", "folder"])
def test_a_place_that_cannot_hold_a_file_is_a_sentence(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="choose another folder"):
        write_atomic(tmp_path / place, "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_folder_is_tried_before_the_work_and_nothing_is_left_in_it(tmp_path):
    check_writable(tmp_path / "new" / "out")
    assert os.listdir(tmp_path / "new" / "out") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"results cannot be written to .*file: .*\(--out\)"):
        check_writable(tmp_path / "file")


def test_a_long_name_is_cut_between_letters():
    assert shortened("cloth") == "cloth" and shortened("a" + "布" * 80) == "a" + "布" * 33


def test_equal_values_have_equal_json_and_digests():
    a, b = {"x": [1, 2.5], "é": None}, {"é": None, "x": [1, 2.5]}
    assert to_json(a) == to_json(b) and digest(a) == digest(b) != digest({"x": [1, 2.5]})
    assert digest(a) == hashlib.sha256('{"x": [1, 2.5], "é": null}'.encode()).hexdigest()[:16]


def test_numbers_that_json_does_not_have_are_refused():
    with pytest.raises(ValueError):
        to_json({"x": float("nan")})


def test_a_file_is_named_by_all_its_bytes(tmp_path):
    data = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(data)
    assert hash_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 101 + "]" * 101, '{"a":' * 101 + "0" + "}" * 101, "1" * 5000, "{"]
)
def test_json_that_no_file_of_ours_holds_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_json_may_be_a_hundred_levels_deep():
    assert parse_json("[" * 100 + "]" * 100) and parse_json('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "x.json is not JSON: .* Write it again."),
        (b"[" * 10_000, "x.json is not JSON: it is nested more than 100 levels deep. Write it again."),
        (b'"\xff"', "x.json is not a text file in UTF-8: .* Write it again."),
        (None, "x.json cannot be read: No such file or directory. Write it again."),
    ],
)
def test_a_json_file_that_cannot_be_read_is_the_error_asked_for(tmp_path, content, says):
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_json(tmp_path / "x.json", DataError, "Write it again.")


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "x.json", DataError, "") == [1]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_is_read_is_never_overwritten_under_any_of_its_names(tmp_path, force):
    (tmp_path / "in").mkdir()
    given = tmp_path / "in" / "a"
    given.write_text("kept")
    (tmp_path / "soft").symlink_to(given)
    os.link(given, tmp_path / "hard")
    for name in ("in/a", "in/../in/a", "soft", "hard"):
        with pytest.raises(StorageError, match="is read here.*choose another file"):
            refuse_overwriting(tmp_path / name, force, [None, "no such file", given])
    for name in ("in/a", "soft"):
        with pytest.raises(StorageError, match="is read here"):
            refuse_overwriting(tmp_path / name, force, [tmp_path / "in"])
    refuse_overwriting(tmp_path / "in" / "new", force, [tmp_path / "in"])


def test_another_file_is_overwritten_if_asked_for(tmp_path):
    (tmp_path / "a").write_text("kept")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name in ("a", "nowhere"):
        with pytest.raises(StorageError, match="exists and would be lost.*--force .*force=True"):
            refuse_overwriting(tmp_path / name)
        refuse_overwriting(tmp_path / name, force=True)
    refuse_overwriting(tmp_path / "new")


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_or_a_device_is_no_place_for_a_file(tmp_path, force):
    for place, says in ((tmp_path, "is a folder"), (os.devnull, "is no ordinary file")):
        with pytest.raises(StorageError, match=says):
            refuse_overwriting(place, force)


def test_a_number_that_is_not_finite_has_no_hash_and_is_a_sentence():
    with pytest.raises(DataError, match="a number is not finite"):
        digest([float("nan")])


def test_text_that_no_file_can_hold_has_no_hash_and_is_a_sentence():
    with pytest.raises(DataError, match=r"not UTF-8.*fox \\ud800.*Write it in UTF-8"):
        digest({"classnames": ["owl", "fox \ud800"]})
