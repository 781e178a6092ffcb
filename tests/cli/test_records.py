"""What `table` and `list` print, in every format, without torch. As a program, it writes the file of settings."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from clipcompat.cli import main
from clipcompat.cli.records import method_settings
from clipcompat.common.config import to_config
from clipcompat.common.files import to_json, write_atomic
from clipcompat.runs.records import write_record
from tests.runs.test_records import record
from tests.trees import PROJECT, python


def settings() -> dict:
    from clipcompat.methods import KNOWN

    return {name: json.loads(json.dumps(to_config(method()))) for name, method in KNOWN.items()}


@pytest.fixture
def folder(tmp_path) -> Path:
    (row,) = record().per_seed
    three = replace(record(), per_seed=[row | {"seed": seed, "new": new} for seed, new in ((1, 70.0), (2, 74.0))])
    write_record(tmp_path, three)
    write_record(tmp_path, record("zero_shot", dataset='csv/<img src=x onerror="x()">, "pets"'))
    return tmp_path


def shown(folder, capsys, *more) -> str:
    assert main(["table", str(folder), *more]) == 0
    return capsys.readouterr().out


def test_a_table_is_text_unless_another_format_is_asked_for(folder, capsys):
    text = shown(folder, capsys)
    assert text == shown(folder, capsys, "--format", "text") and "72.0 ± 2.8" in text
    assert shown(folder, capsys, "--format", "md") == shown(folder, capsys, "--format", "markdown")


def test_csv_and_json_have_the_same_numbers_and_are_not_rounded(folder, capsys):
    rows = json.loads(shown(folder, capsys, "--format", "json"))
    lines = list(csv.DictReader(io.StringIO(shown(folder, capsys, "--format", "csv"))))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == [
        {k: line[k] for k in sorted(line)} for line in lines
    ]
    other, coop = rows
    assert (coop["method"], coop["seeds"], coop["new"], coop["new_sd"]) == ("coop", 2, 72.0, pytest.approx(8**0.5))
    assert coop["kept_gain"] == pytest.approx(22 / 40) and coop["paper_old"] is None
    assert other["new_sd"] is None and other["dataset"] == 'csv/<img src=x onerror="x()">, "pets"'


def test_html_is_a_whole_page_that_runs_nothing_from_outside(folder, capsys):
    page = shown(folder, capsys, "--format", "html")
    assert page.startswith("<!doctype html>") and '<meta charset="utf-8">' in page and page.endswith("</html>\n")
    assert "<img" not in page and "&lt;img src=x onerror=&quot;x()&quot;&gt;" in page


def test_latex_is_a_tabular_with_a_row_per_record(folder, capsys):
    lines = shown(folder, capsys, "--format", "latex").splitlines()
    assert r"\toprule" in lines and r"\bottomrule" in lines and len([x for x in lines if x.endswith(r"\\")]) == 3
    assert any("coop & 16" in x and "72.0 ± 2.8" in x for x in lines)
    assert any(r'csv/\textless{}img src=x onerror="x()"\textgreater{}, "pets"' in x for x in lines)


@pytest.mark.parametrize(
    "arguments", [["table", "FOLDER", "--format", f] for f in ("text", "csv", "html", "latex")] + [["list"]]
)
def test_printing_needs_no_torch(folder, arguments):
    run = python(
        "import sys\n"
        "from clipcompat.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'torch', 'open_clip', 'timm', 'pandas', 'clipcompat.methods'} & set(sys.modules)",
        *(str(folder) if a == "FOLDER" else a for a in arguments),
    )
    assert run.returncode == 0 and "coop" in run.stdout, run.stderr


def test_the_settings_that_are_listed_are_those_of_the_methods():
    assert method_settings() == settings(), "write the file again: python -m tests.cli.test_records"
    assert list(method_settings()) == list(settings())


if __name__ == "__main__":
    methods = ",\n".join(f"{json.dumps(name)}: {to_json(config, indent=None)}" for name, config in settings().items())
    print(write_atomic(PROJECT / "clipcompat" / "cli" / "methods.json", f"{{\n{methods}\n}}\n"))


def test_the_list_of_records_overwrites_no_record_and_nothing_else_without_force(tmp_path, capsys):
    kept = write_record(tmp_path / "results", record())
    other, whole = tmp_path / "mine.jsonl", kept.read_bytes()
    other.write_text("mine")
    for given in (kept, tmp_path / "results"):
        for force in ([], ["--force"]):
            assert main(["table", str(given), "--jsonl", str(kept), *force]) == 1
            assert "is read here" in capsys.readouterr().err
    assert main(["table", str(kept), "--jsonl", str(other)]) == 1
    assert "exists and would be lost" in capsys.readouterr().err and other.read_text() == "mine"
    assert kept.read_bytes() == whole
    assert main(["table", str(kept), "--force"]) == 1
    assert "--force is for the file of --jsonl" in capsys.readouterr().err
    assert main(["table", str(kept), "--jsonl", str(other), "--force"]) == 0 and other.read_text() != "mine"
