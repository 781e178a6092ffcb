"""What the controls say about one method, from accuracies and flips, with the interval over datasets and seeds.

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
from clipcompat_book.words import apart, counted, with_interval

_KEPT = {TEXT_ONLY: "every picture keeps its vector", IMAGE_ONLY: "every prompt keeps its vector"}
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
    sentences = [_pairs(on, method)]
    if IDENTITY in on:
        sentences.append(_identity(on[IDENTITY]))
    if ACTIVATION in on:
        sentences.append(_activation(on[ACTIVATION]))
    sentences += [_one_tower(name, on) for name in on if name in _KEPT]
    if steps := [name for name in on if STEP.fullmatch(name)]:
        sentences.append(_way(on, steps))
    if TWIN in on:
        sentences.append(_twin(on[UPGRADE], on[TWIN]))
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _pairs(on: Mapping[str, Reports], method: str) -> str:
    def gain(name: str) -> Comparison:
        return change(on[name], over_zero_shot)

    pairs = [name for name in on if PAIR.fullmatch(name)]
    also = ""
    if pairs:
        others = ", ".join(f"{with_interval(gain(name), '+')} on {name}" for name in pairs)
        whole = over_pairs({name: on[name] for name in (UPGRADE, *pairs)}, over_zero_shot)
        also = f" ({others}, pretrained independently; all {len(pairs) + 1} pairs: {apart(whole)})"
    words = f"**The upgrade:** {method}, carried over, against zero-shot on new: {apart(gain(UPGRADE))}{also}."
    if _retrained(on[UPGRADE]):
        words += f" Against retraining there: {apart(change(on[UPGRADE], _lost))}."
    return words


def _identity(reports: Reports) -> str:
    gain = with_interval(change(reports, over_zero_shot), "+")
    words = f"**Nothing changed** (old → old): {gain} points against zero-shot, which is what tuning gains. "
    if _unchanged(reports):
        return (
            f"{words}Accuracy is the same in every run and no picture flips: saving, loading and testing lose nothing."
        )
    return words + f"But new differs from old: {_change(reports)}. It must not."


def _activation(reports: Reports) -> str:
    words = f"**The activation alone moved** (old's weights, GELU instead of QuickGELU): {_change(reports)}."
    shift = over_seeds(reports, lambda report: report.zs_new - report.zs_old)
    words += f" Zero-shot moved by {shift.mean:+.1f} points."
    if _retrained(reports):
        words += f" Against retraining there: {apart(change(reports, _lost))}."
    return words


def _one_tower(name: str, on: Mapping[str, Reports]) -> str:
    reports, kept = on[name], _KEPT[name]
    words = f"**The {name.removesuffix(' only')} alone moved:** "
    shift = over_seeds(reports, lambda report: report.zs_new - report.zs_old)
    if _unchanged(reports):
        words += f"accuracy is the same in all {len(reports)} runs and no picture flips. Nothing is lost where {kept}."
        if shift.direction != "no difference seen":
            side = "less" if shift.mean > 0 else "more"
            words += f" (Zero-shot moved by {shift.mean:+.1f} points, so there is {side} to add to it.)"
        return words
    words += f"{_change(reports)}."
    if not _retrained(reports):
        moved = f"zero-shot moved by {shift.mean:+.1f} points" if abs(shift.mean) >= 0.05 else "zero-shot did not move"
        return f"{words} It was not retrained there ({moved}), so lost headroom and a lost plug-in are not told apart."
    lost = change(reports, _lost)
    verdicts = {
        "lower": f"Part of the plug-in is lost though {kept}",
        "higher": f"Nothing of the plug-in is lost where {kept}",
        "no difference seen": f"No loss of the plug-in is seen where {kept}",
    }
    words += f" Against retraining there: {apart(lost)}. {verdicts[lost.direction]}."
    if IDENTITY in on and _retrained(on[IDENTITY]):
        more = compared(reports, on[IDENTITY], _headroom)
        words += f" What retraining adds to zero-shot, against nothing changed: {apart(more)}."
    return words


def _way(on: Mapping[str, Reports], steps: Sequence[str]) -> str:
    places = {**{name: name for name in steps}, UPGRADE: "at the end"}
    if all(_retrained(on[name]) for name in places):
        measure, what = _lost, "new accuracy against retraining there"
        doubt = ""
    else:
        measure, what = attrgetter("new"), "new accuracy"
        doubt = (
            " Checkpoints were not retrained on, so a better backbone and a plug-in that fits less are not told apart."
        )
    way = ", ".join(f"{over_seeds(on[name], measure).mean:.1f} {words}" for name, words in places.items())
    ends = compared(on[UPGRADE], on[steps[0]], measure)
    return f"**On the way:** {what}: {way}. The end against the first: {apart(ends)}.{doubt}"


def _twin(upgrade: Reports, twin: Reports) -> str:
    gap = compared(twin, upgrade, attrgetter("new"))
    words = (
        "**The seed twin,** a new backbone that has nothing from old: new accuracy "
        f"{over_seeds(twin, attrgetter('new')).mean:.1f}, against the upgrade's: {apart(gap)}."
    )
    if not (_retrained(upgrade) and _retrained(twin)):
        if gap.direction == "lower":
            return f"{words} It was not retrained there, so lost headroom and a lost plug-in are not told apart."
        return f"{words} So there is no sign that the plug-in needs what the upgrade kept of old."
    one, two = (with_interval(change(reports, _lost), "+") for reports in (twin, upgrade))
    more = compared(twin, upgrade, _lost)
    verdicts = {
        "lower": "That much needs what the upgrade kept of old; being a backbone of the same kind is not enough",
        "higher": "So what the upgrade kept is no help here",
        "no difference seen": "So there is no sign that the plug-in needs what the upgrade kept of old",
    }
    sets = {name: own.direction for name, own in gap_by_dataset(twin, upgrade, _lost).items()}
    return (
        f"{words} Against retraining on each: {one} on the twin, {two} on the upgrade. The first against the second: "
        f"{apart(more)}; of {len(sets)} sets, {counted(sets, named=False)}. {verdicts[more.direction]}."
    )


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
