"""What users get wrong or disks do: one sentence on stderr, exit code 1, and nothing that a reader would believe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

from clipcompat.cli import main
from clipcompat.runs.records import find_records
from tests.cli.test_main import PLAIN
from tests.trees import pictures, python, write_eurosat


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    return write_eurosat(tmp_path_factory.mktemp("data"), train=3, test=2)


@pytest.fixture
def root(sound, tmp_path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(sound, tmp_path / "data"))


@pytest.fixture
def run(root, tmp_path, capsys):
    """Runs CoOp over `root` with more arguments (later ones win); its exit code and what it said."""

    def call(*arguments: str) -> tuple[int, str]:
        code = main(
            ["run", "--method", "coop", *PLAIN, "--root", str(root), "--out", str(tmp_path / "out"), *arguments]
        )
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def refused(run, tmp_path):
    """The run fails in one sentence with these words, and leaves no record."""

    def call(*words: str, arguments=()) -> None:
        code, said = run(*arguments)
        assert code == 1
        (sentence,) = [line for line in said.splitlines() if line.startswith("clipcompat: ")]
        assert "Traceback" not in said and all(word in sentence for word in words), sentence
        assert not list((tmp_path / "out").rglob("*.json"))

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "contcop"], ["unknown method 'contcop'. Did you mean 'contcoop'?"]),
        (["--dataset", "eurosad"], ["unknown dataset 'eurosad'. Did you mean 'eurosat'?"]),
        (["--dataset", "mini/texture"], ["Did you mean 'mini/textures'?"]),
        (["--upgrade", "minni"], ["unknown upgrade 'minni'. Did you mean 'mini'?"]),
        (["--upgrade", "clip-to-eva-b-16"], ["Did you mean 'clip-to-eva-vit-b-16'?"]),
        (["--classes", "bases"], ["Did you mean 'base'?"]),
        (["--set", "nctx=3"], ["nctx", "Did you mean 'n_ctx'?"]),
        (["--set", "recipe.epoch=3"], ["Did you mean 'epochs'?"]),
        (["--set", "recipe.lr=fast"], ['recipe.lr must be a finite number, not "fast"']),
        (["--set", "n_ctx"], ["key=value"]),
        (["--set", "n_ctx=39"], ["tokens", "mini-old reads 40", "fewer context tokens"]),
        (["--seeds", "1", "1"], ["different numbers"]),
        (["--seeds", "-1"], ["whole number"]),
        (["--seeds", str(10**20)], ["whole number"]),
        (["--shots", "none"], ["at least 1"]),
        (["--shots", "4"], ["4 shots were asked for", "'Forest' has 3"]),
        (["--views", "-1"], ["views must be 0"]),
        (["--dtype", "fp8"], ["unknown dtype 'fp8'"]),
        (["--device", "gpu"], ["device 'gpu'"]),
        (["--old-weights", "none.pt"], ["there is no file none.pt"]),
        (["--new-weights", "random:many"], ["random:1"]),
        (["--indices", "none.json"], ["none.json cannot be read"]),
        (["--root", "nowhere"], ["the root nowhere is no folder"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_words_and_numbers_that_cannot_be_meant(refused, arguments, words):
    refused(*words, arguments=arguments)


def test_no_root(capsys):
    assert main(["run", "--method", "coop", "--dataset", "eurosat", "--upgrade", "mini"]) == 1
    assert "--root" in capsys.readouterr().err


def test_the_data_set_in_place_of_its_root(root, refused):
    refused("This looks like the data set itself", arguments=["--root", str(root / "eurosat")])


def test_a_missing_data_set(root, refused):
    (root / "eurosat").rename(root / "euro")
    refused(str(root / "eurosat"), "not there", "euro/")


def test_a_missing_split_file(root, refused):
    (root / "eurosat" / "split_zhou_EuroSAT.json").unlink()
    refused("split_zhou_EuroSAT.json", "DATASETS.md")


@pytest.mark.parametrize("content", ["", '{"train": [', "[]", '{"train": [], "val": [], "test": []}'])
def test_a_damaged_split_file(root, refused, content):
    (root / "eurosat" / "split_zhou_EuroSAT.json").write_text(content)
    refused("split_zhou_EuroSAT.json")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (["../../secret.jpg", 0, "Forest"], "'../../secret.jpg' leaves the image root"),
        (["/etc/passwd", 0, "Forest"], "'/etc/passwd' leaves the image root"),
        (["Forest/Forest_1.jpg", 0, "Forest"], "Forest/Forest_1.jpg is listed twice in 'train'"),
        (["Forest/Forest_1.jpg", 4, "Desert"], "labels run up to 4, but 3 does not occur"),
        (["caf\udce9.jpg", 0, "Forest"], r"the name 'caf\udce9.jpg' is not UTF-8"),
    ],
    ids=["climbing", "absolute", "twice", "gap", "no UTF-8"],
)
def test_a_split_file_that_does_not_hold_together(root, refused, entry, words):
    file = root / "eurosat" / "split_zhou_EuroSAT.json"
    split = json.loads(file.read_text())
    split["train"].append(entry)
    file.write_text(json.dumps(split))
    refused("split_zhou_EuroSAT.json", words)


def test_a_split_file_in_another_encoding(root, refused):
    file = root / "eurosat" / "split_zhou_EuroSAT.json"
    file.write_bytes(file.read_text().replace("River", "Rivi\xe8re").encode("latin-1"))
    refused("split_zhou_EuroSAT.json is not a text file in UTF-8")


@pytest.mark.parametrize("method", ["coop", "zero_shot"])
def test_a_class_name_longer_than_the_text_tower_reads(root, tmp_path, capsys, method):
    file = root / "eurosat" / "split_zhou_EuroSAT.json"
    file.write_text(file.read_text().replace('"River"]', '"' + "River_" * 90 + 'bed"]'))
    settings = ["--set", "n_ctx=2"] if method == "coop" else []
    arguments = [argument for argument in PLAIN if argument not in ("--set", "recipe.epochs=1", "n_ctx=2")]
    code = main(["run", "--method", method, *arguments, *settings, "--root", str(root), "--out", str(tmp_path / "out")])
    assert code == 1 and not list((tmp_path / "out").rglob("*.json"))
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("clipcompat: ")]
    assert "River bed" in sentence and "reads 40. Shorten the class name" in sentence


def test_a_missing_class_folder(root, refused):
    shutil.rmtree(root / "eurosat" / "2750" / "River")
    refused("Whole folders are missing: River")


def test_a_missing_image(root, refused):
    pictures(root)[0].unlink()
    refused("1 of the", pictures(root)[0].name, arguments=["--shots", "3"])


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_broken_picture_in_training_or_test(root, refused, run, damage):
    picture = pictures(root)[-1]
    whole = picture.read_bytes()
    picture.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"<html>404</html>"}[damage])
    refused(str(picture), "cannot be decoded", arguments=["--shots", "3"])
    picture.write_bytes(whole)
    assert run("--shots", "3")[0] == 0  # and the repaired data set runs in the same folders


def test_a_checkpoint_of_the_other_model(root, refused, mini_old, tmp_path):
    save_file({k: v.clone() for k, v in mini_old._model.state_dict().items()}, tmp_path / "w.safetensors")
    refused("w.safetensors", "does not fit mini-new", arguments=["--new-weights", str(tmp_path / "w.safetensors")])


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint(refused, tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    refused("w.pt", arguments=["--old-weights", str(tmp_path / "w.pt")])


def test_a_folder_in_place_of_a_checkpoint(refused, tmp_path):
    refused("is a folder", arguments=["--old-weights", str(tmp_path)])


@pytest.mark.parametrize("damage", ["byte", "cut", "header"])
def test_a_corrupt_cache_names_the_file_and_the_remedy_works(run, refused, tmp_path, damage):
    assert run("--out", str(tmp_path / "first"), "--cache", str(tmp_path / "cache"))[0] == 0
    for file in (tmp_path / "cache").glob("*.head" if damage == "header" else "*.bin"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 255
        file.write_bytes(data[:-3] if damage == "cut" else data)
    refused("feature cache", "delete", "computed again", arguments=["--cache", str(tmp_path / "cache")])
    shutil.rmtree(tmp_path / "cache")
    assert run("--cache", str(tmp_path / "cache"))[0] == 0
    first, again = (find_records(tmp_path / name)[0].per_seed for name in ("first", "out"))
    assert first == again


def test_an_output_folder_that_cannot_be(refused, run, root):
    taken = str(root / "eurosat" / "split_zhou_EuroSAT.json")
    said = f"results cannot be written to {taken}"
    refused(said, "Choose another folder (--out)", arguments=["--out", taken])
    refused(said, arguments=["--out", taken, "--cache", str(root.parent / "cache")])


def test_a_damaged_record_in_the_folder(run, tmp_path, capsys):
    assert run()[0] == 0
    (record,) = (tmp_path / "out").rglob("*.json")
    whole = record.read_text()
    record.write_text(whole[:-50])
    for arguments in (["table", str(tmp_path / "out")], None):
        code = main(arguments) if arguments else run()[0]
        said = capsys.readouterr()
        assert code == 1 and said.out == ""
    values = json.loads(whole)
    values["per_seed"][0]["new"] = 100.0
    record.write_text(json.dumps(values))
    assert main(["table", str(tmp_path / "out")]) == 1
    assert "was changed after it was written" in capsys.readouterr().err


FULL = """
import json, resource, sys
from pathlib import Path
from clipcompat.cli import main
out, *arguments = sys.argv[1:]
for limit in (1000, 3300, 0, 2000):
    if limit == 2000:
        for record in Path(out).rglob("*.json"): record.unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit or resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(limit, file=sys.stderr)
    print(json.dumps([main([*arguments, "--out", out]), len(list(Path(out).rglob("*.json")))]))
