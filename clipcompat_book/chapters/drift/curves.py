"""Drift by layer as curves, from records of the study "drift" or from reports made here.

of = drifts(committed_records("drift"))            # {"the upgrade": {"mini/tints": Drift, …}, …}
curve(of["the upgrade"].values(), parameters())    # {"embeddings": Statistic, "block 1": …}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.studies.drift.report import Drift
from clipcompat.studies.statistic import Statistic
from clipcompat_book.means import groups

Curve = Mapping[str, Statistic]
"""Layer -> mean over datasets with its interval, from input to output."""
Reading = Callable[[Drift], Mapping[str, float | None]]
"""One number for each layer of a report."""

UPGRADE, UNRELATED, TWIN = "the upgrade", "random weights", "seed twin"
_NAMES = {
    "mini": UPGRADE,
    "mini-next": "the second step",
    "mini-two-steps": "both steps",
    "mini-large": "the larger pair",
    "mini-identity": "nothing changed",
    "mini-activation-only": "activation only",
    "mini-text-only": "text only",
}


def drifts(records: Iterable[Record]) -> dict[str, dict[str, Drift]]:
    """What the upgrade is called here -> dataset -> its report, in the order of the names above."""
    named = groups(records, upgrade_name)
    order = sorted(named, key=lambda name: [*_NAMES.values(), name].index(name))
    return {name: {r.dataset: Drift.from_dict(r.per_seed[0]) for r in named[name]} for name in order}


def upgrade_name(record: Record) -> str:
    """A short name of a record's upgrade. Random weights are called so: nobody trained them."""
    given = (record.inputs["old_weights"], record.inputs["new_weights"])
    if any(str(weights).startswith("random:") for weights in given):
        return UNRELATED
    title = record.titles.upgrade
    if "old 1 → " in title:
        return TWIN
    name, comma, more = title.removesuffix(", made again").partition(", ")
    return _NAMES.get(name, name) + comma + more


def parameters(measure: str = "relative", kind: str = "all") -> Reading:
    """measure: "absolute", "relative" or "relative_l2". kind: of tensors, see `part_of`."""
    return lambda drift: {part: getattr(change, measure) for part, change in drift.parameters_of(kind).items()}


def features(measure: str = "relative", place: str = "eot") -> Reading:
    """measure: "absolute", "relative", "cka" or "cka_debiased". place: see `PLACES`."""
    return lambda drift: {layer: getattr(change, measure) for layer, change in drift.features_at(place).items()}


def curve(reports: Iterable[Drift], reading: Reading) -> dict[str, Statistic]:
    """One number for each layer, with its interval over the reports (one per dataset).

    Layers without a number are left out.
    """
    read = [reading(report) for report in reports]
    layers = dict.fromkeys(layer for numbers in read for layer in numbers)
    values = {layer: [n for numbers in read if (n := numbers.get(layer)) is not None] for layer in layers}
    return {layer: Statistic.of(own) for layer, own in values.items() if own}


def panels(
    reports: Mapping[str, Iterable[Drift]], readings: Mapping[str, Reading]
) -> dict[str, dict[str, dict[str, Statistic]]]:
    """Title of a panel -> name of an upgrade -> its curve: what `charts.layer_panels` draws."""
    reports = {name: list(own) for name, own in reports.items()}
    return {title: {name: curve(own, read) for name, own in reports.items()} for title, read in readings.items()}


def by_part(drift: Drift, measure: str = "relative") -> dict[str, float]:
    """The change of each part that can be exchanged by itself: tokens, positions, block 1 …, head."""
    whole = parameters(measure)(drift)
    embeddings = {kind: parameters(measure, kind)(drift)["embeddings"] for kind in ("tokens", "positions")}
    return embeddings | {part: value for part, value in whole.items() if part != "embeddings"}


def blocks(of: Mapping[str, object]) -> list[str]:
    """The blocks among some layers or parts, from input to output."""
    return [layer for layer in of if layer.startswith("block ")]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's; None where one side does not vary, or there are fewer than 3 values."""
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import spearmanr  # takes long to load

    return float(spearmanr(first, second).statistic)
