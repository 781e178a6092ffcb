"""What the controls say about one method, and what each rules out. The numbers behind it are those of `control_table`.

A gain over zero-shot is not compared between upgrades: where zero-shot on new is higher, there is less to add, and
nothing need be lost. What was lost is the distance to retraining on the same backbone; what could be added is the gain
of retraining there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from statistics import fmean

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.controls import (
    ACTIVATION,
    IDENTITY,
    IMAGE_ONLY,
    PAIR,
    STEP,
    TEXT_ONLY,
    TWIN,
    UPGRADE,
    by_upgrade,
    with_retraining,
)
from clipcompat_book.means import (
    change,
    compared,
    gap_by_dataset,
    of_method,
    over_pairs,
    over_seeds,
    over_zero_shot,
    reports_of,
)
from clipcompat_book.words import apart, counted, direction

_KEPT = {TEXT_ONLY: "every picture keeps its vector", IMAGE_ONLY: "every prompt keeps its vector"}
_NOT_RETRAINED = "It was not retrained there, so lost headroom and a lost plug-in are not told apart."
Reports = Sequence[Compatibility]


def control_sentences(records: Sequence[Record], method: str) -> str:
    """What the controls say about one method's plug-ins, and what each rules out: a Markdown list.

    method: a title, as `record.titles.method` gives it. Controls without records are left out.

    Raises:
        UnknownNameError: no records of such a method, or none on the true upgrade.
    """
    on = {title: reports_of(own) for title, own in by_upgrade(with_retraining(of_method(records, method))).items()}
    if UPGRADE not in on:
        raise unknown_name("upgrade among these records", UPGRADE, on)
    sentences = []
    if IDENTITY in on:
        sentences.append(_identity(on[IDENTITY]))
    if ACTIVATION in on:
        sentences.append(_activation(on[ACTIVATION]))
    sentences += [_one_tower(name, on) for name in on if name in _KEPT]
    if steps := [name for name in on if STEP.fullmatch(name)]:
        sentences.append(_way(on, steps))
    sentences.append(_pairs(on, method))
    if TWIN in on:
        sentences.append(_twin(on[UPGRADE], on[TWIN]))
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _identity(reports: Reports) -> str:
    words = "**Nothing changed** (old → old):"
    if not _unchanged(reports):
        return f"{words} but new differs from old: {_change(reports)}. It must not."
    return f"{words} accuracy is the same in every run, and no picture flips. Saving, loading and testing lose nothing."


def _activation(reports: Reports) -> str:
    words = f"**The activation alone moved** (old's weights, GELU instead of QuickGELU): {_change(reports)}."
    if _retrained(reports):
        words += f" The carried plug-in is {_against(change(reports, _lost), 'retraining there')}."
    return words


def _one_tower(name: str, on: Mapping[str, Reports]) -> str:
    reports, kept = on[name], _KEPT[name]
    words = f"**The {name.removesuffix(' only')} alone moved:**"
    if _unchanged(reports):
        words += (
            f" accuracy is the same in all {len(reports)} runs, and no picture flips. Nothing is lost where {kept}."
        )
        shift = over_seeds(reports, lambda report: report.zs_new - report.zs_old)
        less_or_more = {
            "higher": " Zero-shot rose, so less is added to it.",
            "lower": " Zero-shot fell, so more is added.",
        }
        return words + less_or_more.get(shift.direction, "")
    if not _retrained(reports):
        return f"{words} {_change(reports)}. {_NOT_RETRAINED}"
    lost = change(reports, _lost)
    verdicts = {
        "lower": f"Part of it is lost though {kept}",
        "higher": f"Nothing of it is lost where {kept}",
        "no difference seen": f"No loss is seen where {kept}",
    }
    words += f" the carried plug-in is {_against(lost, 'retraining there')}. {verdicts[lost.direction]}."
    if IDENTITY in on and _retrained(on[IDENTITY]):
        more = compared(reports, on[IDENTITY], _headroom)
        there = "where nothing changed"
        adds = direction(more, f"more than {there}", f"less than {there}", f"as much as {there}, as far as is seen")
        words += f" Retraining adds {adds}."
    return words


def _way(on: Mapping[str, Reports], steps: Sequence[str]) -> str:
    first = steps[0]
    if all(_retrained(on[name]) for name in (*steps, UPGRADE)):
        ends = compared(on[UPGRADE], on[first], _lost)
        way = direction(ends, f"smaller than {first}", f"larger than {first}", f"not told apart from that {first}")
        return f"**On the way:** at the end, the carried plug-in's distance below retraining is {way}."
    ends = compared(on[UPGRADE], on[first], attrgetter("new"))
    return (
        f"**On the way:** at the end, the carried plug-in is {_against(ends, 'its accuracy')} {first}. "
        "Checkpoints were not retrained on, so a better backbone and a plug-in that fits less are not told apart."
    )


def _pairs(on: Mapping[str, Reports], method: str) -> str:
    def side(*names: str) -> str:
        return _against(over_pairs({name: on[name] for name in names}, over_zero_shot), "zero-shot")

    words = f"**The upgrade:** {method}, carried over, is {side(UPGRADE)} on new"
    if _retrained(on[UPGRADE]):
        words += f", and {_against(change(on[UPGRADE], _lost), 'retraining there')}"
    pairs = [name for name in on if PAIR.fullmatch(name)]
    if not pairs:
        return f"{words}."
    others = ", ".join(f"{side(name)} on {name}" for name in pairs)
    return (
        f"{words}. Where other pairs were pretrained independently, it is {others}; over all {len(pairs) + 1} pairs, "
        f"{side(UPGRADE, *pairs)}."
    )


def _twin(upgrade: Reports, twin: Reports) -> str:
    gap = compared(twin, upgrade, attrgetter("new"))
    here = "on the upgrade"
    way = direction(gap, f"higher than {here}", f"lower than {here}", f"not told apart from that {here}")
    words = f"**The seed twin,** a new backbone that has nothing from old: the carried plug-in's accuracy is {way}."
    if not (_retrained(upgrade) and _retrained(twin)):
        if gap.direction == "lower":
            return f"{words} {_NOT_RETRAINED}"
        return f"{words} So there is no sign that the plug-in needs what the upgrade kept of old."
    more = compared(twin, upgrade, _lost)
    verdicts = {
        "lower": "That much needs what the upgrade kept of old; being a backbone of the same kind is not enough",
        "higher": "So what the upgrade kept is no help here",
        "no difference seen": "So there is no sign that the plug-in needs what the upgrade kept of old",
    }
    way = direction(more, f"smaller than {here}", f"larger than {here}", f"not told apart from that {here}")
    sets = {name: own.direction for name, own in gap_by_dataset(twin, upgrade, _lost).items()}
    return (
        f"{words} Its distance below retraining is {way}. (Of {len(sets)} sets, carried minus retrained is "
        f"{counted(sets, named=False)}.) {verdicts[more.direction]}."
    )


def _against(gap: Comparison, what: str) -> str:
    return direction(gap, f"above {what}", f"below {what}", f"not told apart from {what}")


def _lost(report: Compatibility) -> float:
    """Carried minus retrained on the same backbone: below 0, something of the plug-in is lost."""
    return report.new - report.retrained


def _headroom(report: Compatibility) -> float:
    """What a plug-in that is made for new adds to zero-shot there."""
    return report.retrained - report.zs_new


def _retrained(reports: Reports) -> bool:
    return all(report.retrained is not None for report in reports)


def _unchanged(reports: Reports) -> bool:
    return all(report.new == report.old and report.negative_flips == 0 for report in reports)


def _change(reports: Reports) -> str:
    """New accuracy against old, and what flipped in both directions."""
    moved = change(reports, lambda report: report.new - report.old)
    wrong = fmean(report.negative_flips for report in reports)
    right = fmean(report.negative_flips + report.new - report.old for report in reports)
    return (
        f"accuracy against old: {apart(moved)}, with {wrong:.1f} % of the pictures flipped from right to wrong and "
        f"{right:.1f} % from wrong to right"
    )
