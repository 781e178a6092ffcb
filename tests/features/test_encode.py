"""Cached features are those that would be computed now; a kill loses nothing and doubles nothing."""

from __future__ import annotations

import dataclasses
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from clipcompat.common.errors import CacheError, DataError
from clipcompat.features.encode import augmented, encode_split, encode_views
from tests.children import child, let_go_on
from tests.toys import ToyImages, toy_split

CROP = (0.5, 1.0)


def opened(split) -> int:
    return len(split.images.opened)


def files(folder) -> set[str]:
    return {p.name for p in folder.glob("*.bin")} if folder.is_dir() else set()


def test_cached_views_are_those_computed_in_memory(old, tmp_path):
    split = toy_split("train", 4)
    plain = encode_views(old, split, 3, 1, CROP)
    assert plain.shape == (3, 12, old.dim)
    old.memory.clear()
    assert torch.equal(encode_views(old, split, 3, 1, CROP, tmp_path), plain)
    old.memory.clear()
    before = opened(split)
    assert torch.equal(encode_views(old, split, 3, 1, CROP, tmp_path), plain)  # from the file
    assert opened(split) == before


def test_each_view_is_the_tower_applied_to_its_augmented_picture(old):
    split = toy_split("train", 1)
    features = encode_views(old, split, 2, 5, CROP)
    for view in range(2):
        for i in range(len(split)):
            pixels = augmented(old, split, i, view, 5, CROP)
            torch.testing.assert_close(features[view, i], old.image_features(pixels[None])[0], atol=1e-5, rtol=1e-5)


def test_cached_test_features_are_those_of_the_test_transform(old, tmp_path):
    split = toy_split("test", 3)
    expected = torch.cat([old.image_features(old.preprocess.test(split.images[i])[None]) for i in range(9)])
    for cache in (None, tmp_path, tmp_path):
        old.memory.clear()
        torch.testing.assert_close(encode_split(old, split, cache), expected, atol=1e-5, rtol=1e-5)


def test_more_than_one_block_keeps_the_order(old, tmp_path):
    split = toy_split("train", 50)  # 150 pictures: blocks of 64, 64 and 22
    whole = encode_split(old, split, tmp_path)
    for i in (0, 63, 64, 128, 149):
        one = old.image_features(old.preprocess.test(split.images[i])[None])[0]
        torch.testing.assert_close(whole[i], one, atol=1e-5, rtol=1e-5)


def test_more_views_reuse_the_first_ones(old, tmp_path):
    split = toy_split("train", 4)
    two = encode_views(old, split, 2, 1, CROP, tmp_path).clone()
    assert opened(split) == 24
    old.memory.clear()
    five = encode_views(old, split, 5, 1, CROP, tmp_path)
    assert opened(split) == 60 and torch.equal(five[:2], two) and len(files(tmp_path)) == 1
    old.memory.clear()
    assert torch.equal(encode_views(old, split, 2, 1, CROP, tmp_path), two) and opened(split) == 60
    old.memory.clear()
    assert torch.equal(encode_views(old, split, 5, 1, CROP), five)  # growing or at once: the same views


def test_views_differ_from_each_other_and_between_pictures(old):
    split = toy_split("train", 2)
    views = encode_views(old, split, 3, 1, CROP).flatten(0, 1)
    assert len(torch.unique(views, dim=0)) == 3 * 6


def test_ranges_of_crops_that_a_backbone_widens_to_one_are_the_same_views(old, tmp_path):
    split = toy_split("train", 2)
    low, high = (encode_views(old, split, 2, 1, crop, tmp_path) for crop in ((0.08, 1.0), (0.5, 1.0)))
    assert torch.equal(low, high) and opened(split) == 12 and len(files(tmp_path)) == 1


class Ramps(ToyImages):
    """The same picture under names that go with the label; its pixels tell which crop was drawn."""

    def __getitem__(self, index):
        y, x = np.mgrid[0:40, 0:48]
        return Image.fromarray(np.stack([5 * x, 6 * y, 0 * x], -1).astype(np.uint8))

    def key(self, index):
        return f"picture {self.labels[index]}"


