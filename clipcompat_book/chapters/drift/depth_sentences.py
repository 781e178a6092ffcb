"""What the study of depth says, in sentences made from records and measurements: they change when these do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Verdict, agrees
from clipcompat.studies.statistic import DIRECTIONS, Statistic
from clipcompat_book.chapters.drift.depth import NOISE, Depth, Measure, lost, old_gain
from clipcompat_book.chapters.drift.first_steps import Steps
from clipcompat_book.means import compared
from clipcompat_book.words import apart, datasets, short_name, with_interval

PAPER_CLAIM = "the deeper the context enters, the lower its accuracy on the new backbone (Fig. 2d; DTD alone)"
_VERDICTS: Mapping[Verdict, str] = {
    "agrees": "agrees with the paper's direction",
    "disagrees": "contradicts the paper's direction",
    "undecided": "decides nothing",
}


def paper_sentence(found: Depth, way: str = NOISE) -> str:
    """The paper's claim, and the deepest layer against layer 0 on new, over all datasets and on each: Markdown."""
    gap, last = _deepest(found.against_layer_0(way, attrgetter("new")))
    where = _each(found, way, attrgetter("new"), last)
    wide = compared(found.reports[way][last], found.reports[way][0], attrgetter("new"))
    return (
        f"**The paper:** {PAPER_CLAIM}. **On the miniature** ({way}), on new, layer {last} against layer 0: "
        f"{apart(gap)}. On these datasets, this {_VERDICTS[agrees(gap, -1)]}. Dataset by dataset: {where}. With an "
        f"interval over datasets too, for what others would do: {apart(wide)}. ({_basis(found, gap)})"
    )


def layers_sentence(found: Depth, way: str) -> str:
    """Every deeper layer against layer 0, on old, carried to new and retrained on new: Markdown."""
    parts = []
    for name, field in (("old", "old"), ("carried to new", "new"), ("retrained on new", "retrained")):
        gaps = found.against_layer_0(way, attrgetter(field))
        gap, last = _deepest(gaps)
        ways = {how: [n for n, g in gaps.items() if g.direction == how] for how in DIRECTIONS}
        listed = "; ".join(f"{how} at {_layers(own)}" for how, own in ways.items() if own)
        parts.append(f"**{name}:** {listed} (layer {last}: {apart(gap)})")
    return f"Against layer 0, {way}: {', '.join(parts)}."


def headroom_sentence(found: Depth, way: str) -> str:
    """Where something can be gained at all, and whether carrying loses more of it there than at layer 0: Markdown."""
    kept = found.kept_by_seed(way)
    none = [layer for layer in found.reports[way] if layer not in kept]
    words = f"**{way.capitalize()}.** "
    if none:
        words += f"At {_layers(none)} retraining on new gains nothing over zero-shot, so that nothing could be kept. "
    if 0 not in kept or not set(kept) - {0}:
        return words + "There is no deeper layer on which a loss could be compared."
    last = max(kept)
    gains, losses, shares = found.over_seeds(way, old_gain), found.over_seeds(way, lost), found.kept(way)
    more, less = found.against_layer_0(way, lost)[last], Statistic.paired(kept[last], kept[0])
    verdict = {
        "higher": "More is lost by carrying at this depth",
        "lower": "Less is lost by carrying at this depth",
        "no difference seen": "A larger loss by carrying is not seen",
    }[more.direction]
    if more.direction != "higher" and less.direction == "lower":
        verdict += "; the share that is kept is smaller, because there is less to gain"
    where = _each(found, way, lost, last, {"higher": "more", "lower": "less"})
    return (
        f"{words}At layer {last}, the deepest where it does gain, against layer 0: gain on old "
        f"{with_interval(gains[0], '+')} → {with_interval(gains[last], '+')} points; lost by carrying "
        f"{with_interval(losses[0])} → {with_interval(losses[last])}, that is {apart(more, 'more', 'less')} "
        f"({where}); kept gain {with_interval(shares[0])} → {with_interval(shares[last])} %. {verdict}."
    )


def steps_table(steps: Steps, lr: float, start: str, tuned: Mapping[int, float]) -> Table:
    """Layer, norms, share of the first step, why it is smaller than at layer 0, and the rate that was tuned.

    The share is lr · pull / norm². A column "by …" says how many times smaller that factor makes it.
    """
    own = steps[start]
    rows = [
        (
            str(layer),
            f"{step.stream:.1f}",
            f"{step.context:.1f}",
            f"{step.share(lr):.1e}",
            f"{(step.context / own[0].context) ** 2:,.1f} ×",
            f"{own[0].pull / step.pull:,.1f} ×",
            f"{tuned[layer]:g}" if layer in tuned else "–",
        )
        for layer, step in own.items()
    ]
    head = (
        "layer",
        "norm replaced",
        "norm of the context",
        "share of one step",
        "smaller by norm",
        "by pull",
        "rate tuned",
    )
    return Table(head, tuple(rows))


def _each(found: Depth, way: str, measure: Measure, layer: int, words: Mapping[str, str] | None = None) -> str:
    """ "lower on textures; no difference seen on satellite": of this layer against layer 0, dataset by dataset."""
    each: dict[str, list[str]] = {}
    for name in found.datasets:
        gap = found.on(name).against_layer_0(way, measure)[layer]
        each.setdefault(gap.direction, []).append(short_name(name))
    return "; ".join(f"{(words or {}).get(how, how)} on {', '.join(each[how])}" for how in DIRECTIONS if how in each)


def _deepest(gaps: Mapping[int, Statistic]) -> tuple[Statistic, int]:
    return gaps[max(gaps)], max(gaps)


def _layers(numbers: Sequence[int]) -> str:
    return ("layer " if len(numbers) == 1 else "layers ") + ", ".join(map(str, numbers))


def _basis(found: Depth, gap: Statistic) -> str:
    return (
        f"Mini data. Mean of {datasets(len(found.datasets))}, {gap.n} seeds; 95 % intervals, paired; over seeds, "
        "where nothing else is said."
    )
