"""Pictures of another library's data set, read by number; see `clipcompat.data.custom.from_samples`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.text import brief


@dataclass(frozen=True)
class Source:
    """One data set, read by number.

    part: "train", "val" or "test". columns: of picture and label, if samples are mappings. where: for messages.
    """

    dataset: Any
    part: str
    columns: tuple[str, str]
    where: str

    __repr__ = brief

    def __post_init__(self):
        if not hasattr(self.dataset, "__len__") or not hasattr(self.dataset, "__getitem__"):
            raise ConfigError(
                f"{self.where}: expected a data set with a length and samples by number; a {_kind(self.dataset)} has "
                "not both. Store a stream first."
            )
        if len(self.dataset) == 0:
            raise DataError(f"{self.where} is empty.")
        if pixel_hash(self.picture(0)) != pixel_hash(self.picture(0)):
            raise DataError(
                f"{self.where}: sample 0 has other pixels each time. Load the data set without random transforms; "
                "`fit` augments by itself."
            )

    def picture(self, number: int) -> Image.Image:
        """The picture of one sample; a DataError if it has none."""
        image = self._part(self.dataset[number], 0, number)
        if not isinstance(image, Image.Image):
            raise DataError(
                f"{self.where}: the picture of sample {number} should be a PIL image; it is a {_kind(image)}. Load the "
                "data set without a transform or format: preprocessing belongs to the backbone."
            )
        return image

    def labels(self, classes: int) -> list[int]:
        """The label of every sample: of a column if there is one, else sample by sample, which decodes pictures.

        Raises:
            DataError: a label is no whole number from 0 to classes - 1.
        """
        found = self._listed()
        if found is None:
            found = [self._part(self.dataset[i], 1, i) for i in range(len(self.dataset))]
        labels = [_plain(label) for label in found]
        for number, value in enumerate(labels):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < classes:
                raise DataError(
                    f"{self.where}: the label of sample {number} is {value!r}; with {classes} class names it must be a "
                    f"whole number from 0 to {classes - 1}. (If -1 means that a part has no labels, leave it out.)"
                )
        return labels

    def classnames(self, column: str) -> list[str] | None:
        """The data set's own class names, if any: torchvision's `classes`, Hugging Face's `features`."""
        features = getattr(self.dataset, "features", None)
        label = features.get(column) if isinstance(features, Mapping) else None
        names = getattr(label, "names", None) or getattr(self.dataset, "classes", None)
        return [str(name) for name in names] if isinstance(names, Sequence) and not isinstance(names, str) else None

    def _listed(self) -> Sequence[Any] | None:
        """Labels without pictures, from torchvision's lists or Hugging Face's column; None if there are none.

        A list that disagrees with the first sample is ignored: `target_transform` changes samples but not the list.
        """
        kept = [getattr(self.dataset, name, None) for name in ("targets", "labels", "_labels")]
        if self.columns[1] in (getattr(self.dataset, "column_names", None) or ()):
            kept.insert(0, self.dataset[self.columns[1]])
        for found in kept:
            complete = hasattr(found, "__len__") and len(found) == len(self.dataset)
            if complete and _plain(found[0]) == _plain(self._part(self.dataset[0], 1, 0)):
                return found
        return None

    def _part(self, sample: Any, which: int, number: int) -> Any:
        if isinstance(sample, Mapping):
            if self.columns[which] not in sample:
                raise DataError(
                    f"{self.where}: sample {number} has no {self.columns[which]!r}, but {', '.join(map(str, sample))}. "
                    "Say which columns hold picture and label: columns=('img', 'fine_label')."
                )
            return sample[self.columns[which]]
        if isinstance(sample, Sequence) and not isinstance(sample, str) and len(sample) >= 2:
            return sample[which]
        form = "(picture, label) or a mapping with both"
        raise DataError(f"{self.where}: sample {number} should be {form}; it is a {_kind(sample)}.")


@dataclass(frozen=True)
class SampleImages:
    """Some samples of some sources; implements `clipcompat.data.split.Images`.

    at: (source, number) of every picture. fingerprint: `samples:<name>`, and the version if one was given.
    hashed: whether keys hold a hash of the pixels. hashes: those known so far, shared by selections.
    """

    sources: Sequence[Source]
    at: tuple[tuple[int, int], ...]
    fingerprint: str
    hashed: bool
    hashes: dict[tuple[int, int], str] = field(default_factory=dict, repr=False, compare=False)

    __repr__ = brief

    @staticmethod
    def of(sources: Sequence[Source], name: str, version: str | None) -> "SampleImages":
        """All samples, source by source."""
        at = tuple((s, i) for s, source in enumerate(sources) for i in range(len(source.dataset)))
        return SampleImages(sources, at, f"samples:{name}:{version or 'pixels'}", version is None)

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, index: int) -> Image.Image:
        source, number = self.at[index]
        return self.sources[source].picture(number)

    def key(self, index: int) -> str:
        """`train/000017`, followed by a hash of the pixels unless a version was given."""
        source, number = at = self.at[index]
        plain = f"{self.sources[source].part}/{number:06d}"
        if not self.hashed:
            return plain
        if at not in self.hashes:
            self.hashes[at] = pixel_hash(self[index])
        return f"{plain}-{self.hashes[at]}"

    def select(self, indices: list[int]) -> "SampleImages":
        return replace(self, at=tuple(self.at[i] for i in indices))


def pixel_hash(image: Image.Image) -> str:
    """12 hexadecimal digits of mode, size and decoded pixels."""
    sha = hashlib.sha256(f"{image.mode} {image.size} {image.getpalette()}\n".encode())
    sha.update(image.tobytes())
    return sha.hexdigest()[:12]


def _plain(label: Any) -> Any:
    """A label without its array."""
    return label.item() if hasattr(label, "item") else label


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
