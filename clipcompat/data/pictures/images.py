"""Picture files that are decoded one at a time, when they are asked for."""

import hashlib
import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress
from clipcompat.common.text import brief
from clipcompat.data.pictures.hashes import FileHash, file_state, hash_files, read_hash, unreadable
from clipcompat.data.pictures.rgb import is_deep, why_no_white

if TYPE_CHECKING:
    from clipcompat.data.split import Split  # takes torch

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
    hashes: of the contents known so far, by path; shared by selections.
    """

    root: Path
    paths: tuple[str, ...]
    name: str
    upright: bool = False
    hashes: dict[str, FileHash] = field(default_factory=dict, repr=False, compare=False)

    __repr__ = brief

    @cached_property
    def fingerprint(self) -> str:
        """`files:<name>:<hash>`, the hash over every relative path and all bytes of the file.

        The same on every machine. Pictures whose hashes are not known are read when this is first asked for; after a
        change of pictures, load the data set again.

        Raises:
            DataError: a file is missing or cannot be read.
        """
        self.hash_contents()
        sha = hashlib.sha256()
        for path in self.paths:
            sha.update(f"{path}\0{self.hashes[path].hash}\n".encode())
        return f"files:{self.name}:{sha.hexdigest()[:16]}{':upright' if self.upright else ''}"

    def hash_contents(self, memory: str | Path | None = None, progress: Progress | None = None, what: str = "") -> None:
        """Hash the pictures whose content is not known yet; arguments and errors as of `hash_files`."""
        new = [path for path in dict.fromkeys(self.paths) if path not in self.hashes]
        if new:
            self.hashes.update(hash_files(self.root, new, memory, progress, what))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        """The picture, fully decoded, in the file's own mode (preprocessing converts to RGB).

        Raises:
            DataError: the file is missing, truncated, no picture, too large, does not say what is white, or is not
            what it was when its content was hashed.
        """
        image, deep = _decode(path := self.root / self.paths[index], self.upright)
        self._check_unchanged(self.paths[index])
        if why := why_no_white(image, deep):
            raise DataError(f"{path} {why}")
        return image

    def key(self, index: int) -> str:
        return self.paths[index]

    def select(self, indices: list[int]) -> "ImageFiles":
        return replace(self, paths=tuple(self.paths[i] for i in indices))

    def _check_unchanged(self, path: str) -> None:
        """Features of a changed picture must not be kept under the stamp of the former one."""
        known = self.hashes.get(path)
        if known is None or file_state(self.root / path) == known.state:
            return
        now = read_hash(self.root / path)  # its permissions may have changed, say
        if now.hash != known.hash:
            raise DataError(f"{self.root / path} was changed while it was in use; load the data set again.")
        self.hashes[path] = now


def hash_contents(split: "Split", memory: str | Path | None, progress: Progress | None) -> None:
    """Hash the picture files of a split before its stamp is asked for, to read only those that `memory` does not know.

    memory: folder of a `clipcompat.data.pictures.hash_memory.HashMemory`. Errors: see `hash_files`.
    """
    if isinstance(split.images, ImageFiles):
        split.images.hash_contents(memory, progress, f"{split.name}: reading pictures")


def _decode(path: Path, upright: bool) -> tuple[Image.Image, bool]:
    """The picture, and whether its file has 16 bits per channel."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        # Some libraries flip this process-wide switch; the missing part of a picture would then be grey.
        raise DataError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True and hides damage; set it back to False.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        image = Image.open(io.BytesIO(content))
        pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
        if most is None or pixels <= most:
            deep = is_deep(image)
            image.load()
            return turn_upright(image) if upright else image, deep
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(path, str(error)) from error
    except Exception as error:  # PIL's decoders raise OSError, SyntaxError, ValueError, struct.error, …
        why = "no known format begins like this" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"{path} ({len(content):,} bytes) cannot be decoded as a picture: {why}. "
            "It is damaged, cut short or no picture: copy it again from the source."
        ) from error
    raise _bomb(path, f"{pixels:,} pixels, the limit is {most:,}")


def turn_upright(image: Image.Image) -> Image.Image:
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
