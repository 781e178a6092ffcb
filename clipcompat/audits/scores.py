"""Accuracies of answers: measured with labels, or predicted without; and what changed from old to new."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor

from clipcompat.audits.findings import Change, ClassChange, Confusion
from clipcompat.audits.predictor import TOLD, UNTOLD, Interval
from clipcompat.audits.signs import signs, teacher
from clipcompat.studies.accuracy import percent
from clipcompat.studies.details import Details

_SHOWN = 5  # classes, confusions and changes per plug-in


class Scores(Protocol):
    """Of one plug-in. All answers are logits of the same pictures, [image, class]."""

    old: float | None
    """Accuracy of the plug-in on its old backbone, percent; None without that backbone."""

    zero_shot: float
    """Of zero-shot on new, percent."""

    def accuracy(self, on_new: Tensor) -> tuple[float, Interval]:
        """Of the plug-in, or of its repair, on new: percent, and its 95 % interval."""

    def differences(self, on_new: Tensor, classnames: Sequence[str]) -> dict[str, Any]:
        """Fields of a `PluginAudit`: flips, changes, classes and confusions."""


@dataclass(frozen=True)
class Measured:
    """labels: [image]. on_old: logits of the plug-in; None without the old backbone. zs_new: of zero-shot on new."""

    labels: Tensor
    on_old: Tensor | None
    zs_new: Tensor

    @property
    def old(self) -> float | None:
        return None if self.on_old is None else self.accuracy(self.on_old)[0]

    @property
    def zero_shot(self) -> float:
        return self.accuracy(self.zs_new)[0]

    def accuracy(self, on_new: Tensor) -> tuple[float, Interval]:
        share = percent(on_new.argmax(-1) == self.labels)
        return share, wilson(share, len(self.labels))

    def differences(self, on_new: Tensor, classnames: Sequence[str]) -> dict[str, Any]:
        new = on_new.argmax(-1)
        old = new if self.on_old is None else self.on_old.argmax(-1)
        numbers = (tuple(answers.tolist()) for answers in (self.labels, old, new))
        details = Details(tuple(classnames), ("",) * len(new), *numbers)
        known = self.on_old is not None
        lost = [c for c in details.per_class() if c.images and (c.new < c.old if known else c.new < 100)]
        lost.sort(key=lambda c: (c.new - c.old, c.new))
        classes = (ClassChange(c.classname, c.images, c.old if known else None, c.new) for c in lost[:_SHOWN])
        before, after = details.confusion("old"), details.confusion("new")
        wrong = [(i, j) for i, j in zip(*after.nonzero(), strict=True) if i != j]
        wrong.sort(key=lambda pair: (-after[pair], -before[pair], pair))
        taken = (
            Confusion(classnames[i], classnames[j], int(before[i, j]) if known else None, int(after[i, j]))
            for i, j in wrong[:_SHOWN]
        )
        found = {"classes": tuple(classes), "confusions": tuple(taken)}
        if not known:
            return found
        flips = percent((old == self.labels) & (new != self.labels))
        return found | {"negative_flips": flips} | _changes(self.on_old, on_new, classnames)


@dataclass(frozen=True)
class Predicted:
    """on_old: logits of the plug-in on old. zs_new: of zero-shot on new. known: the accuracy on old, percent."""

    on_old: Tensor
    zs_new: Tensor
    known: float | None = None

    @property
    def old(self) -> float:
        return self._predicted(self.on_old)[0] if self.known is None else self.known

    @property
    def zero_shot(self) -> float:
        return self._predicted(self.zs_new)[0]

    def accuracy(self, on_new: Tensor) -> tuple[float, Interval]:
        return self._predicted(on_new)

    def differences(self, on_new: Tensor, classnames: Sequence[str]) -> dict[str, Any]:
        return _changes(self.on_old, on_new, classnames)

    @cached_property
    def _teacher(self) -> Tensor:
        return teacher(self.on_old, None if self.known is None else self.known / 100)

    def _predicted(self, answers: Tensor) -> tuple[float, Interval]:
        predictor = UNTOLD if self.known is None else TOLD
        return predictor.accuracy(signs(self._teacher, answers.argmax(-1)), len(answers))


def _changes(old: Tensor, new: Tensor, classnames: Sequence[str]) -> dict[str, Any]:
    """The share of pictures whose answer changed, and the most frequent changes."""
    pairs = Counter((a, b) for a, b in zip(old.argmax(-1).tolist(), new.argmax(-1).tolist(), strict=True) if a != b)
    most = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:_SHOWN]
    changes = tuple(Change(classnames[a], classnames[b], pairs[a, b]) for a, b in most)
    return {"changed": 100 * pairs.total() / len(new), "changes": changes}


def wilson(share: float, n: int) -> Interval:
    """Wilson's 95 % score interval of a share in percent that was seen in n pictures, in percent."""
    from scipy.stats import binomtest  # takes long to load

    low, high = binomtest(round(share * n / 100), n).proportion_ci(0.95, method="wilson")
    return 100 * low, 100 * high
