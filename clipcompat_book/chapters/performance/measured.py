"""Single measurements of time and memory, as the programs in benchmarks/ wrote them: rows, points and trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipcompat_book.chapters.compatibility.sentences import name_title

_NAMES = {  # method, classes, what is timed
    "coop-47": ("coop", 47, "47 classes"),
    "contcoop-47": ("contcoop", 47, "47 classes"),
    "cocoop-10x8": ("cocoop", 10, "10 classes × 8 images"),
    "coop-1000": ("coop", 1000, "1,000 classes"),
    "contcoop-1000": ("contcoop", 1000, "1,000 classes"),
    "coop-training": ("coop", 47, "47 classes"),
    "coop-training-mini": ("coop", 0, "mini"),
    "images-32": ("", 0, "CLIP, 32 pictures"),
    "images-32-eva": ("", 0, "EVA-CLIP, 32 pictures"),
    "classes-10000": ("coop", 10_000, "10,000 classes"),
    "classes-10000-contcoop": ("contcoop", 10_000, "10,000 classes"),
}


@dataclass(frozen=True)
class Row:
    """One comparison of a plain way with the fast one.

    name: as `make bench` prints it. reference_s, fast_s: medians. reference: what the plain way was, in words.
    extrapolated: steps were timed and multiplied. features, gradients: the largest difference of both ways, absolute
    and relative to the largest gradient; None: not comparable. largest: feature. bounds: the ratio's, slowest against
    fastest. budget, peak: bytes that a process might take, and took. parts: what was kept for backward -> of how many.
    """

    name: str
    reference_s: float
    fast_s: float
    dtype: str
    reference: str
    extrapolated: bool = False
    features: float | None = None
    gradients: float | None = None
    largest: float | None = None
    bounds: tuple[float, float] | None = None
    budget: float | None = None
    peak: float | None = None
    parts: Mapping[str, int] | None = None
    limit_s: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast the fast way is."""
        return self.reference_s / self.fast_s

    @property
    def kind(self) -> str:
        """ "step", "images", "training" or "chunks"."""
        if self.budget is not None:
            return "chunks"
        return "training" if "training" in self.name else "images" if self.name.startswith("images") else "step"

    @property
    def method(self) -> str:
        return self._told[0]

    @property
    def classes(self) -> int:
        return self._told[1]

    @property
    def title(self) -> str:
        """How a text calls it: "CoOp, 47 classes"."""
        method, _, words = self._told
        return f"{name_title(method)}, {words}" if method else words

    @property
    def _told(self) -> tuple[str, int, str]:
        return _NAMES.get(self.name.removesuffix("-bf16"), ("", 0, self.name))


@dataclass(frozen=True)
class Point:
    """One step of some size.

    sweep: "classes" or "context". way: "fast" or "plain". limit_s: what arithmetic takes. memory_bytes: the most
    that the process took, beyond what it held before its first step; 0: not known. kept: what was kept for backward
    -> of how many parts.
    """

    sweep: str
    method: str
    way: str
    classes: int
    n_ctx: int
    seconds: float
    limit_s: float
    memory_bytes: float
    kept: Mapping[str, int]


@dataclass(frozen=True)
class Training:
    """A whole training at full size, from picture files to a plug-in.

    pictures_s: what decoding and encoding `views` views of all pictures took; steps_s: all that came after, `steps`
    steps. limit_s: what the arithmetic of both takes. pictures_bytes, steps_bytes: the most that the process took in
    each, beyond what it held before. views_bytes: what has to be kept of the pictures, a vector a view.
    """

    method: str
    classes: int
    shots: int
    views: int
    steps: int
    pictures_s: float
    steps_s: float
    limit_s: float
    pictures_bytes: float
    steps_bytes: float
    views_bytes: float

    @property
    def seconds(self) -> float:
        """From pictures to a plug-in."""
        return self.pictures_s + self.steps_s
