"""The command line as a user meets it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from clipcompat.cli import main
from clipcompat.data.mini.datasets import study_names
from clipcompat.runs.records import find_records
from clipcompat.runs.run import Run
from clipcompat.runs.tables import compatibility_table
from tests.children import running
from tests.trees import write_eurosat

PLAIN = [
    "--dataset",
    "eurosat",
    "--old-weights",
    "random:1",
    "--new-weights",
    "random:2",
    "--shots",
    "2",
    "--seeds",
    "1",
    "--device",
    "cpu",
    "--dtype",
    "fp32",
    "--set",
    "recipe.epochs=1",
    "n_ctx=2",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return str(write_eurosat(tmp_path_factory.mktemp("data"), train=3, test=2))


@pytest.fixture(scope="module")
def results(root, tmp_path_factory) -> str:
    """A folder with three records and their cache, made by the command line."""
    out = str(tmp_path_factory.mktemp("work") / "results")
    assert main(["run", "--method", "coop", *PLAIN, "--root", root, "--out", out, "--no-retrain"]) == 0
    assert (
        main(["run", "--method", "contcoop", *PLAIN, "--root", root, "--out", out, "--set", "attention.heads=2"]) == 0
    )
    assert main(["run", "--method", "zero_shot", *PLAIN[:-3], "--root", root, "--out", out]) == 0
    return out


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from clipcompat.cli import main; sys.exit(main())", *arguments]


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (["--method", "coop", "linear_probe"], "write its name first: coop.recipe.epochs=1"),
        (["--method", "coop", "contcoop", "--set", "contcop.attention=null"], "Did you mean 'contcoop'?"),
        (["--method", "coop", "--dataset", "eurosat", "eurosad"], "eurosat"),
        (["--method", "coop", "--dataset", "eurosat", "mini/texture"], "mini/textures"),
    ],
)
def test_of_several_runs_all_are_checked_before_the_first_one_starts(root, tmp_path, capsys, later, says):
    out = tmp_path / "results"
    assert main(["run", *PLAIN, *later, "--root", root, "--out", str(out)]) == 1
    assert says in capsys.readouterr().err and not out.exists()


def test_a_run_prints_its_table_and_its_file(root, tmp_path, capsys):
    out = str(tmp_path / "results")
    run = ["run", "--method", "coop", *PLAIN, "--root", root, "--out", out]
    assert main(run) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    (record,) = find_records(out)
    assert lines[-1].startswith(out) and json.loads(Path(lines[-1]).read_text())["id"] == record.id
    assert "coop (n_ctx=2, recipe.epochs=1)" in lines[-2] and "mini*" in lines[-2]
    assert "seed 1: old" in said.err and "Traceback" not in said.err
    assert (tmp_path / "results" / "cache").is_dir()
    assert main(run) == 0
    again = capsys.readouterr()
    assert "already done" in again.err and again.out == said.out


def test_settings_may_come_in_one_flag_or_in_several(results):
    config = next(r for r in find_records(results) if r.method == "contcoop").inputs["method"]
    assert config["config"]["attention"]["heads"] == 2 and config["config"]["n_ctx"] == 2
    assert config["config"]["recipe"]["epochs"] == 1 and config["config"]["attention"]["residual"] is True


def test_the_cache_beside_the_records_is_not_taken_for_records(results, capsys):
    assert main(["table", results]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "* not the upgrade's own weights" in lines[0] and "mini is an embedded miniature" in lines[0]
    assert [line.split()[2] for line in lines[2:]] == ["contcoop", "coop", "zero_shot"]


def test_a_table_of_one_record(results, capsys):
    record = next(r for r in find_records(results) if r.method == "coop")
    assert main(["table", f"{results}/compatibility/coop-eurosat-{record.id}.json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_table_in_markdown(results, capsys):
    assert main(["table", results, "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| upgrade | dataset |") and set(lines[1]) == {"|", "-"} and len(lines) == 7
    assert "own weights" in lines[-1]


def test_the_jsonl_kept_in_git_holds_the_same_records(results, tmp_path, capsys):
    file = tmp_path / "deep" / "compatibility.jsonl"
    assert main(["table", results, "--jsonl", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(file)
    assert [json.loads(line) for line in file.read_text().splitlines()] == [r.to_dict() for r in find_records(results)]
    first = file.read_bytes()
    assert main(["table", results, "--jsonl", str(file), "--force"]) == 0 and file.read_bytes() == first


def test_the_list_shows_everything_a_run_takes(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for words in (
        'method   contcoop  {"attention"',
        "method   zero_shot  {}",
        "dataset  mini/",
        "dataset  eurosat",
        "upgrade  mini",
        "upgrade  clip-to-eva-vit-l-14",
    ):
        assert words in shown


@pytest.mark.parametrize("arguments", [["table", "RESULTS"], ["list"]])
def test_a_closed_pipe_is_no_error(results, arguments):
    """`clipcompat table | head` that reads nothing at all."""
    arguments = [results if a == "RESULTS" else a for a in arguments]
    with running(command(*arguments), stderr=subprocess.PIPE) as run:
        run.stdout.close()
        assert run.stderr.read() == "" and run.wait() == 0


def test_the_results_folder_has_a_default(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(f"{results}/..")
    assert main(["table"]) == 0 and "coop" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert main(["table"]) == 1 and "there is no results folder results" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "--method, --dataset"),
        (["run", "--method", "coop", "--dataset", "x", "--seeds", "one"], "invalid int"),
        (["tabel"], "invalid choice: 'tabel'"),
        (["table", "x", "--format", "pdf"], "invalid choice: 'pdf'"),
    ],
)
def test_arguments_that_make_no_call_show_the_usage(arguments, says, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and says in capsys.readouterr().err


def test_a_file_without_permission_is_a_sentence(monkeypatch, capsys):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", "x.json")

    monkeypatch.setattr("clipcompat.runs.results.find_records", refuse)
    assert main(["table"]) == 1 and capsys.readouterr().err == "clipcompat: x.json: Permission denied.\n"


def test_a_warning_that_every_seed_repeats_is_printed_once():
    from clipcompat.common.terminal import Once

    once = Once()
    messages = ["few images", "few images", "other"]
    records = [logging.LogRecord("x", logging.WARNING, "", 0, m, None, None) for m in messages]
    assert [once.filter(record) for record in records] == [True, False, True]


def test_a_setting_may_be_for_one_of_several_methods(root, tmp_path):
    runs = ["run", "--method", "coop", "zero_shot", *PLAIN[:-3], "--root", root, "--out", str(tmp_path), "--no-retrain"]
    assert main([*runs, "--set", "coop.recipe.epochs=1", "coop.n_ctx=3"]) == 0
    configs = {r.method: r.inputs["method"]["config"] for r in find_records(tmp_path)}
    assert configs["coop"]["n_ctx"] == 3 and configs["zero_shot"] == {}


def test_the_file_of_export_indices_is_what_the_flag_takes(root, tmp_path, capsys):
    import clipcompat as cc

    drawn = cc.export_indices(cc.load_dataset("eurosat", root=root, shots=2, seed=7), tmp_path / "drawn.json")
    out = tmp_path / "out"
    assert (
        main(["run", "--method", "zero_shot", *PLAIN[:-3], "--root", root, "--out", str(out), "--indices", str(drawn)])
        == 0
    )
    (record,) = find_records(out)
    assert record.per_seed[0]["indices"] == cc.load_dataset("eurosat", root=root, shots=2, seed=7).indices
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "a file of `export_indices`" in " ".join(capsys.readouterr().out.split())


def test_several_methods_are_one_command_with_a_record_each(root, tmp_path, capsys):
    arguments = ["run", "--method", "coop", "contcoop", *PLAIN, "--root", root, "--out", str(tmp_path), "--no-retrain"]
    assert main(arguments) == 0
    assert sorted(r.method for r in find_records(tmp_path)) == ["contcoop", "coop"]
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert sum(line.endswith(".json") for line in lines) == 2
    assert [line.split()[0] for line in lines].count("upgrade") == 1  # one table for both, then the files
    assert lines[:-2] == str(compatibility_table(find_records(tmp_path)[::-1])).splitlines()
    assert all(f"{n} of 2: {path}" in said.err for n, path in enumerate(lines[-2:], 1))


def test_of_several_runs_those_that_finished_are_shown_if_another_fails(root, tmp_path, capsys):
    runs = ["run", "--method", "coop", "--dataset", "eurosat", "mini/textures", *PLAIN[2:], "--root", root]
    (tmp_path / "compatibility").mkdir()
    record, _ = Run(
        "coop", "mini/textures", shots=2, seeds=(1,), settings=("recipe.epochs=1", "n_ctx=2"), device="cpu",
        dtype="fp32", old_weights="random:1", new_weights="random:2", retrain=False,
    ).execute(tmp_path)  # fmt: skip
    (file,) = (tmp_path / "compatibility").glob("coop-mini-textures-*.json")
    file.write_text("{}")
    assert main([*runs, "--no-retrain", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "is not a record" in said.err and lines[-1].endswith(".json") and "eurosat" in lines[-2] and len(lines) == 4


def test_mini_stands_for_the_eleven_sets(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("clipcompat.runs.run.Run.execute", lambda run, *a: asked.append(run.dataset) or ({}, tmp_path))
    monkeypatch.setattr("clipcompat.runs.study_tables.study_tables", lambda records: [])
    assert main(["run", "--method", "zero_shot", "--dataset", "mini", "eurosat"]) == 0
    assert asked == [*study_names(), "eurosat"] and len(asked) == 12
