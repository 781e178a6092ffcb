"""Picture files that are decoded one at a time, when they are asked for."""

import hashlib
import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from clipcompat.common.errors import DataError
from clipcompat.common.text import brief
from clipcompat.data.pictures.rgb import is_deep, why_no_white

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the value of EXIF's orientation tag."""


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
            DataError: the file is missing, truncated, no picture, too large, or does not say what is white.
        """
        image, deep = _decode(path := self.root / self.paths[index], self.upright)
        if why := why_no_white(image, deep):
            raise DataError(f"{path} {why}")
        return image

    def key(self, index: int) -> str:
        return self.paths[index]

    def select(self, indices: list[int]) -> "ImageFiles":
        return replace(self, paths=tuple(self.paths[i] for i in indices))


def _decode(path: Path, upright: bool) -> tuple[Image.Image, bool]:
    """The picture, and whether its file has 16 bits per channel."""
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
            deep = is_deep(image)
            image.load()
            return _turn(image) if upright else image, deep
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(path, str(error)) from error
    except Exception as error:  # PIL's decoders raise OSError, SyntaxError, ValueError, struct.error, …
        why = "no known format begins like this" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"{path} ({len(content):,} bytes) cannot be decoded as a picture: {why}. "
            "It is damaged, cut short or no picture: copy it again from the source."
        ) from error
    raise _bomb(path, f"{pixels:,} pixels, the limit is {most:,}")


def _turn(image: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation says. ImageOps.exif_transpose also writes the EXIF again, and may fail."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except SyntaxError:  # no EXIF begins like this; in a JPEG, PIL itself takes it for none
        return image
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


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
