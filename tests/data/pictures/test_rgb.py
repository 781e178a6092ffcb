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
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.pictures.rgb import is_deep, to_rgb

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


def tiff(values: np.ndarray, **tags: int) -> bytes:
    """A little-endian TIFF of one channel written by hand, with tags by name in place of the usual ones."""
    numbers = {"bits": 258, "photometric": 262, "format": 339, "max": 281, "smax": 341}
    height, width = values.shape
    kind = 2 if values.dtype.kind == "i" else 1
    found = {256: width, 257: height, 258: 8 * values.itemsize, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    found |= {279: values.nbytes, 339: kind} | {numbers[name]: value for name, value in tags.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, found[tag]) for tag in sorted(found))
    pixels = values.astype(values.dtype.newbyteorder("<")).tobytes()
    directory = struct.pack("<H", len(found)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


def rgb_tiff(grey: np.ndarray) -> bytes:
    """A little-endian TIFF of three equal channels of 16 bits."""
    height, width = grey.shape
    pixels = three(grey).astype("<u2").tobytes()
    depths = struct.pack("<3H", 16, 16, 16)
    found = {256: width, 257: height, 259: 1, 262: 2, 273: 8, 277: 3, 278: height, 279: len(pixels)}
    entries = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in found.items()}
    entries[258] = struct.pack("<HHII", 258, 3, 3, 8 + len(pixels))
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels) + len(depths)) + pixels + depths + directory


TWELVE = (WORDS >> 4).astype(np.uint16)  # up to 4,095
PACKED = np.array([[0xAB, 0xC1, 0x23], [0x00, 0x0F, 0xFF]], np.uint8)  # 0xABC, 0x123; 0x000, 0xFFF
SCALED = {
    "16 bits, white stated as 12 (SMaxSampleValue)": (tiff(TWELVE, smax=4095), TWELVE >> 4),
    "16 bits, white stated as 12 (MaxSampleValue)": (tiff(TWELVE, max=4095), TWELVE >> 4),
    "16 bits, white stated as 14": (tiff((WORDS >> 2).astype(np.uint16), smax=16383), WORDS >> 8),
    "16 bits, white stated as 16, dark": (tiff((WORDS >> 5).astype(np.uint16), smax=65535), WORDS >> 13),
    "32 bits, white stated as 8": (tiff(GREY.astype(np.int32), smax=255), GREY),
    "32 bits, white stated as 4": (tiff((GREY >> 4).astype(np.int32), smax=15), (GREY >> 4) * 17),
    "32 bits, white stated as 31": (tiff(WORDS.astype(np.int32) << 15, smax=2**31 - 1), WORDS >> 8),
    "32 bits with numbers of 16": (tiff(WORDS.astype(np.int32)), WORDS >> 8),
    "16 bits with sign": (tiff((WORDS >> 1).astype(np.int16)), WORDS >> 8),
    "16 bits, white is zero": (tiff(WORDS, photometric=0), 255 - (WORDS >> 8)),
    "16 bits, nothing but black": (png(np.zeros((6, 5), np.uint16), 0), np.zeros((6, 5), int)),
    "12 bits, scaled up by the PGM": (
        b"P5 5 6 4095\n" + TWELVE.astype(">u2").tobytes(),
        np.round(TWELVE * 16.0037) // 256,
    ),
}


@pytest.mark.parametrize("name", SCALED)
def test_integers_are_scaled_by_what_the_file_says_is_white(name):
    content, grey = SCALED[name]
    assert np.array_equal(np.asarray(to_rgb(Image.open(io.BytesIO(content)))), three(grey))


def test_a_tiff_of_twelve_bits_is_scaled_by_them():
    numbers = np.array([[0xABC, 0x123], [0x000, 0xFFF]])
    head = bytearray(tiff(np.zeros((2, 2), np.uint16), bits=12))
    head[8:14] = PACKED.tobytes()
    image = Image.open(io.BytesIO(bytes(head)))
    assert np.array_equal(np.asarray(image), numbers)
    assert np.array_equal(np.asarray(to_rgb(image)), three(numbers >> 4))


UNSCALED = {
    "32 bits with numbers of 8": (tiff(GREY.astype(np.int32)), "has 16 or more bits and no number above 224:"),
    "16 bits with numbers of 8": (png(GREY.astype(np.uint16), 0), "no number above 224:"),
    "16 bits with numbers of 12": (png(TWELVE, 0), "no number above 4,095"),
    "16 bits with numbers of 12, TIFF": (tiff(TWELVE), "no number above 4,095"),
    "16 bits, its own largest number in the tag": (tiff(TWELVE // 2, smax=2047 - 3), "no number above 2,047"),
    "32 bits with larger numbers": (tiff(WORDS.astype(np.int32) * 2), "0 to 131,070, not 0 to 65,535 as 16 bits have"),
    "negative numbers": (tiff(WORDS.astype(np.int32) - 9), "from -9 to 65,526"),
    "numbers above the white that is stated": (tiff(WORDS, smax=4095), "0 to 65,535, not 0 to 4,095 as its TIFF tags"),
    "colour of 16 bits with numbers of 8": (
        png(COLOUR.astype(np.uint16), 2),
        "16 bits per channel and no number above",
    ),
    "colour of 16 bits with numbers of 12": (png(np.stack([TWELVE] * 3, -1), 2), "16 bits per channel"),
    "the same with alpha": (png(np.stack([TWELVE] * 3 + [WORDS * 0 + 65535], -1), 6), "16 bits per channel"),
    "grey with alpha": (png(np.stack([TWELVE, WORDS * 0 + 65535], -1), 4), "16 bits per channel"),
    "colour of 16 bits, TIFF": (rgb_tiff(TWELVE), "16 bits per channel"),
}


@pytest.mark.parametrize("name", UNSCALED)
def test_numbers_that_would_turn_black_or_white_are_refused(tmp_path, name):
    """By the file's reader, which names the file; and without its name where no more is known than the picture."""
    content, says = UNSCALED[name]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=rf"x .*{says}"):
        ImageFiles(tmp_path, ("x",), "little")[0]
    image = Image.open(io.BytesIO(content))
    with pytest.raises(DataError, match=rf"a picture .*{says}"):
        to_rgb(image, deep=is_deep(image))


def test_floating_point_pictures_are_refused():
    with pytest.raises(DataError, match="does not say what is white"):
        to_rgb(Image.new("F", (3, 2), 0.5))
