"""A finished run is answered without torch, and only while everything its record depends on is as it was."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipcompat.cli import main
from clipcompat.runs import answers
from clipcompat.runs.answers import find_answer
from clipcompat.runs.run import Run
from tests.trees import PROJECT, child_environment, write_eurosat

ARGUMENTS = ["run", "--method", "zero_shot", "--dataset", "eurosat", "--old-weights", "random:1", "--new-weights",
             "random:2", "--shots", "2", "--seeds", "1", "2", "--device", "cpu", "--dtype", "fp32"]  # fmt: skip


@pytest.fixture(autouse=True)
def no_tick(monkeypatch):
    """Data that were made a moment ago would not be trusted."""
    monkeypatch.setattr(answers, "_TICK", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a data root, `data`, and the results of a run on it, `out`."""
    folder = tmp_path_factory.mktemp("made")
    root = write_eurosat(folder / "data", train=4, test=3)
    (root / "eurosat" / "notes.txt").write_text("beside the split file")
    shutil.copytree(PROJECT / "clipcompat", folder / "package")  # whose files can be changed
    time.sleep(0.05)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "_TICK", 0)
        patch.setattr(answers, "__file__", str(folder / "package" / "answers.py"))
        run(folder).execute(folder / "out")
    return folder


@pytest.fixture
def place(made, monkeypatch) -> Path:
    monkeypatch.setattr(answers, "__file__", str(made / "package" / "answers.py"))
    return made


def run(folder: Path, **changes) -> Run:
    plain = Run("zero_shot", "eurosat", "mini", seeds=(1, 2), shots=2, root=str(folder / "data"), device="cpu",
                dtype="fp32", old_weights="random:1", new_weights="random:2")  # fmt: skip
    return dataclasses.replace(plain, **changes)


def find(folder: Path, **changes):
    return find_answer(folder / "out", dataclasses.asdict(run(folder)) | changes)


def again(folder: Path) -> None:
    """The long way to the record, which keeps a new answer."""
    time.sleep(0.05)
    said = []
    run(folder).execute(folder / "out", say=said.append)
    assert "already done" in said[0] and find(folder)


def test_the_answer_is_the_record_its_file_and_its_table(place):
    from clipcompat.runs.tables import compatibility_table

    answer, (record, path) = find(place), run(place).execute(place / "out")
    assert answer.record == record and answer.path == path and answer.table == str(compatibility_table([record]))


def test_the_same_place_written_in_another_way_is_the_same_request(place, monkeypatch):
    monkeypatch.chdir(place)
    assert find(place, root="data") == find(place, root=f"{place}/out/../data") == find(place)


@pytest.mark.parametrize(
    "changes",
    [{"seeds": (1,)}, {"shots": 3}, {"classes": "base"}, {"views": 1}, {"dtype": "bf16"}, {"retrain": False},
     {"new_weights": "random:3"}, {"method": "coop"}, {"settings": ("a=1",)}, {"skip_broken": True}],
)  # fmt: skip
def test_another_request_has_no_answer(place, changes):
    assert find(place) and not find(place, **changes)


def test_another_results_folder_has_no_answer(place, tmp_path):
    assert find_answer(tmp_path, dataclasses.asdict(run(place))) is None


def changed(place: Path, what: str) -> Path:
    """A file that a record depends on."""
    folder = place / "data" / "eurosat"
    split = json.loads((folder / "split_zhou_EuroSAT.json").read_text())
    return {
        "a test picture": folder / "2750" / split["test"][0][0],
        "the split file": folder / "split_zhou_EuroSAT.json",
        "a file beside it": folder / "notes.txt",
        "code": place / "package" / "methods" / "coop.py",
        "shipped weights": next((place / "package" / "mini" / "weights").glob("*.safetensors")),
    }[what]


WHAT = ("a test picture", "the split file", "a file beside it", "code", "shipped weights")


