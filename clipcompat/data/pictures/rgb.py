"""Any picture PIL can open as RGB with 8 bits, as Dassl's `Image.open(path).convert("RGB")` makes it.

Transparency is dropped: what lies under it shows (alpha, LA, palettes, a transparent colour). CMYK is converted by
PIL's formula, colour profiles are not applied, and of an animation the first frame is taken.

Deviation: grey pictures with 16 bits keep their upper eight, as PIL itself does for colour ones. Its conversion cuts
them at 255 instead, which upstream shows as white: all of the picture but the darkest 256th.
"""

import numpy as np
from PIL import Image

from clipcompat.common.errors import DataError


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; itself if it is.

    Raises:
        DataError: floating-point numbers, of which nobody says which is white.
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise DataError("a picture of floating-point numbers does not say what is white; store it with 8 or 16 bits.")
    if image.mode.startswith("I"):  # "I", 32 bits, is what PIL makes of PGM files with 16, in their range
        return Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if "transparency" in image.info:  # or PIL warns that it is lost, which is what is wanted here
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")
