"""Records: whole, named by what went in, refused when they were touched."""

from __future__ import annotations

import copy
import json
import os

import pytest
import torch

from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat.runs.records import (
    committed_records,
    environment,
    find_records,
    now,
    read_record,
    record_id,
    record_path,
    write_committed,
    write_record,
)  # fmt: skip
from tests.trees import python


def record(method="coop", dataset="eurosat", new=72.0, **inputs) -> dict:
    inputs = {
        "method": {"name": method, "config": {}}, "dataset": dataset, "upgrade": "mini", "classes": "all", "shots": 16,
        "old_weights": None, "new_weights": None, **inputs,
    }  # fmt: skip
    row = {
        "method": method, "dataset": dataset, "seed": 1, "old": 80.0, "new": new, "zs_old": 40.0, "zs_new": 50.0,
        "retrained": 90.0, "negative_flips": 5.0, "views": 10,
    }  # fmt: skip
    return {
        "id": record_id(inputs), "study": "compatibility", "inputs": inputs, "per_seed": [row], "backbones": {},
        "environment": {}, "seconds": 1.5, "started": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = write_record(tmp_path, record())
    read = read_record(path)
    assert {k: read[k] for k in record()} == record() and read["format"] == "clipcompat-record-1"
    assert path == record_path(tmp_path, "compatibility", record()["inputs"])
    assert path.name == f"coop-eurosat-{record()['id']}.json" and os.listdir(path.parent) == [path.name]
    assert list(json.loads(path.read_text())) == sorted(read)  # one order of keys, for git


def test_equal_inputs_have_one_name_and_others_another():
    assert record()["id"] == record(new=1.0)["id"]
    others = [record("contcoop"), record(dataset="dtd"), record(shots=4), record(classes="base"), record(upgrade="x")]
    assert len({r["id"] for r in [record(), *others]}) == 6


def test_a_dataset_name_with_a_slash_makes_no_folder(tmp_path):
    path = write_record(tmp_path, record(dataset="mini/textures"))
    assert path.parent == tmp_path / "compatibility" and path.name.startswith("coop-mini-textures-")


@pytest.mark.parametrize(
    "part", ["id", "study", "inputs", "per_seed", "backbones", "environment", "seconds", "started"]
)
def test_a_record_with_a_part_missing_is_not_written(tmp_path, part):
    with pytest.raises(DataError, match=f"{part} is missing"):
        write_record(tmp_path, {k: v for k, v in record().items() if k != part})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"format": "clipcompat-record-1"}', b"\xff\xfe\0"])
def test_files_that_are_no_records_are_refused_by_name(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    for use in (lambda: read_record(path), lambda: find_records(tmp_path)):
        with pytest.raises(DataError, match="not a (readable )?record") as caught:
            use()
        assert str(path) in str(caught.value)


def test_half_a_record_is_refused(tmp_path):
    path = write_record(tmp_path, record())
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DataError, match="not a readable record.*delete it and run again"):
        read_record(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"new": 72.0', '"new": 92.0'), ('"shots": 16', '"shots": 1'), ('"seconds": 1.5', '"seconds": 1.4'),
     ('"dataset": "eurosat"', '"dataset": "dtd"'), ('"checksum"', '"checksun"')],
)  # fmt: skip
def test_a_record_changed_by_hand_is_refused(tmp_path, old, new):
    path = write_record(tmp_path, record())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match="was changed after it was written.*Delete it and run again"):
        read_record(path)


def test_formatting_is_not_a_change(tmp_path):
    path = write_record(tmp_path, record())
    read = read_record(path)
    path.write_text(json.dumps(dict(reversed(read.items()))))
    assert read_record(path) == read


def test_all_records_under_a_folder_come_sorted(tmp_path):
    for r in (record("zero_shot"), record("coop", "dtd"), record("coop"), record("contcoop"), record("coop", shots=1)):
        write_record(tmp_path, r)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x.head").write_text("{}")
    found = find_records(tmp_path)
    order = [(r["inputs"]["dataset"], r["inputs"]["method"]["name"], r["id"]) for r in found]
    assert order == sorted(order) and len(order) == 5
    assert find_records(record_path(tmp_path, "compatibility", record()["inputs"])) == [
        r for r in found if r["id"] == record()["id"]
    ]


def test_a_missing_folder_is_a_sentence_and_an_empty_one_has_no_records(tmp_path):
    with pytest.raises(DataError, match="no results folder.*clipcompat run … --out"):
        find_records(tmp_path / "none")
    assert find_records(tmp_path) == []


def test_a_study_kept_as_jsonl_is_the_same_whatever_the_order(tmp_path):
    for r in (record("zero_shot"), record("coop"), record("contcoop")):
        write_record(tmp_path / "results", r)
    found = find_records(tmp_path / "results")
    one = write_committed(tmp_path / "a.jsonl", found).read_bytes()
    two = write_committed(tmp_path / "b.jsonl", copy.deepcopy(found[::-1])).read_bytes()
    assert one == two and one.endswith(b"}\n")
    assert [json.loads(line) for line in one.splitlines()] == found


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package folder with one study."""
    for r in (record("coop"), record("contcoop")):
        write_record(tmp_path / "results", r)
    file = write_committed(tmp_path / "package" / "records" / "compatibility.jsonl", find_records(tmp_path / "results"))
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path / "package")
    return file


def test_shipped_records_are_checked_like_others(shipped):
    assert [r["inputs"]["method"]["name"] for r in committed_records("compatibility")] == ["contcoop", "coop"]
    shipped.write_text(shipped.read_text().replace("72.0", "73.0", 1))
    with pytest.raises(DataError, match="compatibility.jsonl, line 1 was changed"):
        committed_records("compatibility")


def test_an_unknown_study_names_the_nearest(shipped):
    with pytest.raises(UnknownNameError, match="Did you mean 'compatibility'"):
        committed_records("compatability")
    shipped.unlink()
    shipped.parent.rmdir()
    with pytest.raises(UnknownNameError, match="Known: none"):
        committed_records("compatibility")


def test_the_environment_says_on_what_it_ran_and_not_where():
    found = environment(torch.device("cpu"))
    assert found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    assert found["device"].startswith("cpu (") and found["threads"] == torch.get_num_threads()
    assert not any(os.path.expanduser("~") in str(v) or os.uname().nodename == v for v in found.values())
    assert now().endswith("+00:00") and len(now()) == 25


def test_a_full_disk_leaves_no_record(tmp_path):
    run = python(
        "import resource, sys\n"
        "from tests.runs.test_records import record, write_record\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))\n"
        "try: write_record(sys.argv[1], record())\n"
        "except Exception as error: print(type(error).__name__)",
        str(tmp_path),
    )
    assert run.stdout == "StorageError\n", run.stderr
    assert find_records(tmp_path) == [] and os.listdir(tmp_path / "compatibility") == []


def test_a_committed_list_is_read_like_a_folder(tmp_path):
    made = read_record(write_record(tmp_path, record()))
    path = write_committed(tmp_path / "all.jsonl", [made])
    (found,) = find_records(path)
    assert {k: v for k, v in found.items() if k not in ("format", "checksum")} == record()
    path.write_text("not JSON")
    with pytest.raises(DataError, match="restore it from git"):
        find_records(path)
