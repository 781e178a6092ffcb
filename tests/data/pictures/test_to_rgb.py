"""Pictures of every kind as files, against RGB worked out by hand from the numbers that were written."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from clipcompat.backbones.preprocess import Preprocess
from clipcompat.common.errors import DataError
from clipcompat.data.pictures.images import to_rgb

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8)
GREY, ALPHA, COLOUR = BYTES[..., 0], BYTES[..., 3], BYTES[..., :3]
WORDS = np.concatenate([RNG.integers(0, 65536, (5, 5)), [[0, 255, 256, 32768, 65535]]]).astype(np.uint16)


def png(pixels: np.ndarray, colour_type: int, **chunks: bytes) -> bytes:
    """A PNG written by hand: pixels [h, w, …] as uint8, or as uint16 for 16 bits; PLTE and tRNS as they are given."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)
    extra = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def saved(array: np.ndarray, mode: str, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.frombytes(mode, array.shape[1::-1], array.tobytes()).save(buffer, kind, **options)
    return buffer.getvalue()


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


PALETTE = RNG.integers(0, 256, (32, 3)).astype(np.uint8)
INDEX = (GREY % 32).astype(np.uint8)
STEPS = bytes(range(0, 248, 8))  # opacity of each colour of the palette
INK = BYTES.astype(int)
PAPER = np.round((255 - INK[..., :3]) * (255 - INK[..., 3:]) / 255)
BITS = (GREY > 127).astype(np.uint8)

FILES = {
    "colour": (png(COLOUR, 2), "RGB", COLOUR),
    "colour, one colour transparent": (png(COLOUR, 2, tRNS=struct.pack(">3H", *COLOUR[0, 0])), "RGB", COLOUR),
    "colour, 16 bits": (png(np.stack([WORDS] * 3, -1), 2), "RGB", three(WORDS >> 8)),
    "alpha": (png(BYTES, 6), "RGBA", COLOUR),
    "grey": (png(GREY, 0), "L", three(GREY)),
    "grey, one shade transparent": (png(GREY, 0, tRNS=struct.pack(">H", int(GREY[0, 0]))), "L", three(GREY)),
    "grey with alpha": (png(np.stack([GREY, ALPHA], -1), 4), "LA", three(GREY)),
    "grey, 16 bits": (png(WORDS, 0), "I;16", three(WORDS >> 8)),
    "grey, 16 bits, TIFF": (saved(WORDS, "I;16", "TIFF"), "I;16", three(WORDS >> 8)),
    "grey, 16 bits, PGM": (b"P5 5 6 65535\n" + WORDS.astype(">u2").tobytes(), "I", three(WORDS >> 8)),
    "palette": (png(INDEX, 3, PLTE=PALETTE.tobytes()), "P", PALETTE[INDEX]),
    "palette, some colours see-through": (png(INDEX, 3, PLTE=PALETTE.tobytes(), tRNS=STEPS), "P", PALETTE[INDEX]),
    "palette, one colour transparent": (png(INDEX, 3, PLTE=PALETTE.tobytes(), tRNS=b"\xff\0"), "P", PALETTE[INDEX]),
    "black and white": (b"P4 5 6\n" + np.packbits(1 - BITS, axis=1).tobytes(), "1", three(BITS * 255)),
    "CMYK": (saved(BYTES, "CMYK", "TIFF"), "CMYK", PAPER),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_kind_becomes_the_rgb_that_was_meant(name):
    content, mode, expected = FILES[name]
    image = Image.open(io.BytesIO(content))
    assert image.mode == mode  # the file is of the kind its name says
    found = to_rgb(image)
    assert found.mode == "RGB" and np.array_equal(np.asarray(found), expected)


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("name", [name for name in FILES if "grey, 16" not in name])
def test_all_but_16_bit_grey_is_as_dassl_converts_it(name):
    image = Image.open(io.BytesIO(FILES[name][0]))
    assert np.array_equal(np.asarray(to_rgb(image)), np.asarray(Image.open(io.BytesIO(FILES[name][0])).convert("RGB")))


def test_a_cmyk_jpeg_comes_out_in_its_colours():
    """Adobe's files hold inks inverted."""
    ink = np.zeros((32, 32, 4), np.uint8)
    ink[:16, :, 0], ink[16:, :, 1] = 255, 255  # cyan above, magenta below
    image = Image.open(io.BytesIO(saved(ink, "CMYK", "JPEG", quality=100)))
    assert image.mode == "CMYK"
    found = np.asarray(to_rgb(image)).astype(int)
    assert abs(found[4, 4] - [0, 255, 255]).max() < 4 and abs(found[28, 4] - [255, 0, 255]).max() < 4


@pytest.mark.parametrize("name", ["grey, 16 bits", "palette, some colours see-through", "CMYK", "grey with alpha"])
def test_both_transforms_see_that_rgb(name):
    content, _, expected = FILES[name]
    image, plain = Image.open(io.BytesIO(content)), Image.fromarray(expected.astype(np.uint8))
    preprocess = Preprocess(4)
    assert torch.equal(preprocess.test(image), preprocess.test(plain))
    one, two = (torch.Generator().manual_seed(1) for _ in range(2))
    assert torch.equal(preprocess.train(image, one), preprocess.train(plain, two))


def test_the_picture_given_is_left_as_it_was():
    image = Image.open(io.BytesIO(FILES["palette, one colour transparent"][0]))
    to_rgb(image)
    assert image.mode == "P" and "transparency" in image.info


def test_floating_point_pictures_are_refused():
    with pytest.raises(DataError, match="does not say what is white"):
        to_rgb(Image.new("F", (3, 2), 0.5))
