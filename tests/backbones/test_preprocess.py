"""Pixels against torchvision's and open_clip's own transforms, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as tv

from clipcompat.backbones.preprocess import OPENAI_MEAN, OPENAI_STD, Preprocess

SIZES = [
    (500, 375),
    (375, 500),
    (301, 224),
    (224, 224),
    (223, 900),
    (31, 47),
    (1, 5),
    (640, 225),
    (227, 226),
    (640, 10),
    (3, 192),
]
BICUBIC = tv.InterpolationMode.BICUBIC


def picture(width, height, mode="RGB", seed=0):
    """Noise over a gradient, so that a shift or another filter changes bytes."""
    rng = np.random.default_rng([seed, width, height])
    pixels = rng.integers(0, 128, (height, width, 4)) + np.linspace(0, 127, width)[None, :, None]
    image = Image.fromarray(pixels.astype(np.uint8), "RGBA") if mode == "RGBA" else None
    return image or Image.fromarray(pixels[..., :3].astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [224, 32])
def test_test_transform_equals_torchvisions(size, pixels):
    image = picture(*size)
    reference = tv.Compose([tv.Resize(pixels, BICUBIC), tv.CenterCrop(pixels), tv.PILToTensor()])(image)
    ours = Preprocess(pixels).test(image)
    assert ours.dtype == torch.uint8 and ours.shape == (3, pixels, pixels) and ours.is_contiguous()
    assert torch.equal(ours, reference)


@pytest.fixture
def resized(monkeypatch):
    """Pixels of every picture that PIL made while resizing."""
    made, original = [], Image.Image.resize

    def resize(self, size, *options, **named):
        made.append(size[0] * size[1])
        return original(self, size, *options, **named)

    monkeypatch.setattr(Image.Image, "resize", resize)
    return made


@pytest.mark.parametrize("turned", [False, True], ids=["wide", "tall"])
@pytest.mark.parametrize("size", [(650, 10), (700, 1), (2500, 30), (4800, 40)])
def test_a_very_long_picture_is_cropped_first_and_comes_out_as_if_resized_first(size, turned, resized):
    image = picture(*(size[::-1] if turned else size))
    reference = tv.Compose([tv.Resize(32, BICUBIC), tv.CenterCrop(32), tv.PILToTensor()])(image)
    largest = max(resized)
    ours = Preprocess(32).test(image)
    assert max(resized[1:]) < largest / 10
    assert (ours.int() - reference.int()).abs().max() <= 2  # a shift by one pixel changes noise by 70 and more


@pytest.mark.parametrize("size", [(30_000, 1), (1, 30_000), (5_000_000, 2), (300_000, 224)])
def test_no_picture_becomes_larger_than_a_long_one(size, resized):
    """30,000 x 1 pixels took 6.6 GB: 6,720,000 x 224 after the shorter side was resized."""
    image = Image.new("RGB", size, (9, 99, 199))
    pixels = Preprocess(224).test(image), Preprocess(224).train(image, torch.Generator().manual_seed(0))
    assert max(resized) <= 64 * 224 * 224
    assert all(torch.equal(p, torch.tensor([9, 99, 199]).view(3, 1, 1).expand(3, 224, 224)) for p in pixels)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1"])
def test_other_modes_are_converted_before_resizing_as_dassl_does(mode):
    image = picture(301, 225, mode) if mode != "LA" else picture(301, 225, "L").convert("LA")
    reference = tv.Compose([tv.Resize(224, BICUBIC), tv.CenterCrop(224), tv.PILToTensor()])(image.convert("RGB"))
    assert torch.equal(Preprocess(224).test(image), reference)
    one, two = (torch.Generator().manual_seed(3) for _ in range(2))
    assert torch.equal(Preprocess(224).train(image, one), Preprocess(224).train(image.convert("RGB"), two))


@pytest.mark.parametrize("size", SIZES)
def test_normalised_test_pixels_equal_open_clips_validation_transform(size):
    from open_clip.transform import image_transform

    image = picture(*size)
    theirs = image_transform(224, is_train=False, mean=OPENAI_MEAN, std=OPENAI_STD)(image)
    preprocess = Preprocess(224)
    torch.testing.assert_close(preprocess.normalise(preprocess.test(image)), theirs, rtol=0, atol=1e-6)


def test_the_loaded_pair_uses_clips_constants(full_size):
    for backbone in (full_size.old, full_size.new):
        assert backbone.preprocess == Preprocess(
            224, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), min_crop=0.0
        )


def test_normalise_scales_shifts_and_divides_per_channel():
    pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    out = Preprocess(1, mean=(0.5, 0.25, 0.1), std=(0.5, 0.25, 0.2)).normalise(pixels)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.flatten(), torch.tensor([-1.0, 3.0, 0.5]))


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.5, 1.0), (1.0, 1.0), (0.9, 0.95)])
@pytest.mark.parametrize("size", [(48, 40), (301, 224), (31, 97), (10, 200), (200, 10), (5, 5)])
def test_train_transform_equals_torchvisions_draw_for_draw(size, scale):
    """One random stream, torchvision's global generator here and ours there: the same crop and flip every time."""
    image, preprocess = picture(*size), Preprocess(32)
    crop = tv.RandomResizedCrop(32, scale, interpolation=BICUBIC)
    reference = tv.Compose([crop, tv.RandomHorizontalFlip(), tv.PILToTensor()])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        theirs = [reference(image) for _ in range(12)]
    generator = torch.Generator().manual_seed(7)
    ours = [preprocess.train(image, generator, scale) for _ in range(12)]
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert any(not torch.equal(ours[0], other) for other in ours[1:])


