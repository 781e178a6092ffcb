"""`clipcompat data` as a user meets it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from clipcompat.cli import main
from clipcompat.data.fetch.sources import SOURCES, Archive, Source
from clipcompat.data.public.layout import LAYOUTS
from tests.serving import serving
from tests.trees import PROJECT, child_environment, write_eurosat


@pytest.fixture
def root(tmp_path):
    return write_eurosat(tmp_path / "data", train=3, test=2)


def test_the_list_shows_fifteen_with_folder_sizes_and_what_can_be_fetched(capsys):
    assert main(["data", "list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "folder", "classes", "train", "test", "fetch"]
    assert [line.split()[0] for line in lines] == [layout.name for layout in LAYOUTS]
    assert lines[9].split() == ["eurosat", "eurosat/", "10", "13,500", "8,100", "0.09", "GB"]
    assert "pictures by hand; its class names" in lines[0] and "pictures by hand; its split" in lines[3]


def test_the_list_says_what_is_under_the_root(root, capsys):
    (root / "dtd" / "images").mkdir(parents=True)
    (root / "stanford_cars").mkdir()
    (root / "stanford_cars" / "split_zhou_StanfordCars.json").touch()
    for part in ("train", "val"):
        (root / "imagenet" / "images" / part).mkdir(parents=True)
    assert main(["data", "list", "--root", str(root)]) == 0
    here = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert here["eurosat"].endswith("  yes") and here["ucf101"].endswith("  no")
    assert here["dtd"].endswith("  pictures, no split file")
    assert here["stanford_cars"].endswith("  split file, no pictures")
    assert here["imagenet"].endswith("  pictures, no classnames.txt")
    assert main(["data", "list", "--root", str(root / "nowhere")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{root / 'nowhere'} is no folder (yet)."


def test_a_check_prints_everything_and_fails_in_a_sentence(root, capsys):
    (root / "eurosat" / "2750" / "Forest" / "Forest_1.jpg").unlink()
    (root / "eurosat" / "2750" / "Forest" / "Forest_2.jpg").write_bytes(b"no picture")
    assert main(["data", "check", "EuroSAT", "dtd", "--root", str(root), "--workers", "2"]) == 1
    said = capsys.readouterr()
    assert "eurosat: 3 classes, 9 train, 6 val, 6 test, 19 pictures opened\n" in said.out
    assert "  wrong: Forest/Forest_1.jpg is not there.\n" in said.out and "Forest_2.jpg (10 bytes) cannot" in said.out
    assert "  note: split_zhou_EuroSAT.json is not, byte for byte" in said.out
    assert "dtd: 0 classes" in said.out and "  wrong: dtd is expected in" in said.out
    assert said.err == "clipcompat: found wrong: eurosat (5), dtd (1); see above.\n"


def test_a_sound_data_set_passes_with_exit_code_0(root, capsys, monkeypatch):
    monkeypatch.setattr("clipcompat.data.fetch.check._sizes", lambda *sizes: ())
    assert main(["data", "check", "eurosat", "--root", str(root), "--fast"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("eurosat: 3 classes, 9 train, 6 val, 6 test\n") and said.err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "eurosatt"], "Did you mean 'eurosat'?"),
        (["fetch", "eurosatt"], "Did you mean 'eurosat'?"),
        (["check", "eurosat", "--workers", "0"], "--workers must be at least 1, not 0."),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(root, arguments, says, capsys):
    assert main(["data", *arguments, "--root", str(root)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("clipcompat: ") and says in line


def test_a_data_set_that_nobody_may_hand_on_is_told_in_steps_with_exit_code_1(tmp_path, capsys):
    assert main(["data", "fetch", "imagenet", "--root", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "clipcompat: imagenet cannot be fetched" in said and "  1. Ask for access on https://image-net.org" in said


def test_one_command_brings_a_data_set_that_then_runs_and_an_own_split_is_said(root, tmp_path, monkeypatch, capsys):
    from tests.cli.test_main import PLAIN
    from tests.data.fetch.test_archives import write_zip

    eurosat = root / "eurosat"
    files = {path.relative_to(eurosat).as_posix(): path.read_bytes() for path in sorted(eurosat.rglob("*.jpg"))}
    content = write_zip(tmp_path / "a.zip", files).read_bytes()
    listed = (eurosat / "split_zhou_EuroSAT.json").read_bytes()
    new, out = str(tmp_path / "new"), str(tmp_path / "out")
    with serving() as server:
        checksums = [f"sha256:{hashlib.sha256(c).hexdigest()}" for c in (content, listed)]
        pictures = Archive("a.zip", server.put("a.zip", content), checksums[0], {"2750": "2750"})
        split = Archive("split_zhou_EuroSAT.json", server.put("split.json", listed), checksums[1])
        monkeypatch.setitem(SOURCES, "eurosat", Source((pictures,), split))
        assert main(["data", "fetch", "eurosat", "--root", new]) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[1] == f"Now verify it: clipcompat data check eurosat --root {new}"
        assert f"fetching {server.address}/a.zip" in said.err
        run = ["run", "--method", "zero_shot", *PLAIN[:-3], "--root", new, "--out", out]
        assert main(run) == 0
        assert "own split" not in capsys.readouterr().out
        (tmp_path / "new" / "eurosat" / "split_zhou_EuroSAT.json").unlink()
        assert main(["data", "fetch", "eurosat", "--root", new, "--own-split"]) == 0
    assert main(run) == 0
    assert "eurosat (own split)" in capsys.readouterr().out
    assert main(["table", out]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert sorted("eurosat (own split)" in row for row in rows) == [False, True]
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "compatibility").glob("*.json")]
    assert sorted(record["inputs"].get("split", "") for record in records) == ["", "own"]


def test_listing_and_checking_need_no_torch(root):
    code = (
        "import sys; from clipcompat.cli import main; main(['data', 'list']); "
        "main(['data', 'check', 'eurosat', '--root', sys.argv[1]]); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], cwd=PROJECT, env=child_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
