"""The controls: which upgrade of the records is which, and what carried plug-ins add to zero-shot on each.

A control is an upgrade of which it is known what it kept: everything (old → old), every weight but not the activation,
one of the towers, part of the way, or nothing (the seed twin, a new backbone that was pretrained alone).
`control_sentences` says what they rule out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from clipcompat.common.files import digest
from clipcompat.runs.papers.reproduction import provenance
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison
from clipcompat_book.means import by_dataset, groups, over_seeds, over_zero_shot, reports_of
from clipcompat_book.words import STARS, datasets, starred

UPGRADE, IDENTITY, TWIN = "the upgrade", "nothing changed", "seed twin"
ACTIVATION = "activation only"
TEXT_ONLY, IMAGE_ONLY = "text tower only", "image tower only"
AGAIN = ", made again"
"""Ends the upgrade's title in a record of weights that were made once more by the same command (other last digits)."""
_TITLES = {
    "mini": UPGRADE,
    "mini-identity": IDENTITY,
    "mini-activation-only": ACTIVATION,
    "mini-text-only": TEXT_ONLY,
    "mini-image-only": IMAGE_ONLY,
}
STEP, PAIR = re.compile(r"after step (\d+)"), re.compile(r"pair (\d+)")


@dataclass(frozen=True)
class Gain:
    """New accuracy minus zero-shot on new, in points, of one method on one upgrade.

    by_set: dataset -> mean over seeds. mean: of these. interval: half-width of the 95 % t-interval of the mean over
    seeds (how much other draws of training pictures would move it); None for one seed. retrained: the mean gain of
    training on new; None if a report has none.
    """

    by_set: dict[str, float]
    mean: float
    interval: float | None
    retrained: float | None


def shipped_pair(records: Sequence[Record]) -> list[Record]:
    """The records of the mini upgrade with its own weights: no control, no other pair."""
    given = ("old_weights", "new_weights")
    return [r for r in records if r.inputs["upgrade"] == "mini" and not any(r.inputs[side] for side in given)]


def gains(records: Sequence[Record]) -> dict[str, Gain]:
    """Upgrade -> gain, from records of one method; from nothing changed to nothing kept.

    Other families of upgrades (mini-large, the public ones) and weights that the manifest does not know are left out.
    """
    return {title: _gain(mine) for title, mine in by_upgrade(with_retraining(records)).items()}


def by_upgrade(records: Sequence[Record]) -> dict[str, list[Record]]:
    """What chapters call an upgrade -> its records, from nothing changed to nothing kept; other families left out.

    A control's weights that were made again stand for its first weights, method by method. Only they were retrained on.
    """
    by_title = groups(_once([record for record in records if _title(record)]), _title)
    return {title: by_title[title] for title in sorted(by_title, key=_place)}


def with_retraining(records: Sequence[Record]) -> list[Record]:
    """The records; one without retraining gets it from another, where that is the same training on the same backbone.

    Upgrades that end at one backbone share it: the seed twin (old 1 → new 2) is retrained as pair 2 (old 2 → new 2) is.
    """
    runs = [(_training(record, row["seed"]), row["retrained"]) for record in records for row in record.per_seed]
    known = {training: retrained for training, retrained in runs if training and retrained is not None}

    def filled(record: Record) -> Record:
        trainings = [known.get(_training(record, row["seed"])) for row in record.per_seed]
        rows = [
            row | {"retrained": again} if row["retrained"] is None else row
            for row, again in zip(record.per_seed, trainings, strict=True)
        ]
        return replace(record, per_seed=rows)

    return list(map(filled, records))


