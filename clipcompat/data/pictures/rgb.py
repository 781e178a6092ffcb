"""Conversion to 8-bit RGB, as Dassl's `Image.open(path).convert("RGB")` does it.

Transparency is dropped: what lies under it shows. CMYK is converted by PIL's formula, colour profiles are not applied,
and of an animation the first frame is taken.

Deviation: 16-bit grey pictures keep their upper eight bits, as PIL itself does for colour. PIL's conversion of grey
clips at 255 instead, which makes all but the darkest 256th white.
"""

import numpy as np
from PIL import Image

from clipcompat.common.errors import DataError


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; itself if it is already.

    Raises:
        DataError: floating-point numbers, which have no white point.
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise DataError("a picture of floating-point numbers does not say what is white; store it with 8 or 16 bits.")
    if image.mode.startswith("I"):  # PIL opens 16-bit PGM files as "I", 32 bits, with the same values
        return Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if "transparency" in image.info:  # else PIL warns that it is lost
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")
