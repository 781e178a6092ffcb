"""The pictures of an audit, with labels or without, as each plug-in sees them: in its own classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress
from clipcompat.common.text import shown
from clipcompat.data.split import Dataset, Images, Split
from clipcompat.features.encode import Cache, encode_together
from clipcompat.methods.parts.prompts import readable
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.pictures import as_split, unlabelled_pictures

FEWEST = 8
"""Pictures of an audit, at least: as many as a map needs. The interval says what so few leave open."""

_NAMED = 3  # classes that an error names
REPAIRED_WITH = 200
"""Pictures that a map is fitted on, at most: as many as in the records of repairs."""


@dataclass(frozen=True)
class Pictures:
    """What an audit looks at.

    split: pictures with labels, or with labels that say nothing. labelled: whether they do.
    pool: pictures to fit maps on; their labels are never read. seen: features that both backbones have made already.
    """

    split: Split
    labelled: bool
    pool: Images
    seen: set[str] = field(default_factory=set, repr=False)

    @staticmethod
    def of(data: Dataset | Split | Images) -> "Pictures":
        """A dataset: its test pictures with labels, and its pool. A split: labelled pictures. Others: without labels.

        Raises:
            DataError: there are fewer than `FEWEST`.
        """
        if isinstance(data, Dataset):
            pool = unlabelled_pictures(data, REPAIRED_WITH) if len(data.unlabelled) else data.test.images
            found = Pictures(data.test, True, pool)
        elif isinstance(data, Split):
            found = Pictures(data, True, data.images)
        else:
            found = Pictures(as_split(data, ("",), "{}"), False, data)
        if len(found.split) < FEWEST:
            raise DataError(
                f"an audit needs at least {FEWEST} pictures, and 200 are advised; these are {len(found.split)}. Give "
                "more, or none at all for an audit of structure and stamps only."
            )
        if len(found.pool) > REPAIRED_WITH:
            generator = torch.Generator().manual_seed(1)
            drawn = torch.randperm(len(found.pool), generator=generator)[:REPAIRED_WITH].tolist()
            found = replace(found, pool=found.pool.select(drawn))
        return found

    def look(self, kind: str, backbones: Sequence[Backbone], cache: Cache, progress: Progress | None) -> None:
        """Encode the pictures for all backbones in one pass over the files; they remember the features."""
        if kind not in self.seen:
            encode_together([(backbone, kind) for backbone in backbones], self.split, cache, progress)
            self.seen.add(kind)

    def for_plugin(self, plugin: Plugin) -> Split:
        """All pictures, with the plug-in's classes and template; labels that say nothing."""
        template = plugin.origin["template"] or "a photo of a {}."
        template = template if isinstance(template, str) else tuple(template)
        return as_split(self.split.images, tuple(plugin.origin["classnames"]), template)

    def labels_for(self, plugin: Plugin) -> tuple[Tensor, Tensor]:
        """The rows whose class the plug-in has, [row], and their labels in its classes, [row].

        Raises:
            DataError: no picture is of any of its classes.
        """
        names = plugin.origin["classnames"]
        at = {_key(name): i for i, name in reversed(list(enumerate(names)))}
        place = torch.tensor([at.get(_key(name), -1) for name in self.split.classnames])
        labels = place[self.split.labels]
        rows = (labels >= 0).nonzero().flatten()
        if not len(rows):
            raise DataError(
                f"the plug-in knows {len(names)} classes ({_first(names)}), and no picture is of one of them: their "
                f"classes are {_first(self.split.classnames)}. Give pictures of its task, under its class names."
            )
        return rows, labels[rows]


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:_NAMED])) + ", …" * (len(names) > _NAMED)


def _key(name: str) -> str:
    return readable(name).strip().casefold()