def pairs_table(records: Sequence[Record], first: str, second: str) -> Table:
    """`first` minus `second` on new, in points: one row per independently pretrained pair, and one over all of them.

    Seeds and datasets of one pair say how repeatable a number is on that pair. Only several pairs say whether it holds
    on the next one. So the last row's interval is a hierarchical bootstrap over pairs, datasets and seeds, of the
    datasets that all pairs have. Pairs without records of both methods are left out.
    """
    by_pair: dict[str, list[Record]] = {}
    for title, mine in groups(records, lambda r: r.titles.upgrade).items():
        if re.fullmatch(r"mini(, pair \d+)?", title):
            by_pair[title if "," in title else f"{title}, pair 1"] = [
                r for r in mine if r.titles.method in (first, second)
            ]
    alone = {pair: _minus({pair: by_pair[pair]}, first, second) for pair in sorted(by_pair)}
    shown = {pair: (gap, by_pair[pair]) for pair, gap in alone.items() if gap}
    together = {pair: mine for pair, (_, mine) in shown.items()}
    every = [record for mine in together.values() for record in mine]
    shown[f"mean of {len(together)} pairs"] = (_minus(together, first, second), every)
    rows = tuple((title, starred(gap)) for title, (gap, _) in shown.items())
    hover = tuple(
        f"{datasets(len(gap.by_dataset))}; {provenance(mine)}" if gap else "no records" for gap, mine in shown.values()
    )
    caption = (
        "Points, mean over datasets, ± half of the 95 % interval: of one pair over datasets and seeds, in the last row "
        f"over pairs, datasets and seeds. {STARS}."
    )
    return Table(("upgrade", f"{first} minus {second} on new"), rows, caption, hover)


def _minus(pairs: Mapping[str, Sequence[Record]], first: str, second: str) -> Comparison | None:
    """Accuracy on new of one method minus another's, over the pairs, datasets and seeds that both have."""
    one, two = (
        {
            (pair, report.dataset, report.seed): report.new
            for pair, records in pairs.items()
            for report in reports_of(r for r in records if r.titles.method == method)
        }
        for method in (first, second)
    )
    return Comparison.of(one, two)


def _once(records: Sequence[Record]) -> list[Record]:
    """Of each method on each control: the weights made again if they cover the first's datasets, else the first."""

    def datasets(repeated: bool) -> dict[tuple[str, str], set[str]]:
        mine = groups((r for r in records if r.titles.upgrade.endswith(AGAIN) == repeated), _of_control)
        return {key: {record.dataset for record in own} for key, own in mine.items()}

    first = datasets(repeated=False)
    chosen = {key for key, own in datasets(repeated=True).items() if own >= first.get(key, set())}
    return [r for r in records if r.titles.upgrade.endswith(AGAIN) == (_of_control(r) in chosen)]


def _of_control(record: Record) -> tuple[str, str]:
    return record.titles.method, record.titles.upgrade.removesuffix(AGAIN)


def _title(record: Record) -> str | None:
    """What a chapter calls the record's upgrade; None for an upgrade of another family."""
    title = record.titles.upgrade
    name, _, rest = title.removesuffix(AGAIN).partition(", ")
    if name == "mini-identity" and "→" in rest:  # another backbone of old's kind, where TWIN else is one of new's
        return TWIN
    if name not in _TITLES or (rest and name != "mini") or (name == "mini" and title.endswith(AGAIN)):
        return None
    if "→" in rest:
        return TWIN
    return f"after {rest}" if rest.startswith("step ") else rest or _TITLES[name]


def _place(title: str) -> tuple[int, int]:
    """Where a row stands: the more changed, the later."""
    if match := STEP.fullmatch(title) or PAIR.fullmatch(title):
        return (4 if title.startswith("after") else 6), int(match[1])
    rows = {IDENTITY: 0, ACTIVATION: 1, TEXT_ONLY: 2, IMAGE_ONLY: 3, UPGRADE: 5, TWIN: 7}
    return rows[title], 0


def _gain(records: Sequence[Record]) -> Gain:
    reports = reports_of(records)
    by_set = by_dataset(reports, over_zero_shot)
    spread = over_seeds(reports, over_zero_shot)
    again = None
    if all(report.retrained is not None for report in reports):
        again = over_seeds(reports, lambda report: report.retrained - report.zs_new).mean
    return Gain(by_set, fmean(by_set.values()), spread.interval, again)


def _training(record: Record, seed: int | None) -> tuple | None:
    """What a training on the new backbone of a record depends on; None where the record does not tell."""
    inputs, backbone = record.inputs, record.backbones.get("new")
    stamps = inputs.get("stamps", {}).get(str(seed))
    if not (backbone and stamps):
        return None
    facts = {part: inputs[part] for part in ("method", "dataset", "classes", "shots", "views", "dtype")}
    return digest(facts), stamps["train"], backbone["stamp"], seed
