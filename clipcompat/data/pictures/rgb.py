"""What is white in a picture, and the picture in RGB."""

import numpy as np
from PIL import Image

from clipcompat.common.errors import DataError

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_TAGS = (341, 281)  # SMaxSampleValue, MaxSampleValue
_WHITE_IS_ZERO, _SIGNED = 0, 2

_DARKEST = 12  # bits; a 16-bit picture without larger numbers is taken for one that does not use its 16 bits


def to_rgb(image: Image.Image, deep: bool = False) -> Image.Image:
    """The picture in mode RGB; itself if it is already. As Dassl's `Image.open(path).convert("RGB")` does it.

    Transparency is dropped: what lies under it shows. CMYK is converted by PIL's formula, colour profiles are not
    applied, and of an animation the first frame is taken.

    Deviation: grey pictures of more than 8 bits keep the upper eight of the bits that the file says they use (16 where
    it says nothing), as PIL itself does for colour. PIL's conversion of grey clips at 255 instead, which makes all but
    the darkest 256th white.

    deep: see `is_deep`.

    Raises:
        DataError: numbers that do not say what is white (see `why_no_white`).
    """
    if why := why_no_white(image, deep):
        raise DataError(f"a picture {why}")
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        return _from_integers(image)
    if "transparency" in image.info:  # else PIL warns that it is lost
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")


def why_no_white(image: Image.Image, deep: bool = False) -> str | None:
    """Why the picture would turn black or white, to follow its name in a sentence; None if it would not.

    Floating-point numbers never say what is white. Integers do if they lie in 0 … 65,535, or in what a TIFF states, and
    if some are large enough: unless the file states its bits, a picture without a number above 4,095 is refused, as one
    of 8 or 12 bits in 16 or 32 is likelier than one that is almost black. (A picture of nothing but 0 is black.)

    deep: a colour picture had 16 bits per channel in its file (see `is_deep`).
    """
    if image.mode == "F":
        return "holds floating-point numbers and does not say what is white. Store it with 8 bits."
    if deep and image.mode in ("RGB", "RGBA", "LA", "L"):
        bands = [image.getextrema()] if image.mode == "L" else image.getextrema()[: len(image.mode.rstrip("A"))]
        if max(high for _, high in bands) < 2 ** (_DARKEST - 8):
            return f"has 16 bits per channel and {_unused(2**_DARKEST - 1)}"
        return None
    if not image.mode.startswith("I"):
        return None
    stated = _stated_bits(image)
    values, white = np.asarray(image), 2 ** (stated or 16) - 1
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > white:
        who = "its TIFF tags say" if stated else "16 bits have"
        return f"holds whole numbers from {low:,} to {high:,}, not 0 to {white:,} as {who}. Store it with 8 bits."
    if not stated and 0 < high < 2**_DARKEST:
        return f"has 16 or more bits and {_unused(high)}"
    return None


def _unused(high: int) -> str:
    return (
        f"no number above {high:,}: with white at 65,535 it would be almost black. Store it with 8 bits, or as a TIFF "
        "whose tag SMaxSampleValue says what is white."
    )


def is_deep(image: Image.Image) -> bool:
    """Whether an opened picture has 16 bits per channel in its file; PIL forgets it when it decodes colour to 8."""
    return any(";16" in str(tile[3]) for tile in image.tile)


def _from_integers(image: Image.Image) -> Image.Image:
    # PIL opens 16-bit PGM files as "I", 32 bits, with white at 65,535
    values, bits = np.asarray(image).astype(np.int64), _stated_bits(image) or 16
    if _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:  # PIL inverts 8 bits, and no more
        values = 2**bits - 1 - values
    grey = values >> (bits - 8) if bits >= 8 else values * 255 // (2**bits - 1)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _stated_bits(image: Image.Image) -> int | None:
    """How many bits a TIFF says that its numbers use; None if it does not, or holds the usual 16."""
    for tag in _WHITE_TAGS:
        white = _tag(image, tag)
        # a whole number of bits: some writers put the largest number of this one picture here
        if isinstance(white, int | float) and white in [2**n - 1 for n in range(1, 33)]:
            return int(white).bit_length()
    bits = _tag(image, _BITS_PER_SAMPLE)
    if bits == 16 and _tag(image, _SAMPLE_FORMAT) == _SIGNED:
        return 15
    return bits if isinstance(bits, int) and bits < 16 else None


def _tag(image: Image.Image, tag: int) -> object:
    """A TIFF tag of a picture with one channel; None if there is none."""
    value = getattr(image, "tag_v2", {}).get(tag)
    return value[0] if isinstance(value, tuple) and value else value
