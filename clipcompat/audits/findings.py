"""What an audit finds for one plug-in. Needs no torch."""

from dataclasses import dataclass

from clipcompat.audits.verdict import Verdict

EVIDENCE = {
    "measured": "accuracies are measured on pictures with labels",
    "predicted": "accuracies are predicted from pictures without labels, by a predictor that was fitted on mini "
    "upgrades",
    "structure": "nothing was measured: only tensors and stamps were compared, and verdicts are what repairs of the "
    "method's plug-ins left on mini upgrades. Give pictures for more",
}
"""Level -> what it means, as the report says it."""


@dataclass(frozen=True)
class ClassChange:
    """One class. images: of this class. old, new: percent of them that are right; old is None without that backbone."""

    classname: str
    images: int
    old: float | None
    new: float | None


@dataclass(frozen=True)
class Confusion:
    """Pictures of one class that were taken for another: how many on old (None without it), how many on new."""

    classname: str
    taken_for: str
    on_old: int | None
    on_new: int


@dataclass(frozen=True)
class Change:
    """Pictures that got one answer on old and another on new."""

    old: str
    new: str
    images: int


@dataclass(frozen=True)
class PluginAudit:
    """One plug-in. Accuracies in percent; None for what is not known.

    name: of its file. evidence: "measured", "predicted" or "structure". pictures: how many were looked at.
    expected, interval: accuracy on new as it is, and its 95 % interval. after: the accuracy that the verdict's step is
    expected to leave. old, zero_shot: on old, and of zero-shot on new. negative_flips: percent of the pictures that are
    right on old and wrong on new; measured only. changed: percent of the pictures that get another answer on new.
    minutes: of the verdict's step. classes, confusions: those that lost most; measured only. changes: the most
    frequent changes of an answer. words_old, words_new: nearest words of its prompt, one per vector. error: why it
    could not be audited, or cannot act on new.
    """

    name: str
    method: str | None
    evidence: str
    verdict: Verdict | None
    reasons: tuple[str, ...] = ()
    expected: float | None = None
    interval: tuple[float, float] | None = None
    after: float | None = None
    old: float | None = None
    zero_shot: float | None = None
    negative_flips: float | None = None
    changed: float | None = None
    minutes: float | None = None
    pictures: int = 0
    classes: tuple[ClassChange, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    changes: tuple[Change, ...] = ()
    words_old: tuple[str, ...] = ()
    words_new: tuple[str, ...] = ()
    error: str | None = None