def test_a_view_depends_on_the_picture_not_on_its_place(old):
    """A class subset sees the same augmented pictures as the whole dataset."""

    def view(labels, index):
        split = dataclasses.replace(
            toy_split("train", 1), images=Ramps(tuple(labels), "train", []), labels=torch.tensor(labels)
        )
        return augmented(old, split, index, 0, 1, (0.2, 1.0))

    assert torch.equal(view([0, 1, 2], 2), view([2, 0, 1], 0))
    assert not torch.equal(view([0, 1, 2], 1), view([0, 1, 2], 2))


def test_whatever_changes_features_has_a_file_of_its_own(old, new, tmp_path):
    split = toy_split("train", 2)
    uses = [
        lambda: encode_split(old, split, tmp_path),
        lambda: encode_views(old, split, 1, 1, CROP, tmp_path),
        lambda: encode_views(old, split, 1, 2, CROP, tmp_path),  # seed
        lambda: encode_views(old, split, 1, 1, (0.7, 1.0), tmp_path),  # crop
        lambda: encode_split(new, split, tmp_path),  # backbone
        lambda: encode_split(old.with_dtype(torch.bfloat16), split, tmp_path),  # dtype
        lambda: encode_split(old, toy_split("val", 2), tmp_path),  # other pictures
        lambda: encode_split(old, toy_split("train", 3), tmp_path),  # more pictures
        lambda: encode_split(old, dataclasses.replace(split, images=renamed(split.images)), tmp_path),  # content
    ]
    for number, use in enumerate(uses, 1):
        use()
        assert len(files(tmp_path)) == number


def renamed(images: ToyImages) -> ToyImages:
    return dataclasses.replace(images, fingerprint="other pictures under the same names")


def test_labels_class_names_and_templates_do_not_change_features(old, tmp_path):
    split = toy_split("train", 2)
    encode_split(old, split, tmp_path)
    other = dataclasses.replace(split, labels=split.labels.flip(0), classnames=("a", "b", "c"), template="{}", name="x")
    encode_split(old, other, tmp_path)
    assert len(files(tmp_path)) == 1 and opened(split) == 6


def test_one_backbone_remembers_what_it_has_just_encoded(old):
    split = toy_split("test", 2)
    assert torch.equal(encode_split(old, split), encode_split(old, split))
    assert opened(split) == 6


def test_no_pictures_are_no_features(old, tmp_path):
    empty = toy_split("train", 2).keep_classes([])
    for cache in (None, tmp_path):
        old.memory.clear()
        assert encode_split(old, empty, cache).shape == (0, old.dim)


def test_progress_counts_from_what_is_cached_to_the_end(old, tmp_path):
    split, calls = toy_split("train", 30), []
    encode_views(old, split, 1, 1, CROP, tmp_path, lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(64, 90), (90, 90)] and "mini-old" in calls[0][2]
    calls.clear()
    old.memory.clear()
    encode_views(old, split, 2, 1, CROP, tmp_path, lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(154, 180), (180, 180)]


def test_a_damaged_cache_is_refused_before_anything_is_encoded_behind_it(old, tmp_path):
    split = toy_split("train", 4)
    encode_views(old, split, 1, 1, CROP, tmp_path)
    path = next(tmp_path.glob("*.bin"))
    data = bytearray(path.read_bytes())
    data[100] ^= 4
    path.write_bytes(data)
    for views in (1, 2):
        old.memory.clear()
        with pytest.raises(CacheError, match="is corrupt.*delete") as caught:
            encode_views(old, split, views, 1, CROP, tmp_path)
        assert path.name in str(caught.value)
    assert opened(split) == 12
    for file in (*tmp_path.glob("*.bin"), *tmp_path.glob("*.head")):
        file.unlink()
    assert encode_views(old, split, 2, 1, CROP, tmp_path).shape[0] == 2  # the remedy works


