"""5,000 damaged files: each ends in one sentence, or in what an independent reader finds in it; none in a traceback."""

from __future__ import annotations

import csv
import io
import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from clipcompat.common.errors import ClipcompatError
from clipcompat.data.custom.address import load_own
from clipcompat.data.custom.from_csv import read_csv
from clipcompat.data.indices import read_indices
from clipcompat.data.public.split_zhou import read_split
from clipcompat.features.store import FeatureFile
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.runs.records import find_records, read_lines, write_lines, write_record
from clipcompat.training.recipe import Recipe
from tests.mutations import mutate_bytes, mutate_table, mutate_text_of_json
from tests.runs.test_records import record
from tests.toys import toy_dataset

SENTENCE = 2000  # characters: an error is read by a person


def outcome(read: Callable[[], Any]) -> Any:
    """What reading gives, or None for a sentence. Anything else that is raised fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged header may be a picture of many pixels, say
            return read()
    except ClipcompatError as error:
        assert str(error) and len(str(error)) < SENTENCE and error.args, repr(error)[:300]
        return None


def damage(file: Path, count: int, read: Callable[[], Any], expected: Callable[[], Any], mutate=mutate_bytes) -> None:
    """Damage a file many times; what is read must be what `expected` finds in the damaged file, or a sentence."""
    sound = file.read_bytes()
    wanted, refused = expected(), 0
    assert same(outcome(read), wanted)  # the sound file is read
    rng = random.Random(file.name)
    for number in range(count):
        file.write_bytes(mutate(sound, rng))
        found = outcome(read)
        refused += found is None
        assert found is None or same(found, expected()), f"mutation {number} of {file.name} was believed"
    file.write_bytes(sound)
    assert refused > count / 4 and same(outcome(read), wanted)


def same(found: Any, wanted: Any) -> bool:
    if isinstance(found, torch.Tensor):
        return isinstance(wanted, torch.Tensor) and torch.equal(found, wanted)
    return type(found) is type(wanted) and found == wanted


def as_json(value: Any) -> Callable[[bytes, random.Random], bytes]:
    return lambda _, rng: mutate_text_of_json(value, rng)


def test_1000_damaged_plugins(old, tmp_path):
    method = CoOp(n_ctx=1, recipe=Recipe(epochs=1, batch_size=4))  # few values, so that damage hits the header too
    file = fit(method, old, toy_dataset(2)).save(tmp_path / "p.safetensors")

    def content():
        found = load_plugin(file)
        return json.dumps([repr(found.method), found.origin, {n: t.tolist() for n, t in found.tensors.items()}])

    whole = content()
    damage(file, 1000, content, lambda: whole)


@pytest.mark.parametrize("mutate", [mutate_bytes, as_json(record().to_dict())], ids=["bytes", "values"])
def test_600_damaged_records(tmp_path, mutate):
    file = write_record(tmp_path, record())
    damage(file, 600, lambda: find_records(tmp_path), lambda: [record()], mutate)


def test_400_damaged_lists_of_records(tmp_path):
    records = [record("contcoop"), record("coop")]
    file = write_lines(tmp_path / "all.jsonl", records)
    damage(file, 400, lambda: read_lines(file), lambda: records)


@pytest.mark.parametrize("suffix", ["head", "bin"])
def test_500_damaged_caches(tmp_path, suffix):
    rows = torch.randn(300, 8, generator=torch.Generator().manual_seed(1))

    def read():
        return FeatureFile(tmp_path, "x", 8, "stamp").read(300).clone()

    FeatureFile(tmp_path, "x", 8, "stamp").append(rows)

    def wanted():
        return rows if len((tmp_path / "x.bin").read_bytes()) >= rows.nbytes else None

    damage(tmp_path / f"x.{suffix}", 500, read, wanted)


HEADER, LINES = (
    "path,classname,split\n",
    [f'{c}/{i}.jpg,"{c}, the",train\n' for c in ("crane", "owl") for i in range(4)],
)


def test_700_damaged_tables(tmp_path):
    """What is accepted is what Python's csv module finds line by line, under the same header."""
    file = tmp_path / "table.csv"
    file.write_text(HEADER + "".join(LINES))

    def wanted():
        text = file.read_bytes().decode("utf-8-sig")
        header = next(line for line in text.splitlines() if line.strip())
        separator = max(",;\t|", key=header.count)
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(c.strip() for c in r)]
        columns = [c.strip().lower() for c in rows[0]]
        assert not any(cell.strip() for r in rows for cell in r[len(columns) :])
        names = next(n for n in ("classname", "class", "label") if n in columns)
        paths = next(n for n in ("path", "file", "filename", "image") if n in columns)
        return sorted((r[columns.index(paths)].strip(), r[columns.index(names)].strip()) for r in rows[1:])

    def read():
        listing = read_csv(file, tmp_path)
        return sorted((p, listing.raw[label]) for p, label in zip(listing.paths, listing.labels, strict=True))

    damage(file, 700, read, wanted, mutate_table)


@pytest.mark.parametrize("kind", ["split", "indices", "names"])
def test_400_damaged_json_files_of_each_kind(tmp_path, kind):
    parts = {p: [[f"{c}/{p}{i}.jpg", label, c] for label, c in enumerate("ab") for i in range(3)] for p in PARTS}
    drawn = {"dataset": "eurosat", "shots": 1, "seed": 1, "train": ["a/1.jpg", "b/1.jpg"], "val": ["a/2.jpg"]}
    content = {"split": parts, "indices": drawn, "names": {"crane": "crane, bird", "owl": "snow owl"}}[kind]
    file = tmp_path / f"{kind}.json"
    file.write_text(json.dumps(content))
    for c in ("crane", "owl"):
        (tmp_path / "own" / c).mkdir(parents=True)
        for i in range(4):
            torch_free_picture(tmp_path / "own" / c / f"{i}.png", i)

    def read():
        if kind == "split":
            return {p: [list(item) for item in items] for p, items in read_split(file).items()}
        if kind == "indices":
            return read_indices(file, "eurosat")
        own = {"root": None, "style": "coop", "template": None, "names": str(file)}
        return list(load_own(f"folder:{tmp_path / 'own'}", **own, shots=1, seed=1).classnames)

    def wanted():
        found = json.loads(file.read_text(encoding="utf-8-sig"))
        if kind == "names":
            return [found.get(c, c) for c in ("crane", "owl")] if isinstance(found, dict) else found
        return found

    damage(file, 400, read, wanted, as_json(content))


PARTS = ("train", "val", "test")


def torch_free_picture(path: Path, colour: int) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8), (colour, 2, 3)).save(path)
