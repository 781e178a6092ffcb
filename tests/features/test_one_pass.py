"""One pass over the pictures for several towers: what each would have got alone, each in its own place."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from contextlib import contextmanager

import pytest
import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import CacheError, DataError
from clipcompat.features.encode import _place, encode_split, encode_together, encode_views, take
from tests.toys import ToyImages, toy_split

BOTH = ("projected", "penultimate")


def alone(backbone, kind="projected"):
    """Features of the toy test pictures, tower by tower, and an empty memory."""
    found = encode_split(backbone, toy_split("test", 30), kind=kind)
    backbone.memory.clear()
    return found


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.bin")}


def smaller(backbone, size: int) -> Backbone:
    """The same weights said to want other pixels; its tower takes them to be of its own size."""
    preprocess = dataclasses.replace(backbone.preprocess, size=size)
    return Backbone(backbone._model, backbone.tokenizer, preprocess, name="smaller", stamp="smaller", source="")


def test_two_towers_get_what_each_gets_alone_from_one_look_at_each_picture(old, new, tmp_path):
    expected = [alone(b, kind) for b in (old, new) for kind in BOTH]
    for cache in (None, tmp_path):
        split = toy_split("test", 30)
        found = encode_together([(b, kind) for b in (old, new) for kind in BOTH], split, cache)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert sorted(split.images.opened) == list(range(90))
        old.memory.clear(), new.memory.clear()


def test_two_kinds_of_one_tower_come_from_one_pass_and_are_those_made_alone(old, tmp_path):
    expected, split = [alone(old, kind) for kind in BOTH], toy_split("test", 30)
    with _counting() as encoded:
        found = encode_together([(old, kind) for kind in BOTH], split, tmp_path)
    assert encoded == {"mini-old": 90}
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_planned_kind_is_made_by_the_pass_that_another_kind_asks_for(old, tmp_path, monkeypatch):
    monkeypatch.setattr(old, "together", {"test": BOTH, (0.6, 1.0): BOTH})
    for cache in (None, tmp_path):
        split = toy_split("test", 30)
        with _counting() as encoded:
            encode_split(old, split, cache)
            encode_views(old, split, 2, 1, (0.5, 1.0), cache)
            assert encoded == {"mini-old": 90 + 2 * 90}
            later = encode_split(old, split, cache, kind="penultimate")
            views = encode_views(old, split, 2, 1, (0.5, 1.0), cache, kind="penultimate")
        assert encoded == {"mini-old": 90 + 2 * 90}
        old.memory.clear()
        assert torch.equal(later, alone(old, "penultimate"))
        assert torch.equal(views, encode_views(old, split, 2, 1, (0.5, 1.0), kind="penultimate"))
        old.memory.clear()


def test_what_is_there_is_not_passed_again_for_a_planned_kind(old, tmp_path, monkeypatch):
    split = toy_split("test", 30)
    encode_split(old, split, tmp_path)
    monkeypatch.setattr(old, "together", {"test": BOTH})
    with _counting() as encoded:
        encode_split(old, split, tmp_path)  # remembered
        old.memory.clear()
        encode_split(old, split, tmp_path)  # from its file
        encode_views(old, split, 1, 1, (0.08, 1.0), tmp_path)  # of these crops nothing is planned
    assert encoded == {"mini-old": 90} and len(files(tmp_path)) == 2


def test_files_made_together_are_those_made_alone(old, new, tmp_path):
    encode_together([(old, "projected"), (new, "projected")], toy_split("test", 30), tmp_path / "together")
    old.memory.clear(), new.memory.clear()
    for backbone in (old, new):
        encode_split(backbone, toy_split("test", 30), tmp_path / "alone")
    assert files(tmp_path / "together") == files(tmp_path / "alone") and len(files(tmp_path / "alone")) == 2


def test_what_was_encoded_together_is_remembered_by_each(old, new):
    split = toy_split("test", 2)
    together = encode_together([(old, "projected"), (new, "projected")], split)
    assert [len(b.memory) for b in (old, new)] == [1, 1]
    assert torch.equal(encode_split(old, split), together[0]) and torch.equal(encode_split(new, split), together[1])
    assert len(split.images.opened) == 6


def test_pixels_of_another_size_are_another_pass(old):
    split, other = toy_split("test", 2), smaller(old, 24)
    with pytest.raises((AssertionError, RuntimeError)):  # the tower takes no such pixels: they are of the other size
        encode_together([(old, "projected"), (other, "projected")], split)
    assert len(split.images.opened) == 12 and len(old.memory) == 1


def test_backbones_of_one_stamp_share_one_pass_and_one_file(old, new, tmp_path):
    """The identity upgrade: the same weights twice."""
    twin = Backbone(old._model, old.tokenizer, old.preprocess, name="twin", stamp=old.stamp, source="")
    split = toy_split("test", 2)
    found = encode_together([(old, "projected"), (twin, "projected")], split, tmp_path)
    assert torch.equal(*found) and len(files(tmp_path)) == 1 and len(split.images.opened) == 6
    assert torch.equal(encode_split(twin, split), found[0]) and len(split.images.opened) == 6


class Breaking(ToyImages):
    """Picture 70 cannot be had."""

    def __getitem__(self, index):
        if index == 70:
            raise DataError("picture 70 is broken")
        return super().__getitem__(index)


def test_each_goes_on_from_where_it_is(old, new, tmp_path):
    """Old has a block, new has nothing, and the third one all there is."""
    expected, split = [alone(old), alone(new)], toy_split("test", 30)
    broken = dataclasses.replace(split, images=Breaking(split.images.labels, "test", []))
    with pytest.raises(DataError, match="picture 70"):
        encode_split(old, broken, tmp_path)
    encode_split(old, split, tmp_path, kind="penultimate")
    old.memory.clear()
    wanted, seen = [(old, "projected"), (new, "projected"), (old, "penultimate")], len(split.images.opened)
    with _counting() as encoded:
        found = encode_together(wanted, split, tmp_path)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    assert encoded == {"mini-old": 26, "mini-new": 90} and len(split.images.opened) == seen + 90


@contextmanager
def _counting():
    """How many pictures go through each tower, by its name."""
    encoded, function = Counter(), Backbone.image_features

    def call(self, pixels, kind="projected"):
        encoded[self.name] += len(pixels)
        return function(self, pixels, kind)

    with pytest.MonkeyPatch.context() as patch:
        # on the class: pytest below 8.4 would leave the method on a backbone that other tests share and patch
        patch.setattr(Backbone, "image_features", call)
        yield encoded


def test_one_damaged_file_stops_both_before_anything_is_encoded(old, new, tmp_path):
    split = toy_split("test", 30)
    broken = dataclasses.replace(split, images=Breaking(split.images.labels, "test", []))
    with pytest.raises(DataError):
        encode_split(new, broken, tmp_path)
    path = next(tmp_path.glob("*.bin"))
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    with pytest.raises(CacheError, match=path.name):
        encode_together([(old, "projected"), (new, "projected")], split, tmp_path)
    assert split.images.opened == []


def test_progress_names_both(old, new):
    calls = []
    encode_together([(old, "projected"), (new, "projected")], toy_split("test", 30), None, lambda *c: calls.append(c))
    assert [call[:2] for call in calls] == [(64, 90), (90, 90)]
    assert calls[0][2] == "mini-old and mini-new: toys/test, test"


def test_a_batch_is_taken_from_wherever_features_are(old):
    views = encode_views(old, toy_split("train", 2), 3, 1, (0.5, 1.0))
    which, images = torch.tensor([2, 0, 1, 2]), torch.tensor([5, 0, 3, 5])
    assert torch.equal(take(views, which, images, old.device), views[which, images])


def test_features_of_more_than_half_of_what_a_gpu_has_free_stay_on_the_host(monkeypatch):
    features, asked = torch.zeros(2, 3, 4), []
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: asked.append(device) or (2 * features.nbytes - 1, 0))
    assert _place(features, torch.device("cuda:1"), "views") is features and asked == [torch.device("cuda:1")]
    assert _place(features, torch.device("cpu"), "views") is features and len(asked) == 1


def test_after_a_second_of_work_it_is_safe(old, tmp_path, monkeypatch):
    """Rows are committed by the clock: not for every block, and not only at the end."""
    monkeypatch.setattr("clipcompat.features.one_pass.time.monotonic", iter(i * 0.4 for i in range(99)).__next__)
    committed = []

    def progress(done, total, what):
        committed.append(json.loads(next(tmp_path.glob("*.head")).read_text())["rows"] if files(tmp_path) else 0)

    encode_split(old, toy_split("test", 120), tmp_path, progress)
    assert committed == [0, 0, 192, 192, 192, 360]