def test_a_broken_picture_stops_encoding_and_keeps_the_blocks_before_it(old, tmp_path):
    class Broken(ToyImages):
        def __getitem__(self, index):
            if index == 70:
                raise DataError("picture 70 is broken")
            return super().__getitem__(index)

    split = toy_split("train", 30)
    broken = dataclasses.replace(split, images=Broken(split.images.labels, "train", []))
    with pytest.raises(DataError, match="picture 70"):
        encode_split(old, broken, tmp_path)
    encode_split(old, split, tmp_path)
    assert sorted(split.images.opened) == list(range(64, 90))


HELD = """
import dataclasses, logging, sys
import clipcompat, clipcompat.features.one_pass
from clipcompat.features.encode import encode_views
from tests.toys import ToyImages, toy_split

def say(word, *_):
    sys.stdout.write(f"{word}\\n")  # in one piece, whichever thread speaks
    sys.stdout.flush()

class Held(ToyImages):
    def __getitem__(self, index):
        if index == int(sys.argv[2]) and index not in self.opened:
            say("held")
            sys.stdin.readline()
        return super().__getitem__(index)

logging.basicConfig(stream=sys.stdout)
logging.getLogger("clipcompat.features.encode").setLevel(logging.ERROR)  # it warns that toys are not drawn
clipcompat.features.one_pass._COMMIT = 0  # every block is committed before its progress is told
split = toy_split("train", 60)
split = dataclasses.replace(split, images=Held(split.images.labels, "train", split.images.opened))
backbone = clipcompat.load_backbone("mini-old", "random:1", device="cpu", dtype="float32")
encode_views(backbone, split, 2, 1, (0.5, 1.0), sys.argv[1], say)
"""


def test_a_kill_in_the_middle_costs_only_what_was_not_committed(old, tmp_path):
    """kill -9 while a picture of the third block is being decoded; the next run gives undisturbed features."""
    cache = tmp_path / "cache"
    with child(HELD, str(cache), "150") as run:
        said = [run.stdout.readline() for _ in range(3)]
        assert sorted(said) == ["128\n", "64\n", "held\n"]
        run.kill()
        assert run.wait() == -signal.SIGKILL
    with open(next(cache.glob("*.bin")), "ab") as stream:
        stream.write(b"\7" * 999)  # and what such a kill may leave

    split = toy_split("train", 60)
    resumed = encode_views(old, split, 2, 1, CROP, cache).clone()
    jobs = [*range(180), *range(180)]  # picture by picture, view by view
    assert sorted(split.images.opened) == sorted(jobs[128:])
    old.memory.clear()
    # another process may sum in another order; a wrong picture or view is far off
    torch.testing.assert_close(resumed, encode_views(old, toy_split("train", 60), 2, 1, CROP), atol=1e-5, rtol=1e-5)


def test_two_processes_at_once_share_the_work(old, tmp_path):
    """Both want the same views of the same pictures in the same folder: one encodes, the other waits and reads."""
    with child(HELD, str(tmp_path), "20") as one:
        assert one.stdout.readline() == "held\n"
        with child(HELD, str(tmp_path), "20") as other:
            assert "waiting for another process" in other.stdout.readline()
            let_go_on(one)
            assert one.stdout.read().split() == ["64", "128", "192", "256", "320", "360"]
            assert other.stdout.read() == ""
            assert one.wait() == other.wait() == 0
    kept = encode_views(old, split := toy_split("train", 60), 2, 1, CROP, tmp_path).clone()
    assert opened(split) == 0
    old.memory.clear()
    torch.testing.assert_close(kept, encode_views(old, split, 2, 1, CROP), atol=1e-5, rtol=1e-5)


def test_another_seed_gives_other_views_of_the_same_images(old):
    split = toy_split("train", 2)
    one, again, other = (encode_views(old, split, 2, seed, (0.3, 1.0)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.isclose(one, other, atol=1e-3).all(-1).any()  # no view of no image came out twice
