"""Results of a folder: a table to read, and rows whose numbers are those of the records."""

from __future__ import annotations

from dataclasses import replace

import pytest

import clipcompat as cc
from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat.runs.papers import paper_accuracy
from clipcompat.runs.records import find_records, write_lines, write_record
from clipcompat.runs.results import FORMATS
from clipcompat.runs.tables import compatibility_table
from tests.runs.test_records import record


@pytest.fixture
def folder(tmp_path):
    (row,) = record().per_seed
    rows = [row | {"seed": 1}, row | {"seed": 2, "new": 80.0, "retrained": None}]
    write_record(tmp_path, replace(record(classes="base"), per_seed=rows))
    write_record(tmp_path, record("contcoop", upgrade="clip-to-eva-vit-b-16"))
    return tmp_path


def test_results_are_the_records_of_a_folder_and_print_as_their_table(folder):
    found = cc.Results.of(folder)
    assert list(found) == list(found.records) == find_records(folder) and len(found) == 2
    assert str(found) == str(compatibility_table(found.records)) == found.to_text()
    assert found._repr_html_() == compatibility_table(found.records)._repr_html_()
    assert cc.Results.of(write_lines(folder / "all.jsonl", found)) == found


def test_there_is_one_row_per_seed(folder):
    rows = cc.Results.of(folder).rows()
    assert [(row["method"], row["seed"], row["new"]) for row in rows] == [
        ("contcoop", 1, 72.0), ("coop", 1, 72.0), ("coop", 2, 80.0)
    ]  # fmt: skip
    first, *_, last = rows
    assert (last["dataset"], last["classes"], last["shots"], last["views"]) == ("eurosat", "base", 16, 10)
    assert last["kept_gain"] is None and first["kept_gain"] == pytest.approx(22 / 40)
    assert first["h_upgrade"] == pytest.approx(2 * 80 * 72 / 152) and len({row["id"] for row in rows}) == 2
    assert all(list(row) == list(first) for row in rows)


def test_means_are_those_of_the_summary_and_of_the_paper(folder):
    contcoop, coop = cc.Results.of(folder).means()
    assert coop["new"] == 76.0 and coop["new_sd"] == pytest.approx(32**0.5) and coop["seeds"] == 2
    assert coop["retrained"] == 90.0 and coop["retrained_sd"] is None  # of the one seed that was retrained
    assert coop["kept_gain"] == cc.summary(cc.Results.of(folder).records[1].reports)["kept_gain"]
    assert coop["paper_old"] is None
    printed = paper_accuracy("clip-to-eva-vit-b-16", "eurosat", "contcoop")
    assert (contcoop["paper_old"], contcoop["paper_new"]) == printed


def test_a_frame_has_the_rows(folder):
    pytest.importorskip("pandas")
    frame = cc.results(folder)
    assert list(frame) == list(cc.Results.of(folder).rows()[0]) and list(frame["new"]) == [72.0, 72.0, 80.0]


def test_an_empty_folder_has_no_results_and_a_missing_one_is_a_sentence(tmp_path):
    empty = cc.Results.of(tmp_path)
    assert not empty and empty.rows() == empty.means() == []
    assert all(isinstance(empty.to_text(format), str) for format in FORMATS)
    with pytest.raises(DataError, match="no results folder"):
        cc.Results.of(tmp_path / "none")


def test_an_unknown_format_is_a_sentence(folder):
    with pytest.raises(UnknownNameError, match="unknown format 'htm'. Did you mean 'html'"):
        cc.Results.of(folder).to_text("htm")