def test_default_crop_is_coops():
    image = picture(48, 40)
    one, two = (torch.Generator().manual_seed(1) for _ in range(2))
    assert torch.equal(Preprocess(32).train(image, one), Preprocess(32).train(image, two, (0.08, 1.0)))


def test_all_randomness_comes_from_the_generator():
    image, preprocess = picture(48, 40), Preprocess(32)
    state = torch.random.get_rng_state()
    first = preprocess.train(image, torch.Generator().manual_seed(5))
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        again = preprocess.train(image, torch.Generator().manual_seed(5))
    other = preprocess.train(image, torch.Generator().manual_seed(6))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.08, 0.3)])
def test_min_crop_bounds_every_crop(scale, monkeypatch):
    """Also where the whole range asked for lies below it."""
    shares, original = [], Image.Image.crop

    def crop(self, box):
        shares.append((box[2] - box[0]) * (box[3] - box[1]) / (self.width * self.height))
        return original(self, box)

    monkeypatch.setattr(Image.Image, "crop", crop)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        Preprocess(32, min_crop=0.6).train(picture(100, 100), generator, scale)
    assert min(shares) > 0.59  # sides are rounded to pixels
    bounded = len(shares)
    for _ in range(200):
        Preprocess(32).train(picture(100, 100), generator, scale)
    assert min(shares[bounded:]) < 0.15


def test_min_crop_of_zero_leaves_the_range_alone_and_a_smaller_one_too():
    image = picture(48, 40)
    plain, low = (torch.Generator().manual_seed(2) for _ in range(2))
    for _ in range(5):
        ours = Preprocess(32, min_crop=0.3).train(image, low, (0.5, 1.0))
        assert torch.equal(ours, Preprocess(32).train(image, plain, (0.5, 1.0)))


def test_half_of_the_views_are_flipped():
    """400 draws, each flipped or not as torchvision's are: a probability off by a few percent would differ."""
    left = Image.new("RGB", (32, 32))
    left.paste((255, 255, 255), (0, 0, 16, 32))
    reference = tv.Compose([tv.RandomResizedCrop(32, (1.0, 1.0), interpolation=BICUBIC), tv.RandomHorizontalFlip()])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [reference(left).getpixel((31, 16))[0] > 128 for _ in range(400)]
    generator = torch.Generator().manual_seed(0)
    ours = [bool(Preprocess(32).train(left, generator, (1.0, 1.0))[0, 16, 31] > 128) for _ in range(400)]
    assert ours == theirs and 160 < sum(ours) < 240
