"""Records as files of a folder, and as one file for git: nothing is lost either way, and damage is told."""

from __future__ import annotations

import json

import pytest

from clipcompat.cli import main
from clipcompat.runs.records import checksum, find_records, write_record
from tests.runs.test_records import record


@pytest.fixture
def folder(tmp_path):
    for made in (record("coop"), record("contcoop"), record(dataset="dtd")):
        write_record(tmp_path / "results", made)
    return tmp_path / "results"


def call(*arguments) -> int:
    return main(["results", *map(str, arguments)])


def test_packed_and_unpacked_records_are_the_same(folder, tmp_path, capsys):
    assert call("pack", folder, tmp_path / "all.jsonl") == 0
    assert call("unpack", tmp_path / "all.jsonl", tmp_path / "again") == 0
    assert find_records(tmp_path / "again") == find_records(folder) == find_records(tmp_path / "all.jsonl")
    assert "3 records in" in capsys.readouterr().out
    names = [sorted(p.name for p in place.rglob("*.json")) for place in (folder, tmp_path / "again")]
    assert names[0] == names[1]


def test_a_pack_is_sorted_and_overwrites_nothing_unasked(folder, tmp_path, capsys):
    file = tmp_path / "all.jsonl"
    assert call("pack", folder, file) == 0
    before = file.read_bytes()
    assert [json.loads(line)["inputs"]["dataset"] for line in before.splitlines()] == ["dtd", "eurosat", "eurosat"]
    assert call("pack", folder, file) == 1 and "--force" in capsys.readouterr().err
    assert call("pack", folder, file, "--force") == 0 and file.read_bytes() == before


def test_unpacking_keeps_another_record_of_the_same_run(folder, tmp_path, capsys):
    assert call("pack", folder, tmp_path / "all.jsonl") == 0
    write_record(tmp_path / "again", record("coop", new=1.0))
    assert call("unpack", tmp_path / "all.jsonl", tmp_path / "again") == 1
    assert "another record of the same run" in capsys.readouterr().err
    assert find_records(tmp_path / "again") == [record("coop", new=1.0)]  # and nothing was added


def test_verify_names_what_is_unsound_and_counts(folder, tmp_path, capsys):
    assert call("verify", folder) == 0 and "3 records sound, 0 not" in capsys.readouterr().out
    (path,) = folder.rglob("contcoop*.json")
    path.write_text(path.read_text().replace("72.0", "92.0"))
    assert call("verify", folder) == 1
    said = capsys.readouterr().out
    assert "2 records sound, 1 not" in said and path.name in said and "was changed after it was written" in said


def test_verify_passes_over_what_other_systems_leave_in_folders(folder, capsys):
    (folder / "compatibility" / "._coop.json").write_bytes(b"\0\5\x16\7")
    assert call("verify", folder) == 0 and "3 records sound, 0 not" in capsys.readouterr().out


def test_a_record_of_a_newer_version_says_so(folder, capsys):
    (path,) = folder.rglob("contcoop*.json")
    content = json.loads(path.read_text()) | {"format": "clipcompat-record-9", "news": 1}
    path.write_text(json.dumps(content | {"checksum": checksum(content)}))
    assert call("verify", folder) == 1
    assert "clipcompat-record-9" in (said := capsys.readouterr().out) and "update clipcompat" in said


def test_nothing_to_pack_is_one_sentence(tmp_path, capsys):
    assert call("pack", tmp_path, tmp_path / "x.jsonl") == 1
    assert "no records under" in capsys.readouterr().err and not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_pack_is_not_written_onto_what_it_packs(folder, tmp_path, capsys, force):
    kept = find_records(folder)
    assert call("pack", folder, tmp_path / "all.jsonl") == 0
    one = next(folder.rglob("*.json"))
    for given, file in ((folder, one), (one, one), (tmp_path / "all.jsonl", tmp_path / "all.jsonl")):
        assert call("pack", given, file, *force) == 1 and "is read here" in capsys.readouterr().err
    assert find_records(folder) == kept == find_records(tmp_path / "all.jsonl")