@pytest.mark.parametrize("what", WHAT)
def test_a_file_that_grew_takes_the_answer_away(place, what):
    again(place)
    file = changed(place, what)
    content = file.read_bytes()
    file.write_bytes(content + b"\n")
    assert find(place) is None
    file.write_bytes(content)
    again(place)


@pytest.mark.parametrize("what", WHAT[1:])
def test_a_file_of_other_content_with_its_size_and_time_set_back_takes_the_answer_away(place, what):
    again(place)
    file = changed(place, what)
    content, before = file.read_bytes(), file.stat()
    file.write_bytes(content[:-1] + b"?")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns and find(place) is None
    file.write_bytes(content)
    again(place)


def test_a_picture_added_or_lost_takes_the_answer_away(place):
    again(place)
    picture = changed(place, "a test picture")
    shutil.copy(picture, picture.with_name("new.jpg"))
    assert find(place) is None
    again(place)
    content = picture.read_bytes()
    picture.unlink()
    assert find(place) is None
    picture.write_bytes(content)
    again(place)


def test_weights_are_watched_where_they_are_files(place, tmp_path, monkeypatch):
    """A tag stays a tag only until there is a file of its name."""
    monkeypatch.chdir(tmp_path)
    again(place)
    (tmp_path / "random:1").write_bytes(b"weights")
    assert find(place) is None
    (tmp_path / "random:1").unlink()
    assert find(place)


@pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"])
def test_other_gpus_take_the_answer_away(place, monkeypatch, name):
    again(place)
    monkeypatch.setenv(name, "7")
    assert find(place) is None
    monkeypatch.undo()


def test_a_record_that_is_gone_or_damaged_is_left_to_the_run(place):
    again(place)
    path = find(place).path
    content = path.read_bytes()
    path.unlink()
    assert find(place) is None
    path.write_bytes(content[:-30])
    assert find(place) is None
    path.write_bytes(content)
    assert find(place)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "clipcompat-answer-1"}', b"\xff"])
def test_a_damaged_answer_is_none(place, content):
    again(place)
    (file,) = (place / "out" / "answers").glob("*.answer")
    file.write_bytes(content)
    assert find(place) is None
    again(place)


def test_what_changed_just_before_the_run_is_not_trusted(place, tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "_TICK", 10**15)
    run(place).execute(tmp_path)
    assert not (tmp_path / "answers").exists()


def test_pictures_of_ones_own_are_not_watched(place):
    request = dataclasses.asdict(run(place)) | {"dataset": "folder:pictures/pets"}
    assert answers.looked_at(request, [], time.time()) is None


def test_an_answer_names_no_place_on_this_machine(place):
    again(place)
    (file,) = (place / "out" / "answers").glob("*.answer")
    assert str(place) not in file.read_text() and str(Path.home()) not in file.read_text()


def test_an_answer_that_cannot_be_kept_stops_nothing(place, tmp_path):
    (tmp_path / "answers").write_text("in the way")
    record, _ = run(place).execute(tmp_path)
    assert record["id"] == find(place).record["id"]


def test_the_command_line_says_the_same_without_torch(place, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(answers, "_TICK", 0)
    command = [*ARGUMENTS, "--root", str(place / "data"), "--out", str(tmp_path)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    code = (
        "import sys, time; from clipcompat.cli import main; code = main()\n"
        "heavy = [m for m in ('torch', 'numpy', 'open_clip', 'PIL') if m in sys.modules]\n"
        "print(heavy, time.process_time() < 1, file=sys.stderr); sys.exit(code)"
    )
    child = subprocess.run([sys.executable, "-c", code, *command], cwd=PROJECT, env=child_environment(),
                           capture_output=True, text=True)  # fmt: skip
    assert child.stdout == printed and child.returncode == 0
    said = f"already done: {printed.splitlines()[-1]} holds this run; delete it to run again."
    assert child.stderr.splitlines() == [said, "[] True"]
