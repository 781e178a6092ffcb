"""Pictures of several places as one sequence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from PIL import Image

from clipcompat.common.errors import DataError
from clipcompat.common.files import digest
from clipcompat.common.text import brief

if TYPE_CHECKING:
    from clipcompat.data.split import Images  # takes torch


@dataclass(frozen=True)
class JoinedImages:
    """Implements `clipcompat.data.split.Images` over pictures that others hold.

    parts: who holds them. places: of each picture, its part and its index there.
    """

    parts: "tuple[Images, ...]"
    places: tuple[tuple[int, int], ...]

    __repr__ = brief

    @cached_property
    def fingerprint(self) -> str:
        """Of all parts, and how many pictures each has: two parts may call different pictures by one key."""
        return f"joined:{digest([[part.fingerprint, len(part)] for part in self.parts])}"

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Image.Image:
        part, place = self.places[index]
        return self.parts[part][place]

    def key(self, index: int) -> str:
        """Number of the part and the key there."""
        part, place = self.places[index]
        return f"{part}:{self.parts[part].key(place)}"

    def select(self, indices: list[int]) -> "JoinedImages":
        return replace(self, places=tuple(self.places[i] for i in indices))


def joined(parts: "Sequence[Images]") -> JoinedImages:
    """All pictures of the parts, part by part.

    Raises:
        DataError: there is no part.
    """
    if not parts:
        raise DataError("there is nothing to join; give the pictures of one place or more.")
    places = tuple((part, place) for part, images in enumerate(parts) for place in range(len(images)))
    return JoinedImages(tuple(parts), places)
