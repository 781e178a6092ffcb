"""What a plug-in loses when one part of the text tower is exchanged, from records of the study "swap".

Two ways to ask. "replaced": in the old backbone, one part becomes new. "frozen": in the new backbone, one part stays
old. Both are compared with the same backbone without the exchange, on the same pictures; positive numbers are losses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from clipcompat.backbones.text.parts import part_names
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison, Values
from clipcompat.studies.drift.swap import IMAGES, swap_name
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.drift.curves import blocks, rank_correlation
from clipcompat_book.means import of_method

WAYS = ("replaced", "frozen")


def layers_of(records: Sequence[Record]) -> int:
    """How many blocks the text tower of these records has."""
    return max(int(name.rsplit(" ", 1)[1]) for r in records for name in r.per_seed[0]["accuracies"] if "block" in name)


def accuracies(records: Sequence[Record], tower: str, images: str) -> Values:
    """(upgrade, dataset, seed) -> accuracy in percent, of one text tower (a name from `swaps`) and one image tower."""
    column = IMAGES.index(images)
    return {
        (r.titles.upgrade, r.dataset, row["seed"]): row["accuracies"][tower][column]
        for r in records
        for row in r.per_seed
    }


def lost(records: Sequence[Record], way: str = "replaced") -> dict[str, Comparison]:
    """Part -> the points that its exchange costs one method. way: "replaced" (in old) or "frozen" (in new)."""
    parts = part_names(layers_of(records))
    names, whole, images = _towers(parts, way)
    before = accuracies(records, whole, images)
    return {part: Comparison.of(before, accuracies(records, names[part], images)) for part in parts}


def by_method(records: Sequence[Record], titles: Sequence[str], way: str) -> dict[str, dict[str, Comparison]]:
    """Method's name -> part -> the points that its exchange costs. titles: of the methods."""
    mine = {title: of_method(records, title) for title in titles}
    return {own[0].method: lost(own, way) for own in mine.values()}


def lost_beyond(records: Sequence[Record], title: str, base: str, way: str = "replaced") -> dict[str, Comparison]:
    """What one method loses beyond the loss of another, such as zero-shot, which has nothing tuned to lose.

    title, base: of the two methods. Part -> points.
    """
    parts = part_names(layers_of(records))
    names, whole, images = _towers(parts, way)
    both = of_method(records, title), of_method(records, base)

    def gain(tower: str) -> Values:
        own, base = (accuracies(of, tower, images) for of in both)
        return {where: own[where] - base[where] for where in own if where in base}

    return {part: Comparison.of(gain(whole), gain(names[part])) for part in parts}


def correlation(losses: Mapping[str, Comparison], drift: Mapping[str, float], parts: Iterable[str]) -> Statistic | None:
    """Spearman's rank correlation over some parts of drift and loss: one per dataset, with the interval over datasets.

    None where no dataset has one.
    """
    names = [part for part in parts if part in losses and part in drift]
    datasets = losses[names[0]].by_dataset
    moved = [drift[part] for part in names]
    found = [rank_correlation(moved, [losses[part].by_dataset[dataset] for part in names]) for dataset in datasets]
    return Statistic.of([value for value in found if value is not None])


def cumulative(records: Sequence[Record], images: str, start: str = "up to") -> dict[str, float]:
    """Accuracy as parts become new one after the other, mean over datasets and seeds.

    start: "up to" replaces from the input on, "from" from the output on. Keys: "none", then the last part replaced.
    """
    parts = part_names(layers_of(records))
    order = parts if start == "up to" else parts[::-1]
    sets = [set(order[:i]) for i in range(len(order) + 1)]
    layers = layers_of(records)
    names = {"none": "none"} | {part: swap_name(own, layers) for part, own in zip(order, sets[1:], strict=True)}
    return {part: fmean(accuracies(records, name, images).values()) for part, name in names.items()}


def step_lines(records: Sequence[Record], titles: Sequence[str], start: str) -> dict[str, dict[str, float]]:
    """`cumulative` of the first title and of zero-shot (the second), with the pictures of either backbone."""
    ends = dict(zip(titles, ("", ", zero-shot"), strict=True))
    return {
        f"{whose} pictures{end}": cumulative(of_method(records, title), whose, start)
        for title, end in ends.items()
        for whose in IMAGES
    }


def _towers(parts: Sequence[str], way: str) -> tuple[dict[str, str], str, str]:
    """The tower of each exchanged part, the tower without the exchange, and whose pictures."""
    layers = len(blocks(dict.fromkeys(parts)))
    if way == "replaced":
        return {part: swap_name({part}, layers) for part in parts}, "none", "old"
    return {part: swap_name(set(parts) - {part}, layers) for part in parts}, "all", "new"
