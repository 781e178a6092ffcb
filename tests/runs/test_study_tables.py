"""Records of a study whose rows are not reports of compatibility are kept, read and shown like all others."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

import clipcompat as cc
from clipcompat.cli import main
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.files import to_json
from clipcompat.runs.records import Record, checksum, read_record, record_path, write_record
from clipcompat.runs.study_tables import study_tables
from tests.runs.test_records import record


def drift(**row) -> Record:
    rows = [{"seed": seed, "change": 2.0 * seed, "layers": [1.0, 2.0], "views": 10, **row} for seed in (1, 2)]
    return replace(record(), study="drift", per_seed=rows, training_seconds=[{}, {}])


def test_a_row_of_any_study_is_read_as_it_was_written(tmp_path):
    assert read_record(write_record(tmp_path, drift())) == drift()


def test_such_a_record_lies_beside_the_one_of_another_study_with_the_same_inputs(tmp_path):
    write_record(tmp_path, drift())
    write_record(tmp_path, record())
    assert [r.study for r in cc.Results.of(tmp_path)] == ["compatibility", "drift"]


def test_its_numbers_are_those_that_the_study_measured():
    assert drift().numbers == [{"change": 2.0}, {"change": 4.0}]


def test_it_has_no_reports_and_that_is_said():
    with pytest.raises(ConfigError, match="study 'drift', which makes no reports"):
        _ = drift().reports


@pytest.mark.parametrize("rows", [["no object"], [{}], [{"seed": "1"}], [{"seed": 1.5}]])
def test_a_row_without_a_seed_is_refused(tmp_path, rows):
    content = drift().to_dict() | {"per_seed": rows}
    path = record_path(tmp_path, "drift", content["inputs"])
    path.parent.mkdir(parents=True)
    path.write_text(to_json(content | {"checksum": checksum(content)}))
    with pytest.raises(DataError, match="row 1 of per_seed"):
        read_record(path)


def test_each_study_has_its_table_and_numbers_are_means_over_seeds():
    first, second = study_tables([record(), drift()])
    assert "zero-shot old → new" in first.columns
    assert second.columns == ("upgrade", "dataset", "method", "change", "seeds")
    assert second.rows == (("mini", "eurosat", "coop", "3.0 ± 1.4", "2"),)
    assert second.caption == "drift. mini is an embedded miniature: compare patterns with the paper, not numbers."


def test_the_command_line_shows_both_tables_in_every_format(tmp_path, capsys):
    write_record(tmp_path, drift())
    write_record(tmp_path, record())

    def shown(format: str) -> str:
        assert main(["table", str(tmp_path), "--format", format]) == 0
        return capsys.readouterr().out

    for format in ("text", "md", "html"):
        assert "zero-shot" in shown(format) and "3.0 ± 1.4" in shown(format)
    assert shown("html").count("<!doctype html>") == 1
    for rows in (list(csv.DictReader(io.StringIO(shown("csv")))), json.loads(shown("json"))):
        (compatibility, drifted) = rows
        assert list(compatibility) == list(drifted) and float(drifted["change"]) == 3.0
        assert compatibility["change"] in ("", None) and float(compatibility["new"]) == 72.0


def test_a_data_frame_has_a_row_per_seed_of_every_study(tmp_path):
    write_record(tmp_path, drift())
    write_record(tmp_path, record())
    rows = cc.Results.of(tmp_path).rows()
    assert [(row["study"], row["seed"], row.get("change")) for row in rows] == [
        ("compatibility", 1, None), ("drift", 1, 2.0), ("drift", 2, 4.0)
    ]  # fmt: skip


def shifts(upgrade="mini", dataset="mini/objects", **inputs) -> Record:
    there = {"old": 50.0, "new": 60.0, "zs_old": 40.0, "zs_new": 45.0, "retrained": None, "negative_flips": 2.0}
    sets = [{"dataset": name, "classes": 3, "there": there, "source": there} for name in ("a", "b")]
    means = {"shifted_old": 50.0, "shifted_new": 60.0}
    plain = record(dataset=dataset, upgrade=upgrade, **inputs)
    return replace(plain, study="ood", per_seed=[{**plain.per_seed[0], **means, "shifts": sets}])


def test_the_table_of_shifted_sets_has_a_column_for_each_and_their_mean(tmp_path):
    write_record(tmp_path, shifts())
    (table,) = cc.Results.of(tmp_path).tables()
    assert table.columns[3:7] == ("on source", "a", "b", "shifted, mean")
    assert table.rows[0][3:] == ("80.0 → 72.0", "50.0 → 60.0", "50.0 → 60.0", "50.0 → 60.0", "1", "–")
    assert "mini is an embedded miniature" in table.caption


def test_the_papers_numbers_stand_beside_a_run_of_its_protocol_only():
    real = {"upgrade": "clip-to-eva-vit-b-16", "dataset": "imagenet"}
    as_printed, four_shots, half = (shifts(**real, **more) for more in ({}, {"shots": 4}, {"classes": "base"}))
    as_printed = replace(as_printed, titles=replace(as_printed.titles, label="coop"))
    (table,) = study_tables([as_printed, four_shots, half])
    assert [row[-1] for row in table.rows] == ["71.92 / 64.18 / 46.71 / 48.41 / 74.32", "–", "–"]


@pytest.mark.parametrize(
    "change",
    [
        {"shifts": []},
        {"shifts": [{}]},
        {"shifts": [{"dataset": "a", "classes": 3, "there": {}, "source": {}}]},
        {"zs_new": "high"},
        {"old": 101.0},
    ],
)
def test_a_row_of_shifted_sets_that_is_not_whole_is_refused(tmp_path, change):
    whole = shifts()
    path = write_record(tmp_path, replace(whole, per_seed=[whole.per_seed[0] | change]))
    with pytest.raises(DataError, match="row 1 of per_seed"):
        read_record(path)