"""


def test_a_full_disk_at_any_point_and_the_next_run_is_right(root, tmp_path):
    """Bytes a file may have: too few for features, for the plug-in (4 kB of context), enough, few for the record."""
    out, arguments = str(tmp_path / "out"), ["run", "--method", "coop", *PLAIN, "n_ctx=8", "--root", str(root)]
    run = python(FULL, out, *arguments)
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    assert [json.loads(line) for line in run.stdout.splitlines() if line[0] == "["] == [[1, 0], [1, 0], [0, 1], [1, 0]]
    errors = [line for line in run.stderr.splitlines() if line.startswith("clipcompat: ")]
    for error, words in zip(errors, ("to the feature cache", ".safetensors", ".json"), strict=True):
        assert error.startswith("clipcompat: could not ") and words in error
    assert not list(tmp_path.rglob("*.tmp"))
    assert main([*arguments, "--out", str(tmp_path / "plain")]) == main([*arguments, "--out", out]) == 0
    (limited,), (plain,) = (find_records(tmp_path / name) for name in ("out", "plain"))
    assert limited.id == plain.id
    for name in ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips", "indices"):
        assert limited.per_seed[0][name] == plain.per_seed[0][name]


@pytest.mark.parametrize("method", ["coop", "contcoop"])
@pytest.mark.parametrize("length", [10**12, 10**20])
def test_a_context_that_cannot_fit_is_refused_before_memory_is_asked_for(method, length, tmp_path, capsys):
    arguments = ["run", "--method", method, "--dataset", "mini/textures", "--set", f"n_ctx={length}"]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert "do not fit: mini-old reads 40" in capsys.readouterr().err
