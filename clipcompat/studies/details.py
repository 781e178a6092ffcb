"""What stands behind a report: the prediction for every test picture on both backbones. Needs no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.common.frames import to_dataframe
from clipcompat.common.text import brief

if TYPE_CHECKING:
    import numpy
    import pandas

FLIPS = ("negative", "positive", "all")


@dataclass(frozen=True)
class ClassAccuracy:
    """One class. images: how many test pictures it has. old, new: percent of them that are right; None if it has none.

    negative_flips: how many of them are right on old and wrong on new.
    """

    classname: str
    images: int
    old: float | None
    new: float | None
    negative_flips: int


@dataclass(frozen=True)
class Flip:
    """A test picture whose prediction is right on one backbone and wrong on the other.

    index: its place in the test split. image: its key, the path below the root. label, old, new: class names.
    """

    index: int
    image: str
    label: str
    old: str
    new: str


@dataclass(frozen=True)
class Details:
    """The predictions of a carried plug-in, picture by picture.

    classnames: [class]. images: the key of every test picture, its path below the root. labels: [image], the right
    class. old, new: [image], the predicted class, by number; ties go to the first class. retrained: the same of the
    plug-in that was trained on new; None if there is none.
    """

    classnames: tuple[str, ...]
    images: tuple[str, ...]
    labels: tuple[int, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]
    retrained: tuple[int, ...] | None = None

    __repr__ = brief

    def per_class(self) -> tuple[ClassAccuracy, ...]:
        """The accuracy of every class on both backbones, in the order of `classnames`."""
        counts = [[0, 0, 0, 0] for _ in self.classnames]  # images, right on old, right on new, negative flips
        for label, old, new in zip(self.labels, self.old, self.new, strict=True):
            right = (True, old == label, new == label, old == label != new)
            counts[label] = [n + more for n, more in zip(counts[label], right, strict=True)]
        return tuple(
            ClassAccuracy(name, n, *(100 * right / n if n else None for right in (old, new)), flips)
            for name, (n, old, new, flips) in zip(self.classnames, counts, strict=True)
        )

    def confusion(self, on: str = "new") -> "numpy.ndarray":
        """How many pictures of each class were taken for each class: [class, class], int64; a row is the right class.

        on: "old", "new" or "retrained".

        Raises:
            UnknownNameError: another word. ConfigError: nothing was retrained.
        """
        import numpy

        if on not in ("old", "new", "retrained"):
            raise unknown_name("side of an upgrade", on, ("old", "new", "retrained"))
        predicted = getattr(self, on)
        if predicted is None:
            raise ConfigError("nothing was retrained, so there is no confusion matrix of it; ask for 'old' or 'new'.")
        matrix = numpy.zeros((len(self.classnames),) * 2, dtype=numpy.int64)
        numpy.add.at(matrix, (list(self.labels), list(predicted)), 1)
        return matrix

    def flips(self, kind: str = "negative") -> tuple[Flip, ...]:
        """The test pictures that became wrong ("negative"), became right ("positive"), or both kinds ("all").

        Raises:
            UnknownNameError: another kind.
        """
        if kind not in FLIPS:
            raise unknown_name("kind of flip", kind, FLIPS)
        names = self.classnames
        return tuple(
            Flip(index, self.images[index], names[label], names[old], names[new])
            for index, (label, old, new) in enumerate(zip(self.labels, self.old, self.new, strict=True))
            if kind in _kinds(label, old, new)
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row per test picture: index, image, label, old, new, retrained (class names), flip ("" if none)."""
        names = self.classnames
        retrained = self.retrained or (None,) * len(self.labels)
        sides = zip(self.images, self.labels, self.old, self.new, retrained, strict=True)
        return [
            {
                "index": index,
                "image": image,
                "label": names[label],
                "old": names[old],
                "new": names[new],
                "retrained": None if again is None else names[again],
                "flip": (*_kinds(label, old, new), "")[0],
            }
            for index, (image, label, old, new, again) in enumerate(sides)
        ]

    def to_dataframe(self) -> "pandas.DataFrame":
        """`rows` as a table of pandas.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return to_dataframe(self.rows())


def _kinds(label: int, old: int, new: int) -> tuple[str, ...]:
    """The words of `flips` that ask for this picture, its own first."""
    if (old == label) == (new == label):
        return ()
    return ("negative" if old == label else "positive", "all")
