"""A backbone's tokens, features and refusals."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clipcompat.backbones.image.tower import ImageTower
from clipcompat.common.errors import ConfigError
from tests.methods.parts.test_prompts import FUSED, NAMES

TEXTS = ["", "a", "A Photo  of a\tred fox.", "naïve café &amp; tea", "don't 1234!?", *NAMES, *FUSED]


@pytest.mark.parametrize("name", ["old", "new"])
def test_ids_equal_open_clips_tokenizer(full_size, name):
    backbone = getattr(full_size, name)
    ours, theirs = backbone.tokenize(TEXTS), backbone.tokenizer(TEXTS)
    assert ours.dtype == theirs.dtype == torch.int64 and ours.shape[1] < theirs.shape[1] == 77
    assert torch.equal(ours, theirs[:, : ours.shape[1]])
    assert theirs[:, ours.shape[1] :].abs().sum() == 0
    assert ours.shape[1] == int(theirs.argmax(-1).max()) + 1


def test_clips_ids_are_the_published_ones(full_size):
    ids = full_size.old.tokenize(["X.", "a photo of a dog."])
    assert ids[0].tolist() == [49406, 343, 269, 49407, 0, 0, 0, 0]
    assert ids[1].tolist() == [49406, 320, 1125, 539, 320, 1929, 269, 49407]


def test_a_text_that_is_too_long_is_refused_where_open_clip_would_cut_it(mini_old):
    just = " ".join(["a"] * (mini_old.context_length - 2))
    assert mini_old.tokenize([just]).shape[1] == mini_old.context_length
    long = just + " a"
    assert mini_old.tokenizer([long]).shape[1] == mini_old.context_length  # silently
    with pytest.raises(ConfigError, match=f"has {mini_old.context_length + 1} tokens.*Shorten"):
        mini_old.tokenize(["a", long, "b"])
    with pytest.raises(ConfigError, match="Shorten"):
        mini_old.encode_text([long])


def test_no_text_is_no_feature_but_cannot_be_tokenized(mini_old):
    assert mini_old.encode_text([]).shape == (0, mini_old.dim)
    with pytest.raises(ConfigError, match="empty"):
        mini_old.tokenize([])


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_text_features_are_open_clips_and_of_unit_norm(name, request):
    backbone = request.getfixturevalue(name)
    theirs = backbone._model.encode_text(backbone.tokenizer(TEXTS), normalize=True).detach()
    torch.testing.assert_close(backbone.encode_text(TEXTS), theirs, rtol=0, atol=1e-6)
    raw = backbone._model.encode_text(backbone.tokenizer(TEXTS)).detach()
    torch.testing.assert_close(backbone.text_features(TEXTS), raw, rtol=0, atol=1e-5)


def test_many_texts_are_encoded_in_parts_with_the_same_result(mini_old):
    texts = [f"{name} number {i}" for i in range(60) for name in NAMES]
    parts = torch.cat([mini_old.encode_text([text]) for text in texts[250:260]])
    assert len(texts) > 256
    torch.testing.assert_close(mini_old.encode_text(texts)[250:260], parts, rtol=0, atol=1e-6)


def pixels(count=3, size=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_image_features_are_open_clips(name, request):
    backbone = request.getfixturevalue(name)
    floats = backbone.preprocess.normalise(pixels())
    raw = backbone._model.encode_image(floats).detach()
    torch.testing.assert_close(backbone.image_features(pixels()), raw, rtol=0, atol=1e-6)
    torch.testing.assert_close(backbone.image_features(floats), raw, rtol=0, atol=1e-6)
    assert (raw.norm(dim=-1) - 1).abs().min() > 0.01
    torch.testing.assert_close(backbone.encode_image(pixels()), F.normalize(raw, dim=-1), rtol=0, atol=1e-6)


def test_many_images_are_encoded_in_parts_with_the_same_result(mini_old):
    many = pixels(150)
    torch.testing.assert_close(
        mini_old.image_features(many)[60:70], mini_old.image_features(many[60:70]), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 32, 32, 3)])
def test_pixels_of_another_shape_are_refused(mini_old, shape):
    with pytest.raises(ConfigError, match=r"\[batch, 3, height, width\]"):
        mini_old.encode_image(torch.zeros(shape))


def test_a_backbone_is_frozen_and_says_what_it_is(mini_old):
    assert not any(p.requires_grad for p in mini_old._model.parameters()) and not mini_old._model.training
    assert not mini_old.encode_text(["a"]).requires_grad and not mini_old.encode_image(pixels()).requires_grad
    assert "mini-old" in repr(mini_old) and mini_old.stamp in repr(mini_old)
    assert (mini_old.width, mini_old.layers, mini_old.dim) == (128, 6, 128)


def test_logit_scale_is_the_stored_one(mini_old, full_size):
    # open_clip starts from 1 / 0.07; OpenAI's weights hold 100
    for backbone in (mini_old, full_size.new):
        assert backbone.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)


def test_another_dtype_shares_the_weights_and_stays_close(mini_old):
    assert mini_old.with_dtype(None) is mini_old and mini_old.with_dtype(torch.float32) is mini_old
    half = mini_old.with_dtype(torch.bfloat16)
    assert half._model is mini_old._model and half.stamp == mini_old.stamp and mini_old.dtype == torch.float32
    for encode, what in (("encode_text", NAMES), ("encode_image", pixels())):
        fine, coarse = getattr(mini_old, encode)(what), getattr(half, encode)(what)
        assert coarse.dtype == torch.float32 and not torch.equal(coarse, fine)
        assert F.cosine_similarity(coarse, fine).min() > 0.999


def test_pictures_that_do_not_fit_memory_are_encoded_fewer_at_a_time(mini_old, monkeypatch, caplog):
    pixels = torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    wanted, encode, sizes = mini_old.image_features(pixels), mini_old.images.__call__, []

    def narrow(self, part, kind):
        sizes.append(len(part))
        if len(part) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(part, kind)

    monkeypatch.setattr(ImageTower, "__call__", narrow)
    torch.testing.assert_close(mini_old.image_features(pixels), wanted, rtol=1e-5, atol=1e-5)
    assert sizes[0] == 10 and max(sizes[-3:]) <= 3 and "memory ran out on 10 pictures" in caplog.text

    def never(self, part, kind):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ImageTower, "__call__", never)
    with pytest.raises(torch.OutOfMemoryError):
        mini_old.image_features(pixels)
