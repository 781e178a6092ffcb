"""Picture files that are decoded one at a time, when they are asked for."""

import hashlib
import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from clipcompat.common.errors import DataError
from clipcompat.common.text import brief


@dataclass(frozen=True)
class ImageFiles:
    """Files under one folder; implements `clipcompat.data.split.Images`, and can be pickled for workers.

    root: the image root on this machine; it enters no key and no stamp.
    paths: posix paths relative to `root`.
    name: of the place in stamps, such as "eurosat"; the same on every machine.
    upright: turn and mirror pictures as their EXIF says, as photo viewers do; benchmarks are measured without.
    """

    root: Path
    paths: tuple[str, ...]
    name: str
    upright: bool = False

    __repr__ = brief

    @cached_property
    def fingerprint(self) -> str:
        """`files:<name>:<hash>`, the hash over every relative path and the file's size in bytes.

        Sizes are cheap, the same on every machine, and differ between most versions of a picture. Reading contents
        would take minutes on ImageNet.

        Raises:
            DataError: a file is missing.
        """
        sha = hashlib.sha256()
        for path in self.paths:
            try:
                size = (self.root / path).stat().st_size
            except OSError as error:
                raise _unreadable(self.root / path, error) from error
            sha.update(f"{path}\0{size}\n".encode())
        return f"files:{self.name}:{sha.hexdigest()[:16]}{':upright' if self.upright else ''}"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        """The picture, fully decoded, in the file's own mode (preprocessing converts to RGB).

        Raises:
            DataError: the file is missing, truncated, no picture, too large, or of floating-point numbers.
        """
        image = _decode(path := self.root / self.paths[index], self.upright)
        if image.mode == "F":
            raise DataError(f"{path} holds floating-point numbers without a white point. Store it with 8 bits.")
        return image

    def key(self, index: int) -> str:
        return self.paths[index]

    def select(self, indices: list[int]) -> "ImageFiles":
        return replace(self, paths=tuple(self.paths[i] for i in indices))


def _decode(path: Path, upright: bool) -> Image.Image:
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        # Some libraries flip this process-wide switch; the missing part of a picture would then be grey.
        raise DataError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True and hides damage; set it back to False.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        image = Image.open(io.BytesIO(content))
        pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
        if most is None or pixels <= most:
            image.load()
            return ImageOps.exif_transpose(image) if upright else image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(path, str(error)) from error
    except Exception as error:  # PIL's decoders raise OSError, SyntaxError, ValueError, struct.error, …
        why = "no known format begins like this" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"{path} ({len(content):,} bytes) cannot be decoded as a picture: {why}. "
            "It is damaged, cut short or no picture: copy it again from the source."
        ) from error
    raise _bomb(path, f"{pixels:,} pixels, the limit is {most:,}")


def _bomb(path: Path, what: str) -> DataError:
    return DataError(
        f"{path} unpacks to more pixels than is safe ({what.rstrip('.')}). Check where the file comes from; "
        "if it is genuine, store it smaller or raise PIL.Image.MAX_IMAGE_PIXELS."
    )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"the picture {path} cannot be read: {error.strerror or error}. "
        "Check that the whole image folder was copied to this machine."
    )


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; itself if it is already. As Dassl's `Image.open(path).convert("RGB")` does it.

    Transparency is dropped: what lies under it shows. CMYK is converted by PIL's formula, colour profiles are not
    applied, and of an animation the first frame is taken.

    Deviation: 16-bit grey pictures keep their upper eight bits, as PIL itself does for colour. PIL's conversion of grey
    clips at 255 instead, which makes all but the darkest 256th white.

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
