"""A picture that the miniature did not draw is warned about, once, wherever a mini backbone is given it."""

from __future__ import annotations

import pytest
from PIL import Image

from clipcompat.data.mini.datasets import load_mini
from clipcompat.data.split import Split
from clipcompat.features import encode
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from tests.toys import toy_dataset, toy_split

WORDS = "mini backbones know only the drawn pictures"


@pytest.fixture
def told(caplog):
    """How often it was warned since the last call."""
    encode._warn_of_miniature.cache_clear()

    def count() -> int:
        messages = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return sum(WORDS in message for message in messages)

    return count


@pytest.fixture
def backbone(old):
    old.memory.clear()
    return old


def test_the_miniature_s_own_pictures_are_no_reason_to_warn(backbone, told):
    data = load_mini("mini/textures", shots=1)
    encode.encode_split(backbone, data.train)
    encode.encode_views(backbone, data.train, 1, 1, (0.5, 1.0))
    assert told() == 0


def test_drawn_pictures_that_were_saved_as_files_are_no_reason_to_warn(backbone, told, tmp_path):
    data = load_mini("mini/textures", shots=1)
    data.train.images[0].save(tmp_path / "1.png")
    plugin = fit(ZeroShot(), backbone, data)
    plugin.predict(backbone, tmp_path / "1.png")
    assert told() == 0


@pytest.mark.parametrize("size", [(40, 48), (224, 224), (32, 33)])
def test_another_picture_is_warned_about_in_prediction(backbone, told, size):
    plugin = fit(ZeroShot(), backbone, toy_dataset(1))
    plugin.predict(backbone, Image.new("RGB", size))
    assert told() == 1


def test_it_is_said_once_for_all_splits_and_seeds(backbone, told):
    encode.encode_views(backbone, toy_split("train", 2), 2, 1, (0.5, 1.0))
    assert told() == 1
    encode.encode_split(backbone, toy_split("test", 2))
    assert told() == 0


def test_a_real_backbone_is_given_any_picture_in_silence(backbone, told, monkeypatch):
    monkeypatch.setattr(backbone, "kind", "public")
    split: Split = toy_split("test", 2)
    encode.encode_split(backbone, split)
    assert told() == 0
